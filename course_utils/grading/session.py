"""Grading a class at the terminal: a progress bar with time left, then the gradebook and what needs a look."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from course_utils.checks.report import cut
from course_utils.grading import gradebook, pipeline

MOST_NAMES = 3  # students whose names stand beside the progress bar
MOST_LOOKS = 20  # notes on the terminal; `course report` shows all
STEADY_SECONDS = 3600.0  # of which the speed is estimated: one submission may take minutes


def grade_class(
    course: pipeline.Course,
    assignment: str,
    students: Iterable[str] | None = None,
    console: Console | None = None,
    **options,
) -> dict[str, str]:
    """Grade, write feedback, export grades.csv and print the table; return the students who could not be graded.

    Args:
        options: `num_workers`, `cluster`, `unsafe` and `again` of `pipeline.grade`.

    Raises:
        FileNotFoundError: the folder is not a course.
        GradingError: nobody has handed in, or as `pipeline.grade`.
    """
    console = console or Console()
    course.config()  # says so if this is no course folder
    handed_in = course.students(assignment)
    students = handed_in if not students else list(dict.fromkeys(students))
    if not handed_in:
        raise pipeline.GradingError(
            f"nobody has handed in {assignment}: submissions belong in {course.root}/submitted/STUDENT/{assignment}/"
        )
    strangers = sorted(set(students) - set(handed_in))
    if strangers:
        raise pipeline.GradingError(f"no submission of {assignment} by {', '.join(strangers)}")

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    columns += [TextColumn("left"), TimeRemainingColumn()]
    with Progress(*columns, console=console, speed_estimate_period=STEADY_SECONDS) as progress:
        bar = _Bar(progress, len(students))
        failures = pipeline.grade(
            course, assignment, students, bar.done, started=bar.started, say=progress.console.print, **options
        )
    if bar.before:
        console.print(f"{bar.before} of {len(students)} submissions were graded before and have not changed.")
    grades = pipeline.export(course, course.root / "grades.csv")
    rows = gradebook.rows(course, assignment)
    console.print(gradebook.view(f"Gradebook of {assignment}", rows, course.root))
    _print_looks(console, rows, set(students))
    console.print(f"Feedback: {course.root / 'feedback'}/STUDENT/{assignment}/", markup=False)
    console.print(f"Grades: {grades}", markup=False)
    for student, reason in failures.items():
        sentence = cut(reason.splitlines()[-1] if reason else "unknown reason", gradebook.LONGEST_MESSAGE)
        console.print(f"[red]not graded:[/red] {escape(student)}: {escape(sentence)}")
    if failures:
        folder = course.root / ".grading" / "results" / assignment
        console.print(f"In full: {folder}/STUDENT.error. The same command tries them again.", markup=False)
    return failures


class _Bar:
    """The progress bar; `before` counts those whom an earlier run had graded, since they say nothing of the speed."""

    def __init__(self, progress: Progress, total: int):
        self._progress, self._total, self.before = progress, total, 0
        self._task = progress.add_task("grading", total=total)
        self._active: list[str] = []

    def started(self, student: str) -> None:
        if student not in self._active:
            self._active.append(student)
        self._show()

    def done(self, student: str, error: str, fresh: bool) -> None:
        if student in self._active:
            self._active.remove(student)
        if fresh:
            self._progress.advance(self._task)
        else:
            self.before += 1
        self._show()

    def _show(self) -> None:
        names = ", ".join(escape(cut(student, 30)) for student in self._active[:MOST_NAMES])
        more = f" and {len(self._active) - MOST_NAMES} more" if len(self._active) > MOST_NAMES else ""
        self._progress.update(self._task, total=self._total - self.before, description=f"grading {names}{more}".strip())


def _print_looks(console: Console, rows: list[gradebook.Row], students: set[str]) -> None:
    looks = [(row.student, note) for row in rows if row.student in students for note in row.notes if note.is_alarm]
    if looks:
        console.print("Have a look at:")
    for student, note in looks[:MOST_LOOKS]:
        text = f"[bold]{escape(student)}[/bold] ({note.kind}): {escape(cut(note.text, gradebook.LONGEST_MESSAGE))}"
        console.print(f"  {text}")
    if len(looks) > MOST_LOOKS:
        console.print(f"  and {len(looks) - MOST_LOOKS} more: `course report` shows them all", markup=False)
