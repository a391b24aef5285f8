"""What all checks share: calling a student's function in safety, criteria in their order, canaries at grading.

A check is a callable that takes the student's function and returns a `Report`. It only calls that function and
differentiates what it returns, so the function may as well be a stand-in for one that lives in another process.
"""

import contextlib
import contextvars
import functools
import inspect
import os
import types
import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch

from course_utils.checks.failures import MISTAKES, Failure, failure_of
from course_utils.checks.local import LocalCalls
from course_utils.checks.randomness import Draw, derive_seed, preserve_generators
from course_utils.checks.report import Finding, Report, cut

# The seed of all checks while a test is graded; the grader derives it from a secret.
GRADING_SEED: contextvars.ContextVar[int | None] = contextvars.ContextVar("GRADING_SEED", default=None)


@contextlib.contextmanager
def grading_seed(seed):
    """All checks draw their inputs from `seed`, unless they are given another one."""
    token = GRADING_SEED.set(seed)
    try:
        yield
    finally:
        GRADING_SEED.reset(token)


class Trial:
    """One run of a check: calls the student's function and keeps the world outside as it was.

    While it lasts, warnings are ignored and the global random generators start from the seed; both are restored, as are
    signal handlers and timers. A function that lives in another process brings its own way to be called, as `calls`.
    """

    def __init__(self, check, function, seed, allow_reference=False):
        self.check, self.function, self.seed = check, function, seed
        self.calls = getattr(function, "remote_calls", None) or LocalCalls(time_limit(), allow_reference)
        self.rng = Draw(derive_seed(seed, check.name))
        self.passed = set()  # names of criteria so far
        self.results = []  # what the first criteria computed, for the next

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
        self.seed_generators(derive_seed(self.seed, self.check.name, "student"))
        self._stack.enter_context(self.calls)
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
        return self.calls.run(action, what)

    def seed_generators(self, seed):
        """Seed the global random generators that the student's function sees."""
        self.calls.seed(seed)

    def generator_states(self):
        """The states of the global random generators that the student's function sees, comparable by ==."""
        return self.calls.generator_states()


def time_limit():
    """Seconds for all calls of a check together, from the environment variable COURSE_CHECK_SECONDS."""
    return float(os.environ.get("COURSE_CHECK_SECONDS", "10"))


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

    def __call__(self, student_function, seed=None, *, allow_reference=False):
        """The report on `student_function`; equal seeds draw equal inputs. The seed is 0, or at grading the grader's.

        `allow_reference=True` is for tests that send the course's own functions through their checks.
        """
        if seed is None:
            seed = GRADING_SEED.get() or 0
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
        seed = GRADING_SEED.get()
        if seed is None and given:
            seed = int(given) if given.isdecimal() else derive_seed(given)
        elif seed is None:
            seed = int.from_bytes(os.urandom(4), "big")
        note = f"inputs drawn from seed={seed}"
        # A function in another process cannot have tampered with this one: the canaries need no repetition.
        far = hasattr(student_function, "remote_calls")
        trouble = self._canary_trouble_once() if far else self._canary_trouble(seed)
        if trouble:
            finding = Finding("canary", False, 1.0, f"the environment was tampered with: {trouble}.", "tampered")
            return Report(self.name, [finding], seed, note)
        report = self(student_function, seed)
        report.note = note
        return report

    @functools.cache  # noqa: B019  a check lives as long as its module
    def _canary_trouble_once(self):
        return self._canary_trouble(int.from_bytes(os.urandom(4), "big"))

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
            raised = getattr(trial.function, "raised", None)  # how the cell of an undefined function failed
            if raised is not None:
                raise failure_of(raised, "the cell that should define your function")
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
