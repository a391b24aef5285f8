"""Feedback for a student: a page that says, exercise by exercise, what is right, what is not yet, and where to look."""

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_utils.checks.report import Finding, cut
from course_utils.files import write_text
from course_utils.grading import render
from course_utils.grading.gradebook import UNREADABLE, read_report, read_result
from course_utils.grading.marks import Mark, Marks, read_marks
from course_utils.grading.pipeline import Course
from course_utils.grading.results import CellResult, Note, NotebookResult, SubmissionResult
from course_utils.grading.spec import exercise_of

VERDICTS = {
    "right": "Right",
    "partly": "Right in part",
    "wrong": "Not right yet",
    "open": "Not attempted yet",
    "manual": "Is read by a person",
}
LABELS = {"-check": "The check that you see", "-test": "The hidden test, on other inputs"}
COMPANIONS = ("timestamp.txt", "submission_secret.txt")  # what `nbgrader release_feedback` needs beside the page
MOST_CELLS = 10  # of a student that are shown for one exercise
LONGEST_COMPANION = 1_000  # bytes


@dataclass
class Part:
    """One graded cell: the check that the student sees, or the hidden test."""

    label: str
    state: str  # a key of VERDICTS
    points: float
    max_points: float
    verdict: str
    error: str = ""
    findings: list[Finding] = field(default_factory=list)  # what failed
    criteria: list[Finding] = field(default_factory=list)  # all

    @property
    def summary(self) -> list[tuple[str, list[str]]]:
        """What is right and what could not be judged, where something failed; else what was looked at."""
        right = [finding.name for finding in self.criteria if finding.passed]
        unjudged = [finding.name for finding in self.criteria if finding.passed is None]
        pairs = [("Right already" if self.findings else "Looked at", right), ("Not judged yet", unjudged)]
        return [(label, names) for label, names in pairs if names]


@dataclass
class Section:
    """One exercise."""

    name: str
    anchor: str
    title: str
    parts: list[Part] = field(default_factory=list)
    cells: list[dict] = field(default_factory=list)  # of the student
    comments: list[str] = field(default_factory=list)
    points: float = 0.0
    max_points: float = 0.0
    waits: bool = False
    corrected: bool = False  # by a person, where a check had given points

    @property
    def state(self) -> str:
        if self.waits:
            return "manual"
        if self.points >= self.max_points:
            return "right"
        if self.points > 0:
            return "partly"
        return "open" if self.parts and all(part.state == "open" for part in self.parts) else "wrong"

    @property
    def verdict(self) -> str:
        return VERDICTS[self.state]


def write(course: Course, result: SubmissionResult, marks: Marks | None = None) -> Path:
    """Write `feedback/STUDENT/ASSIGNMENT/NOTEBOOK.html` for each notebook of a submission, where nbgrader has it.

    Args:
        marks: points, penalty and comments of the submission, if they were read already; else the gradebook is asked.
            Without an entry there, the points are those of the result.

    Returns:
        The page of the first notebook, or the folder if the submission has none.
    """
    if marks is None:
        with course.gradebook() as gradebook:
            marks = read_marks(gradebook, result.assignment, result.student).get(result.student, Marks())
    folder = course.root / "feedback" / result.student / result.assignment
    pages = []
    for notebook in result.notebooks:
        nb = nbformat.reads(notebook.ipynb, as_version=4)
        pages.append(folder / f"{notebook.name}.html")
        write_text(page(nb, notebook, marks, result.assignment, result.student), pages[-1])
    for name in COMPANIONS:
        _copy_small(course.root / "autograded" / result.student / result.assignment / name, folder / name)
    return pages[0] if pages else folder


def write_class(course: Course, assignment: str, students: Iterable[str] | None = None) -> dict[str, str]:
    """Write the feedback of an assignment anew, with the points and comments that the gradebook holds now.

    Args:
        students: whose; by default that of all who are graded.

    Returns:
        The students who got none, each with the reason.

    Raises:
        FileNotFoundError: the folder is not a course.
    """
    with course.gradebook() as gradebook:
        marks = read_marks(gradebook, assignment)
    failures = {}
    for student in students or sorted(marks):
        result, trouble = read_result(course, assignment, student)
        if student in marks and result is not None:
            write(course, result, marks[student])
        else:
            failures[student] = trouble or f"{student} has no graded submission of {assignment}."
    return failures


def _copy_small(source: Path, target: Path) -> None:
    """Copy a short text file; what a student has put there instead, a link for example, is left out."""
    try:
        entry = source.lstat()
        if stat.S_ISREG(entry.st_mode) and entry.st_size <= LONGEST_COMPANION:
            write_text(source.read_text(encoding="utf-8", errors="replace"), target)
    except FileNotFoundError:
        pass


def page(nb: nbformat.NotebookNode, notebook: NotebookResult, marks: Marks, assignment: str, student: str) -> str:
    """The page of one notebook.

    Args:
        nb: the graded notebook, of which titles, the student's cells and their outputs are shown.
        notebook: verdicts and notes; what stands in the notebook's own outputs of tests is not looked at.
    """
    sections = _sections(nb, notebook, marks)
    anchors = {section.name: section.anchor for section in sections}
    points = sum(section.points for section in sections)
    penalty = marks.penalties.get(notebook.name, 0.0)
    titles = (_heading(cell.source) for cell in nb.cells if cell.cell_type == "markdown")
    return render.page(
        "feedback.html.j2",
        title=next((title for title in titles if title), "") or assignment,
        student=cut(student),
        sections=sections,
        notes=[(cut(note.text), anchors.get(exercise_of(note.grade_id))) for note in _unique(notebook.notes)],
        points=points,
        penalty=penalty,
        total=max(0.0, points - penalty),
        max_points=sum(section.max_points for section in sections),
        waiting=sum(section.waits for section in sections),
    )


def _unique(notes: Iterable[Note]) -> list[Note]:
    return list({note.text: note for note in reversed(list(notes))}.values())[::-1]


def _sections(nb: nbformat.NotebookNode, notebook: NotebookResult, marks: Marks) -> list[Section]:
    """The exercises in the order of the notebook, with verdicts, points, and the student's cells."""
    graded = {cell.grade_id: cell for cell in notebook.cells}
    names = {exercise_of(grade_id) for grade_id in graded}
    sections: dict[str, Section] = {}
    current = None
    for cell in nb.cells:
        mark = cell.metadata.get("nbgrader") or {}
        grade_id = mark.get("grade_id", "")
        if mark.get("grade") or mark.get("solution") or mark.get("locked") or mark.get("task"):
            name = exercise_of(grade_id)
            current = None
            if name in names:
                if name not in sections:
                    sections[name] = Section(name, f"exercise-{len(sections) + 1}", name)
                current = sections[name]
        if current is None:
            continue
        if cell.cell_type == "markdown" and mark.get("locked") and _heading(cell.source):
            current.title = _heading(cell.source)
        elif mark.get("solution"):
            current.cells.append(_student_cell(cell, "Your code" if cell.cell_type == "code" else "Your answer"))
        elif not mark.get("locked") and not mark.get("grade") and len(current.cells) < MOST_CELLS:
            current.cells.append(_student_cell(cell, "A cell of your own"))
        if comment := marks.comments.get((notebook.name, grade_id)):
            current.comments.append(render.text(comment))
    for result in notebook.cells:
        name = exercise_of(result.grade_id)
        section = sections.setdefault(name, Section(name, f"exercise-{len(sections) + 1}", name))
        _add_verdict(section, result, marks.cells.get((notebook.name, result.grade_id)))
    return list(sections.values())


def _add_verdict(section: Section, cell: CellResult, mark: Mark | None) -> None:
    waits = cell.points is None
    mark = mark or Mark(cell.points or 0.0, cell.max_points, waits=waits)
    section.points += mark.points
    section.max_points += mark.max_points
    section.waits |= mark.waits
    section.corrected |= mark.manual and not waits
    if waits:
        return
    part = _part(cell, mark)
    for other in section.parts:  # say everything once
        same = [(finding.name, finding.message) for finding in part.findings]
        if (part.error or same) and (part.error, same) == (other.error, [(f.name, f.message) for f in other.findings]):
            part.verdict += ", for the same reason"
            part.error, part.findings, part.criteria = "", [], []
        elif [(f.name, f.passed) for f in part.criteria] == [(f.name, f.passed) for f in other.criteria]:
            part.criteria = []
    section.parts.append(part)


def _part(cell: CellResult, mark: Mark) -> Part:
    report = read_report(cell.report) if cell.report is not None else None
    error = cell.error or (UNREADABLE if cell.report is not None and report is None else "")
    if report is not None:
        share = report.fraction
        if not report.findings:
            error = report.message
    else:
        share = 0.0 if error else mark.points / mark.max_points if mark.max_points else 1.0
    state = "right" if share >= 1 else "partly" if share > 0 else "wrong"
    if report is not None and report.mistake == "not-attempted":
        state = "open"
    label = next((meaning for end, meaning in LABELS.items() if cell.grade_id.endswith(end)), "Test")
    part = Part(label, state, mark.points, mark.max_points, VERDICTS[state].lower(), error)
    if report is not None:
        part.findings = report.failures
        part.criteria = report.findings if state != "open" else []
    return part


def _student_cell(cell: nbformat.NotebookNode, label: str) -> dict:
    if cell.cell_type != "code":
        return {"label": label, "prose": render.text(cell.source, render.LONGEST_CODE)}
    return {"label": label, "code": render.code(cell.source), "outputs": render.outputs(cell)}


def _heading(source: str) -> str:
    """The first heading of a Markdown cell, without the time that it takes; an empty string if there is none."""
    found = re.search(r"^#{1,6}\s+(.+?)\s*#*$", source, re.MULTILINE)
    return re.sub(r"\s*\(\d+ minutes\b[^)]*\)$", "", cut(found[1], 200)) if found else ""
