"""What a confined process may see, and what Python needs to see to run at all."""

import os
import site
import sys
from dataclasses import dataclass
from pathlib import Path

from ..limits import Limits

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache"),
    *("/etc/localtime", "/etc/timezone", "/etc/mime.types", "/sys/devices/system/cpu"),
)
OF_ITS_OWN = ("/dev/shm", "/etc/passwd", "/proc", "/sandbox", "/tmp")  # what every sandbox has of its own
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True)
class Policy:
    """What a confined process may use and see. Everything else on the machine is out of its reach.

    Args:
        limits: how much it may use.
        readable: absolute paths of files and folders that it sees, read-only; what does not exist is left out.
        hidden: absolute paths of files and folders in them whose content it must not read.
        unsafe: go on where this machine lacks a means to isolate.

    Raises:
        ValueError: a path is not absolute, a hidden path holds a readable one, or a readable one holds what every
            sandbox has of its own, such as /tmp.
    """

    limits: Limits
    readable: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    unsafe: bool = False

    def __post_init__(self):
        for path in (*self.readable, *self.hidden):
            if not os.path.isabs(path):
                raise ValueError(f"a policy needs absolute paths, and {path!r} is none")
        for path in self.readable:
            for own in OF_ITS_OWN:
                if inside(own, os.path.realpath(path)):
                    raise ValueError(f"{path} cannot be readable: a sandbox has {own} of its own")
            for hidden in self.hidden:
                if inside(os.path.realpath(path), os.path.realpath(hidden)):
                    raise ValueError(f"{path} cannot be readable while {hidden}, which holds it, is hidden")


def default_readable() -> tuple[str, ...]:
    """What Python and this package need on this machine: prefixes, the system's libraries, fonts, time zones.

    Of folders on `sys.path` outside the prefixes only the user's site-packages count, and of an editable install only
    the package `course_utils`: the folder above it holds the course, solutions included.
    """
    package = Path(__file__).resolve().parents[2]
    candidates = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *SYSTEM, str(package)]
    if site.ENABLE_USER_SITE and (user_site := site.getusersitepackages()) in sys.path:
        candidates.append(user_site)
    return tuple(dict.fromkeys(path for path in candidates if os.path.exists(path) and path != "/"))


def inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it; both absolute and free of links."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def real_paths(paths: tuple[str, ...]) -> list[str]:
    """Those that exist, free of links, without those that lie in another one."""
    kept: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths if os.path.exists(path)}):
        if not any(inside(path, folder) for folder in kept):
            kept.append(path)
    return kept


def links(paths: tuple[str, ...]) -> dict[str, str]:
    """The symbolic links on the way to `paths`, and where each leads (an absolute path)."""
    found: dict[str, str] = {}
    waiting = list(paths)
    while waiting:
        path = Path(waiting.pop())
        for step in (*reversed(path.parents), path):
            if str(step) not in found and step.is_symlink():
                target = os.path.normpath(step.parent.resolve() / os.readlink(step))
                found[str(step)] = target
                waiting.append(os.path.join(target, path.relative_to(step)))
                break
    return found
