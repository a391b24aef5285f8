"""Wrong code earns nothing by tricks, and right code gets all points, whatever its style."""

import ast
import math
import time
from pathlib import Path

import nbformat
import pytest
import torch

from course_utils.checks.report import MIME_TYPE
from course_utils.grading import demo, intake, judge, pipeline, spec
from course_utils.grading.limits import MIB, Limits
from course_utils.grading.results import SubmissionResult
from tests.grading.cases import ASSIGNMENT, FULL, Case, borrowing, forging, honest, takeover
from tests.grading.cases.wrong import TARGET

LIMITS = Limits(message=16 * MIB)
SECRET = "of the tests"


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    course = demo.set_up(tmp_path_factory.mktemp("forging") / "course")
    pipeline.release(course, ASSIGNMENT)
    return course


@pytest.fixture(scope="session")
def released(course):
    return spec.read(course, ASSIGNMENT)


def points(result: SubmissionResult) -> dict[str, float]:
    """Points by exercise."""
    cells = {cell.grade_id: cell for cell in result.notebooks[0].cells}
    exercises = [grade_id.removesuffix("-check") for grade_id in cells if grade_id.endswith("-check")]
    assert set(cells) == {f"{name}-{kind}" for name in exercises for kind in ("check", "test")}
    return {name: cells[f"{name}-check"].points + cells[f"{name}-test"].points for name in exercises}


def graded(case: Case, released: spec.AssignmentSpec, student: str) -> nbformat.NotebookNode:
    """The notebook of a case after grading; points, mistakes, notes and words must be those that are due."""
    result = judge.grade(case.submission(student), released, secret=SECRET, limits=LIMITS)
    (notebook,) = result.notebooks
    exercises = [cell.grade_id for cell in released.notebooks[0].cells if cell.solution]
    assert points(result) == pytest.approx({name: case.due.get(name, FULL) for name in exercises}), notebook
    reports = {cell.grade_id: cell.report or {} for cell in notebook.cells}
    for name, mistake in case.mistakes.items():
        assert [reports[f"{name}-{kind}"].get("mistake") for kind in ("check", "test")] == [mistake, mistake]
    assert {note.kind for note in notebook.notes} == set(case.notes), notebook.notes
    told = [note.text for note in notebook.notes] + [cell.error for cell in notebook.cells]
    assert any(case.says in text for text in [*told, *(report.get("message", "") for report in reports.values())])
    nb = nbformat.reads(notebook.ipynb, as_version=4)
    nbformat.validate(nb)
    return nb


@pytest.mark.parametrize("name", forging.CASES)
def test_wrong_code_earns_nothing_by_a_trick(name, released):
    nb = graded(forging.CASES[name], released, "mallory")
    tests = {cell.grade_id for cell in released.notebooks[0].cells if cell.is_test}
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            shows_report = MIME_TYPE in output.get("data", {})
            assert not shows_report or cell.metadata.nbgrader.grade_id in tests


@pytest.mark.parametrize("name", honest.CASES)
def test_right_code_gets_all_points(name, released):
    graded(honest.CASES[name], released, "honey")


@pytest.mark.filterwarnings("ignore")  # of deprecated names that a walk through all modules touches
@pytest.mark.parametrize("name", borrowing.TRICKS)
def test_the_borrowing_tricks_work_where_nothing_is_hidden(name):
    namespace = {"torch": torch, "math": math}
    exec(forging.CASES[name].answers[TARGET], namespace)
    log_weights = torch.tensor([[0.0, -3.0], [1.0, 2.0], [5.0, 0.5]])
    torch.testing.assert_close(namespace[TARGET](log_weights), log_weights.logsumexp(0) - math.log(3))


def test_one_submission_leaves_nothing_for_the_next(released):
    case = forging.CASES["left_by_others"]
    for student in ("first", "second", "second"):
        graded(case, released, student)


def test_no_process_outlives_its_submission(released):
    nb = graded(forging.CASES["outlives"], released, "mallory")
    (cell,) = (cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == TARGET)
    assert cell.outputs[0].text == "all three sleep\n"
    deadline = time.monotonic() + 60
    while sleepers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleepers() == []


def sleepers() -> list[str]:
    """Processes of this machine that sleep for as long as those that the case leaves behind."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", takeover.SLEEP.encode()]:
                found.append(str(path))
        except OSError:
            pass
    return found


def test_links_that_are_handed_in_are_not_followed(course, released):
    answers = {TARGET: borrowing.answer(f"{borrowing.OPEN_FIRST}\ndef borrow():\n    return open_first(PATHS)")}
    answers[TARGET] = f"PATHS = ['answers.py', 'folder/{ASSIGNMENT}.py']\n{answers[TARGET]}"
    folder = course.root / "submitted" / "mallory" / ASSIGNMENT
    folder.mkdir(parents=True)
    solutions = course.root / "solutions" / ASSIGNMENT
    (folder / f"{ASSIGNMENT}.ipynb").write_bytes(Case("", answers).submission("").files[f"{ASSIGNMENT}.ipynb"])
    (folder / "answers.py").symlink_to(solutions / f"{ASSIGNMENT}.py")
    (folder / "folder").symlink_to(solutions)
    submission, notes = intake.collect(course, ASSIGNMENT, "mallory")
    assert set(submission.files) == {f"{ASSIGNMENT}.ipynb"}
    assert [note.kind for note in notes] == ["unreadable"]
    result = judge.grade(submission, released, secret=SECRET, limits=LIMITS)
    assert points(result)[TARGET] == 0.0


def test_the_same_secret_gives_the_same_points_and_another_gives_other_inputs(released):
    submission = forging.CASES["asserts_dropped"].submission("mallory")
    first, again, other = (
        judge.grade(submission, released, secret=secret, limits=LIMITS) for secret in (SECRET, SECRET, "another")
    )

    def seeds(result):
        return [cell.report["seed"] for cell in result.notebooks[0].cells]

    assert seeds(first) == seeds(again)
    assert points(first) == points(other)
    assert not set(seeds(first)) & set(seeds(other))


def test_inputs_that_a_submission_has_shown_do_not_come_again(released):
    record = "SEEN = []\n\ndef beta_schedule(*args):\n    SEEN.append([float(arg) for arg in args])\n    return 0.0"

    def show(notebook):
        notebook.cells.append(nbformat.v4.new_code_cell("print(SEEN)"))

    nb = graded(Case("", {"beta_schedule": record}, show, due={"beta_schedule": 0.0}), released, "mallory")
    inputs = ast.literal_eval(nb.cells[-1].outputs[0].text)
    seen = {(step, warmup, most): most * min(1.0, step / warmup) for step, warmup, most in inputs}
    assert len(seen) > 20
    look_up = f"SEEN = {seen}\n\ndef beta_schedule(*args):\n    return SEEN.get(tuple(float(arg) for arg in args), 0.0)"
    graded(Case("", {"beta_schedule": look_up}, due={"beta_schedule": 0.0}), released, "mallory")
