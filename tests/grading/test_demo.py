"""The example class of `make demo`: ten students, each with the score and the verdict that they deserve."""

import json
import subprocess
import sys

import nbformat
import pytest

from course_utils.grading import demo, gradebook, pipeline
from course_utils.notebooks import ROOT


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The demo's command, run once as `make demo` runs it."""
    folder = tmp_path_factory.mktemp("demo") / "course"
    command = [sys.executable, "-m", "course_utils.cli", "demo", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    return pipeline.Course(folder), done


@pytest.mark.slow
def test_all_get_what_they_deserve(graded):
    course, done = graded
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All students got the score and the verdict that they deserve" in done.stdout
    assert len(gradebook.rows(course, demo.ASSIGNMENT)) == 10
    for path in (ROOT / "demo" / "class").glob("*.py"):
        assert path.stem in done.stdout
        assert f"{path.stem}/a3_vae/a3_vae.html" in done.stdout


@pytest.mark.slow
def test_feedback_says_what_was_wrong(graded):
    course, _ = graded
    rows = {row.student: row for row in gradebook.rows(course, demo.ASSIGNMENT)}
    for row in rows.values():
        page = row.feedback.read_text()
        for exercise in row.exercises:
            if exercise.mistake not in (None, "not-attempted"):
                assert exercise.name in page
    sign = next(exercise for exercise in rows["5_kl_sign"].exercises if exercise.name == "gaussian_kl")
    assert sign.points == 0
    assert "opposite sign" in sign.message
    assert "opposite sign" in rows["5_kl_sign"].feedback.read_text()


@pytest.mark.slow
def test_the_grades_are_exported(graded):
    course, _ = graded
    lines = (course.root / "grades.csv").read_text().splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("assignment,")


@pytest.mark.slow
def test_the_autograded_notebooks_hold_reports_of_both_cells(graded):
    course, _ = graded
    path = course.root / "autograded" / "1_perfect" / "a3_vae" / "a3_vae.ipynb"
    reports = [
        output.data[gradebook.REPORT_TYPE]
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if gradebook.REPORT_TYPE in output.get("data", {})
    ]
    assert len(reports) == 16
    assert all(report["passed"] for report in reports)
    assert json.loads(json.dumps(reports)) == reports


def test_a_surprise_is_reported(tmp_path):
    """The demo's own verdict can fail: other points, another mistake, a missing student, missing feedback."""
    deserved = tmp_path / "class.toml"
    deserved.write_text('[ada]\npoints = 3\nmistakes = { kl = "sign" }\n[bob]\npoints = 1\nmistakes = {}\n')
    feedback = tmp_path / "feedback.html"
    feedback.write_text("")
    exercise = gradebook.Exercise("kl", 3.0, 3.0, "sign", "the sign")
    assert demo.differences([gradebook.Row("ada", [exercise], feedback)], deserved) == ["bob has no result"]
    changed = gradebook.Exercise("kl", 2.0, 3.0, "half", "a half")
    rows = [
        gradebook.Row("ada", [changed], tmp_path / "missing.html"),
        gradebook.Row("bob", [gradebook.Exercise("kl", 1.0, 1.0, None, "")], feedback),
        gradebook.Row("eve", [exercise], feedback),
    ]
    found = demo.differences(rows, deserved)
    assert len(found) == 4
    assert "ada got 2 points, 3 were due" in found
    assert any("the mistakes named were {'kl': 'half'}" in line for line in found)
    assert any("ada got no feedback" in line for line in found)
    assert "eve is not in class.toml" in found


def test_an_answer_to_no_exercise_is_named():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("pass")])
    notebook.cells[0].metadata["nbgrader"] = {"grade_id": "kl", "solution": True, "grade": False}
    demo.fill_in(notebook, {"kl": "x = 1"})
    assert notebook.cells[0].source == "x = 1"
    with pytest.raises(ValueError, match="no exercise named lk; it has kl"):
        demo.fill_in(notebook, {"lk": "x = 1"})


def test_it_does_not_empty_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds something else"):
        demo.set_up(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
