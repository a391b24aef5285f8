"""Taking in what a student handed in: the regular files of their folder, within limits."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.grading.reading import shown
from course_utils.grading.repair import Repaired, repair
from course_utils.grading.results import Note, Submission

if TYPE_CHECKING:
    from course_utils.grading.pipeline import Course

__all__ = ["Repaired", "collect", "repair"]

MIB = 1024**2
MAX_FILE = 20 * MIB  # bytes of a file other than a notebook
MAX_TOTAL = 60 * MIB  # bytes of all files, and of a notebook, since figures among its outputs are left out later
MAX_FILES = 1000
MAX_DEPTH = 20  # of folders in folders
MAX_NAMED = 3  # files that a note names
IGNORED = ("__pycache__", "__MACOSX")  # and all that starts with a dot

TOO_LARGE = f"{MAX_FILE // MIB} MB a file and {MAX_TOTAL // MIB} MB in all are allowed"
TOO_MANY = f"{MAX_FILES:,} files are allowed, at most {MAX_DEPTH} folders deep"
NO_FILE = "links, pipes and devices are not followed"
NOT_READABLE = "they could not be read"
KINDS = {TOO_LARGE: "too-large", TOO_MANY: "too-large", NO_FILE: "unreadable", NOT_READABLE: "unreadable"}

# Between the listing and the opening a file may become a link, or a pipe that would block. Windows has neither flag.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# As nbgrader writes it, or in ISO 8601; nbgrader itself would take a path for the name of a time zone.
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?( ?[A-Z]{1,5}| ?[+-]\d\d:?\d\d)?", re.ASCII)


def collect(course: "Course", assignment: str, student: str) -> tuple[Submission, list[Note]]:
    """Read `submitted/STUDENT/ASSIGNMENT`; what is left out is named in the notes.

    Links are never followed, so that nobody hands in a file of somebody else's. Notebooks are read first, so that
    other files cannot take their place. Hidden files are left out silently.

    Raises:
        ValueError: the student or the assignment is no name of a folder.
        FileNotFoundError: the student has handed in no such folder.
    """
    for name in (student, assignment):
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"a student and an assignment are each the name of one folder, not {name!r}")
    folder = course.root / "submitted" / student / assignment
    if not folder.is_symlink() and not folder.is_dir():
        raise FileNotFoundError(f"{student} has not handed in {assignment}: {folder} is no folder")
    left_out: dict[str, list[str]] = {}
    paths = {}
    for path, problem in _walk(folder):
        if problem:
            left_out.setdefault(problem, []).append(_name(path, folder))
        else:
            paths[_name(path, folder)] = path
    files, total = {}, 0
    for name in sorted(paths, key=lambda name: (".ipynb" not in name.lower(), name)):
        if len(files) == MAX_FILES:
            left_out.setdefault(TOO_MANY, []).append(name)
            continue
        limit = MAX_TOTAL if ".ipynb" in name.lower() else MAX_FILE
        content, problem = _content(paths[name], min(limit, MAX_TOTAL - total))
        if problem:
            left_out.setdefault(problem, []).append(name)
        else:
            files[name] = content
            total += len(content)
    notes = [_left_out(problem, names) for problem, names in left_out.items()]
    return Submission(assignment, student, files, _timestamp(files, notes)), notes


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each thing below a folder that is no folder itself, with the reason for which it cannot be taken, if any."""
    if folder.is_symlink():
        yield folder, NO_FILE
        return
    waiting = [(folder, 0)]
    while waiting:
        parent, depth = waiting.pop()
        try:
            entries = list(os.scandir(parent))
        except OSError:
            yield parent, NOT_READABLE
            continue
        for entry in entries:
            path = parent / entry.name
            if entry.name.startswith(".") or entry.name in IGNORED:
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < MAX_DEPTH:
                    waiting.append((path, depth + 1))
                else:
                    yield path, TOO_MANY
            else:
                yield path, "" if entry.is_file(follow_symlinks=False) else NO_FILE


def _content(path: Path, limit: int) -> tuple[bytes, str]:
    """The bytes of a regular file, or the reason for which there are none."""
    try:
        descriptor = os.open(path, OPEN_FLAGS)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return b"", NO_FILE
            if status.st_size > limit:
                return b"", TOO_LARGE
            content = file.read(limit + 1)
            return (b"", TOO_LARGE) if len(content) > limit else (content, "")
    except OSError:
        return b"", NOT_READABLE


def _name(path: Path, folder: Path) -> str:
    """The path within the folder, as text that UTF-8 can hold."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")


def _left_out(problem: str, names: list[str]) -> Note:
    names = sorted(names)
    listed = ", ".join(map(shown, names[:MAX_NAMED]))
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return Note(KINDS[problem], f"Left out of the submission, since {problem}: {listed}{more}.")


def _timestamp(files: dict[str, bytes], notes: list[Note]) -> str | None:
    """When it was handed in, from the file that nbgrader's `collect` puts there; None without a date in it."""
    # nbgrader takes seconds to import; where there is a course it has been.
    from nbgrader.utils import parse_utc

    text = files.get("timestamp.txt", b"").decode("utf-8", "replace").strip()
    if not text:
        return None
    try:
        if not TIMESTAMP.fullmatch(text):
            raise ValueError("no date")
        parse_utc(text)
    except (ValueError, OverflowError, TypeError):
        notes.append(Note("unreadable", f"timestamp.txt should hold a date and holds {shown(text)}: it was ignored."))
        return None
    return text
