"""What the gradebook knows of a release, and that it travels as JSON."""

import dataclasses
import json
import shutil

import nbformat
import pytest

from course_utils import notebooks
from course_utils.grading import intake, pipeline, spec


def test_the_release_in_its_order(course):
    read = spec.read(course, "tiny")
    (notebook,) = read.notebooks
    released = nbformat.read(course.root / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
    assert [cell.grade_id for cell in notebook.cells] == [cell.metadata.nbgrader.grade_id for cell in released.cells]
    assert [cell.released for cell in notebook.cells] == [cell.source for cell in released.cells]
    assert [cell.locked for cell in notebook.cells] == [cell.metadata.nbgrader.locked for cell in released.cells]
    assert read.assignment == notebook.name == "tiny"
    assert read.max_points == 9


def test_a_test_has_its_hidden_part_and_its_points(course):
    notebook = spec.read(course, "tiny").notebook("tiny")
    test = notebook.cell("second-test")
    assert test.is_test
    assert test.has_points
    assert "2.0 if second(3) == 43 else 0.5" in test.source
    assert "second" not in test.released
    assert (test.locked, test.grade, test.solution, test.task, test.points) == (True, True, False, False, 2.0)
    answer = notebook.cell("second")
    assert (answer.locked, answer.grade, answer.solution, answer.is_test) == (False, False, True, False)
    assert answer.released == answer.source
    assert "raise NotImplementedError()" in answer.source
    assert notebook.cell("no such cell") is None


def test_it_travels_as_json(course):
    read = spec.read(course, "tiny")
    again = spec.AssignmentSpec.from_dict(json.loads(json.dumps(read.to_dict())))
    assert again == read
    assert again.digest() == read.digest()


def test_the_digest_changes_with_a_point(course):
    read = spec.read(course, "tiny")
    (notebook,) = read.notebooks
    cells = [dataclasses.replace(cell, points=cell.points + 1) for cell in notebook.cells]
    changed = spec.AssignmentSpec("tiny", (spec.NotebookSpec("tiny", tuple(cells)),))
    assert changed.digest() != read.digest()


def test_the_order_comes_from_the_solutions_where_the_release_is_gone(course):
    read = spec.read(course, "tiny")
    shutil.rmtree(course.root / "assignments")
    assert spec.read(course, "tiny") == read
    (course.root / "solutions" / "tiny" / "tiny.ipynb").unlink()
    with pytest.raises(pipeline.GradingError, match=r"tiny\.ipynb are neither in assignments/ nor in solutions/"):
        spec.read(course, "tiny")


def test_a_release_of_other_cells_than_the_gradebooks_is_refused(course):
    path = course.root / "assignments" / "tiny" / "tiny.ipynb"
    released = nbformat.read(path, as_version=4)
    released.cells[4].metadata.nbgrader.grade_id = "newer"
    path.write_text(notebooks.to_text(released))
    with pytest.raises(pipeline.GradingError, match="are not those in the gradebook: release tiny again"):
        spec.read(course, "tiny")


def test_an_assignment_that_was_never_released(course):
    with pytest.raises(pipeline.GradingError, match="a9 was never released"):
        spec.read(course, "a9")


MANUAL = """\
# %% [markdown] nbgrader={"grade": false, "grade_id": "title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # Questions

# %% [markdown] nbgrader={"grade": true, "grade_id": "why", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Because.
# ### END SOLUTION

# %% [markdown] nbgrader={"grade": false, "grade_id": "draw", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": true}
# Draw it.
# ### BEGIN MARK SCHEME
# Two points for the axes.
# ### END MARK SCHEME
"""  # noqa: E501


@pytest.fixture
def two_notebooks(course):
    """Another assignment, with a notebook of tests and one that a person marks."""
    folder = course.root / "solutions" / "two"
    folder.mkdir()
    (folder / "questions.py").write_text(MANUAL)
    shutil.copy(course.root / "solutions" / "tiny" / "tiny.py", folder / "code.py")
    for path in sorted(folder.glob("*.py")):
        notebooks.build(path, root=course.root)
    pipeline.release(course, "two")
    return course


def test_several_notebooks_and_cells_that_a_person_marks(two_notebooks):
    read = spec.read(two_notebooks, "two")
    assert [notebook.name for notebook in read.notebooks] == ["code", "questions"]
    assert read.max_points == 9 + 7
    questions = read.notebook("questions")
    why, draw = questions.cell("why"), questions.cell("draw")
    assert (why.cell_type, why.points, why.has_points, why.is_test) == ("markdown", 3.0, True, False)
    assert (draw.task, draw.points, draw.has_points, draw.is_test) == (True, 4.0, True, False)
    assert "axes" in draw.source
    assert draw.released.startswith("Draw it.")
    assert "axes" not in draw.released


def test_the_release_handed_in_as_it_is(two_notebooks):
    shutil.copytree(two_notebooks.root / "assignments" / "two", two_notebooks.root / "submitted" / "ada" / "two")
    submission, notes = intake.collect(two_notebooks, "two", "ada")
    assert notes == []
    read = spec.read(two_notebooks, "two")
    names = [notebook.name for notebook in read.notebooks]
    unanswered = {}
    for notebook in read.notebooks:
        result = intake.repair(submission, notebook, [name for name in names if name != notebook.name])
        assert result.notes == []
        unanswered[notebook.name] = result.unanswered
    assert unanswered == {"code": ["first", "second", "third"], "questions": ["why"]}
