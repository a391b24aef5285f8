"""Every assignment from release to gradebook: its solution earns all points, the untouched notebook none."""

import shutil

import nbformat
import pytest

from course_utils import checks, notebooks
from course_utils.grading import demo, gradebook, pipeline


@pytest.fixture(params=checks.ASSIGNMENTS)
def graded(request, tmp_path):
    """The rows of a class of three: the solution, the untouched notebook, and one whose first answer is another's."""
    name = request.param
    course = demo.set_up(tmp_path / "course", name)
    released = pipeline.release(course, name)
    solution = notebooks.from_source(course.root / "solutions" / name / f"{name}.py")
    code = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in solution.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    first, second, *_ = code
    for student, answers in {
        "perfect": code,
        "untouched": {},
        "mixed": {**code, first: f"{code[second]}\n\n\n{first} = {second}"},
    }.items():
        notebook = nbformat.read(released / f"{name}.ipynb", as_version=4)
        demo.fill_in(notebook, answers)
        folder = course.root / "submitted" / student / name
        folder.mkdir(parents=True)
        (folder / f"{name}.ipynb").write_text(notebooks.to_text(notebook))
        for path in released.iterdir():
            if path.suffix != ".ipynb":
                shutil.copy(path, folder)
    assert pipeline.grade(course, name, num_workers=1) == {}
    return {row.student: row for row in gradebook.rows(course, name)}, list(code)


def test_from_release_to_gradebook(graded):
    rows, exercises = graded
    points = {student: {exercise.name: exercise.points for exercise in row.exercises} for student, row in rows.items()}
    assert points["perfect"] == dict.fromkeys(exercises, 3.0)
    assert rows["perfect"].notes == ()
    assert points["untouched"] == dict.fromkeys(exercises, 0.0)
    assert points["mixed"] == {**dict.fromkeys(exercises, 3.0), exercises[0]: 0.0}
