"""Grading survives what submissions do, and gives each what it deserves."""

import csv

import nbformat
import pytest

from course_utils.grading import gradebook, pipeline
from course_utils.grading.limits import Limits
from course_utils.grading.session import grade_class
from course_utils.grading.store import ResultStore

FULL = {
    f"{name}-{kind}": points for name in ("first", "second", "third") for kind, points in (("check", 1), ("test", 2))
}


def without(*names: str) -> dict[str, float]:
    return {name: 0 if name.split("-")[0] in names else points for name, points in FULL.items()}


def grade_all(course, **options) -> dict[str, str]:
    return pipeline.grade(course, "tiny", limits=Limits(cell_seconds=3, call_seconds=2), **options)


def kinds(course, student: str) -> list[str]:
    return [note.kind for note in ResultStore(course.root, "tiny").read(student).notes]


def test_a_class_with_every_kind_of_trouble(course):
    """One run grades them all; whoever breaks something loses that exercise and nothing else."""
    course.hand_in("perfect")
    course.hand_in("partial", second="def second(x):\n    return 42")
    course.hand_in("raises", second="def second(x):\n    raise RuntimeError('no')")
    course.hand_in("syntax", second="def second(x:")
    course.hand_in("stderr", second="def second(x):\n    print('warning', file=sys.stderr)\n    return base + x")
    course.hand_in("exits", second="def second(x):\n    os._exit(3)")
    course.hand_in("exits_at_once", second="os._exit(0)")
    course.hand_in("loops", second="def second(x):\n    while True:\n        pass")
    swallows = """def second(x):
    while True:
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            pass"""
    course.hand_in("swallows", second=swallows)
    due = {
        "perfect": FULL,
        "partial": FULL | {"second-test": 0.5},
        "raises": without("second"),
        "syntax": without("second"),
        "stderr": FULL,
        "exits": without("second"),
        "exits_at_once": without("second"),
        "loops": without("second"),
        "swallows": without("second"),
    }
    seen = []
    assert grade_all(course, done=lambda student, error, fresh: seen.append((student, error, fresh))) == {}
    assert sorted(seen) == [(student, "", True) for student in sorted(due)]
    assert {student: course.scores(student) for student in due} == due

    rows = {row.student: row for row in gradebook.rows(course, "tiny")}
    assert rows["perfect"].points == rows["perfect"].max_points == 9
    assert all(row.feedback.is_file() for row in rows.values())
    messages = {student: row.exercises[1].message for student, row in rows.items()}
    assert "it ended its own process (exit code 3)" in messages["exits"]
    assert "it ended its own process (exit code 0)" in messages["exits_at_once"]
    assert "did not finish within 2 s" in messages["loops"]
    assert "did not finish within 2 s" in messages["swallows"]
    assert "RuntimeError: no" in messages["raises"]
    assert {row.exercises[0].points for row in rows.values()} == {3}

    exported = pipeline.export(course, course.root / "grades.csv")
    scores = {line["student_id"]: float(line["score"]) for line in csv.DictReader(exported.open())}
    assert scores == {student: sum(points.values()) for student, points in due.items()}


def test_a_deleted_test_cell_comes_back(course):
    def delete_tests(notebook):
        notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]

    course.hand_in("deleter", delete_tests, second="def second(x):\n    return 0")
    grade_all(course)
    assert course.scores("deleter") == without("second") | {"second-test": 0.5}


def test_an_edited_test_cell_is_restored(course):
    def edit(notebook):
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade"):
                cell.source = "2.0"

    course.hand_in("editor", edit, first="def first(x):\n    return 0")
    grade_all(course)
    assert course.scores("editor") == without("first") | {"first-test": 0.5}


def test_what_a_later_cell_needs_survives_a_death_in_between(course):
    """The kernel is replaced: imports, earlier definitions and the student's own cells must be there again."""

    def add_own_cell(notebook):
        notebook.cells.insert(4, nbformat.v4.new_code_cell("import math\nhelper = math.floor(40.5)"))

    course.hand_in("helper", add_own_cell, second="os._exit(0)", third="def third(x):\n    return helper + x")
    grade_all(course)
    assert course.scores("helper") == without("second")


def test_a_cell_that_kills_only_when_run_again_is_left_out(course):
    """It cannot know that it runs again, but its luck may change."""
    trap = "import secrets\nif secrets.randbelow(2):\n    os._exit(1)"

    def add_trap(notebook):
        notebook.cells.insert(4, nbformat.v4.new_code_cell(trap))

    course.hand_in("trap", add_trap, second="os._exit(0)")
    grade_all(course)
    assert course.scores("trap") == without("second")
    assert set(kinds(course, "trap")) == {"crash"}


def test_a_submission_that_cannot_be_read_stops_nobody(course):
    course.hand_in("a_broken").write_text("{ this is not a notebook")
    course.hand_in("b_fine")
    assert grade_all(course) == {}
    assert course.scores("a_broken") == dict.fromkeys(FULL, 0)
    assert kinds(course, "a_broken") == ["unreadable"]
    assert course.scores("b_fine") == FULL
    assert kinds(course, "b_fine") == []


def test_errors_name_what_is_missing(course, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a course folder: it holds no nbgrader_config"):
        pipeline.release(pipeline.Course(tmp_path), "tiny")
    with pytest.raises(pipeline.GradingError, match="the release of nothing failed"):
        pipeline.release(course, "nothing")
    with pytest.raises(pipeline.GradingError, match="nobody has handed in tiny: submissions belong in"):
        grade_class(course, "tiny")
    course.hand_in("ada")
    with pytest.raises(pipeline.GradingError, match="no submission of tiny by bob"):
        grade_class(course, "tiny", ["ada", "bob"])


def test_a_forged_or_endless_report_breaks_nobodys_row(course):
    """What a function displays while it is checked is not the check's report, and its errors may be of any length."""
    forged = "{'application/vnd.course.report+json': 'nonsense', 'text/plain': '2.0'}"
    display = f"def second(x):\n    display({forged}, raw=True)\n    return base + x"
    course.hand_in("a_display", second=display)
    course.hand_in("b_long", second="def second(x):\n    raise ValueError('[bold]' * 100_000)")
    course.hand_in("c_fine")
    assert grade_all(course) == {}
    rows = {row.student: row for row in gradebook.rows(course, "tiny")}
    assert rows["a_display"].points == rows["c_fine"].points == 9
    assert len(rows["b_long"].exercises[1].message) <= gradebook.LONGEST_MESSAGE
    assert gradebook.table("class", list(rows.values()), course.root).row_count == 3


def test_a_manual_score_survives_regrading(course):
    course.hand_in("ada", second="def second(x):\n    return 0")
    grade_all(course)
    with course.gradebook() as book:
        book.find_grade("second-check", "tiny", "tiny", "ada").manual_score = 1
        book.db.commit()
    grade_all(course)
    assert course.scores("ada")["second-check"] == 1
