"""What the class did, exercise by exercise: points from nbgrader's gradebook, verdicts from the results of grading."""

from dataclasses import dataclass
from pathlib import Path

import nbformat
from rich.console import Group
from rich.table import Table
from rich.text import Text

from course_utils.checks.report import MIME_TYPE as REPORT_TYPE
from course_utils.checks.report import Report, cut
from course_utils.grading.marks import Mark, Marks, read_marks
from course_utils.grading.pipeline import Course
from course_utils.grading.results import CellResult, Note, NotebookResult, SubmissionResult
from course_utils.grading.spec import exercise_of
from course_utils.grading.store import ResultStore

LONGEST_MESSAGE = 400  # characters; an exception's text can be of any length
MOST_ROWS = 40  # of a table at the terminal
UNREADABLE = "the check's report cannot be read: was it tampered with?"


@dataclass(frozen=True)
class Exercise:
    """One exercise of one student."""

    name: str
    points: float
    max_points: float
    mistake: str | None  # the id of the first misconception, where one was recognised
    message: str  # what the feedback says, in a sentence; empty when all is right
    faults: tuple[tuple[str | None, str], ...] = ()  # all: misconception and sentence
    waits: bool = False  # for a person to read it


@dataclass(frozen=True)
class Row:
    """One student's result for an assignment."""

    student: str
    exercises: list[Exercise]
    feedback: Path
    penalty: float = 0.0  # points off for lateness
    notes: tuple[Note, ...] = ()
    seconds: float = 0.0  # that grading took
    trouble: str = ""  # why there is no result file to be read, in a sentence

    @property
    def points(self) -> float:
        """Before the late penalty."""
        return sum(exercise.points for exercise in self.exercises)

    @property
    def total(self) -> float:
        """After the late penalty, as nbgrader exports it."""
        return max(0.0, self.points - self.penalty)

    @property
    def max_points(self) -> float:
        return sum(exercise.max_points for exercise in self.exercises)


def rows(course: Course, assignment: str) -> list[Row]:
    """One row for each student with a graded submission, in alphabetical order."""
    with course.gradebook() as gradebook:
        marks = read_marks(gradebook, assignment)
    return [_row(course, assignment, student, marks[student]) for student in sorted(marks)]


def _row(course: Course, assignment: str, student: str, marks: Marks) -> Row:
    result, trouble = read_result(course, assignment, student)
    names = list(dict.fromkeys(notebook for notebook, _ in marks.cells))
    if result is None:  # lost, not to be read, or graded without this grader: the outputs know the verdicts
        folder = course.root / "autograded" / student / assignment
        notebooks = [from_autograded(folder / f"{name}.ipynb") for name in names]
    else:
        notebooks = result.notebooks
    cells = {
        (notebook.name, cell.grade_id): (cell, notebook.notes) for notebook in notebooks for cell in notebook.cells
    }
    exercises: dict[tuple[str, str], Exercise] = {}
    for key in [*(key for key in cells if key in marks.cells), *(key for key in marks.cells if key not in cells)]:
        mark, (notebook, grade_id) = marks.cells[key], key
        name = exercise_of(grade_id)
        before = exercises.get((notebook, name), Exercise(name, 0.0, 0.0, None, ""))
        found = faults_of(*cells[key], mark) if key in cells else [(None, "the submission could not be read")]
        faults = tuple(dict.fromkeys((*before.faults, *found)))
        exercises[notebook, name] = Exercise(
            name,
            before.points + mark.points,
            before.max_points + mark.max_points,
            next((mistake for mistake, _ in faults if mistake), None),
            faults[0][1] if faults else "",
            faults,
            before.waits or mark.waits,
        )
    return Row(
        student,
        list(exercises.values()),
        course.root / "feedback" / student / assignment / f"{names[0]}.html",
        sum(marks.penalties.values()),
        tuple(result.notes) if result else (),
        result.seconds if result else 0.0,
        trouble,
    )


def read_result(course: Course, assignment: str, student: str) -> tuple[SubmissionResult | None, str]:
    """The result file of a student, and if it is there but cannot be read, a sentence that says so."""
    path = ResultStore(course.root, assignment).folder / f"{student}.json"
    try:
        result = SubmissionResult.from_json(path.read_text(encoding="utf-8"))
        if (result.assignment, result.student) != (assignment, student):
            raise ValueError(f"it is that of {result.student} for {result.assignment}")
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError) as error:
        return None, f"{path.relative_to(course.root)} cannot be read ({cut(error, 120)}): grade {student} again."
    return result, ""


def from_autograded(path: Path) -> NotebookResult:
    """What the outputs of an autograded notebook say; nothing if there is no such file or it is no notebook."""
    try:
        return NotebookResult(path.stem, "", cell_results(nbformat.read(path, as_version=4)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # nbformat raises any of them
        return NotebookResult(path.stem, "")


def cell_results(nb: nbformat.NotebookNode) -> list[CellResult]:
    """The verdicts that stand in the outputs of an autograded notebook; the points are the gradebook's to know."""
    result = []
    for cell in nb.cells:
        mark = cell.metadata.get("nbgrader", {})
        if is_test(cell):
            report, error = _verdict(cell.get("outputs", []))
            result.append(CellResult(mark["grade_id"], 0.0, mark.get("points", 0.0), report, error))
        elif mark.get("grade") or mark.get("task"):
            result.append(CellResult(mark["grade_id"], None, mark.get("points", 0.0)))
    return result


def is_test(cell: nbformat.NotebookNode) -> bool:
    """Whether the cell is the grader's: code that gives points and that no student writes."""
    mark = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(mark.get("grade")) and not mark.get("solution")


def _verdict(outputs: list) -> tuple[dict | None, str]:
    """The cell's own result decides; what the student's code displayed on the way may say anything."""
    for output in outputs:
        if output.output_type == "error":
            return None, cut(f"{output.ename}: {output.evalue}", LONGEST_MESSAGE)
        if output.output_type == "execute_result" and REPORT_TYPE in output.data:
            values = output.data[REPORT_TYPE]
            return (None, UNREADABLE) if read_report(values) is None else (values, "")
    return None, ""


def read_report(values) -> Report | None:
    """A check's report from its JSON, or None if it is none."""
    try:
        report = Report.from_dict(values)
        texts = [report.function, report.note]
        for finding in report.findings:
            texts += [finding.name, finding.message, finding.where, finding.got, finding.expected]
            texts += [finding.mistake or "", "" if finding.passed in (True, False, None) else None]
            finding.weight = float(finding.weight)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    return report if all(isinstance(text, str) for text in texts) else None


def faults_of(cell: CellResult, notes: list[Note], mark: Mark) -> list[tuple[str | None, str]]:
    """What went wrong in a graded cell: misconceptions, each with its sentence. What happened to it names an error."""
    if cell.error:
        places = (cell.grade_id, exercise_of(cell.grade_id))
        return [(next((note.kind for note in notes if note.grade_id in places), None), cell.error)]
    if cell.report is None:
        if cell.points is None or mark.points >= mark.max_points:
            return []
        return [(None, f"the test gave {mark.points:g} of {mark.max_points:g} points")]
    report = read_report(cell.report)
    if report is None:
        return [(None, UNREADABLE)]
    failures = [(finding.mistake, finding.message) for finding in report.failures]
    return failures or ([] if report.passed else [(None, report.message)])


def view(title: str, class_rows: list[Row], root: Path, *, full: bool = False) -> Table | Group:
    """What to print of a class: the whole table if it is small or asked for (`full`), else a summary."""
    if full or len(class_rows) <= MOST_ROWS:
        return table(title, class_rows, root)
    names = list(dict.fromkeys(exercise.name for row in class_rows for exercise in row.exercises))
    summary = Table(title=Text(title), title_justify="left")
    for name in ("exercise", "mean", "of", "right"):
        summary.add_column(name, justify="left" if name == "exercise" else "right")
    for name in names:
        done = [exercise for row in class_rows for exercise in row.exercises if exercise.name == name]
        mean = sum(exercise.points for exercise in done) / len(done)
        right = sum(exercise.points >= exercise.max_points for exercise in done) / len(done)
        summary.add_row(Text(name), f"{mean:.2f}", f"{done[0].max_points:g}", f"{right:.0%}")
    total = sum(row.total for row in class_rows) / len(class_rows)
    where = f"{len(class_rows)} students, {total:.2f} of {class_rows[0].max_points:g} points on average. "
    return Group(summary, Text(f"{where}Every student: {root / 'grades.csv'}; feedback: {root / 'feedback'}"))


def table(title: str, class_rows: list[Row], root: Path) -> Table:
    """The gradebook for the terminal: points per exercise, what went wrong, where the feedback lies."""
    result = Table(title=Text(title), show_lines=True, title_justify="left", caption_justify="left")
    names = list(dict.fromkeys(exercise.name for row in class_rows for exercise in row.exercises))
    result.add_column("student", no_wrap=True)
    for number, _ in enumerate(names, start=1):
        result.add_column(str(number), justify="right")
    result.add_column("total", justify="right")
    result.add_column("what went wrong, and the feedback", ratio=1, overflow="fold")
    for row in class_rows:
        points = {exercise.name: "?" if exercise.waits else f"{exercise.points:g}" for exercise in row.exercises}
        lines = _wrong({names.index(done.name) + 1: done for done in row.exercises if done.message})
        if row.penalty:
            lines.append(Text.assemble(("late", "bold"), f": {row.penalty:g} points off"))
        feedback = row.feedback.relative_to(root) if row.feedback.is_relative_to(root) else row.feedback
        lines.append(Text(cut(feedback), "dim"))
        result.add_row(
            Text(cut(row.student)),
            *(points.get(name, "") for name in names),
            f"{row.total:g}/{row.max_points:g}",
            Text("\n").join(lines),
        )
    caption = "  ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
    if any(exercise.waits for row in class_rows for exercise in row.exercises):
        caption += "\n? is still to be read by a person"
    result.caption = Text(caption)
    return result


def _wrong(failed: dict[int, Exercise]) -> list[Text]:
    """A line for each exercise. Untouched notebooks say the same of every one: say it once."""
    messages = {exercise.message for exercise in failed.values()}
    if len(failed) > 2 and len(messages) == 1:
        return [Text.assemble((f"all {len(failed)} exercises that failed", "bold"), f": {messages.pop()}")]
    return [
        Text.assemble((f"{number} {exercise.name}", "bold"), f": {exercise.message}")
        for number, exercise in failed.items()
    ]
