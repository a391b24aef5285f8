"""Calling a student's function in this process: under watch, with a limit of time, in quiet.

`LocalCalls` and `grading.remote.RemoteCalls`, for functions that live in another process, do the same for a check.
"""

import contextlib
import functools
import inspect
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch

from course_utils.checks.failures import Failure, failure_of
from course_utils.checks.patience import patient
from course_utils.checks.raised import COURSE, Raised
from course_utils.checks.randomness import generator_states, seed_generators

# Functions of these folders answer for the student, but for this file (signal handlers run in the midst of the
# student's code) and stubs.py, where networks live that checks hand to students' functions.
REFERENCES = tuple(str(COURSE / name) + os.sep for name in ("models", "checks", "evaluation"))
HELPERS = (str(Path(__file__).resolve()), str(COURSE / "checks" / "stubs.py"))


class TimeUp(BaseException):
    """Raised inside the student's function when its time is over."""


class LocalCalls:
    """Runs the student's code. As a context, it notices Ctrl-C and arms a time limit of `limit` seconds for all calls.

    The limit needs POSIX signals and the main thread; elsewhere there is none. On a busy machine it is longer.
    """

    def __init__(self, limit: float, allow_reference: bool = False):
        self.limit, self.allow_reference = limit, allow_reference
        self._quiet = False
        self._inside = self._expired = self._interrupted = self._outer_rang = False
        self._borrowed = None

    seed = staticmethod(seed_generators)
    generator_states = staticmethod(generator_states)

    def run(self, action, what):
        """The result of `action`. Raises Failure for whatever goes wrong in it."""
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
            raise failure_of(Raised.of(error), what) from None
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

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self._signals())
        return self

    def __exit__(self, *_):
        self._stack.close()

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
        started, limit = time.monotonic(), patient(self.limit)
        outer, outer_interval = signal.setitimer(signal.ITIMER_REAL, 0)
        old_alarm = signal.getsignal(signal.SIGALRM) or signal.SIG_DFL
        outer_first = 0 < outer <= limit
        if outer_first:  # somebody else's alarm rings first: leave it in charge, and let through what it raises
            if callable(old_alarm):
                signal.signal(signal.SIGALRM, outer_rings)
            signal.setitimer(signal.ITIMER_REAL, outer, outer_interval)
        else:
            signal.signal(signal.SIGALRM, time_up)
            # It rings again and again, for code that swallows the first exception.
            signal.setitimer(signal.ITIMER_REAL, limit, 0.2)
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


@functools.cache
def nowhere():
    """A file that swallows what is written; it stays open for handlers of loggers that remember it."""
    return open(os.devnull, "w")
