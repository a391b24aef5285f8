"""What this machine offers to confine a process: each means is tried, in a forked child."""

import functools
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ..limits import Limits
from . import landlock, linux, namespaces, seccomp, users
from .policy import Policy


class IsolationError(Exception):
    """This machine cannot isolate a student's code, or not fully; the message says what is missing."""


@dataclass(frozen=True)
class Layers:
    """Which means are there; a sandbox uses just these."""

    own_user: bool = False  # as root: the student's process can take an unused user id
    user_namespace: bool = False  # what an ordinary user needs for the namespaces below
    namespaces: bool = False  # mount, pid, ipc, uts, cgroup
    network_namespace: bool = False
    landlock: int = 0  # its version, 0: none
    seccomp: bool = False
    proc: bool = False  # Linux with /proc: what the limits, the watchdog and no_new_privs need


@dataclass(frozen=True)
class Survey:
    """The protections of this machine.

    Attributes:
        covered: each protection, and the means that give it.
        gaps: one sentence for each protection that nothing gives.
        reasons: means that are not there, and why.
    """

    layers: Layers
    covered: dict[str, tuple[str, ...]]
    gaps: tuple[str, ...]
    reasons: dict[str, str]

    def __str__(self):
        width = max(map(len, self.covered))
        lines = [f"{name:<{width}}  {', '.join(means) or 'NOTHING'}" for name, means in self.covered.items()]
        return "\n".join([*lines, *(f"no {means}: {reason}" for means, reason in self.reasons.items())])


@functools.cache
def survey() -> Survey:
    """What this machine offers; tried once a process, in about 0.1 s."""
    if not sys.platform.startswith("linux"):
        return assess(Layers(), {"isolation": f"{platform.system()} is not Linux"})
    root = os.geteuid() == 0
    reasons: dict[str, str] = {}

    def works(means: str, action: Callable[[], None]) -> bool:
        reason = _attempt(action)
        if reason:
            reasons[means] = reason
        return not reason

    try:
        version = landlock.abi()
    except OSError as error:
        version, reasons["Landlock"] = 0, str(error)
    own_user = root and works("user of its own", lambda: users.become(users.unused_id(os.getpid())))
    user_namespace = not root and works("user namespace", namespaces.enter_user_namespace)
    own_world = (root or user_namespace) and works("namespaces", lambda: _try_namespaces(user_namespace))
    own_network = (root or user_namespace) and works("network namespace", lambda: _try_network(user_namespace))
    layers = Layers(
        own_user=own_user,
        user_namespace=user_namespace and (own_world or own_network),  # some systems make it, and give no right in it
        namespaces=own_world,
        network_namespace=own_network,
        landlock=version if version and works("Landlock", lambda: _try_landlock(version)) else 0,
        seccomp=works("seccomp", _try_seccomp),
        proc=works("/proc", lambda: os.stat("/proc/self/statm")),
    )
    return assess(layers, reasons)


def require(unsafe: bool = False) -> Survey:
    """The survey of this machine.

    Raises:
        IsolationError: something is not isolated here, and `unsafe` does not allow that.
    """
    found = survey()
    if found.gaps and not unsafe:
        missing = "\n".join(f"- {gap}" for gap in found.gaps)
        raise IsolationError(
            f"students' code cannot be isolated fully on this machine:\n{missing}\n`--unsafe` grades without."
        )
    return found


def assess(layers: Layers, reasons: dict[str, str]) -> Survey:
    """Which protections `layers` give, and what is missing."""
    uses = {
        "mount namespace": layers.namespaces,
        "pid namespace": layers.namespaces,
        "ipc namespace": layers.namespaces,
        "size of the private file system": layers.namespaces,
        "network namespace": layers.network_namespace,
        "Landlock": layers.landlock >= landlock.ABI_TRUNCATE
        and layers.seccomp,  # each leaves open what the other shuts
        "Landlock's scope": layers.landlock >= landlock.ABI_SCOPE and layers.seccomp,
        "seccomp": layers.seccomp,
        "user of its own": layers.own_user,
        "no_new_privs": layers.proc and (layers.own_user or not _is_root()),
        "resource limits": layers.proc,
        "watchdog": layers.proc,
    }
    means = {
        "files": ("mount namespace", "Landlock"),
        "network": ("network namespace", "seccomp"),
        "other processes": ("pid namespace", "user of its own", "Landlock's scope"),
        "end of all it started": ("pid namespace", "user of its own", "Landlock's scope"),
        "memory": ("resource limits", "watchdog"),
        "number of processes": ("resource limits", "watchdog"),
        "disk": ("size of the private file system",),
        "privileges": ("no_new_privs", "user of its own"),
        "system calls": ("seccomp",),
    }
    sentences = {
        "files": "nothing keeps the student's code from reading and writing files of this machine",
        "network": "nothing keeps the student's code from using the network",
        "other processes": "nothing keeps the student's code from ending or stopping other processes of this user",
        "end of all it started": "processes that the student's code started may outlive it",
        "memory": "nothing limits the memory that the student's code takes",
        "number of processes": "nothing limits how many processes the student's code starts",
        "disk": "nothing limits how much the student's code writes to the disk (only the size of each file is limited)",
        "privileges": "the student's code runs with the grader's privileges",
        "system calls": "the student's code may use every system call of the kernel",
    }
    covered = {name: tuple(each for each in candidates if uses[each]) for name, candidates in means.items()}
    why = "; ".join(f"no {name}: {reason}" for name, reason in reasons.items())
    gaps = tuple(
        f"{name}: {sentences[name]}" + (f" ({why})" if why else "") for name, given in covered.items() if not given
    )
    return Survey(layers, covered, gaps, reasons)


def _is_root() -> bool:
    return os.geteuid() == 0


def _attempt(action: Callable[[], object]) -> str:
    """Why `action` failed in a forked child; empty if it did not."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                action()
                reason = ""
            except Exception as error:
                reason = str(error) or type(error).__name__
            os.write(writing, json.dumps(reason).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else "the attempt was killed"


def _try_namespaces(user_namespace: bool) -> None:
    """Build a whole new root; in a child once more, since a pid namespace begins with one."""
    if user_namespace:
        namespaces.enter_user_namespace()
    namespaces.unshare(namespaces.CLONE_NEWPID)

    def build():
        namespaces.unshare(namespaces.ALL_BUT_USER_PID_NET)
        namespaces.enter_new_root(Policy(Limits(), ("/usr",)), os.getuid(), os.getgid())

    if reason := _attempt(build):
        raise OSError(reason)


def _try_network(user_namespace: bool) -> None:
    if user_namespace:
        namespaces.enter_user_namespace()
    namespaces.unshare(namespaces.CLONE_NEWNET)


def _try_landlock(version: int) -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(version, [], [], [])
    if _succeeds(lambda: os.listdir("/")):
        raise OSError("the kernel took the rules and did not follow them")


def _try_seccomp() -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.restrict(in_sight=False)
    if _succeeds(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)):
        raise OSError("the kernel took the filter and did not follow it")


def _succeeds(action: Callable[[], object]) -> bool:
    try:
        action()
    except PermissionError:
        return False
    return True
