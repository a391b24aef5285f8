"""A student's notebook, put right against what was released, so that every exercise is where nbgrader looks for it."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from nbformat import NotebookNode, from_dict

from course_utils.grading import reading
from course_utils.grading.finding import find
from course_utils.grading.matching import cell_id, defined, differs, is_code_to_write, match
from course_utils.grading.reading import Cell
from course_utils.grading.results import Note, Submission
from course_utils.grading.spec import NotebookSpec, SourceCell

MAX_OWN_CELLS = 5_000  # that the student may have added
MAX_NAMED = 3  # so many cells get a note each; where there are more, one note names them all

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
VALID_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

# What is said of a cell by its flaw, see `reading.Cell`.
FLAWS = {
    "too-large": f"Text over {reading.MAX_SOURCE:,} characters or images over {reading.MAX_ATTACHMENTS:,} were left "
    "out of: {}.",
    "unreadable": "Where the text of a cell belongs there was none, so it counts as empty: {}.",
}


@dataclass
class Repaired:
    """A valid notebook of version 4.5 without outputs.

    It holds the student's cells and, exactly once and in the order of the release, every cell that nbgrader tracks.
    """

    nb: NotebookNode
    notes: list[Note]
    unanswered: list[str]  # the solution cells that are still as released


def repair(submission: Submission, notebook: NotebookSpec, others: Collection[str] = ()) -> Repaired:
    """Find the notebook among the files of a submission, read it whatever its state, and put its cells right.

    Never raises, whatever the files hold. What the student wrote in solution cells and in cells of their own is kept;
    locked cells, tests above all, come from the release.

    Args:
        others: names of the assignment's other notebooks, whose files are not taken for this one.
    """
    cells, notes = find(submission, notebook, others)
    return _Repair(cells, notebook).result(notes)


class _Repair:
    """Puts the cells of one student right."""

    def __init__(self, cells: list[Cell], notebook: NotebookSpec):
        self.cells = cells
        self.notebook = notebook
        self.found = match(cells, notebook)
        self.missing = [cell for cell in notebook.cells if cell.grade_id not in self.found.chosen]
        known = self.found.dropped.union(self.found.chosen.values())
        own = [position for position in range(len(cells)) if position not in known]
        self.own, self.surplus = own[:MAX_OWN_CELLS], own[MAX_OWN_CELLS:]  # cells that the student added
        self.elsewhere = self._defined_elsewhere()

    def result(self, notes: list[Note]) -> Repaired:
        sources = {cell.grade_id: self._source(cell) for cell in self.notebook.cells}
        used: set[str] = set()
        ids = {cell.grade_id: _unused_id(cell_id(cell.grade_id), used) for cell in self.notebook.cells}
        nodes = []
        for item in self._order():
            if isinstance(item, int):
                cell = self.cells[item]
                nodes.append(_node(_unused_id(cell.id, used), cell.kind, cell.source, cell.attachments))
            else:
                source, attachments = sources[item.grade_id], {}
                if not item.locked and item.grade_id in self.found.chosen:
                    attachments = self.cells[self.found.chosen[item.grade_id]].attachments
                nodes.append(_node(ids[item.grade_id], item.cell_type, source, attachments, _mark(item)))
        metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        nb = from_dict({"cells": nodes, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
        unanswered = [
            cell.grade_id
            for cell in self.notebook.cells
            if cell.solution and sources[cell.grade_id] in (cell.released, cell.source)
        ]
        return Repaired(nb, notes + self._notes(), unanswered)

    def _defined_elsewhere(self) -> set[str]:
        """Missing solution cells whose function stands in another cell: that of a merged cell, say."""
        names = {cell.grade_id: defined(cell.released)[0] for cell in self.missing if is_code_to_write(cell)}
        if not names:
            return set()
        solutions = [cell.grade_id for cell in self.notebook.cells if not cell.locked]
        written = self.own + [self.found.chosen[name] for name in solutions if name in self.found.chosen]
        there = {name for position in written for name in defined(self.cells[position].source)}
        return {grade_id for grade_id, name in names.items() if name in there}

    def _source(self, cell: SourceCell) -> str:
        if cell.locked:
            return cell.source
        if cell.grade_id in self.found.chosen:
            return self.cells[self.found.chosen[cell.grade_id]].source
        if cell.grade_id in self.elsewhere:  # the stub would undo what the student wrote
            return f"# {defined(cell.released)[0]} is defined in another cell."
        return cell.released

    def _order(self) -> list[SourceCell | int]:
        """The cells of the release in its order, and the positions of the student's own in between.

        Known cells stay in the slots that known cells had. A missing test goes behind the student's own cells, which
        may hold what it tests; other missing cells go before them, so that a stub undoes nothing.
        """
        chosen = self.found.chosen
        present = [cell for cell in self.notebook.cells if cell.grade_id in chosen]
        slots = dict(zip(sorted(chosen.values()), present, strict=True))
        lost_before, lost = {}, []
        for cell in self.notebook.cells:
            if cell.grade_id in chosen:
                lost_before[cell.grade_id], lost = lost, []
            else:
                lost.append(cell)
        order, own = [], []
        for position in sorted([*self.own, *slots]):
            if position in slots:
                order += [*_between(lost_before[slots[position].grade_id], own), slots[position]]
                own = []
            else:
                own.append(position)
        return order + _between(lost, own)

    def _notes(self) -> list[Note]:
        found, notes = self.found, []
        if not self.cells:  # what the note about the file has said already
            return notes
        if found.unmarked:
            problem = f"Cells that had lost nbgrader's marks and were recognised without: {found.unmarked}."
            notes.append(Note("metadata", problem))
        positions = list(found.chosen.values())  # in the order of the release
        if positions != sorted(positions):
            notes.append(Note("reordered", "Cells of the release had changed places and were put back in their order."))
        answers = [cell.grade_id for cell in found.copied if not cell.locked]
        notes += _about("duplicate", answers, "There more than once, and the last copy with an answer counts: {}.")
        others = [cell.grade_id for cell in found.copied if cell.locked]
        notes += _about("duplicate", others, "There more than once, and graded once: {}.")
        lost = [cell.grade_id for cell in self.missing if cell.grade_id not in self.elsewhere]
        notes += _about("missing", lost, "Missing, and put back as released: {}.")
        elsewhere = [cell.grade_id for cell in self.missing if cell.grade_id in self.elsewhere]
        notes += _about("missing", elsewhere, "Missing, but defined in another cell, which counts: {}.")
        return notes + self._notes_on_text()

    def _notes_on_text(self) -> list[Note]:
        notes: list[Note] = []
        restored, retyped, flaws = [], [], {flaw: [] for flaw in FLAWS}
        for cell in self.notebook.cells:
            if cell.grade_id not in self.found.chosen:
                continue
            student = self.cells[self.found.chosen[cell.grade_id]]
            if cell.locked:
                if differs(student, cell) or student.kind != cell.cell_type:
                    restored.append(cell.grade_id)
                continue
            if student.kind != cell.cell_type:
                retyped.append(cell.grade_id)
            if student.flaw:
                flaws[student.flaw].append(cell.grade_id)
        notes += _about("restored", restored, "Locked, but changed, and put back as released: {}.")
        notes += _about("metadata", retyped, "Changed into a cell of another type, and changed back: {}.")
        for flaw, text in FLAWS.items():
            notes += _about(flaw, flaws[flaw], text)
            count = sum(self.cells[position].flaw == flaw for position in self.own)
            if count:
                notes.append(Note(flaw, text.format("a cell" if count == 1 else f"{count:,} cells")))
        if self.surplus:
            problem = f"Of the cells that are not part of the release {MAX_OWN_CELLS:,} were kept, and "
            notes.append(Note("too-large", f"{problem}{len(self.surplus):,} left out."))
        return notes


def _between(lost: list[SourceCell], own: list[int]) -> list[SourceCell | int]:
    first_test = next((index for index, cell in enumerate(lost) if cell.is_test), len(lost))
    return [*lost[:first_test], *own, *lost[first_test:]]


def _about(kind: str, grade_ids: list[str], text: str) -> list[Note]:
    if len(grade_ids) <= MAX_NAMED:
        return [Note(kind, text.format(grade_id), grade_id) for grade_id in grade_ids]
    return [Note(kind, text.format(", ".join(grade_ids)))]


def _node(identity: str, kind: str, source: str, attachments: dict, mark: dict | None = None) -> dict:
    """A cell in the notebook format's version 4.5."""
    node = {"id": identity, "cell_type": kind, "metadata": {"nbgrader": mark} if mark else {}, "source": source}
    if kind == "code":
        return node | {"execution_count": None, "outputs": []}
    return node | {"attachments": attachments} if attachments else node


def _mark(cell: SourceCell) -> dict:
    """nbgrader's metadata of a cell, in its schema 3."""
    mark = {
        "schema_version": 3,
        "grade_id": cell.grade_id,
        "grade": cell.grade,
        "solution": cell.solution,
        "locked": cell.locked,
        "task": cell.task,
        "cell_type": cell.cell_type,
    }
    if cell.has_points:
        mark["points"] = cell.points
    if cell.checksum:
        mark["checksum"] = cell.checksum
    return mark


def _unused_id(wanted: str | None, used: set[str]) -> str:
    if wanted is None or not VALID_ID.fullmatch(wanted) or wanted in used:
        number = len(used)
        while (wanted := f"cell-{number}") in used:
            number += 1
    used.add(wanted)
    return wanted
