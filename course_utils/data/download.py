"""Downloads that arrive whole or not at all."""

import hashlib
import http.client
import os
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

from course_utils.data.folders import DamagedDataError, checksum
from course_utils.files import replacing

TIMEOUT = 30.0  # seconds without one byte, after which a network counts as absent


def download(url: str, path: Path, sha256: str) -> None:
    """Fetch ``url`` to ``path``.

    Raises: DamagedDataError if what came has another SHA-256 (cut short, or another file); OSError or
    http.client.HTTPException if nothing came. Either way no file is left.
    """
    digest = hashlib.sha256()
    with replacing(path) as temporary, temporary.open("wb") as file:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT) as response,
            tqdm(total=response.length, unit="B", unit_scale=True, desc=path.name) as progress,
        ):
            try:
                while chunk := response.read(1 << 20):
                    file.write(chunk)
                    digest.update(chunk)
                    progress.update(len(chunk))
            except http.client.IncompleteRead as error:  # only some versions of Python say so; the checksum always does
                file.write(error.partial)
                digest.update(error.partial)
        if digest.hexdigest() != sha256:
            raise _wrong_download(url, file.tell(), "SHA-256", digest.hexdigest(), sha256)


def download_with_torchvision(dataset_class: type, archives: dict[str, str], files: list[str], folder: Path) -> None:
    """Let torchvision download and unpack a set, and move ``files`` (relative paths) into ``folder``.

    torchvision writes under the final names and leaves what came wrong, hence the folder of its own.

    archives: relative path of each download and its MD5, to tell a wrong download from none.

    Raises: DamagedDataError naming the archive that came wrong; else what torchvision raised (RuntimeError, OSError).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=folder) as scratch:
        try:
            with _socket_timeout(TIMEOUT):
                dataset_class(scratch, download=True)
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            for name, md5 in archives.items():
                archive = Path(scratch, name)
                if archive.is_file() and (found := checksum(archive, "md5")) != md5:
                    raise _wrong_download(archive.name, archive.stat().st_size, "MD5", found, md5) from error
            raise
        for name in files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():  # a damaged file stays, and is named when it is read
                os.replace(Path(scratch, name), target)


def _wrong_download(source: str, num_bytes: int, algorithm: str, found: str, due: str) -> DamagedDataError:
    return DamagedDataError(
        f"The download of {source} is damaged: {num_bytes:,} bytes came with the {algorithm} {found}, and {due} is "
        f"due; nothing of it was kept, so try again or bring the file by hand."
    )


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """torchvision opens its connections without a time limit; this is the only way to give them one."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
