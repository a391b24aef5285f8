"""Feedback pages: what a student reads there, and what must never stand there."""

import base64
import html
import re
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import GetGrades

from course_utils.grading import exporter, feedback, render
from course_utils.grading.marks import Mark, Marks
from course_utils.grading.results import CellResult, Note, NotebookResult
from tests.grading.example_results import (
    ASSIGNMENT,
    change_grade,
    copy_of,
    enter,
    graded,
    hidden_lines,
)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVERY_KIND = {
    "gaussian_kl": "wrong_sign",
    "beta_schedule": "crash",
    "elbo": "error",
    "importance_weighted_bound": "wrong_no_grad",
    "condition_on_label": "untouched",
}


@pytest.fixture
def course(template, tmp_path):
    return copy_of(template, tmp_path / "course")


def read(page: str) -> str:
    """The text of a page as a reader sees it."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


def section(page: str, title: str) -> str:
    return next(read(part) for part in page.split("<section")[1:] if title in part)


def with_outputs(result, name: str, outputs: list):
    """Give the solution cell of an exercise these outputs."""
    nb = nbformat.reads(result.notebooks[0].ipynb, as_version=4)
    for cell in nb.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == name:
            cell.outputs = outputs
    result.notebooks[0].ipynb = nbformat.writes(nb)
    return result


def generate_feedback(course, preprocessors=None, exporter_class=exporter.FeedbackExporter) -> str:
    """What `nbgrader generate_feedback` writes for the one student."""
    shutil.rmtree(course.root / "feedback", ignore_errors=True)  # nbgrader leaves alone what is there
    config = course.config()
    config.GenerateFeedback.preprocessors = preprocessors or [GetGrades, exporter.HideTests]
    config.GenerateFeedback.exporter_class = exporter_class
    coursedir = CourseDirectory(config=config, assignment_id=ASSIGNMENT)
    GenerateFeedback(coursedir=coursedir, config=config).start()
    (path,) = course.root.glob(f"feedback/*/{ASSIGNMENT}/{ASSIGNMENT}.html")
    return path.read_text(encoding="utf-8")


def test_the_page_says_what_is_right_and_what_is_not(course):
    result = graded("ada", (Note("renamed", "Your notebook was called `a3 (1).ipynb`."),), **EVERY_KIND)
    enter(course, [result])
    path = feedback.write(course, result)
    assert path == course.root / "feedback" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    page = path.read_text(encoding="utf-8")
    text = read(page)
    assert "Assignment 3: the variational autoencoder Feedback for ada 11.4 of 24 points" in text
    assert "Your notebook was called a3 (1).ipynb." in text
    assert page.count("<section") == 8

    wrong = section(page, "How far is the posterior from the prior?")
    assert "✗ Not right yet · 0 of 3 points" in wrong
    assert "value: your KL has the opposite sign: a KL divergence is never below zero." in wrong
    for label in ("where", "got", "expected", "Right already: signature, runs", "Not judged yet: gradient"):
        assert label in wrong
    assert wrong.count("opposite sign") == 1
    assert "The hidden test, on other inputs: not right yet, for the same reason (0 of 2)" in wrong
    assert "def gaussian_kl(*arguments):" in wrong

    assert "◐ Right in part · 2.4 of 3 points" in section(page, "A tighter bound")
    assert "✓ Right · 3 of 3 points" in section(page, "A decoder for black and white")
    assert "– Not attempted yet · 0 of 3 points" in section(page, "Telling the decoder")
    assert "your code ended the process (os._exit)" in section(page, "Warming up")
    assert "RuntimeError: no" in section(page, "The evidence lower bound")


def test_points_penalty_and_comments_come_from_the_gradebook(course):
    result = graded("ada", gaussian_kl="wrong_sign")
    enter(course, [result])
    with course.gradebook() as book:
        change_grade(book, "ada", "gaussian_kl-test", manual_score=1.5)
        book.find_comment("gaussian_kl", ASSIGNMENT, ASSIGNMENT, "ada").manual_comment = "Nearly <i>there</i>."
        book.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, "ada").late_submission_penalty = 2.0
        book.db.commit()
    page = feedback.write(course, result).read_text(encoding="utf-8")
    assert "20.5 of 24 points 22.5 points for your work, 2 off because it was handed in late." in read(page)
    wrong = section(page, "How far is the posterior from the prior?")
    assert "1.5 of 3 points Your instructor has set these points." in wrong
    assert "Your instructor writes: Nearly <i>there</i>." in wrong
    assert "<i>there" not in page


def test_without_an_entry_in_the_gradebook_the_points_are_those_of_the_result(course):
    page = feedback.write(course, graded("ada", gaussian_kl="wrong_sign")).read_text(encoding="utf-8")
    assert "21 of 24 points" in read(page)


def test_cells_that_a_person_reads(course):
    nb = nbformat.v4.new_notebook(
        cells=[
            new_markdown_cell("# An essay"),
            new_markdown_cell("## Why?", metadata={"nbgrader": {"grade_id": "why-statement", "locked": True}}),
            new_markdown_cell(
                "Because <b>so</b>.",
                metadata={"nbgrader": {"grade_id": "why", "grade": True, "solution": True, "locked": False}},
            ),
            new_code_cell("own = 1"),
        ]
    )
    notebook = NotebookResult("essay", "", [CellResult("why", None, 4.0)])
    page = feedback.page(nb, notebook, Marks(), "essay", "ada")
    assert "0 of 4 points 1 exercise is still to be read by a person" in read(page)
    why = section(page, "Why?")
    assert "Is read by a person · up to 4 points" in why
    assert "Your answer Because <b>so</b>." in why
    assert "A cell of your own own = 1" in why
    marks = Marks({("essay", "why"): Mark(3.0, 4.0, manual=True)}, {}, {("essay", "why"): "Well put."})
    page = feedback.page(nb, notebook, marks, "essay", "ada")
    assert "3 of 4 points" in read(page)
    assert "Your instructor writes: Well put." in section(page, "Why?")


@pytest.mark.parametrize("kind", ["right", "wrong_sign", "error", "crash"])
def test_no_line_of_a_hidden_test_shows(course, kind):
    lines = hidden_lines()
    assert len(lines) == 8
    assert "checks.vae.gaussian_kl.at_grading(gaussian_kl).score(2)" in lines
    result = graded("ada") if kind == "right" else graded("ada", **EVERY_KIND | {"gaussian_kl": kind})
    enter(course, [result])
    pages = [
        feedback.write(course, result).read_text(encoding="utf-8"),
        generate_feedback(course),
        generate_feedback(course, exporter_class="nbconvert.exporters.HTMLExporter"),
    ]
    for page in pages:
        plain = read(page)
        assert [line for line in lines if line in page or line in plain] == []
        assert "at_grading" not in plain
    if kind == "error":  # without our classes, nbgrader shows them: the search above would find them
        bare = read(generate_feedback(course, [GetGrades], "nbconvert.exporters.HTMLExporter"))
        assert [line for line in lines if line in bare] == lines


def test_nbgrader_writes_the_same_page(course):
    result = graded("ada", (Note("restored", "A test cell was changed."),), **EVERY_KIND)
    enter(course, [result])
    ours = feedback.write(course, result).read_text(encoding="utf-8")
    assert generate_feedback(course) == ours
    assert "A test cell was changed." in ours


def test_nbgrader_leaves_out_notes_of_another_grading(course):
    result = graded("ada", (Note("restored", "A test cell was changed."),))
    enter(course, [result])
    path = course.root / "autograded" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    path.write_text(graded("ada", gaussian_kl="wrong_sign").notebooks[0].ipynb)
    page = generate_feedback(course)
    assert "A test cell was changed." not in page
    assert "your KL has the opposite sign" in section(page, "How far is the posterior from the prior?")


def test_nbgraders_own_page_shows_the_verdict_drawn_anew(course):
    result = graded("ada", gaussian_kl="wrong_sign")
    nb = nbformat.reads(result.notebooks[0].ipynb, as_version=4)
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data["text/html"] = "<script>forged</script>"
    result.notebooks[0].ipynb = nbformat.writes(nb)
    enter(course, [result])
    page = generate_feedback(course, exporter_class="nbconvert.exporters.HTMLExporter")
    assert "forged" not in page
    assert "your KL has the opposite sign" in page
    assert page.count(exporter.HIDDEN) == 16


def test_nothing_of_the_student_acts_on_the_page(course):
    evil = "<script>alert(1)</script>"
    code = f'def gaussian_kl(mu, logvar):\n    """{evil}"""\n    return "</pre><img src=x onerror=alert(1)>"'
    result = graded(evil.replace("/", ""), (Note("crash", f"In {evil}, it died."),), {"gaussian_kl": code})
    result.notebooks[0].cells[0].report = {
        "function": evil,
        "findings": [{"name": evil, "passed": False, "weight": 1, "message": f"`{evil}`", "got": evil, "where": evil}],
    }
    result.notebooks[0].cells[1].error, result.notebooks[0].cells[1].report = evil, None
    outputs = [
        new_output("display_data", {"text/html": f"{evil} raw html", "text/plain": "plain text"}),
        new_output("display_data", {"image/svg+xml": f"<svg>{evil}</svg>"}),
        new_output("display_data", {"image/png": '"><script>alert(1)</script>', "text/plain": "no image"}),
        new_output("display_data", {"image/png": base64.b64encode(evil.encode()).decode(), "text/plain": "nor this"}),
        new_output("display_data", {"image/png": PIXEL, "text/plain": "a figure"}),
        new_output("stream", text=f"\x1b[31mred\x1b[0m {evil}\x00\u202e"),
        new_output("error", ename=evil, evalue=evil, traceback=[evil]),
    ]
    page = feedback.write(course, with_outputs(result, "gaussian_kl", outputs)).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<svg" not in page
    assert "raw html" not in page
    assert re.findall(r"<img [^>]*>", page) == [
        f'<img src="data:image/png;base64,{PIXEL}" alt="an image that your code made">'
    ]
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!#|data:image/)', page)
    assert not {"\x00", "\x1b", "\u202e"} & set(page)
    kl = section(page, "How far is the posterior from the prior?")
    for shown in ("plain text", "no image", "nor this", f"red {evil}"):
        assert shown in kl


def test_a_report_that_is_none_is_named_not_shown(course):
    result = graded("ada")
    result.notebooks[0].cells[0].report = {"function": "f", "findings": [{}]}
    page = feedback.write(course, result).read_text(encoding="utf-8")
    assert "the check's report cannot be read: was it tampered with?" in section(page, "How far is the reconstruction?")


def test_endless_outputs_are_cut():
    cell = new_code_cell(outputs=[new_output("stream", text="a" * 10_000_000)] + [new_output("stream", text="b")] * 99)
    shown = render.outputs(cell)
    assert len(shown) == render.MOST_OUTPUTS + 1
    assert len(shown[0]["text"]) < render.LONGEST_OUTPUT + 20
    assert "(cut)" in shown[0]["text"]
    assert shown[-1]["text"] == "… and 88 more outputs"
    assert len(render.code("x = 1\n" * 100_000)) < render.LONGEST_CODE + 20
    assert render.code("<b>" * render.LONGEST_HIGHLIGHTED).startswith("&lt;b&gt;")
    assert '<span class="k">def</span>' in render.code("def f(): ...")
    large = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(render.LARGEST_IMAGE)).decode()
    assert render.outputs(new_code_cell(outputs=[new_output("display_data", {"image/png": large})])) == [
        {"text": "(an output that cannot be shown here)"}
    ]


def test_of_very_many_cells_some_are_shown(course):
    result = graded("ada")
    nb = nbformat.reads(result.notebooks[0].ipynb, as_version=4)
    place = next(i for i, cell in enumerate(nb.cells) if cell.metadata.get("nbgrader", {}).get("grade_id") == "elbo")
    nb.cells[place + 1 : place + 1] = [new_code_cell("extra = 1") for _ in range(200)]
    result.notebooks[0].ipynb = nbformat.writes(nb)
    page = feedback.write(course, result).read_text(encoding="utf-8")
    shown = section(page, "The evidence lower bound")
    assert shown.count("extra = 1") == feedback.MOST_CELLS - 1
    assert "def elbo(" in shown


def test_release_feedback_finds_what_it_needs(course):
    result = graded("ada")
    enter(course, [result])
    source, target = (course.root / name / "ada" / ASSIGNMENT for name in ("autograded", "feedback"))
    (course.root / "private").write_text("a secret of the instructor")
    (source / "submission_secret.txt").symlink_to(course.root / "private")
    feedback.write(course, result)
    assert (target / "timestamp.txt").read_text() == "2026-11-20 10:00:00 UTC"
    assert not (target / "submission_secret.txt").exists()
    (source / "submission_secret.txt").unlink()
    (source / "submission_secret.txt").write_text("c0ffee")
    feedback.write(course, result)
    assert (target / "submission_secret.txt").read_text() == "c0ffee"


def test_the_class_gets_its_feedback_anew(course):
    enter(course, [graded("ada"), graded("bob", gaussian_kl="wrong_sign"), graded("eve")])
    (course.root / ".grading" / "results" / ASSIGNMENT / "eve.json").write_text("{")
    failures = feedback.write_class(course, ASSIGNMENT)
    assert list(failures) == ["eve"]
    assert "eve.json cannot be read" in failures["eve"]
    assert "grade eve again" in failures["eve"]
    page = (course.root / "feedback" / "bob" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text(encoding="utf-8")
    assert "21 of 24 points" in read(page)
    assert (course.root / "feedback" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.html").is_file()
    assert feedback.write_class(course, ASSIGNMENT, ["zoe"]) == {
        "zoe": f"zoe has no graded submission of {ASSIGNMENT}."
    }
