"""Recognising, among the cells that a student handed in, those of the release."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from course_utils.grading.reading import Cell
from course_utils.grading.spec import NotebookSpec, SourceCell

DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)

Free = list[tuple[int, Cell]]  # the cells that nothing has recognised yet, with their positions


@dataclass(frozen=True)
class Match:
    """Positions in the list of the student's cells."""

    chosen: dict[str, int]  # for each `grade_id` that was found, the cell that counts
    dropped: frozenset[int]  # further copies that hold nothing of the student's
    copied: list[SourceCell]  # what was there more than once
    unmarked: int  # how many were recognised although nbgrader's mark was gone


def match(cells: list[Cell], notebook: NotebookSpec) -> Match:
    """Recognise cells by nbgrader's mark, else by their id, else by their text, else by the name that they define.

    Of several copies of a solution cell the last with an answer counts; the other answers become ordinary cells. A
    copy of any cell that is as released is dropped, since it would undo the answer before it.
    """
    owners: dict[str, list[int]] = {}
    marked = 0
    for recognise in (_by_mark, _by_id, _by_text, _by_name):
        unclaimed = [cell for cell in notebook.cells if cell.grade_id not in owners]
        owned = {position for positions in owners.values() for position in positions}
        free = [(position, cell) for position, cell in enumerate(cells) if position not in owned]
        for position, grade_id in recognise(free, unclaimed):
            owners.setdefault(grade_id, []).append(position)
        if recognise is _by_mark:
            marked = len(owners)
    chosen, dropped, copied = {}, set(), []
    for cell in notebook.cells:
        positions = owners.get(cell.grade_id, [])
        if not positions:
            continue
        answers = [position for position in positions if _is_answer(cells[position], cell)]
        if cell.locked:
            kept = next((position for position in positions if position not in answers), positions[0])
        else:
            kept = (answers or positions)[-1]
        chosen[cell.grade_id] = kept
        dropped |= set(positions) - set(answers) - {kept}
        if len(positions) > 1:
            copied.append(cell)
    return Match(chosen, frozenset(dropped), copied, len(owners) - marked)


def _by_mark(free: Free, unclaimed: list[SourceCell]) -> Iterator[tuple[int, str]]:
    known = {cell.grade_id for cell in unclaimed}
    return ((position, cell.grade_id) for position, cell in free if cell.grade_id in known)


def _by_id(free: Free, unclaimed: list[SourceCell]) -> Iterator[tuple[int, str]]:
    known = {cell_id(cell.grade_id): cell.grade_id for cell in unclaimed}
    return ((position, known[cell.id]) for position, cell in free if cell.id in known)


def _by_text(free: Free, unclaimed: list[SourceCell]) -> Iterator[tuple[int, str]]:
    """Locked cells that are unchanged. Several may share a text, as hidden tests do: they are taken in order."""
    known = defaultdict(deque)
    for cell in unclaimed:
        if cell.locked:
            for text in {plain(cell.released), plain(cell.source)}:
                known[text].append(cell.grade_id)
    for position, cell in free if known else []:
        if twins := known.get(plain(cell.source)):
            yield position, twins.popleft()


def _by_name(free: Free, unclaimed: list[SourceCell]) -> Iterator[tuple[int, str]]:
    known = {defined(cell.released)[0]: cell.grade_id for cell in unclaimed if is_code_to_write(cell)}
    for position, cell in free if known else []:
        name = next((name for name in defined(cell.source) if name in known), None)
        if cell.kind == "code" and name is not None:
            yield position, known[name]


def is_code_to_write(cell: SourceCell) -> bool:
    """Whether the student has to fill in the function or class that the cell defines."""
    return cell.solution and cell.cell_type == "code" and bool(defined(cell.released))


def defined(source: str) -> list[str]:
    """The functions and classes that the lines of a cell define at its top level."""
    return DEFINITION.findall(source)


def _is_answer(cell: Cell, due: SourceCell) -> bool:
    return differs(cell, due) and bool(cell.source.strip())


def differs(cell: Cell, due: SourceCell) -> bool:
    """Whether a cell's text is not what was released, white space at the ends of lines aside."""
    return plain(cell.source) not in (plain(due.released), plain(due.source))


def plain(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.split("\n")).strip()


def cell_id(grade_id: str) -> str:
    """The notebook format's id of the cell, as the course's builder gives it."""
    return re.sub(r"[^a-zA-Z0-9_-]", "-", grade_id)[:64]
