"""The grader's end of a student's process: start it, ask it, end it."""

import functools
import json
import os
import signal
import socket
import time
from dataclasses import asdict
from pathlib import Path

from course_utils.checks.patience import patient
from course_utils.checks.raised import COURSE, Line, Raised
from course_utils.checks.report import cut
from course_utils.grading import launcher
from course_utils.grading.isolation import IsolationError, default_readable
from course_utils.grading.limits import Limits
from course_utils.grading.wire import ClosedError, TooLargeError, TooLateError, WireError, receive, send

# The answers, and in case the course lies under a folder that Python needs, everything else that is secret.
SECRETS = ("solutions", "submitted", "autograded", "feedback", "gradebook.db", ".grading", ".git", "tests", "demo")
HIDDEN = (
    *(str(COURSE / name) for name in ("checks", "models", "evaluation", "grading")),
    *(str(COURSE.parent / name) for name in SECRETS),
)
SPAWN_SECONDS = 30.0
CAUSE_SECONDS = 3.0  # the supervisor tells in a moment why a process ended; one that hung up but lives says nothing


class SandboxDied(Exception):  # noqa: N818
    """The student's process is gone. `kind` is one of `results.ALARMS`; the text says what happened, for its author.

    `killed`: by SIGKILL, which may also have come from outside.
    """

    def __init__(self, kind: str, text: str, killed: bool = False):
        super().__init__(text)
        self.kind, self.text, self.killed = kind, text, killed


class SandboxLostError(RuntimeError):
    """A process that watches over the student's was ended from outside: its submission has to be graded again."""


class RemoteRaised(Exception):  # noqa: N818
    """The student's code raised an exception there."""

    def __init__(self, raised: Raised):
        super().__init__(str(raised))
        self.raised = raised


@functools.cache
def readable() -> tuple[str, ...]:
    """What a notebook may read: Python, its libraries, the course's package, the data sets."""
    data = os.environ.get("COURSE_DATA", "")
    return (*default_readable(), str(COURSE), *((str(Path(data).resolve()),) if data and Path(data).is_dir() else ()))


class Sandbox:
    """One student's process. As a context, it ends with everything that it started.

    Args:
        limits: what it may use.
        unsafe: start it even where the system cannot isolate it wholly.
        seed: of its global random generators.

    Raises:
        IsolationError: it could not be confined, and nothing ran.
    """

    def __init__(self, limits: Limits, *, unsafe: bool = False, seed: int = 0):
        self.limits = limits
        self.dead: SandboxDied | None = None
        policy = {"limits": asdict(limits), "readable": readable(), "hidden": HIDDEN, "unsafe": unsafe}
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                self._connection = launcher.connect()
                socket.send_fds(self._connection, [b"!"], [theirs.fileno()])
            send(self._connection, policy)
        except (OSError, ClosedError) as error:
            self._control.close()
            raise SandboxLostError(f"the process that starts sandboxes is gone: {error}") from error
        try:
            self.request("generator_states", seconds=SPAWN_SECONDS, reseed=seed)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End the student's process and all that it started."""
        self._connection.close()
        self._control.close()
        self.dead = self.dead or SandboxDied("crash", "its process has ended")

    def request(self, op: str, *, seconds: float, buffers=(), **fields) -> tuple[dict, list[memoryview]]:
        """Ask, and wait for the answer: its fields and buffers.

        Raises:
            RemoteRaised: the student's code raised an exception.
            SandboxDied: its process ended, or was ended because it took too long or answered nonsense.
            SandboxLostError: a process that watches over it was ended.
        """
        if self.dead:
            raise self.dead
        deadline = time.monotonic() + patient(seconds)
        try:
            send(self._connection, {"op": op, **fields}, buffers, deadline=deadline)
            answer, out = receive(self._connection, largest=self.limits.message, deadline=deadline)
        except TooLateError:
            self._die(SandboxDied("timeout", f"it did not finish within {seconds:g} s: an endless loop?"))
        except ClosedError:
            self._die(self._cause())
        except TooLargeError as error:
            self._die(SandboxDied("output", f"its answer is too large: {error}"))
        except WireError as error:
            self._die(SandboxDied("tampered", f"its process answered with something that is no answer: {error}"))
        if "raised" in answer:
            raise RemoteRaised(self.valid(raised_from, answer["raised"]))
        return answer, out

    def valid(self, read, *values):
        """`read(*values)`; where the values are not what the protocol says, the process is ended as tampered with."""
        try:
            return read(*values)
        except (WireError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError) as error:
            self._die(SandboxDied("tampered", f"its process answered with something that is no answer: {cut(error)}"))

    def _die(self, death: SandboxDied):
        self.dead = death
        self.close()
        raise death from None

    def _cause(self) -> SandboxDied:
        """Why the connection was closed, as the supervisor tells it."""
        try:
            self._control.settimeout(CAUSE_SECONDS)
            with self._control.makefile("rb") as lines:
                line = lines.readline(10_000)
        except TimeoutError:
            return SandboxDied("crash", "it closed its line to the grader")
        except OSError:
            line = b""
        if not line:  # the supervisor never ends without a word
            self.close()
            raise SandboxLostError("the process that watches over the student's was ended")
        match json.loads(line):
            case {"error": str(text)}:
                self.close()
                raise IsolationError(text)
            case {"limit": "memory"} | {"oom": True}:
                gib = self.limits.memory / 1024**3
                return SandboxDied("memory", f"its process was ended: it took more than {gib:.3g} GiB of memory")
            case {"limit": "processes"}:
                return SandboxDied("crash", f"it was ended: it started more than {self.limits.processes} processes")
            case {"signal": int(number), "name": str(name)}:
                if number == signal.SIGKILL:
                    return SandboxDied("crash", "its process was killed (SIGKILL)", killed=True)
                return SandboxDied("crash", f"its process died of signal {number} ({name}): a crash in compiled code?")
            case {"exit": int(code)}:
                return SandboxDied("crash", f"it ended its own process (exit code {code}): os._exit, or a broken line?")
        return SandboxDied("crash", "its process ended suddenly")


def raised_from(values: dict) -> Raised:
    """An exception as `Raised.of` told it there; every text is cut here again."""

    def line(item):
        return None if item is None else Line(int(item["number"]), cut(item["function"], 100), cut(item["source"]))

    return Raised(
        cut(values["kind"], 100),
        cut(values["text"]),
        line(values["first"]),
        line(values["last"]),
        *(values[name] is True for name in ("not_implemented", "leaves", "hidden")),
    )
