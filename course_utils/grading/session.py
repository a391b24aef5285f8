"""Grading a class at the terminal: a progress bar with time left, then the gradebook as a table."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from course_utils.grading import gradebook, pipeline


def grade_class(
    course: pipeline.Course, assignment: str, students: Iterable[str] | None = None, console: Console | None = None
) -> dict[str, str]:
    """Grade, write feedback, export grades.csv and print the table; return the students who could not be graded.

    Raises:
        FileNotFoundError: the folder is not a course.
        GradingError: nobody has handed in, or the assignment was never released.
    """
    console = console or Console()
    course.config()  # says so if this is no course folder
    handed_in = course.students(assignment)
    students = handed_in if not students else list(students)
    if not handed_in:
        raise pipeline.GradingError(
            f"nobody has handed in {assignment}: submissions belong in {course.root}/submitted/STUDENT/{assignment}/"
        )
    strangers = sorted(set(students) - set(handed_in))
    if strangers:
        raise pipeline.GradingError(f"no submission of {assignment} by {', '.join(strangers)}")

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("grading", total=len(students))

        def done(student: str, error: str) -> None:
            progress.update(task, advance=1, description=f"graded {student}")

        failures = pipeline.grade(course, assignment, students, done)
    grades = pipeline.export(course, course.root / "grades.csv")
    console.print(gradebook.table(f"Gradebook of {assignment}", gradebook.rows(course, assignment), course.root))
    console.print(f"Grades: {grades}")
    for student, reason in failures.items():
        console.print(
            f"[red]not graded:[/red] {student}: {reason.splitlines()[-1] if reason else 'unknown reason'}", markup=True
        )
    return failures
