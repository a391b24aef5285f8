"""What the student's process does to itself before it runs a line of the student's: give everything up.

Sources: setrlimit(2), core(5), proc_pid_oom_score_adj(5), prctl(2), and those of the modules used.
"""

import contextlib
import os
import resource
import signal
import sys

from . import landlock, linux, namespaces, processes, seccomp, users
from .policy import DEVICES, Policy
from .survey import Layers

NICENESS = 5
OF_PROC = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/filesystems")


def close_all_but(kept: set[int]) -> None:
    """Close every file descriptor but `kept`, and point the three standard ones at /dev/null."""
    for name in os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(int(name))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.close(null)


def environment(home: str, temporary: str, policy: Policy) -> dict[str, str]:
    """A whole new environment: of the grader's only COURSE_DATA stays, if that may be read."""
    fresh = {
        "PATH": os.pathsep.join((os.path.join(sys.prefix, "bin"), "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": home,
        "TMPDIR": temporary,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": f"{home}/.config/matplotlib",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    if (data := os.environ.get("COURSE_DATA")) and os.path.realpath(data) in policy.readable:
        fresh["COURSE_DATA"] = os.path.realpath(data)
    return fresh


def default_signals() -> None:
    """Those of a fresh Python, whatever this process and the ones before had set."""
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def set_limits(policy: Policy, layers: Layers, others: int) -> None:
    """Set the limits of this process and of each that it starts; they cannot be raised again.

    The limit of processes is twice the policy's, so that it is the watchdog who ends too many of them, and says so.

    Args:
        others: threads that this user has besides, which the limit of processes counts too.
    """
    limits = policy.limits
    values = {
        "RLIMIT_AS": limits.memory + (processes.virtual_memory() if layers.proc else 0),
        "RLIMIT_NPROC": others + 2 * limits.processes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_CORE": 1,  # with 0, a program that collects core dumps would still get one
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_RTPRIO": 0,
    }
    for name, value in values.items():
        number = getattr(resource, name, None)
        if number is None:  # not of this system
            continue
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.nullcontext() if layers.proc else contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (value, value))
    os.nice(NICENESS)


def give_up_rights(policy: Policy, layers: Layers, user: int, home: str) -> None:
    """Become a process that can gain no right again, and that sees what the policy shows.

    Raises:
        OSError: the kernel refuses a step that `layers` says it allows.
    """
    if layers.own_user or layers.user_namespace:
        linux.drop_bounding_set()
    if layers.own_user:
        users.become(user)
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # /proc/self belongs to this user again
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if layers.landlock:
        readable, listed = landlock.around(policy.readable, policy.hidden)
        if layers.namespaces:
            readable += ["/proc", "/etc"]
            listed += ["/"]  # the new root, where there is nothing to hide
            writable = [*namespaces.WRITABLE, *DEVICES]
        else:
            readable += [*OF_PROC, f"/proc/{os.getpid()}"]
            writable = [home, *DEVICES]
        landlock.restrict(layers.landlock, readable, listed, writable)
    if layers.seccomp:
        seccomp.restrict(in_sight=not layers.namespaces)
    os.stat(os.path.realpath(sys.executable))  # where Python lies in a folder closed to that user, say so now
