"""Whole runs with the fake judge, and what they leave."""

import json
from pathlib import Path

from nbgrader.api import SubmittedAssignment

from course_utils.grading import pipeline
from tests.grading import fake_judge


def write_feedback(course, result):
    path = course.root / "feedback" / result.student / result.assignment / "tiny.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{result.points:g}")


def grade(course, students=None, **options) -> dict[str, str]:
    options = {"judge": fake_judge.NAME, "write_feedback": write_feedback, "num_workers": 2} | options
    return pipeline.grade(course, "tiny", students, **options)


def hand_in(course, student: str, orders: dict | None = None, **answers: str) -> Path:
    """A submission with orders for the fake judge; each grading of it is written to the file `log`."""
    path = course.hand_in(student, **answers)
    orders = {"log": str(course.root / "log")} | (orders or {})
    (path.parent / "orders.json").write_text(json.dumps(orders))
    return path


def gradings(course) -> list[str]:
    log = course.root / "log"
    return log.read_text().split() if log.exists() else []


def contents(course) -> dict:
    """All that grading writes, without ids that are drawn at random."""
    with course.gradebook() as gradebook:
        submissions = {
            submission.student_id: {
                "timestamp": submission.timestamp,
                "score": submission.score,
                "grades": sorted(
                    (grade.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                ),
                "comments": sorted(
                    (comment.name, comment.auto_comment or "")
                    for notebook in submission.notebooks
                    for comment in notebook.comments
                ),
                "penalties": [notebook.late_submission_penalty for notebook in submission.notebooks],
            }
            for submission in gradebook.db.query(SubmittedAssignment)
        }
    files = {
        path.relative_to(course.root).as_posix(): path.read_bytes()
        for step in ("autograded", "feedback", ".grading/results")
        for path in (course.root / step).rglob("*")
        if path.is_file()
    }
    return {"submissions": submissions, "files": files}
