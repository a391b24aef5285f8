"""The instructor's report on an assignment: how the class did, which ideas went astray, which work to look at."""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from nbgrader.api import MissingEntry
from rich.console import Group
from rich.table import Table
from rich.text import Text

from course_utils.checks.report import cut
from course_utils.files import write_text
from course_utils.grading import gradebook, render
from course_utils.grading.figure import scores_figure
from course_utils.grading.gradebook import Exercise, Row
from course_utils.grading.pipeline import Course, GradingError
from course_utils.grading.results import ALARMS
from course_utils.grading.store import ResultStore

NOT_ATTEMPTED = "not-attempted"
MOST_PRINTED = 10  # lines of a list at the terminal
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell starts that a spreadsheet may run


@dataclass(frozen=True)
class Mistake:
    """A misconception and how many students show it; `name` is empty for a failure that no misconception explains."""

    exercise: str
    name: str
    sentence: str
    count: int


@dataclass(frozen=True)
class Place:
    """What the class did in one exercise."""

    name: str
    done: list[Exercise]  # one a student

    @property
    def max_points(self) -> float:
        return max(exercise.max_points for exercise in self.done)

    @property
    def mean(self) -> float:
        return sum(exercise.points for exercise in self.done) / len(self.done)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many students have all points, some, none."""
        full = sum(exercise.points >= exercise.max_points for exercise in self.done)
        none = sum(exercise.points <= 0 < exercise.max_points for exercise in self.done)
        return full, len(self.done) - full - none, none

    @property
    def num_untouched(self) -> int:
        return sum(exercise.mistake == NOT_ATTEMPTED for exercise in self.done)

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """What went wrong, the commonest first; a student counts once for each."""
        counts: Counter[tuple[str, str]] = Counter()
        sentences: dict[tuple[str, str], Counter[str]] = {}
        for exercise in self.done:
            said = {(mistake or "", "" if mistake else sentence): sentence for mistake, sentence in exercise.faults}
            for key, sentence in said.items():
                counts[key] += 1
                sentences.setdefault(key, Counter())[sentence] += 1
        return [
            Mistake(self.name, key[0], sentences[key].most_common(1)[0][0], count)
            for key, count in counts.most_common()
            if key[0] != NOT_ATTEMPTED
        ]


@dataclass(frozen=True)
class ClassReport:
    """What is known of a class's submissions for an assignment."""

    assignment: str
    root: Path
    rows: list[Row]
    not_graded: dict[str, str] = field(default_factory=dict)  # handed in, but no points: why, where it is known
    not_handed_in: list[str] = field(default_factory=list)

    @cached_property
    def places(self) -> list[Place]:
        """The exercises in their order."""
        done: dict[str, list[Exercise]] = {}
        for row in self.rows:
            for exercise in row.exercises:
                done.setdefault(exercise.name, []).append(exercise)
        return [Place(name, exercises) for name, exercises in done.items()]

    @property
    def max_points(self) -> float:
        return max((row.max_points for row in self.rows), default=0.0)

    @property
    def mean(self) -> float:
        return sum(row.total for row in self.rows) / len(self.rows) if self.rows else 0.0

    @property
    def mistakes(self) -> list[Mistake]:
        """The misconceptions with a name in all exercises, the commonest first."""
        named = [mistake for place in self.places for mistake in place.mistakes]
        named = [mistake for mistake in named if mistake.name and mistake.name not in ALARMS]
        return sorted(named, key=lambda mistake: -mistake.count)

    @property
    def alarms(self) -> list[tuple[Row, str, str]]:
        """What an instructor has to look at: (row, kind, sentence)."""
        found = [(row, "damaged", [row.trouble]) for row in self.rows if row.trouble]
        for row in self.rows:
            kinds: dict[str, list[str]] = {}
            for note in row.notes:
                if note.is_alarm:
                    kinds.setdefault(note.kind, []).append(cut(note.text))
            found += [(row, kind, sentences) for kind, sentences in kinds.items()]
        return [
            (row, kind, sentences[0] + (f" (and {len(sentences) - 1} more of this kind)" if sentences[1:] else ""))
            for row, kind, sentences in found
        ]

    @property
    def slowest(self) -> list[Row]:
        return sorted((row for row in self.rows if row.seconds), key=lambda row: -row.seconds)[:5]

    def counted(self) -> str:
        """A sentence with the numbers of submissions."""
        parts = [f"{len(self.rows)} graded", f"{len(self.not_graded)} handed in but not graded"]
        return ", ".join([*parts, f"{len(self.not_handed_in)} not handed in"])


def collect(course: Course, assignment: str) -> ClassReport:
    """Read the gradebook and the results of an assignment.

    Raises:
        FileNotFoundError: the folder is not a course.
        GradingError: the gradebook does not know the assignment.
    """
    with course.gradebook() as book:
        try:
            book.find_assignment(assignment)
        except MissingEntry:
            known = ", ".join(sorted(entry.name for entry in book.assignments)) or "none"
            raise GradingError(f"the gradebook does not know the assignment {assignment!r}; it knows {known}") from None
        known_students = {student.id for student in book.students}
    rows = gradebook.rows(course, assignment)
    graded = {row.student for row in rows}
    waiting = [student for student in course.students(assignment) if student not in graded]
    folder = ResultStore(course.root, assignment).folder
    return ClassReport(
        assignment,
        course.root,
        rows,
        {student: _reason(folder / f"{student}.error") for student in waiting},
        sorted(known_students - graded - set(waiting)),
    )


def _reason(path: Path) -> str:
    """The last line of what `course grade` wrote when it failed."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() if path.is_file() else []
    return cut(lines[-1]) if lines else "not graded so far"


def summary(report: ClassReport, *, full: bool = False) -> Group:
    """The report for a terminal: numbers, exercises, misconceptions, submissions to look at; all of them if `full`."""
    most = None if full else MOST_PRINTED
    title = f"{report.assignment}: {report.counted()}"
    if report.rows:
        title += f"; {report.mean:.2f} of {report.max_points:g} points on average"
    places = _table("", "exercise", "mean", "of", "right", "in part", "none", "commonest misconception")
    for place in report.places:
        first = next((f"{m.name or m.sentence} ({m.count})" for m in place.mistakes), "")
        numbers = [f"{place.mean:.2f}", f"{place.max_points:g}", *map(str, place.counts)]
        places.add_row(Text(place.name), *numbers, Text(first))
    mistakes = _table("Commonest misconceptions", "students", "exercise", "misconception", "what the feedback says")
    for mistake in report.mistakes[:most]:
        mistakes.add_row(str(mistake.count), *map(Text, (mistake.exercise, mistake.name, mistake.sentence)))
    troubles = [(student, "not graded", reason) for student, reason in report.not_graded.items()]
    troubles += [(row.student, kind, sentence) for row, kind, sentence in report.alarms]
    alarms = _table("To look at", "student", "what", "sentence")
    for student, kind, sentence in troubles[:most]:
        alarms.add_row(*map(Text, (cut(student), kind, sentence)))
    rest = len(troubles) - len(troubles[:most])
    more = [f"and {rest} more to look at: on the page, or with --full"] if rest else []
    return Group(Text(title), *(table for table in (places, mistakes, alarms) if table.row_count), *more)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        number = column in ("mean", "of", "right", "in part", "none", "students")
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def write_html(report: ClassReport, path: Path) -> Path:
    """Write the report as one self-contained page."""
    counts = {place.name: place.counts for place in report.places}
    totals = [row.total for row in report.rows]
    figures = {
        theme: scores_figure(totals, report.max_points, counts, dark=theme == "dark") if totals else ""
        for theme in ("light", "dark")
    }
    links = {
        row.student: quote(Path(os.path.relpath(row.feedback, path.parent)).as_posix())
        for row in report.rows
        if row.feedback.is_file()
    }
    write_text(render.page("report.html.j2", report=report, figures=figures, links=links, cut=cut), path)
    return path


def write_csv(report: ClassReport, path: Path) -> Path:
    """Write one line a student: points, late penalty, total, misconceptions of each exercise, what happened."""
    names = [place.name for place in report.places]
    header = ["student", "status", *names, "points", "late penalty", "total", "max"]
    lines = [[*header, *(f"{name} mistakes" for name in names), "notes"]]
    for row in report.rows:
        done = {exercise.name: exercise for exercise in row.exercises}
        points = [_number(done[name].points) if name in done else "" for name in names]
        mistakes = [_joined(mistake for mistake, _ in done[name].faults) if name in done else "" for name in names]
        sums = map(_number, (row.points, row.penalty, row.total, row.max_points))
        lines.append([row.student, "graded", *points, *sums, *mistakes, _joined(note.kind for note in row.notes)])
    empty = [""] * (len(lines[0]) - 2)
    lines += [[student, "not graded", *empty] for student in report.not_graded]
    lines += [[student, "not handed in", *empty] for student in report.not_handed_in]
    target = io.StringIO()
    csv.writer(target).writerows([[_harmless(cell) for cell in line] for line in lines])
    write_text(target.getvalue(), path)
    return path


def _number(value: float) -> str:
    return f"{value:.6g}"


def _joined(words: Iterable[str | None]) -> str:
    return " ".join(dict.fromkeys(word for word in words if word))


def _harmless(cell: str) -> str:
    """Text that a spreadsheet shows as it is, instead of running it as a formula."""
    if cell.startswith(FORMULA):
        try:
            float(cell)
        except ValueError:
            return f"'{cell}"
    return cell
