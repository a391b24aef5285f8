"""What was released: the cells that nbgrader tracks, with their tests, as plain values that travel to workers.

The gradebook holds it; `read` takes it from there. Everything that decides a score (a test's source, the points, which
cells are tests) comes from here, never from a submission.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_utils.grading.pipeline import Course

# Lines that nbgrader takes out of a cell on its way to the students, between BEGIN and END.
SECRETS = ("HIDDEN TESTS", "MARK SCHEME")


def exercise_of(grade_id: str) -> str:
    """The exercise to which a cell belongs: gaussian_kl, gaussian_kl-check and gaussian_kl-test are one."""
    return re.sub(r"-(statement|check|test)$", "", grade_id)


@dataclass(frozen=True)
class SourceCell:
    """One tracked cell as it was released, hidden tests included."""

    grade_id: str
    cell_type: str  # "code", "markdown" or "raw"
    source: str
    locked: bool = False
    grade: bool = False
    solution: bool = False
    task: bool = False
    points: float = 0.0
    checksum: str | None = None

    @property
    def is_test(self) -> bool:
        """A locked cell of code that gives points: it runs in the grader, not in the student's process."""
        return self.grade and not self.solution and self.cell_type == "code"

    @property
    def has_points(self) -> bool:
        return self.grade or self.task

    @property
    def released(self) -> str:
        """The source as the students got it: without hidden tests and mark schemes."""
        lines, secret = [], False
        for line in self.source.split("\n"):
            if any(f"BEGIN {name}" in line for name in SECRETS):
                secret = True
            elif any(f"END {name}" in line for name in SECRETS):
                secret = False
            elif not secret:
                lines.append(line)
        return "\n".join(lines)


@dataclass(frozen=True)
class NotebookSpec:
    """The tracked cells of one notebook, in the order of the release."""

    name: str
    cells: tuple[SourceCell, ...]

    def cell(self, grade_id: str) -> SourceCell | None:
        return next((cell for cell in self.cells if cell.grade_id == grade_id), None)


@dataclass(frozen=True)
class AssignmentSpec:
    """An assignment as it was released."""

    assignment: str
    notebooks: tuple[NotebookSpec, ...]

    def notebook(self, name: str) -> NotebookSpec | None:
        return next((notebook for notebook in self.notebooks if notebook.name == name), None)

    @property
    def max_points(self) -> float:
        return sum(cell.points for notebook in self.notebooks for cell in notebook.cells if cell.has_points)

    def digest(self) -> str:
        """A hash that changes with any test, point or cell."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "AssignmentSpec":
        return cls(
            values["assignment"],
            tuple(
                NotebookSpec(notebook["name"], tuple(SourceCell(**cell) for cell in notebook["cells"]))
                for notebook in values["notebooks"]
            ),
        )


def read(course: "Course", assignment: str) -> AssignmentSpec:
    """What the gradebook knows of a released assignment, with the cells in the order of the release.

    The order comes from the notebooks in `assignments/`, or from those in `solutions/` where the release is gone.

    Raises:
        GradingError: the assignment was never released, or its notebooks in the course folder hold other cells than
            the gradebook.
    """
    # nbgrader takes seconds to import, and workers need no more than the classes above.
    from nbgrader.api import MissingEntry

    from course_utils.grading.pipeline import GradingError

    with course.gradebook() as gradebook:
        try:
            entries = gradebook.find_assignment(assignment).notebooks
        except MissingEntry:
            entries = []
        if not entries:
            raise GradingError(f"{assignment} was never released: `course release {assignment}` enters it")
        notebooks = []
        for entry in sorted(entries, key=lambda entry: entry.name):
            cells = {cell.grade_id: cell for cell in _source_cells(entry)}
            order = _order(course.root, assignment, entry.name)
            if order is None or sorted(order) != sorted(cells):
                raise GradingError(
                    f"the cells of {entry.name}.ipynb are "
                    + ("neither in assignments/ nor in solutions/" if order is None else "not those in the gradebook")
                    + f": release {assignment} again with `course release {assignment}`"
                )
            notebooks.append(NotebookSpec(entry.name, tuple(cells[grade_id] for grade_id in order)))
    return AssignmentSpec(assignment, tuple(notebooks))


def _source_cells(entry) -> list[SourceCell]:
    """The tracked cells of a notebook's entry in the gradebook, in no order."""
    grade = {cell.name: cell.max_score for cell in entry.grade_cells}
    task = {cell.name: cell.max_score for cell in entry.task_cells}
    solution = {cell.name for cell in entry.solution_cells}
    return [
        SourceCell(
            grade_id=cell.name,
            cell_type=cell.cell_type,
            source=cell.source or "",
            locked=cell.locked,
            grade=cell.name in grade,
            solution=cell.name in solution,
            task=cell.name in task,
            points=float(grade.get(cell.name, task.get(cell.name, 0.0))),
            checksum=cell.checksum,
        )
        for cell in entry.source_cells
    ]


def _order(root: Path, assignment: str, notebook: str) -> list[str] | None:
    """The `grade_id`s of the tracked cells in the order of the notebook; None where the course has no such file."""
    for folder in ("assignments", "solutions"):
        path = root / folder / assignment / f"{notebook}.ipynb"
        if path.is_file():
            marks = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(path.read_bytes())["cells"]]
            return [
                mark["grade_id"]
                for mark in marks
                if any(mark.get(flag) for flag in ("grade", "solution", "locked", "task"))
            ]
    return None
