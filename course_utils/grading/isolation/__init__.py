"""Confine a freshly forked process, so that a student's code can harm nothing and read nothing it should not.

`spawn` runs a function in such a process; `survey` says what this machine has for it, and `require` insists on it.
Only the standard library is used: Linux is called through ctypes.
"""

from .policy import Policy, default_readable
from .spawn import spawn
from .survey import IsolationError, Survey, require, survey

__all__ = ["IsolationError", "Policy", "Survey", "default_readable", "require", "spawn", "survey"]
