"""The bytes of a notebook, whatever they are, as cells that hold text. Nothing here raises on what a student wrote."""

import codecs
import json
import re
from dataclasses import dataclass, field
from itertools import islice

from course_utils.grading.results import Note

MAX_SOURCE = 1_000_000  # characters of one cell
MAX_ATTACHMENTS = 5_000_000  # characters of the images pasted into one cell, in base64
MAX_ITEMS = 5_000_000  # values and lines of the file: more would take gigabytes of memory to read
MAX_CELLS = 200_000
MAX_FAILURES = 100  # broken cells, before the rest of a damaged file is given up

KINDS = {"code": "code", "markdown": "markdown", "heading": "markdown", "html": "markdown", "text": "markdown"}
CELL_START = re.compile(r'\{\s*"(?:attachments|cell_type|execution_count|id|metadata|source)"')
# Where a cell starts in a script: "# %% title" of Jupytext and editors, "# In[3]:" of nbconvert.
SCRIPT_CELL = re.compile(r"^# (?:%%(.*)|In ?\[[ \d]*\]:.*)$", re.MULTILINE)
SURROGATE = re.compile("[\ud800-\udfff]")
# What "surrogateescape" makes of bytes that are no UTF-8, to what they mean on Windows.
LATIN_1 = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}

# Numbers are of no use here, and an integer of many digits would raise.
_decoder = json.JSONDecoder(strict=False, parse_int=float)


@dataclass
class Cell:
    """A cell as the student left it, without outputs; `flaw` is the kind of note that its text deserves, if any."""

    kind: str  # "code", "markdown" or "raw"
    source: str
    grade_id: str | None = None  # what its metadata claims
    id: str | None = None
    attachments: dict[str, dict[str, str]] = field(default_factory=dict)
    flaw: str = ""


@dataclass
class Contents:
    """What could be read of a notebook."""

    cells: list[Cell] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    language: str = ""  # that the notebook names, in lower case


def read(data: bytes, name: str) -> Contents:
    """Read a notebook of any version and in any state, or a script exported from one.

    Args:
        data: the content of the file.
        name: what the notes call the file.
    """
    contents = Contents()
    text = _decode(data, name, contents.notes)
    if not text.strip():
        contents.notes.append(Note("unreadable", f"{name} is empty."))
        return contents
    if sum(map(text.count, "[{,\n")) > MAX_ITEMS:
        problem = f"{name} holds over {MAX_ITEMS:,} values and was not read: clear its outputs and hand it in again."
        contents.notes.append(Note("too-large", problem))
        return contents
    values = _parse(text, name, contents.notes)
    values_of_cells = _cell_list(values)
    if len(values_of_cells) > MAX_CELLS:
        contents.notes.append(Note("too-large", f"{name} holds more than {MAX_CELLS:,} cells: the rest was left out."))
    contents.cells = [_cell(value) for value in values_of_cells[:MAX_CELLS] if isinstance(value, dict)]
    contents.language = _language(values)
    if not contents.cells and not contents.notes:
        contents.notes.append(Note("unreadable", f"{name} holds no cells."))
    cleaned = [_clean(cell) for cell in contents.cells]
    if any(cleaned):
        problem = f"{name} holds characters that no text file can: they were left out or replaced."
        contents.notes.append(Note("encoding", problem))
    return contents


def _decode(data: bytes, name: str, notes: list[Note]) -> str:
    encoding = json.detect_encoding(data)
    has_mark = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))
    if encoding.startswith(("utf-16", "utf-32")):
        text = data.decode(encoding, "replace").lstrip("\ufeff")
        if has_mark or text.lstrip().startswith("{"):
            notes.append(Note("encoding", f"{name} is in {encoding[:6].upper()} and was read so; UTF-8 is due."))
            return text
    text = data.decode("utf-8", "surrogateescape").lstrip("\ufeff")
    if SURROGATE.search(text):  # bytes that are no UTF-8
        text = text.translate(LATIN_1)
        notes.append(Note("encoding", f"{name} is not in UTF-8: what is not was read as Latin-1."))
    if "\0" in text:
        text = text.replace("\0", "")
        notes.append(Note("encoding", f"{name} holds NUL bytes: they were left out."))
    return text


def _parse(text: str, name: str, notes: list[Note]) -> object:
    """The JSON value of `text`, or of as much of it as can be understood."""
    own_side = _own_side(text)
    for candidate in dict.fromkeys((text, own_side)):
        try:
            values = _decoder.decode(candidate)
        except (ValueError, RecursionError):
            continue
        if candidate is not text:
            problem = f"{name} holds an unfinished merge: where its two sides differ, the first was taken."
            notes.append(Note("unreadable", problem))
        return values
    cells = _whole_cells(own_side) or _script_cells(text)
    if cells:
        problem = f"{name} is damaged or no notebook: {len(cells)} cells could be read, all others count as released."
    else:
        problem = f"{name} cannot be read as a notebook: hand in the .ipynb file that Jupyter saves."
    notes.append(Note("unreadable", problem))
    return {"cells": cells}


def _own_side(text: str) -> str:
    """`text` with the first side of each merge conflict that git left in it."""
    if "<<<<<<< " not in text:
        return text
    lines, in_conflict, is_ours = [], False, True
    for line in text.split("\n"):
        if line.startswith("<<<<<<< "):
            in_conflict, is_ours = True, True
        elif in_conflict and line.startswith(("=======", "||||||| ")):
            is_ours = False
        elif in_conflict and line.startswith(">>>>>>> "):
            in_conflict, is_ours = False, True
        elif is_ours:
            lines.append(line)
    return "\n".join(lines)


def _whole_cells(text: str) -> list[dict]:
    """The cells of a broken JSON text that are whole themselves."""
    cell_list = re.search(r'"cells"\s*:\s*\[', text)
    cells, position, failures = [], cell_list.end() if cell_list else 0, 0
    while failures < MAX_FAILURES and (start := CELL_START.search(text, position)):
        try:
            cell, position = _decoder.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            position = max(error.pos, start.end())  # what lies before the error was read: go on from there
            failures += 1
        except RecursionError:
            position = start.end()
            failures += 1
        else:
            if "cell_type" in cell and ("source" in cell or "input" in cell):
                cells.append(cell)
    return cells


def _script_cells(text: str) -> list[dict]:
    """The cells of a Python script that was exported from a notebook."""
    starts = list(islice(SCRIPT_CELL.finditer(text), MAX_CELLS))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    cells = []
    for start, end in zip(starts, ends, strict=False):  # where nothing starts, the text still ends
        title, source = start[1] or "", text[start.end() : end].strip()
        is_prose = title.lstrip().startswith(("[markdown]", "[md]"))
        if is_prose:
            source = "\n".join(line.removeprefix("#").removeprefix(" ") for line in source.split("\n"))
        name = re.search(r'"grade_id": "([^"]+)"', title)
        metadata = {"nbgrader": {"grade_id": name[1]}} if name else {}
        cells.append({"cell_type": "markdown" if is_prose else "code", "metadata": metadata, "source": source})
    return cells


def _cell_list(values: object) -> list:
    """The cells of a notebook of version 1, 4 or later; in versions 2 and 3 they lie in worksheets."""
    if not isinstance(values, dict):
        return []
    if isinstance(values.get("cells"), list):
        return values["cells"]
    sheets = values.get("worksheets")
    sheets = [sheet for sheet in sheets if isinstance(sheet, dict)] if isinstance(sheets, list) else []
    return [cell for sheet in sheets if isinstance(sheet.get("cells"), list) for cell in sheet["cells"]]


def _cell(value: dict) -> Cell:
    kind, source, flaw = value.get("cell_type"), value.get("source", value.get("input")), ""
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    elif not isinstance(source, str):
        source, flaw = "", "unreadable"
    if kind == "heading":
        level = value.get("level")
        source = "#" * int(level if level in range(1, 7) else 1) + " " + source
    if len(source) > MAX_SOURCE:
        source, flaw = "", "too-large"
    attachments = _attachments(value.get("attachments"))
    if sum(len(data) for bundle in attachments.values() for data in bundle.values()) > MAX_ATTACHMENTS:
        attachments, flaw = {}, "too-large"
    identity = value.get("id")
    return Cell(
        kind=KINDS.get(kind, "raw") if isinstance(kind, str) else "raw",
        source=source.replace("\r\n", "\n").replace("\r", "\n"),
        grade_id=_text(value, "metadata", "nbgrader", "grade_id") or None,
        id=identity if isinstance(identity, str) else None,
        attachments=attachments,
        flaw=flaw,
    )


def _attachments(value: object) -> dict[str, dict[str, str]]:
    """The images pasted into a cell of prose: file name to media type to base64."""
    if not isinstance(value, dict):
        return {}
    return {
        SURROGATE.sub("\ufffd", name): {
            SURROGATE.sub("\ufffd", media): SURROGATE.sub("\ufffd", data)
            for media, data in bundle.items()
            if isinstance(data, str)
        }
        for name, bundle in value.items()
        if isinstance(bundle, dict)
    }


def _clean(cell: Cell) -> bool:
    """Rid the text of what cannot be written as UTF-8 or compiled; return whether there was any."""
    source = SURROGATE.sub("\ufffd", cell.source.replace("\0", ""))
    is_changed, cell.source = source != cell.source, source
    return is_changed


def _language(values: object) -> str:
    named = _text(values, "metadata", "kernelspec", "language") or _text(values, "metadata", "language_info", "name")
    return named.lower()


def _text(value: object, *keys: str) -> str:
    """The text under a path of keys; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def shown(name: str, length: int = 60) -> str:
    """A name that a student chose, fit for a sentence: printable and of bounded length."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return repr(name if len(name) <= length else f"{name[: length - 3]}...")
