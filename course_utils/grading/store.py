"""What grading keeps in `ROOT/.grading/`: results, which of them the gradebook holds, the secret, a lock.

    results/ASSIGNMENT/STUDENT.json        the result, as the worker gave it
    results/ASSIGNMENT/STUDENT.committed   its digest, once it is in the gradebook
    results/ASSIGNMENT/STUDENT.error       why there is no result, in full
    secret                                 what the checks' random inputs are drawn from
    lock                                   held while a run is at work

Every file is written whole, so that a run can be killed at any moment and the next goes on from what is there.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from course_utils.files import write_text
from course_utils.grading.results import SubmissionResult

SEED_VARIABLE = "COURSE_GRADING_SEED"


class LockedError(RuntimeError):
    """Another run is at work; the message is one sentence."""


class ResultStore:
    """The results of one assignment.

    Args:
        root: the course folder.
    """

    def __init__(self, root: Path, assignment: str):
        self.folder = grading_folder(root) / "results" / assignment

    def read(self, student: str, digest: str | None = None) -> SubmissionResult | None:
        """The result of a student; None if there is none, none that can be read, or, given a digest, another one."""
        try:
            result = SubmissionResult.from_json(self._path(student, "json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return result if digest in (None, result.digest) else None

    def write(self, result: SubmissionResult) -> None:
        """Keep a result; it counts as not committed."""
        self._path(result.student, "committed").unlink(missing_ok=True)
        self._path(result.student, "error").unlink(missing_ok=True)
        write_text(result.to_json(), self._path(result.student, "json"))

    def is_committed(self, student: str, digest: str) -> bool:
        """Whether the result with this digest was written to the gradebook."""
        try:
            return self._path(student, "committed").read_text(encoding="utf-8") == digest
        except FileNotFoundError:
            return False

    def mark_committed(self, result: SubmissionResult) -> None:
        self._path(result.student, "error").unlink(missing_ok=True)
        write_text(result.digest, self._path(result.student, "committed"))

    def write_error(self, student: str, error: str) -> Path:
        """Keep why a student could not be graded; return where."""
        path = self._path(student, "error")
        write_text(error, path)
        return path

    def _path(self, student: str, kind: str) -> Path:
        return self.folder / f"{student}.{kind}"


def grading_folder(root: Path) -> Path:
    """`ROOT/.grading`, which only its owner can open."""
    folder = root / ".grading"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let no second run into the course folder meanwhile. The system gives the lock back if this process is killed.

    Raises:
        LockedError: another run has it.
    """
    import fcntl  # not there on Windows, where results can be read all the same

    with (grading_folder(root) / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise LockedError(
                f"{root} is being graded already, by process {file.read().strip()}: wait for its end, or stop it"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def course_secret(root: Path) -> str:
    """What the checks' random inputs are drawn from: 32 random bytes in hexadecimal, made once for a course.

    The environment variable COURSE_GRADING_SEED replaces it, for runs that are to be repeated exactly.
    """
    if seed := os.environ.get(SEED_VARIABLE):
        return seed
    path = grading_folder(root) / "secret"
    if not path.exists():
        draft = path.with_name(f".secret.{os.getpid()}.tmp")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was faster: its secret holds
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text(encoding="utf-8").strip()
