"""The instructor's report: numbers, misconceptions, submissions to look at, on the page, at the terminal, as CSV."""

import base64
import csv
import io
import re
from dataclasses import replace

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading import report
from course_utils.grading.figure import scores_figure
from course_utils.grading.pipeline import Course, GradingError
from course_utils.grading.results import Note
from course_utils.grading.store import ResultStore
from tests.grading.example_results import ASSIGNMENT, change_grade, copy_of, enter, graded

EVIL = "<script>alert(1)</script>[red]"


@pytest.fixture
def course(template, tmp_path):
    return copy_of(template, tmp_path / "course")


@pytest.fixture
def small_class(course):
    """Four students graded, one handed in only, one absent."""
    tampered = Note("tampered", f"It changed `torch` {EVIL}.")
    enter(
        course,
        [
            graded("ada"),
            graded("bob", (Note("renamed", "It was renamed."),), gaussian_kl="wrong_sign"),
            graded("cat", gaussian_kl="wrong_sign_and_mean", beta_schedule="crash"),
            replace(graded("dan", (tampered,), gaussian_kl="untouched", elbo="error"), seconds=60.0),
        ],
    )
    with course.gradebook() as book:
        change_grade(book, "bob", "elbo-test", manual_score=1.0)
        book.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, "ada").late_submission_penalty = 4.0
        book.add_student("fay")
        book.db.commit()
    (course.root / "submitted" / "eve" / ASSIGNMENT).mkdir(parents=True)
    ResultStore(course.root, ASSIGNMENT).write_error("eve", "Traceback\nValueError: no [bold]luck")
    return course


def printed(found, **options) -> str:
    console = Console(width=150, file=io.StringIO())
    console.print(report.summary(found, **options))
    return console.file.getvalue()


def lines_of(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8", newline="")))


def test_the_numbers(small_class):
    found = report.collect(small_class, ASSIGNMENT)
    assert found.counted() == "4 graded, 1 handed in but not graded, 1 not handed in"
    assert found.not_graded == {"eve": "ValueError: no [bold]luck"}
    assert found.not_handed_in == ["fay"]
    assert (found.mean, found.max_points) == ((20 + 20 + 18 + 18) / 4, 24)
    kl = next(place for place in found.places if place.name == "gaussian_kl")
    assert (kl.mean, kl.max_points, kl.counts, kl.num_untouched) == (0.75, 3, (1, 0, 3), 1)
    assert [(mistake.name, mistake.count) for mistake in kl.mistakes] == [("kl-sign", 2)]
    elbo = next(place for place in found.places if place.name == "elbo")
    assert elbo.counts == (2, 1, 1)
    assert [(m.name, m.sentence, m.count) for m in elbo.mistakes] == [("", "RuntimeError: no", 1)]
    assert [(mistake.exercise, mistake.name) for mistake in found.mistakes] == [("gaussian_kl", "kl-sign")]
    assert [(row.student, kind) for row, kind, _ in found.alarms] == [("cat", "crash"), ("dan", "tampered")]
    assert "(and 1 more of this kind)" in found.alarms[0][2]
    assert found.slowest[0].student == "dan"


def test_the_page(small_class):
    found = report.collect(small_class, ASSIGNMENT)
    feedback = small_class.root / "feedback" / "dan" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    feedback.parent.mkdir(parents=True)
    feedback.write_text("")
    page = report.write_html(found, small_class.root / "reports" / "a.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[red]" in page
    assert f'<a href="../feedback/dan/{ASSIGNMENT}/{ASSIGNMENT}.html">dan</a>' in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for shown in (
        "4 graded 1 handed in, not graded 1 not handed in 19 of 24 points on average 2 to look at",
        "gaussian_kl 0.75 3 25 % 1 2 × kl-sign : your KL has the opposite sign",
        "cat crash In beta_schedule-check, your code ended the process (os._exit) (and 1 more of this kind)",
        "eve ValueError: no [bold]luck",
        "student seconds dan 60 ",
        "ada 3 3 3 3 3 3 3 3 −4 20",
    ):
        assert shown in text
    images = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert len(images) == 2
    assert {Image.open(io.BytesIO(base64.b64decode(image))).format for image in images} == {"PNG"}


def test_the_terminal_shows_markup_as_it_is(small_class):
    text = printed(report.collect(small_class, ASSIGNMENT))
    assert "a3_vae: 4 graded, 1 handed in but not graded, 1 not handed in; 19.00 of 24 points on average" in text
    assert "kl-sign (2)" in text
    assert EVIL in text
    assert "ValueError: no [bold]luck" in text


def test_a_long_list_is_cut_unless_asked(course):
    found = report.ClassReport(ASSIGNMENT, course.root, [], {f"student{n:02}": "why" for n in range(12)})
    assert "student09" in printed(found)
    assert "student10" not in printed(found)
    assert "and 2 more to look at: on the page, or with --full" in printed(found)
    assert "student11" in printed(found, full=True)


def test_the_table_for_other_programs(small_class, tmp_path):
    path = report.write_csv(report.collect(small_class, ASSIGNMENT), tmp_path / "class.csv")
    lines = {line["student"]: line for line in lines_of(path)}
    assert list(lines) == ["ada", "bob", "cat", "dan", "eve", "fay"]
    assert [line["status"] for line in lines.values()] == ["graded"] * 4 + ["not graded", "not handed in"]
    ada, bob, cat, dan = (lines[student] for student in ("ada", "bob", "cat", "dan"))
    assert (ada["points"], ada["late penalty"], ada["total"], ada["max"]) == ("24", "4", "20", "24")
    assert (bob["gaussian_kl"], bob["elbo"], bob["gaussian_kl mistakes"]) == ("0", "2", "kl-sign")
    assert (bob["notes"], cat["notes"], dan["notes"]) == ("renamed", "crash", "tampered")
    assert dan["gaussian_kl mistakes"] == "not-attempted"
    assert lines["fay"]["total"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1"])
def test_no_cell_is_a_formula(course, tmp_path, name):
    found = report.ClassReport(ASSIGNMENT, course.root, [], {}, [name, 'a "b", c\nd', "-2"])
    first, second, third = lines_of(report.write_csv(found, tmp_path / "class.csv"))
    assert first["student"] == f"'{name}"
    assert second["student"] == 'a "b", c\nd'
    assert third["student"] == "-2"


def test_a_class_of_none(course, tmp_path):
    found = report.collect(course, ASSIGNMENT)
    assert found.counted() == "0 graded, 0 handed in but not graded, 0 not handed in"
    assert printed(found).strip() == f"{ASSIGNMENT}: {found.counted()}"
    page = report.write_html(found, tmp_path / "a.html").read_text(encoding="utf-8")
    assert "No submission is graded so far" in page
    assert "<img" not in page
    assert lines_of(report.write_csv(found, tmp_path / "a.csv")) == []


def test_a_class_of_one_whose_result_is_damaged(course, tmp_path):
    enter(course, [graded("ada", gaussian_kl="wrong_sign")])
    (ResultStore(course.root, ASSIGNMENT).folder / "ada.json").write_text('{"format": 1}')
    found = report.collect(course, ASSIGNMENT)
    ((row, kind, sentence),) = found.alarms
    assert (row.student, kind) == ("ada", "damaged")
    assert sentence.endswith("): grade ada again.")
    page = report.write_html(found, tmp_path / "a.html").read_text(encoding="utf-8")
    assert "ada.json cannot be read" in page
    assert "kl-sign" in page  # from the autograded notebook


def test_a_large_class(course, tmp_path):
    kinds = [{}, {"gaussian_kl": "wrong_sign"}, {"beta_schedule": "crash"}, {"elbo": "untouched"}]
    models = [graded("model", **kind) for kind in kinds]
    enter(course, [replace(models[number % 4], student=f"student{number:04}") for number in range(200)])
    found = report.collect(course, ASSIGNMENT)
    assert found.counted().startswith("200 graded")
    assert [(mistake.name, mistake.count) for mistake in found.mistakes] == [("kl-sign", 50)]
    assert len(found.alarms) == 50
    page = report.write_html(found, tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count("student0") == 200 + 50 + 5  # in the table, to look at, slowest
    assert len(lines_of(report.write_csv(found, tmp_path / "a.csv"))) == 200


@pytest.mark.parametrize(
    ("totals", "max_points"),
    [([0.0], 24.0), ([24.0, 0.0, 23.9], 24.0), ([3000.0], 3000.0), ([26.0], 24.0), ([0.0], 0.0)],
)
def test_the_figure_is_drawn_for_any_points(totals, max_points):
    for dark in (False, True):
        uri = scores_figure(totals, max_points, {"kl <b>": (1, 0, 0), "$x$": (0, 1, 0)}, dark=dark)
        image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
        assert image.width > 800
        assert (sum(image.convert("RGB").getpixel((2, 2))) < 300) == dark


def test_the_commands(small_class, tmp_path):
    root = ["--root", str(small_class.root)]
    done = CliRunner().invoke(app, ["report", ASSIGNMENT, *root, "--csv", str(tmp_path / "class.csv")])
    assert done.exit_code == 0, done.output
    assert "4 graded" in done.output
    assert (small_class.root / "reports" / f"{ASSIGNMENT}.html").is_file()
    assert len(lines_of(tmp_path / "class.csv")) == 6
    done = CliRunner().invoke(app, ["feedback", ASSIGNMENT, *root])
    assert done.exit_code == 0, done.output
    assert len(list(small_class.root.glob(f"feedback/*/{ASSIGNMENT}/{ASSIGNMENT}.html"))) == 4
    done = CliRunner().invoke(app, ["feedback", ASSIGNMENT, "--student", "zoe", *root])
    assert done.exit_code == 1
    assert f"no feedback: zoe has no graded submission of {ASSIGNMENT}." in done.output


def test_errors_are_one_sentence(course, tmp_path):
    with pytest.raises(GradingError, match=r"does not know the assignment 'a4'; it knows a3_vae$"):
        report.collect(course, "a4")
    with pytest.raises(FileNotFoundError, match="is not a course folder"):
        report.collect(Course(tmp_path), ASSIGNMENT)
    done = CliRunner().invoke(app, ["report", "a4", "--root", str(course.root)])
    assert done.exit_code == 1
    assert done.output == "course: the gradebook does not know the assignment 'a4'; it knows a3_vae\n"
