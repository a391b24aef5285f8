"""What all checks share: calling a student's function in safety, criteria in their order, canaries at grading.

A check is a callable that takes the student's function and returns a `Report`. It only calls that function and
differentiates what it returns, so the function may as well be a stand-in for one that lives in another process.
"""

# ruff: noqa: E501

import contextlib
import functools
import inspect
import linecache
import os
import signal
import sys
import sysconfig
import threading
import time
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from course_utils.checks.randomness import Draw, derive_seed, preserve_generators, seed_generators
from course_utils.checks.report import Finding, Report, cut

COURSE = Path(__file__).resolve().parents[1]
# Functions of these folders answer for the student, but for this file (signal handlers run in the midst of the
# student's code) and stubs.py, where networks live that checks hand to students' functions.
REFERENCES = (str(COURSE / "models") + os.sep, str(COURSE / "checks") + os.sep)
HELPERS = (str(Path(__file__).resolve()), str(COURSE / "checks" / "stubs.py"))
LIBRARIES = tuple({sysconfig.get_paths()[key] + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")})

# Misconceptions that any function can show: id -> what it is and what to do.
MISTAKES = {
    "not-attempted": "not attempted yet: replace `raise NotImplementedError()` by your code.",
    "not-a-function": "there is no function to check: define it under exactly this name and run its cell.",
    "wrong-arguments": "the function does not take the arguments of the exercise: keep the first line of the stub.",
    "wrong-names": "the arguments have other names than in the exercise: keep the first line of the stub.",
    "wrong-default": "the default value of an argument is not the one in the exercise: keep the first line of the stub.",
    "uses-reference": "your function calls the course's own code for its answer: write the formula yourself.",
    "endless": "it did not finish in time: an endless loop?",
    "returns-nothing": "it returns nothing (None): did you forget `return`?",
    "returns-number": "it returns a Python number, which is cut off from the gradient: return the tensor (no `.item()`).",
    "returns-array": "it returns a NumPy array, which is cut off from the gradient: compute with torch and return the tensor.",
    "returns-tuple": "it returns a tuple or a list: return the one tensor that is asked for.",
    "integer-result": "it returns integers: the result needs the floating-point type of the input.",
    "half-precision": "it returns half precision: keep the floating-point type of the input.",
    "one-layout-only": "it works for one layout of the input and fails for another: start from `x.shape[0]`, not a fixed number of axes.",
    "broadcast-square": "shapes (B, 1) and (B,) met and made a (B, B) table: check the shape of each term before you combine them.",
    "one-number": "it returns one number for the whole batch: return one per example, shape (B,).",
    "random-result": "two calls with the same input differ: nothing random is asked here.",
    "keeps-state": "the result depends on earlier calls: use no global or remembered value.",
    "detached": "no gradient flows back from the result: something cut it off (`.detach()`, `.data`, `.item()`, `no_grad`, NumPy?).",
    "partly-detached": "no gradient reaches one of the arguments: something cut it off (`.detach()`, `.data`, `.item()`, `no_grad`?).",
    "changes-arguments": "it changes its arguments in place: work on new tensors (`a * b`, not `a *= b` or `a.mul_(b)`).",
    "touches-rng": "it draws from or seeds the global random generator, but nothing random is asked here.",
    "single-example": "it fails for a batch of one example: do not `squeeze()` the batch axis away.",
    "fixed-dtype": "it fails for float64 input or answers in another type: take dtype and device from the input, write no `.float()`.",
}  # fmt: skip


@dataclass
class Failure(Exception):  # noqa: N818
    """A criterion is not met: a verdict on the student's function, no error of ours. `mistake` names the misconception, which supplies the message unless one is given."""

    message: str = ""
    mistake: str | None = None
    where: str = ""
    got: str = ""
    expected: str = ""
    last: bool = False  # nothing more can be judged after this


class TimeUp(BaseException):
    """Raised inside the student's function when its time is over."""


class Trial:
    """One run of a check: calls the student's function and keeps the world outside as it was.

    While it lasts, warnings are ignored and the global random generators start from the seed; both are restored, as are
    signal handlers and timers. The time limit needs POSIX signals and the main thread; elsewhere there is none.
    """

    def __init__(self, check, function, seed, allow_reference=False):
        self.check, self.function, self.seed = check, function, seed
        self.allow_reference = allow_reference
        self.limit = float(os.environ.get("COURSE_CHECK_SECONDS", "10"))
        self.rng = Draw(derive_seed(seed, check.name))
        self.passed = set()  # names of criteria so far
        self.results = []  # what the first criteria computed, for the next
        self._quiet = False
        self._inside = self._expired = self._interrupted = self._outer_rang = False
        self._borrowed = None

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        self._stack.enter_context(preserve_generators())
        self._stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        self._stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        if torch.get_default_device().type != "cpu":
            self._stack.enter_context(torch.device("cpu"))
        seed_generators(derive_seed(self.seed, self.check.name, "student"))
        self._stack.enter_context(self._signals())
        return self

    def __exit__(self, *_):
        self._stack.close()

    def call(self, *args, **kwargs):
        """The student's function at these arguments; whatever goes wrong there is raised as a `Failure`."""
        return self.guard(functools.partial(self.function, *args, **kwargs))

    def gradient(self, output, inputs, weights):
        """Gradients of the sum of `weights` times `output` for `inputs`, None where there is none."""
        # A scalar, since `grad_outputs` would make torch import SymPy, which takes seconds.
        total = (output * weights).sum()
        backward = functools.partial(torch.autograd.grad, total, inputs, allow_unused=True)
        return self.guard(backward, "the backward pass of your result")

    def guard(self, action, what="your function"):
        """The result of `action`, run under watch, with a limit of time, and with its exceptions turned to failures."""
        if self._expired:
            raise self._time_failure()
        error = result = None
        tampered = self._outer_rang = False
        previous, previous_new = sys.getprofile(), threading.getprofile()
        watch = self._watch
        # The first call may print, so that print() helps to debug; a hundred calls shall not flood the notebook.
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stderr(nowhere()))
            if self._quiet:
                stack.enter_context(contextlib.redirect_stdout(nowhere()))
            self._quiet = True
            stack.enter_context(torch.enable_grad())
            try:
                try:
                    threading.setprofile(watch)
                    sys.setprofile(watch)
                    self._inside = True
                    result = action()
                finally:
                    self._inside = False
                    tampered = sys.getprofile() is not watch
                    sys.setprofile(previous)
            except BaseException as caught:  # SystemExit and KeyboardInterrupt too: the student's code may raise them
                error = caught
            finally:
                self._inside = False
                sys.setprofile(previous)
                threading.setprofile(previous_new)
        if self._interrupted:
            raise KeyboardInterrupt
        if self._borrowed is not None and not self.allow_reference:
            raise Failure(mistake="uses-reference", got=f"a call of {self._borrowed}", last=True)
        if self._expired or isinstance(error, TimeUp):
            raise self._time_failure() from None
        if error is not None and self._outer_rang:
            raise error
        if tampered and not self.allow_reference:
            message = "your function switches off the profile hook that shows whose code it calls (sys.setprofile)."
            raise Failure(message, mistake="uses-reference", last=True)
        if error is not None:
            raise self._describe(error, what) from None
        return result

    def _watch(self, frame, event, _):
        if event == "call" and self._borrowed is None:
            code = frame.f_code
            file = code.co_filename
            # Bodies of modules and classes are no answers: importing is allowed.
            if file.startswith(REFERENCES) and file not in HELPERS and code.co_flags & inspect.CO_OPTIMIZED:
                self._borrowed = code.co_name

    def _time_failure(self):
        return Failure(f"it did not finish within {self.limit:g} s: an endless loop?", mistake="endless", last=True)

    def _describe(self, error, what):
        """The failure that an exception from the student's code amounts to."""
        line = student_line(error)
        source = linecache.getline(line.filename, line.lineno).strip() if line else ""
        where = f"line {line.lineno} of {line.name}: {source}" if line else ""
        if isinstance(error, NotImplementedError):
            first = student_line(error, first=True)
            if line and first and line.name != first.name:
                message = f"{first.name} calls {line.name}, which is still to be written."
                return Failure(message, mistake="not-attempted", where=where)
            return Failure(mistake="not-attempted")
        kind = type(error).__name__
        if isinstance(error, SystemExit | KeyboardInterrupt):
            message = f"{what} stops the program with {kind}: a function ends with `return`."
        else:
            message = f"{what} raised {kind}."
        return Failure(message, where=where, got=f"{kind}: {safe_text(error)}" if safe_text(error) else kind)

    @contextlib.contextmanager
    def _signals(self):
        """Arm the time limit and notice a real Ctrl-C; put back the handlers and the timer found."""
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
            yield
            return

        def interrupt(number, frame):
            self._interrupted = True
            if old_interrupt is not signal.SIG_IGN:
                (old_interrupt if callable(old_interrupt) else signal.default_int_handler)(number, frame)

        def time_up(*_):
            self._expired = True
            if self._inside:
                raise TimeUp

        def outer_rings(number, frame):
            self._outer_rang = True
            old_alarm(number, frame)

        old_interrupt = signal.signal(signal.SIGINT, interrupt) or signal.SIG_DFL
        started = time.monotonic()
        outer, outer_interval = signal.setitimer(signal.ITIMER_REAL, 0)
        old_alarm = signal.getsignal(signal.SIGALRM) or signal.SIG_DFL
        outer_first = 0 < outer <= self.limit
        if outer_first:  # somebody else's alarm rings first: leave it in charge, and let through what it raises
            if callable(old_alarm):
                signal.signal(signal.SIGALRM, outer_rings)
            signal.setitimer(signal.ITIMER_REAL, outer, outer_interval)
        else:
            signal.signal(signal.SIGALRM, time_up)
            # It rings again and again, for code that swallows the first exception.
            signal.setitimer(signal.ITIMER_REAL, self.limit, 0.2)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, old_interrupt)
            if not outer_first:
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old_alarm)
            if outer > 0 and not outer_first:
                left = max(outer - (time.monotonic() - started), 1e-3)
                signal.setitimer(signal.ITIMER_REAL, left, outer_interval)


@dataclass
class Criterion:
    """One point of a check. `judge(trial)` raises `Failure`; if a needed one fails, those after it are not judged."""

    name: str
    judge: types.FunctionType
    weight: float = 0.0
    needed: bool = False


class Check:
    """The check of one function. Subclasses give `name`, `arguments`, `criteria()` and two canaries.

    `mistakes` (id -> sentence) is the table of misconceptions beside the common `MISTAKES`. `right_canary` and
    `wrong_canary` are answers whose verdicts are known, the latter with the mistake `wrong_canary_mistake`.
    """

    name = ""
    arguments = ()
    mistakes: ClassVar = {}
    wrong_canary_mistake = ""

    def criteria(self):
        raise NotImplementedError

    def right_canary(self, *args):
        raise NotImplementedError

    def wrong_canary(self, *args):
        raise NotImplementedError

    def __call__(self, student_function, seed=0, *, allow_reference=False):
        """The report on `student_function`; equal seeds draw equal inputs.

        `allow_reference=True` is for tests that send the course's own functions through their checks.
        """
        report = Report(self.name, seed=seed)
        stopped = False
        with Trial(self, student_function, seed, allow_reference) as trial:
            for criterion in self.criteria():
                finding = Finding(criterion.name, None, criterion.weight)
                report.findings.append(finding)
                if stopped:
                    continue
                try:
                    criterion.judge(trial)
                    finding.passed = True
                    trial.passed.add(criterion.name)
                except Failure as failure:
                    finding.passed = False
                    finding.mistake = failure.mistake
                    finding.message = cut(failure.message or self.sentence(failure.mistake))
                    finding.where, finding.got = cut(failure.where), cut(failure.got)
                    finding.expected = cut(failure.expected)
                    stopped = failure.last or criterion.needed
        if report.mistake == "uses-reference":
            for finding in report.findings:
                finding.passed = None if finding.passed else finding.passed
        return report

    def sentence(self, mistake):
        return self.mistakes.get(mistake) or MISTAKES[mistake]

    def at_grading(self, student_function):
        """The report for a grade: canaries first, then the check on inputs that nobody could foresee.

        The seed is that of the environment variable COURSE_GRADING_SEED or else a fresh one; the report states it.
        """
        given = os.environ.get("COURSE_GRADING_SEED", "")
        if given:
            seed = int(given) if given.isdecimal() else derive_seed(given)
        else:
            seed = int.from_bytes(os.urandom(4), "big")
        note = f"inputs drawn from seed={seed}"
        trouble = self._canary_trouble(seed)
        if trouble:
            finding = Finding("canary", False, 1.0, f"the environment was tampered with: {trouble}.", "tampered")
            return Report(self.name, [finding], seed, note)
        report = self(student_function, seed)
        report.note = note
        return report

    def _canary_trouble(self, seed):
        """What is wrong with the verdicts on answers that are known, or an empty string."""
        try:
            right = self(self.right_canary, seed, allow_reference=True)
            wrong = self(self.wrong_canary, seed, allow_reference=True)
            borrowed = self(self.right_canary, seed)
        except Exception as error:
            return f"the check itself fails ({type(error).__name__})"
        if not right.passed or right.fraction != 1:
            return "a planted right answer was rejected"
        if wrong.passed or wrong.fraction >= 1 or wrong.mistake != self.wrong_canary_mistake:
            return "a planted wrong answer was not recognised"
        if borrowed.fraction != 0 or borrowed.mistake != "uses-reference":
            return "a planted call of the reference was not noticed"
        return ""

    def judge_signature(self, trial):
        """The function is there and takes the arguments of the exercise, as far as one can tell without a call."""
        if not callable(trial.function):
            raise Failure(mistake="not-a-function", got=type(trial.function).__name__, expected=self.signature)
        try:
            signature = inspect.signature(trial.function)
        except (TypeError, ValueError):
            return  # a callable without a signature, such as a built-in: the call will tell
        try:
            signature.bind(*self.arguments)
        except TypeError:
            raise Failure(mistake="wrong-arguments", got=f"{self.name}{signature}", expected=self.signature) from None

    @property
    def signature(self):
        return f"{self.name}({', '.join(self.arguments)})"


@functools.cache
def nowhere():
    """A file that swallows what is written; it stays open for handlers of loggers that remember it."""
    return open(os.devnull, "w")


def student_line(error, first=False):
    """The last (or first) place of the traceback that is neither a library's nor the course's; None if there is none."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith((*LIBRARIES, str(COURSE) + os.sep, "<frozen")):
            places.append(types.SimpleNamespace(filename=code.co_filename, lineno=trace.tb_lineno, name=code.co_name))
        trace = trace.tb_next
    return None if not places else places[0] if first else places[-1]


def safe_text(value):
    """str(value), for values whose own str may fail."""
    try:
        return cut(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text fails with {type(error).__name__}>"
