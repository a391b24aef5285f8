"""The students' version: made again byte for byte, with no answer and no hidden test in it."""

import re
import shutil

import nbformat
import pytest

from course_utils import checks, notebooks
from course_utils.grading import pipeline

ROOT = notebooks.ROOT
ASSIGNMENTS = sorted(path.parent.name for path in ROOT.glob("solutions/*/*.ipynb"))


@pytest.fixture(params=ASSIGNMENTS)
def assignment(request):
    return request.param


def solution_cells(assignment):
    notebook = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
    return notebook.cells


def test_there_is_an_assignment():
    assert set(checks.ASSIGNMENTS) == set(ASSIGNMENTS)


def test_the_release_is_what_nbgrader_makes(assignment, tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions" / assignment, tmp_path / "solutions" / assignment)
    folder = pipeline.release(pipeline.Course(tmp_path), assignment)
    made = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    committed_folder = ROOT / "assignments" / assignment
    committed = {
        path.relative_to(committed_folder): path.read_bytes() for path in committed_folder.rglob("*") if path.is_file()
    }
    assert sorted(made) == sorted(committed)
    assert made == committed, "run `make assignments`"
    # Once more, with the assignment in the gradebook already.
    pipeline.release(pipeline.Course(tmp_path), assignment)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == made


def secret_lines(assignment) -> set[str]:
    """Every line between the marks of a solution or of a hidden test, blank ones and mere punctuation left out."""
    lines = set()
    for cell in solution_cells(assignment):
        for kind in ("SOLUTION", "HIDDEN TESTS"):
            for block in re.findall(rf"### BEGIN {kind}\n(.*?)### END {kind}", cell.source, flags=re.DOTALL):
                lines |= {line.strip() for line in block.splitlines() if len(line.strip()) > 5}
    return lines


def test_no_answer_reaches_the_release(assignment):
    secrets = secret_lines(assignment)
    exercises = [cell for cell in solution_cells(assignment) if cell.metadata.nbgrader.get("solution")]
    assert len(secrets) >= len(exercises) > 0
    for path in (ROOT / "assignments").rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            source = (
                "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
                if path.suffix == ".ipynb"
                else text
            )
            lines = {line.strip() for line in source.splitlines()}
            assert not secrets & lines, f"{path} holds an answer"
            assert "BEGIN SOLUTION" not in source
            assert "BEGIN HIDDEN" not in source
            assert path.suffix in {".ipynb", ".md"}, f"{path} has no business in the release"


def test_every_exercise_has_a_stub_a_visible_and_a_hidden_check(assignment):
    notebook = nbformat.read(ROOT / "assignments" / assignment / f"{assignment}.ipynb", as_version=4)
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}
    exercises = [name for name, cell in cells.items() if cell.metadata.nbgrader.solution]

    assert exercises == list(checks.of_assignment(assignment))
    for name in exercises:
        assert "raise NotImplementedError()" in cells[name].source
        assert '"""' in cells[name].source, f"{name} has no docstring"
        assert cells[f"{name}-statement"].cell_type == "markdown"
        for kind in ("check", "test"):
            metadata = cells[f"{name}-{kind}"].metadata.nbgrader
            assert metadata.grade
            assert metadata.locked
            assert metadata.points > 0
        assert f"({name})" in cells[f"{name}-check"].source
        assert "Hidden test" in cells[f"{name}-test"].source
