"""Where data sets lie, and what is said when they do not.

A user's folder is only ever read. What is unpacked or downloaded goes to the cache folder, under a temporary
name until it is whole and its checksum is right.
"""

import hashlib
import http.client
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Data = TypeVar("Data")

_COURSE = Path(__file__).resolve().parents[2]


class DataNotFoundError(FileNotFoundError):
    """A data set is neither on disk nor to be had; the message says where to put it."""


class DamagedDataError(OSError):
    """A file of a data set is not what it should be; the message names it, and it was left as it is."""


def cache_folder() -> Path:
    """Return the folder for what is unpacked or downloaded: dgm-course in XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgm-course"


def data_folders(root: str | os.PathLike | None = None) -> list[Path]:
    """Return the folders to look in, in order; the last one is always the cache folder.

    Before it come ``root`` if given, else those of the environment variable COURSE_DATA (several may be joined
    by os.pathsep), else data/ in the current folder and, in a clone of the course, data/ and ../shared/data/
    beside the package.
    """
    if root is not None:
        folders = [Path(root)]
    elif named := [part for part in os.environ.get("COURSE_DATA", "").split(os.pathsep) if part.strip()]:
        folders = [Path(part) for part in named]
    else:
        folders = [Path("data")]
        if (_COURSE / "pyproject.toml").is_file():
            folders += [_COURSE / "data", _COURSE.parent / "shared" / "data"]
    folders = [folder.expanduser().absolute() for folder in folders] + [cache_folder()]
    return list(dict.fromkeys(folders))


def checksum(path: Path, algorithm: str) -> str:
    """Return the checksum of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def verify(path: Path, due: str, algorithm: str) -> None:
    """Raise DamagedDataError, naming the file, unless its checksum is the one due."""
    found = checksum(path, algorithm)
    if found != due:
        size = path.stat().st_size
        raise damaged(path, f"its {algorithm.upper()} is {found} ({size:,} bytes), and {due} is due")


def damaged(path: Path, why: str) -> DamagedDataError:
    """Return the error for a file on disk."""
    return DamagedDataError(f"{path} is damaged: {why}; it was left as it is, so replace or delete it.")


def find(
    name: str,
    files: str,
    read: Callable[[Path], Data | None],
    fetch: Callable[[Path], None] | None,
    *,
    root: str | os.PathLike | None,
    download: bool = True,
    instead: str = 'load("digits")',
) -> Data:
    """Return ``read(folder)`` of the first folder that has the set, else of the cache after ``fetch(cache)``.

    ``read`` returns None where the set is not (or not wholly) there; ``files`` says in words what it looks for. A set
    that is only ever brought by hand has no ``fetch``; ``instead`` is what to use where the set cannot be had.

    Raises: DataNotFoundError if no folder has the set and it cannot be fetched; DamagedDataError from ``read``
    or ``fetch``.
    """
    folders = data_folders(root)
    for folder in folders:
        if (data := read(folder)) is not None:
            return data
    reason, cause = "not downloaded, since download=False", None
    if fetch is None:
        reason = "the course does not download it"
    elif download:
        try:
            fetch(cache_folder())
        except DamagedDataError:
            raise
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            message = textwrap.shorten(str(error), 180, placeholder=" ...")
            reason, cause = f"the download failed: {message or type(error).__name__}", error
        else:
            data = read(cache_folder())
            if data is not None:
                return data
            reason = "the download was not complete"
    # A folder that the user named comes first in the advice, else the one that works from anywhere.
    named = root is not None or os.environ.get("COURSE_DATA", "").strip(os.pathsep + " ")
    raise DataNotFoundError(
        f'The data set "{name}" is neither on disk nor to be had ({reason}): put {files} into '
        f"{folders[0] if named else folders[-1]} (looked in: {', '.join(map(str, folders))}; root= or the environment "
        f"variable COURSE_DATA name others), or use {instead}, which always works."
    ) from cause
