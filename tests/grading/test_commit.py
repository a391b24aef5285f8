"""What one committed result leaves in the gradebook and in `autograded/`."""

import sqlite3

import pytest
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

from course_utils.grading import commit, pipeline
from course_utils.grading.commit import CommitError, Committer
from course_utils.grading.intake import collect
from course_utils.grading.results import CellResult, NotebookResult, Submission, SubmissionResult
from tests.grading.running import contents

EARLY, LATE = "2026-01-01 10:00:00 UTC", "2026-01-03 10:00:00 UTC"
NAMES = [f"{name}-{kind}" for name in ("first", "second", "third") for kind in ("check", "test")]


def result(student="ada", points=None, timestamp=None, unanswered=()) -> SubmissionResult:
    cells = [CellResult(name, (points or {}).get(name, 1.0), 2.0) for name in NAMES]
    notebook = NotebookResult("tiny", '{"cells": [1]}', cells, unanswered=list(unanswered))
    return SubmissionResult("tiny", student, "digest", [notebook], timestamp)


@pytest.fixture
def committing(course):
    with course.gradebook() as gradebook:
        yield lambda result, files=None: Committer(gradebook, course.config(), "tiny").commit(
            Submission("tiny", result.student, files or {}, result.timestamp), result
        )


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own
def test_the_same_entries_as_nbgraders_own(course):
    """nbgrader converts a submission, then our result of it is committed on top: only the scores' origin differs."""
    course.hand_in("ada", second="raise NotImplementedError()").with_name("timestamp.txt").write_text(EARLY)
    (course.root / "submitted/ada/tiny/notes.txt").write_text("mine")
    (course.root / "solutions/tiny/data.csv").write_text("1,2")
    config = course.config()
    config.Autograde = Config()  # as nbgrader comes
    config.IgnorePattern.enabled = True
    api = NbGraderAPI(coursedir=course.api().coursedir, config=config)
    assert api.autograde("tiny", "ada")["success"]
    folder = course.root / "autograded" / "ada" / "tiny"
    theirs = contents(course)["submissions"]
    listed = {path.name: path.stat().st_mode for path in folder.iterdir()}
    points = {name: points for name, points, *_ in theirs["ada"]["grades"]}
    ours = result(points=points, timestamp=EARLY)
    ours.notebooks[0].ipynb = (folder / "tiny.ipynb").read_text()
    with course.gradebook() as gradebook:
        gradebook.remove_submission("tiny", "ada")
        gradebook.remove_student("ada")
        Committer(gradebook, config, "tiny").commit(collect(course, "tiny", "ada")[0], ours)
    assert contents(course)["submissions"] == theirs
    assert {path.name: path.stat().st_mode for path in folder.iterdir()} == listed
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "data.csv").read_text() == "1,2"


def test_committing_twice_changes_nothing(course, committing):
    committing(result(), {"a/b.txt": b"1"})
    once = contents(course)
    committing(result(), {"a/b.txt": b"1"})
    assert contents(course) == once
    assert once["submissions"]["ada"]["score"] == 6


def test_a_manual_score_stays_and_is_flagged(course, committing):
    committing(result(points={"first-test": 0.5}))
    with course.gradebook() as gradebook:
        gradebook.find_grade("first-test", "tiny", "tiny", "ada").manual_score = 2.0
        gradebook.find_comment("first", "tiny", "tiny", "ada").manual_comment = "well done"
        gradebook.db.commit()
    committing(result(points={"first-test": 0.25}, unanswered=["first"]))
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("first-test", "tiny", "tiny", "ada")
        assert (grade.auto_score, grade.manual_score, grade.score, grade.needs_manual_grade) == (0.25, 2.0, 2.0, True)
        comment = gradebook.find_comment("first", "tiny", "tiny", "ada")
        assert (comment.auto_comment, comment.comment) == ("No response.", "well done")


def test_what_a_person_has_to_read_is_flagged(course, committing):
    committing(result(points={"first-test": None}))
    grades = {name: (points, manual) for name, points, _, manual in contents(course)["submissions"]["ada"]["grades"]}
    assert grades["first-test"] == (None, True)
    assert grades["second-test"] == (1.0, False)


def test_late_penalties_come_from_the_plugin(course):
    with (course.root / "nbgrader_config.py").open("a") as file:
        file.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-01-02 00:00:00")
        committer = Committer(gradebook, course.config(), "tiny")
        for student, timestamp in (("early", EARLY), ("late", LATE), ("none", None)):
            committer.commit(Submission("tiny", student, {}), result(student, timestamp=timestamp))
    found = {student: values["penalties"] for student, values in contents(course)["submissions"].items()}
    assert found == {"early": [None], "late": [6.0], "none": [None]}


@pytest.mark.parametrize("points", [float("nan"), float("inf"), 1e9, -1.0, 1.5])
def test_points_that_cannot_be_are_refused(course, committing, points):
    with pytest.raises(CommitError, match=r"first-check cannot get .* points: the release gives 0 to 1"):
        committing(result(points={"first-check": points}))
    assert contents(course)["submissions"] == {}, "all or nothing"


def test_a_result_of_another_release_is_refused(course, committing):
    other = result()
    other.notebooks[0].cells.pop()
    with pytest.raises(CommitError, match="lacks the points of third-test"):
        committing(other)
    other.notebooks.clear()
    with pytest.raises(CommitError, match="lacks the notebook tiny"):
        committing(other)
    assert contents(course)["submissions"] == {}, "all or nothing"


def test_an_assignment_that_was_never_released(course):
    with course.gradebook() as gradebook, pytest.raises(CommitError, match="does not know nothing: release it first"):
        Committer(gradebook, course.config(), "nothing")


def test_the_courses_files_replace_the_students(course, committing):
    (course.root / "solutions/tiny/data").mkdir()
    (course.root / "solutions/tiny/data/numbers.csv").write_text("1,2")
    theirs = {
        "data/numbers.csv": b"forged",
        "data/numbers.csv/x": b"a folder where a file is due",
        "tiny.ipynb/x": b"another",
        "figures/one.png": b"png",
        "other.ipynb": b"not graded",
        "secret.py": b"ignored by the configuration",
        "__pycache__/x.txt": b"as is this",
        "timestamp.txt": b"2026-01-01",
    }
    committing(result(), theirs)
    committing(result(), {"data": b"a file where a folder is due", **theirs})
    folder = course.root / "autograded" / "ada" / "tiny"
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert sorted(found) == ["data/numbers.csv", "figures/one.png", "timestamp.txt", "tiny.ipynb"]
    assert found["data/numbers.csv"].read_text() == "1,2"
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o444}


def test_a_locked_gradebook_is_waited_for(course, monkeypatch):
    """Another program writes for longer than SQLite waits; we try again, and give up with a sentence at last."""
    monkeypatch.setattr(pipeline, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(commit.time, "sleep", lambda seconds: blocker.rollback() if len(said) == 2 else None)
    said = []
    blocker = sqlite3.connect(course.root / "gradebook.db")
    with course.gradebook() as gradebook:
        committer = Committer(gradebook, course.config(), "tiny", said.append)
        blocker.execute("BEGIN IMMEDIATE")
        committer.commit(Submission("tiny", "ada", {}), result())
        assert said == ["another program keeps the gradebook locked: waiting for it (ada)"] * 2
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommitError, match="could not be written to: database is locked"):
            committer.commit(Submission("tiny", "bob", {}), result("bob"))
        blocker.rollback()
        committer.commit(Submission("tiny", "bob", {}), result("bob"))
    blocker.close()
    assert sorted(contents(course)["submissions"]) == ["ada", "bob"]
