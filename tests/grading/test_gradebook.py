"""The class in rows: points from the gradebook, verdicts from results, and what the terminal shows of it."""

from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from rich.console import Console
from sqlalchemy import event

from course_utils.grading import gradebook
from course_utils.grading.gradebook import Exercise, Row
from course_utils.grading.marks import Mark, read_marks
from course_utils.grading.results import CellResult, Note
from course_utils.grading.spec import exercise_of
from course_utils.grading.store import ResultStore
from tests.grading.example_results import ASSIGNMENT, change_grade, copy_of, enter, graded


@pytest.fixture
def course(template, tmp_path):
    return copy_of(template, tmp_path / "course")


def printed(renderable) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(renderable)
    return console.export_text()


def exercise(row: Row, name: str) -> Exercise:
    return next(exercise for exercise in row.exercises if exercise.name == name)


@pytest.mark.parametrize(
    ("grade_id", "name"),
    [
        ("gaussian_kl", "gaussian_kl"),
        ("gaussian_kl-check", "gaussian_kl"),
        ("gaussian_kl-test", "gaussian_kl"),
        ("gaussian_kl-statement", "gaussian_kl"),
        ("q1-part-a", "q1-part-a"),
        ("test", "test"),
    ],
)
def test_cells_of_one_exercise_belong_together(grade_id, name):
    assert exercise_of(grade_id) == name


def test_points_are_the_gradebooks_and_verdicts_the_results(course):
    enter(course, [graded("bob", gaussian_kl="wrong_sign", beta_schedule="crash"), graded("ada")])
    with course.gradebook() as book:
        change_grade(book, "bob", "gaussian_kl-test", manual_score=1.0, extra_credit=0.5)
        book.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, "bob").late_submission_penalty = 2.0
        book.db.commit()
    # What stands in autograded/ does not count where there is a result.
    (course.root / "autograded" / "bob" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").write_text("{")
    ada, bob = gradebook.rows(course, ASSIGNMENT)
    assert (ada.student, ada.points, ada.total, ada.max_points, ada.trouble) == ("ada", 24, 24, 24, "")
    assert [exercise.message for exercise in ada.exercises] == [""] * 8
    assert (bob.points, bob.penalty, bob.total) == (19.5, 2.0, 17.5)
    kl = exercise(bob, "gaussian_kl")
    assert (kl.points, kl.max_points, kl.mistake) == (1.5, 3.0, "kl-sign")
    assert kl.faults == (("kl-sign", kl.message),)
    assert "opposite sign" in kl.message
    crash = exercise(bob, "beta_schedule")
    assert (crash.points, crash.mistake) == (0, "crash")
    assert crash.message == "your code ended the process (os._exit)."
    assert [note.kind for note in bob.notes] == ["crash", "crash"]
    assert [exercise.name for exercise in bob.exercises][:3] == ["reconstruction_loss", "reparameterize", "gaussian_kl"]


def test_without_a_result_the_autograded_notebook_tells(course):
    results = [graded(name, gaussian_kl="wrong_sign", elbo="error") for name in ("ada", "bob", "eve")]
    enter(course, results)
    folder = ResultStore(course.root, ASSIGNMENT).folder
    (folder / "ada.json").unlink()
    (folder / "bob.json").write_text("{")
    (folder / "eve.json").write_text(graded("ada").to_json())
    for row in gradebook.rows(course, ASSIGNMENT):
        assert row.points == 18
        assert exercise(row, "gaussian_kl").mistake == "kl-sign"
        assert exercise(row, "elbo").message == "RuntimeError: no"
    ada, bob, eve = gradebook.rows(course, ASSIGNMENT)
    assert ada.trouble == ""
    assert bob.trouble.startswith(f".grading/results/{ASSIGNMENT}/bob.json cannot be read (")
    assert bob.trouble.endswith("): grade bob again.")
    assert f"it is that of ada for {ASSIGNMENT}" in eve.trouble


def test_where_nothing_can_be_read_the_points_remain(course):
    enter(course, [graded("ada")])
    (ResultStore(course.root, ASSIGNMENT).folder / "ada.json").unlink()
    for content in ("{", "[]", "3", '{"cells": 3}'):
        (course.root / "autograded" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").write_text(content)
        (row,) = gradebook.rows(course, ASSIGNMENT)
        assert row.points == 24
        assert {exercise.message for exercise in row.exercises} == {"the submission could not be read"}


def test_a_class_takes_as_many_queries_as_a_student(course):
    def count_queries() -> int:
        seen = []
        with course.gradebook() as book:
            event.listen(book.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
            marks = read_marks(book, ASSIGNMENT)
        assert len(marks) == len(list(course.root.glob("submitted/*")))
        return len(seen)

    one = graded("ada")
    enter(course, [one])
    before = count_queries()
    enter(course, [replace(one, student=f"student{number}") for number in range(50)])
    assert count_queries() == before == 2


def test_marks_of_one_student(course):
    enter(course, [graded("ada"), graded("bob", gaussian_kl="wrong_sign")])
    with course.gradebook() as book:
        change_grade(book, "bob", "elbo-test", auto_score=None, needs_manual_grade=True)
        book.find_comment("elbo", ASSIGNMENT, ASSIGNMENT, "bob").auto_comment = "No response."
        book.find_comment("gaussian_kl", ASSIGNMENT, ASSIGNMENT, "bob").manual_comment = "See me."
        book.db.commit()
        marks = read_marks(book, ASSIGNMENT, "bob")
    assert list(marks) == ["bob"]
    cells = marks["bob"].cells
    assert len(cells) == 16
    assert cells[ASSIGNMENT, "gaussian_kl-test"] == Mark(0.0, 2.0)
    assert cells[ASSIGNMENT, "elbo-test"] == Mark(0.0, 2.0, manual=False, waits=True)
    assert marks["bob"].comments == {(ASSIGNMENT, "gaussian_kl"): "See me."}


def test_only_the_cells_own_result_is_a_verdict():
    """What a function displays while it is checked, and what forges a report, says nothing."""
    test = {"nbgrader": {"grade_id": "kl-test", "grade": True, "solution": False, "points": 2}}
    report = {"function": "kl", "findings": [{"name": "value", "passed": True, "weight": 1.0}]}

    def verdict(*outputs) -> CellResult:
        (result,) = gradebook.cell_results(new_notebook(cells=[new_code_cell(metadata=test, outputs=list(outputs))]))
        return result

    data = {gradebook.REPORT_TYPE: report}
    assert verdict(new_output("execute_result", data)) == CellResult("kl-test", 0.0, 2, report, "")
    assert verdict(new_output("display_data", data)) == CellResult("kl-test", 0.0, 2, None, "")
    error = new_output("error", ename="ValueError", evalue="x" * 10_000)
    assert len(verdict(error).error) == gradebook.LONGEST_MESSAGE
    for forged in ("nonsense", {}, {**report, "findings": [{**report["findings"][0], "passed": "yes"}]}):
        assert verdict(new_output("execute_result", {gradebook.REPORT_TYPE: forged})).error == gradebook.UNREADABLE


def test_faults_of_cells_without_a_report():
    note = Note("timeout", "In kl-test, it took too long.", "kl-test")
    assert gradebook.faults_of(CellResult("kl-test", 0.0, 2.0, error="too long."), [note], Mark(0, 2)) == [
        ("timeout", "too long.")
    ]
    assert gradebook.faults_of(CellResult("kl-test", 0.5, 2.0), [], Mark(0.5, 2)) == [
        (None, "the test gave 0.5 of 2 points")
    ]
    assert gradebook.faults_of(CellResult("kl-test", 2.0, 2.0), [], Mark(2, 2)) == []
    assert gradebook.faults_of(CellResult("essay", None, 2.0), [], Mark(0, 2, waits=True)) == []


def row(student: str, message: str = "", waits: bool = False) -> Row:
    faults = ((None, message),) if message else ()
    done = Exercise("kl", 0.0 if message else 3.0, 3.0, None, message, faults, waits)
    return Row(student, [done], Path("/course/feedback/x.html"), penalty=1.0 if message else 0.0)


def test_the_table_shows_markup_as_it_is():
    shown = printed(gradebook.table("Class [1]", [row("[red]ada[/red]", "[bold]no[/bold] \\[")], Path("/course")))
    assert "[red]ada[/red]" in shown
    assert "1 kl: [bold]no[/bold] \\[" in shown
    assert "late: 1 points off" in shown
    assert "feedback/x.html" in shown
    assert "? is still to be read by a person" in printed(gradebook.table("", [row("ada", waits=True)], Path("/")))


def test_a_large_class_is_summed_up_unless_asked():
    small = [row(f"student{number}") for number in range(gradebook.MOST_ROWS)]
    large = [*small, row("ada", "no")]
    assert "student7 " in printed(gradebook.view("Class", small, Path("/course")))
    summed = printed(gradebook.view("Class", large, Path("/course")))
    assert "student7 " not in summed
    assert "41 students, 2.93 of 3 points on average" in summed
    assert "/course/grades.csv" in summed
    assert "98%" in summed
    assert "student7 " in printed(gradebook.view("Class", large, Path("/course"), full=True))
    assert "student" in printed(gradebook.view("Class", [], Path("/course")))


def test_a_damaged_notebook_is_no_notebook(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"\xff\xfe\x00")
    assert gradebook.from_autograded(path).cells == []
    nbformat.write(new_notebook(), path)
    assert gradebook.from_autograded(path).cells == []
    assert gradebook.from_autograded(tmp_path / "missing.ipynb").cells == []
