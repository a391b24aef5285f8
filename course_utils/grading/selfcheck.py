"""What a student can know before handing in: `course check` runs the visible checks as the grader will.

The same sandbox, the same repairs, the same judge; only the hidden tests are missing, since the release lacks them.
"""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from course_utils.grading.results import Note, Submission
from course_utils.grading.spec import AssignmentSpec, NotebookSpec, SourceCell, exercise_of
from course_utils.notebooks import ROOT

VISIBLE_SEED = "course check"  # the inputs differ from those of the notebook's own checks, and from the grader's


class SelfCheckError(ValueError):
    """The notebook, or the release that it belongs to, is not there; the message is one sentence."""


@dataclass(frozen=True)
class Verdict:
    """The visible check of one exercise."""

    exercise: str
    points: float
    max_points: float
    message: str  # empty when all is right


@dataclass(frozen=True)
class SelfCheck:
    """All that can be said of a notebook before it is handed in."""

    notebook: str
    verdicts: list[Verdict]
    notes: list[Note]
    pending: int  # hidden tests that the grader will run
    pending_points: float

    @property
    def passed(self) -> bool:
        return not self.notes and all(verdict.points == verdict.max_points for verdict in self.verdicts)

    def __rich__(self):
        table = Table(title=f"Visible checks of {self.notebook}", title_justify="left", show_lines=False)
        table.add_column("exercise", no_wrap=True)
        table.add_column("points", justify="right", no_wrap=True)
        table.add_column("what to look at", overflow="fold")
        for verdict in self.verdicts:
            points = f"{verdict.points:g}/{verdict.max_points:g}"
            table.add_row(escape(verdict.exercise), points, escape(verdict.message) or "[green]right[/green]")
        got, most = (sum(getattr(v, name) for v in self.verdicts) for name in ("points", "max_points"))
        notes = [f"[yellow]note:[/yellow] {escape(note.text)}" for note in self.notes]
        tests = f"{self.pending} hidden tests, worth {self.pending_points:g} points, run when you hand in"
        return Group(*notes, table, f"visible: {got:g} of {most:g} points; {tests}")


def check(path: Path, release: Path | None = None, *, unsafe: bool = True) -> SelfCheck:
    """Run the visible checks of a notebook.

    Args:
        release: the released notebook; by default `assignments/NAME/NAME.ipynb` of this folder or of the course.
        unsafe: run it even where the system cannot isolate it; it is the student's own code on their own machine.

    Raises:
        SelfCheckError: there is no such notebook, or no release for it.
        IsolationError: the system cannot isolate it, and `unsafe` is not set.
    """
    from course_utils.grading import judge

    if not path.is_file():
        raise SelfCheckError(f"there is no file {path}")
    release = release or find_release(path)
    notebook, pending = read_release(release)
    files = {path.name: path.read_bytes()}
    spec = AssignmentSpec(release.parent.name, (notebook,))
    submission = Submission(spec.assignment, "you", files)
    (graded,) = judge.grade(submission, spec, secret=VISIBLE_SEED, unsafe=unsafe).notebooks
    verdicts = [
        Verdict(
            exercise_of(cell.grade_id),
            cell.points,
            cell.max_points,
            cell.error or ("" if cell.report is None or cell.report["passed"] else cell.report["message"]),
        )
        for cell in graded.cells
        if cell.points is not None
    ]
    return SelfCheck(path.name, verdicts, graded.notes, len(pending), sum(cell.points for cell in pending))


def find_release(path: Path) -> Path:
    """The released notebook that a student's notebook was made from, by its name. Raises SelfCheckError."""
    known = [
        found
        for folder in (Path.cwd(), ROOT)
        for found in sorted(folder.glob("assignments/*/*.ipynb"))
        if path.stem.lower().startswith(found.stem.lower()) or found.stem.lower() in path.stem.lower()
    ]
    if not known:
        raise SelfCheckError(f"no release is known for {path.name}: name the released notebook with --release")
    return known[0]


def read_release(path: Path) -> tuple[NotebookSpec, list[SourceCell]]:
    """The tracked cells of a released notebook, and those of them whose tests are hidden, which do not run.

    Raises:
        SelfCheckError: it cannot be read, or holds no tracked cell.
    """
    try:
        cells = json.loads(path.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SelfCheckError(f"{path} is not a released notebook: {error}") from error
    tracked, pending = [], []
    for cell in cells:
        mark = cell["metadata"].get("nbgrader")
        if not mark or not any(mark.get(flag) for flag in ("grade", "solution", "locked", "task")):
            continue
        flags = {name: bool(mark.get(name)) for name in ("locked", "grade", "solution", "task")}
        points, checksum = float(mark.get("points") or 0.0), mark.get("checksum")
        source = SourceCell(
            mark["grade_id"], cell["cell_type"], "".join(cell["source"]), points=points, checksum=checksum, **flags
        )
        if source.is_test and not ast.parse(source.source).body:
            pending.append(source)
            source = SourceCell(source.grade_id, "code", source.source, locked=True, checksum=checksum)
        tracked.append(source)
    if not tracked:
        raise SelfCheckError(f"{path} is not a released notebook: it holds no cell that nbgrader tracks")
    return NotebookSpec(path.stem, tuple(tracked)), pending
