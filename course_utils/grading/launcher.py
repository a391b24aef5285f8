"""Starting the process that starts the students' processes, and finding the one to use.

Each process that grades has a zygote of its own, started when it is first needed; the workers of one run share the one
that their coordinator lends them. Light to import: whoever starts it need not import torch.
"""

import atexit
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from course_utils.grading.isolation import IsolationError

# What the zygote inherits: a student's process can look through the memory that it was forked from.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "COURSE_DATA")
# A fork carries no threads along, so the zygote must have none.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
INLINE = "module://matplotlib_inline.backend_inline"
SOCKET_VARIABLE = "COURSE_ZYGOTE"  # where a zygote that is lent to child processes listens
PATIENCE = 120.0  # seconds until a zygote that is lent must listen: torch may come from a cold disk


class Zygote:
    """A warmed process, from which sandboxes start in a fraction of a second. Close it, or leave it to the exit."""

    def __init__(self):
        self.ready = False
        self.folder = Path(tempfile.mkdtemp(prefix="course-zygote-"))
        (self.folder / "ipython").mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "course_utils.grading.zygote", str(self.folder / "socket")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self.folder,
            env={
                **{name: os.environ[name] for name in INHERITED if name in os.environ},
                **ONE_THREAD,
                "IPYTHONDIR": str(self.folder / "ipython"),
                "TORCHINDUCTOR_CACHE_DIR": str(self.folder / "inductor"),  # else it would stay behind, in /tmp
                "MPLBACKEND": INLINE,
            },
            start_new_session=True,  # Ctrl-C is the grader's business
        )

    def wait_until_ready(self) -> None:
        """Raises IsolationError if it does not start."""
        if not self.ready and self.process.stdout.readline().strip() != b"ready":
            raise IsolationError(f"the process that starts sandboxes ended with exit code {self.process.wait()}")
        self.ready = True

    def connect(self) -> socket.socket:
        self.wait_until_ready()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(self.folder / "socket"))
        return connection

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Borrowed:
    """The zygote that another process has started and lends."""

    def __init__(self, path: str):
        self.path = path

    def connect(self) -> socket.socket:
        """Raises OSError when it is gone."""
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self.path)
                return connection
            except OSError:
                connection.close()
                # Its folder goes with it; until it listens there is no socket in the folder.
                starting = not os.path.exists(self.path) and os.path.isdir(os.path.dirname(self.path))
                if not starting or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


_own: Zygote | None = None


def own_zygote() -> Zygote:
    """This process's zygote; a new one if there is none yet, or if it was killed."""
    global _own
    if _own is None:
        atexit.register(lambda: _own.close())
    elif not _own.alive:
        _own.close()
    if _own is None or not _own.alive:
        _own = Zygote()
    return _own


def connect() -> socket.socket:
    """The line to a new student's process, from the zygote that was lent, or else from one of our own.

    Raises:
        OSError: the zygote was killed in this very moment.
        IsolationError: it does not start.
    """
    if path := os.environ.get(SOCKET_VARIABLE):
        with contextlib.suppress(OSError):
            return Borrowed(path).connect()
    return own_zygote().connect()


@contextlib.contextmanager
def lent_zygote() -> Iterator[Zygote]:
    """Start a zygote that the processes started meanwhile share."""
    zygote = Zygote()
    os.environ[SOCKET_VARIABLE] = str(zygote.folder / "socket")
    try:
        yield zygote
    finally:
        del os.environ[SOCKET_VARIABLE]
        zygote.close()
