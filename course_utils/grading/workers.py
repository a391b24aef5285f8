"""Submissions graded side by side, in processes that touch neither the gradebook nor the course folder.

A unit of work is plain JSON: submission, release, secret and limits go in, one `SubmissionResult` comes out. `run`
deals units out to processes of this machine; `cluster.run` does the same on a Dask cluster.

Any worker may be killed at any moment: its submission is graded again by a new one. A submission that ends two workers
is given up, and the others go on.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import json
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path

from course_utils.grading import launcher
from course_utils.grading.limits import Limits
from course_utils.grading.results import Note, Submission, SubmissionResult
from course_utils.grading.spec import AssignmentSpec

JUDGE = "course_utils.grading.judge:grade"
TRIES = 2  # how many workers a submission may end before it is given up
SOURCES = ("checks", "models", "data", "grading")  # the folders of this package on which a score depends


@functools.cache
def grader_version() -> str:
    """A hash of the code that decides scores and of torch's version: results of another one are graded again."""
    package = Path(__file__).parents[1]
    hasher = hashlib.sha256(importlib.metadata.version("torch").partition("+")[0].encode())
    for path in sorted(path for folder in SOURCES for path in (package / folder).rglob("*.py")):
        hasher.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hasher.hexdigest()


def usable_cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Unit:
    """All that a worker needs to grade one submission."""

    submission: Submission
    spec: AssignmentSpec
    secret: str
    limits: Limits | None = None  # None: the judge's own
    unsafe: bool = False
    notes: tuple[Note, ...] = ()  # from reading the submission; they join those of the result
    version: str = field(default_factory=grader_version)

    @property
    def student(self) -> str:
        return self.submission.student

    @functools.cached_property
    def digest(self) -> str:
        """A hash of all that the result depends on: with an equal one, it need not be graded again."""
        others = json.dumps([self._limits(), self.unsafe, self._notes(), self.submission.timestamp], sort_keys=True)
        return self.submission.digest(self.spec.digest(), self.secret, self.version, others)

    def to_json(self) -> str:
        values = {name: getattr(self, name) for name in ("secret", "unsafe", "version")}
        parts = {"submission": self.submission.to_dict(), "spec": self.spec.to_dict(), "limits": self._limits()}
        return json.dumps({**values, **parts, "notes": self._notes()})

    def _notes(self) -> list[dict]:
        return [asdict(note) for note in self.notes]

    def _limits(self) -> dict | None:
        return None if self.limits is None else asdict(self.limits)

    @classmethod
    def from_json(cls, text: str) -> "Unit":
        values = json.loads(text)
        return cls(
            Submission.from_dict(values["submission"]),
            AssignmentSpec.from_dict(values["spec"]),
            values["secret"],
            None if values["limits"] is None else Limits(**values["limits"]),
            values["unsafe"],
            tuple(Note(**note) for note in values["notes"]),
            values["version"],
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a unit: a result, or the reason why there is none, whose last line is the sentence to show."""

    unit: Unit
    result: SubmissionResult | None
    error: str = ""


def outcome(unit: Unit, text: str | None, error: str) -> Outcome:
    """What a worker answered, read and checked."""
    if text is None:
        return Outcome(unit, None, error)
    try:
        result = SubmissionResult.from_json(text)
    except ValueError as problem:
        return Outcome(unit, None, str(problem))
    if (result.assignment, result.student) != (unit.submission.assignment, unit.student):
        return Outcome(unit, None, f"the worker sent the result of {result.student} for {result.assignment}")
    result.digest = unit.digest
    if result.notebooks:
        result.notebooks[0].notes[:0] = unit.notes
    return Outcome(unit, result)


_one_at_a_time = threading.Lock()  # a worker of a cluster may have several threads, but torch has one global generator


def answer(text: str, judge: str = JUDGE) -> tuple[str | None, str]:
    """Grade the unit written in `text`; return its result as JSON, or None and what went wrong.

    Args:
        judge: "module:function" of a function with the arguments of `judge.grade`.
    """
    try:
        unit = Unit.from_json(text)
        if unit.version != grader_version():
            return None, "this worker has another version of the course, of its checks or of torch: install the same"
        module, _, name = judge.partition(":")
        with _one_at_a_time:
            grade = getattr(importlib.import_module(module), name)
            _use_one_thread()
            result = grade(unit.submission, unit.spec, secret=unit.secret, limits=unit.limits, unsafe=unit.unsafe)
        return result.to_json(), ""
    except Exception:  # of whatever kind, it must stop nobody else's grading
        return None, traceback.format_exc()


def _use_one_thread() -> None:
    """The workers fill the processors; threads in each would only fight over them."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # for the processes that it starts
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def warm_up(judge: str = JUDGE) -> BaseContext:
    """Let the server that forks workers start, and import what they need, while this process does other things."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([judge.partition(":")[0]])
    forkserver.ensure_running()
    return context


@contextlib.contextmanager
def warmed() -> Iterator[None]:
    """One zygote for the workers of a run, and the server that forks them: both start while this process goes on."""
    with launcher.lent_zygote():
        warm_up()
        yield


def run(
    units: Iterable[Unit],
    num_workers: int,
    *,
    judge: str = JUDGE,
    patience: float = 1800.0,
    started: Callable[[str], None] = lambda student: None,
) -> Iterator[Outcome]:
    """Grade units side by side on this machine; yield an outcome for each, in the order in which they are done.

    Units are taken from the iterable when a worker is free for them. Closing the generator ends the workers at once.

    Args:
        num_workers: how many processes, at least 1.
        judge: see `answer`.
        patience: seconds after which a worker that has not answered is ended, as if it had been killed.
        started: called with the student's name whenever the grading of a submission begins.
    """
    if num_workers < 1:
        raise ValueError(f"grading needs at least 1 worker, not {num_workers}")
    context = warm_up(judge)
    waiting, deaths = _Waiting(units), {}
    workers: list[_Worker] = []
    try:
        while True:
            for worker in [worker for worker in workers if worker.unit is None]:
                if not worker.alive:  # killed while it had nothing to do
                    worker.end()
                    workers.remove(worker)
                elif (unit := waiting.next()) is not None:
                    started(unit.student)
                    worker.start(unit, patience)
            while len(workers) < num_workers and (unit := waiting.next()) is not None:
                workers.append(_Worker(context, judge))
                started(unit.student)
                workers[-1].start(unit, patience)
            busy = [worker for worker in workers if worker.unit is not None]
            if not busy:
                return
            wait([source for worker in busy for source in worker.sources], timeout=_until_deadline(busy))
            done = []
            for worker in busy:
                unit = worker.unit
                try:
                    if (reply := worker.reply()) is not None:
                        done.append(outcome(unit, *reply))
                except WorkerDiedError as death:
                    worker.end()
                    workers.remove(worker)
                    deaths[unit.student] = deaths.get(unit.student, 0) + 1
                    if deaths[unit.student] < TRIES:
                        waiting.put_back(unit)
                    else:
                        done.append(Outcome(unit, None, f"{TRIES} workers ended while they graded it; {death}"))
            yield from done
    finally:
        for worker in workers:
            worker.end()


class WorkerDiedError(RuntimeError):
    """A worker ended before it had answered."""


class _Waiting:
    """Units that nobody grades yet; those of workers that died come first."""

    def __init__(self, units: Iterable[Unit]):
        self._again: deque[Unit] = deque()
        self._units = iter(units)

    def put_back(self, unit: Unit) -> None:
        self._again.append(unit)

    def next(self) -> Unit | None:
        return self._again.popleft() if self._again else next(self._units, None)


class _Worker:
    """One process that grades one unit at a time; `unit` is None while it has nothing to do."""

    def __init__(self, context, judge: str):
        self.unit: Unit | None = None
        self.deadline = float("inf")
        for attempt in range(3):
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, judge), daemon=True)
            try:
                self._process.start()
                break
            except (OSError, EOFError):  # the server that forks workers was killed; the next attempt starts another
                self._connection.close()
                if attempt == 2:
                    raise
            finally:
                theirs.close()
        self.sources = (self._connection, self._process.sentinel)

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def start(self, unit: Unit, patience: float) -> None:
        self.unit, self.deadline = unit, time.monotonic() + patience
        try:
            self._connection.send_bytes(unit.to_json().encode())
        except OSError:
            return  # it is dead already, as `reply` is going to say

    def reply(self) -> tuple[str | None, str] | None:
        """What `answer` returned there, or None if it is still at work. Raises WorkerDiedError."""
        alive = self.alive  # asked first: it may answer and end in between
        try:
            if self._connection.poll():
                reply = self._connection.recv()
                self.unit, self.deadline = None, float("inf")
                return reply
        except (EOFError, OSError):
            alive = False
        if not alive:
            self._process.join(1.0)
            raise WorkerDiedError(f"the last one ended with exit code {self._process.exitcode}")
        if time.monotonic() > self.deadline:
            raise WorkerDiedError("the last one did not come to an end and was killed")
        return None

    def end(self) -> None:
        self._connection.close()
        if self._process.exitcode in (None, 255):  # 255: the server was killed, and nobody knows about the worker
            try:
                os.kill(self._process.pid, 9)
            except ProcessLookupError:
                return
        self._process.join(5.0)


def _until_deadline(workers: list[_Worker]) -> float | None:
    first = min(worker.deadline for worker in workers)
    return None if first == float("inf") else max(0.0, first - time.monotonic()) + 0.01


def _serve(connection: Connection, judge: str) -> None:
    """The life of a worker: units come in, answers go out, until the other end is closed."""
    os.setpgrp()  # Ctrl-C is for the coordinator, which then ends its workers
    os.register_at_fork(after_in_child=connection.close)  # or a grandchild would hide that this process has died
    threading.Thread(target=_end_with_coordinator, daemon=True).start()
    while True:
        try:
            text = connection.recv_bytes().decode()
            connection.send(answer(text, judge))
        except (EOFError, OSError):
            return


def _end_with_coordinator() -> None:
    """A worker in the middle of a submission must not outlive the process that wants its result."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
