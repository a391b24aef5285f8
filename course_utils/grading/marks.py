"""Points, late penalties and comments as they stand in nbgrader's gradebook, for a whole class by two queries."""

from dataclasses import dataclass, field

from nbgrader import api
from nbgrader.api import Gradebook
from sqlalchemy import func, select


@dataclass(frozen=True)
class Mark:
    """What the gradebook holds of one cell. `waits`: nobody has given points yet, neither a check nor a person."""

    points: float
    max_points: float
    manual: bool = False
    waits: bool = False


@dataclass
class Marks:
    """What the gradebook holds of one submission; cells are named by (notebook, grade_id)."""

    cells: dict[tuple[str, str], Mark] = field(default_factory=dict)
    penalties: dict[str, float] = field(default_factory=dict)  # points off for lateness, by notebook
    comments: dict[tuple[str, str], str] = field(default_factory=dict)  # by a person


def read_marks(gradebook: Gradebook, assignment: str, student: str | None = None) -> dict[str, Marks]:
    """The marks of all submissions of an assignment, or of one student's, by student."""
    submission, submitted, cell, grade = api.SubmittedAssignment, api.SubmittedNotebook, api.BaseCell, api.Grade
    chosen = [api.Assignment.name == assignment] + ([submission.student_id == student] if student else [])

    def of_cells(entry, *columns):
        return (
            select(submission.student_id, api.Notebook.name, cell.name, *columns)
            .select_from(submission)
            .join(api.Assignment, api.Assignment.id == submission.assignment_id)
            .join(submitted, submitted.assignment_id == submission.id)
            .join(api.Notebook, api.Notebook.id == submitted.notebook_id)
            .join(entry, entry.notebook_id == submitted.id)
            .join(cell, cell.id == entry.cell_id)
            .where(*chosen)
        )

    # The tables below the classes: the classes would fetch every cell of every student by a query of its own.
    graded, tasks = api.GradeCell.__table__, api.TaskCell.__table__
    most = func.coalesce(graded.c.max_score, tasks.c.max_score, 0.0)
    points = of_cells(grade, grade.score, most, grade.manual_score, grade.auto_score, submitted.late_submission_penalty)
    points = points.outerjoin(graded, graded.c.id == cell.id).outerjoin(tasks, tasks.c.id == cell.id)
    comment = api.Comment
    comments = of_cells(comment, comment.manual_comment).where(comment.manual_comment.is_not(None))

    result: dict[str, Marks] = {}
    for name, notebook, grade_id, score, maximum, manual, automatic, penalty in gradebook.db.execute(points):
        marks = result.setdefault(name, Marks())
        mark = Mark(score or 0.0, maximum, manual is not None, manual is None and automatic is None)
        marks.cells[notebook, grade_id] = mark
        marks.penalties[notebook] = penalty or 0.0
    for name, notebook, grade_id, text in gradebook.db.execute(comments):
        if name in result and text.strip():
            result[name].comments[notebook, grade_id] = text
    return result
