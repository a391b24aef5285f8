"""Taking the course's own answers out of a student's process: what is loaded goes, and no import brings it back."""

import importlib.abc
import sys
import types

import course_utils
from course_utils.checks.raised import HiddenModuleError

HIDDEN = tuple(f"course_utils.{name}" for name in ("models", "evaluation", "checks", "grading"))


class HiddenModules(importlib.abc.MetaPathFinder):
    """Says why the course's own answers cannot be imported; that they cannot be read is the sandbox's work."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith(HIDDEN):
            raise HiddenModuleError(f"{name} is not there at grading: the answer has to be your own")


class Placeholder:
    """`checks` as the notebook sees it at grading: cells that call it run, but the judging is done outside."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        if name.startswith("__") or name.startswith("_repr_") or name.startswith("_ipython_"):
            raise AttributeError(name)
        return Placeholder(f"{self._name}.{name}")

    def __call__(self, *_, **__):
        return Placeholder(self._name)

    def __repr__(self):
        return f"{self._name}: judged outside this process"


class ChecksModule(types.ModuleType):
    __path__ = ()  # a package, whose modules `HiddenModules` speaks for

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder(f"checks.{name}")


def hide_course() -> None:
    """Forget the modules that hold answers and the grader's own; `checks` becomes a placeholder."""
    for name in [name for name in sys.modules if name.startswith(HIDDEN)]:
        del sys.modules[name]
    placeholder = ChecksModule("course_utils.checks")
    sys.modules["course_utils.checks"] = course_utils.checks = placeholder
    sys.meta_path.insert(0, HiddenModules())
