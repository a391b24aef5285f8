"""What the class did, exercise by exercise: points from nbgrader's gradebook, verdicts from the checks' reports."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import MissingEntry
from rich.table import Table

from course_utils.grading.pipeline import Course

REPORT_TYPE = "application/vnd.course.report+json"
LONGEST_MESSAGE = 400  # characters; an exception's text can be of any length


@dataclass(frozen=True)
class Exercise:
    """One exercise of one student."""

    name: str
    points: float
    max_points: float
    mistake: str | None  # the id of the misconception, where one was recognised
    message: str  # what the feedback says, in a sentence; empty when all is right


@dataclass(frozen=True)
class Row:
    """One student's result for an assignment."""

    student: str
    exercises: list[Exercise]
    feedback: Path

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def max_points(self) -> float:
        return sum(exercise.max_points for exercise in self.exercises)


def rows(course: Course, assignment: str) -> list[Row]:
    """One row for each student with a graded submission, in alphabetical order."""
    result = []
    with course.gradebook() as gradebook:
        for student in course.students(assignment):
            try:
                submission = gradebook.find_submission(assignment, student)
            except MissingEntry:
                continue
            exercises: dict[str, Exercise] = {}
            for notebook in submission.notebooks:
                verdicts = _verdicts(course.root / "autograded" / student / assignment / f"{notebook.name}.ipynb")
                for grade in notebook.grades:
                    name = grade.name.rsplit("-", 1)[0]  # gaussian_kl-check and gaussian_kl-test
                    before = exercises.get(name, Exercise(name, 0.0, 0.0, None, ""))
                    mistake, message = verdicts.get(grade.name, (None, "the submission could not be read"))
                    exercises[name] = Exercise(
                        name,
                        before.points + (grade.score or 0.0),
                        before.max_points + grade.max_score,
                        before.mistake or mistake,
                        before.message or message,
                    )
            feedback = course.root / "feedback" / student / assignment
            result.append(Row(student, list(exercises.values()), feedback / f"{assignment}.html"))
    return result


def _verdicts(path: Path) -> dict[str, tuple[str | None, str]]:
    """For each graded cell of an autograded notebook, the misconception's id and the sentence that goes with it."""
    if not path.is_file():
        return {}
    verdicts = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            verdicts[cell.metadata.nbgrader["grade_id"]] = _verdict(cell.get("outputs", []))
    return verdicts


def _verdict(outputs: list) -> tuple[str | None, str]:
    """The cell's own result decides; what the student's code displayed on the way may say anything."""
    for output in outputs:
        if output.output_type == "error":
            return output.ename, _shortened(f"{output.ename}: {output.evalue}")
        if output.output_type != "execute_result" or REPORT_TYPE not in output.data:
            continue
        match output.data[REPORT_TYPE]:
            case {"passed": bool(passed), "mistake": str() | None as mistake, "message": str(message)}:
                return mistake, "" if passed else _shortened(message)
            case _:
                return None, "the check's report cannot be read: was it tampered with?"
    return None, "the check left no report"


def _shortened(text: str) -> str:
    return textwrap.shorten(text, LONGEST_MESSAGE, placeholder=" ...")


def table(title: str, class_rows: list[Row], root: Path) -> Table:
    """The gradebook for the terminal: points per exercise, what went wrong, where the feedback lies."""
    result = Table(title=title, show_lines=True, title_justify="left")
    names = [exercise.name for exercise in class_rows[0].exercises] if class_rows else []
    result.add_column("student", no_wrap=True)
    for number, _ in enumerate(names, start=1):
        result.add_column(str(number), justify="right")
    result.add_column("total", justify="right")
    result.add_column("what went wrong, and the feedback", ratio=1, overflow="fold")
    for row in class_rows:
        wrong = [
            f"[bold]{names.index(exercise.name) + 1} {exercise.name}[/bold]: {_plain(exercise.message)}"
            for exercise in row.exercises
            if exercise.message
        ]
        feedback = row.feedback.relative_to(root) if row.feedback.is_relative_to(root) else row.feedback
        result.add_row(
            row.student,
            *(f"{exercise.points:g}" for exercise in row.exercises),
            f"{row.points:g}/{row.max_points:g}",
            "\n".join([*_merged(wrong), f"[dim]{feedback}[/dim]"]),
        )
    result.caption_justify = "left"
    result.caption = "  ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
    return result


def _plain(message: str) -> str:
    """Student code may print markup; show it as it is."""
    return message.replace("[", r"\[")


def _merged(lines: list[str]) -> list[str]:
    """Untouched notebooks say the same of every exercise: say it once."""
    texts = {line.split(": ", 1)[1] for line in lines}
    if len(lines) > 2 and len(texts) == 1:
        return [f"[bold]all {len(lines)} exercises that failed[/bold]: {texts.pop()}"]
    return lines
