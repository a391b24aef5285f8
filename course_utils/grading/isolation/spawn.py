"""Start the student's process, confined, below two that watch over it.

The process that calls `spawn` forks A, the supervisor; A forks B, the first process of a pid namespace; B forks C,
which confines itself and then runs the student's code. A ends all of it when its control socket is closed, when a
limit is passed, or when C ends. When A is killed the kernel kills B, and with B every process of the namespace. Where
there is no pid namespace, A and B are subreapers (prctl(2)), to whom orphans come: each ends them when the other dies.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import confine, linux, namespaces, processes, users
from .policy import Policy
from .supervise import end_all, remove, tell, watch
from .survey import Layers, require


def spawn(main: Callable[[], None], policy: Policy, keep_fds: Sequence[int], control: int) -> int:
    """Run `main` in a confined process; returns the supervisor's process id at once.

    The calling process must have one thread only, and nothing in its memory that the student must not see: a fork
    inherits it. It then closes its own copies of `control` and `keep_fds`, and waits for the supervisor (os.waitpid)
    in the end. `main` runs in the folder `work` of a fresh home; the process ends with code 0 when `main` returns, 1
    when it raises.

    Args:
        main: what the process does.
        policy: what it may use and see.
        keep_fds: file descriptors that it inherits; the standard ones are /dev/null.
        control: a stream socket that the supervisor alone keeps. Close the other end, and every process is killed.
            When all have ended one line of JSON comes from it:
            {"exit": code, "peak_memory": bytes}, or
            {"signal": number, "name": "SIGSEGV", "oom": bool, "peak_memory": bytes} when the process was ended by a
            signal ("oom": the machine ran out of memory), or
            {"limit": "memory"}, {"limit": "processes"} when it was killed for that, or
            {"error": sentence} when it could not be confined, and `main` did not run.

    Raises:
        IsolationError: this machine cannot isolate fully, and the policy does not allow that.
    """
    return start(main, policy, keep_fds, control, require(policy.unsafe).layers)


def start(main: Callable[[], None], policy: Policy, keep_fds: Sequence[int], control: int, layers: Layers) -> int:
    """`spawn` with these means of isolation only, whatever they leave open."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _supervise(main, policy, set(keep_fds), socket.socket(fileno=control), layers, parent)
        finally:
            os._exit(0)
    return pid


@dataclass(frozen=True)
class _Student:
    """All that B and C need."""

    main: Callable[[], None]
    policy: Policy
    keep_fds: set[int]
    layers: Layers
    user: int
    group: int
    others: int  # threads of the same user outside
    home: str
    environment: dict[str, str]


def _supervise(main, policy: Policy, keep_fds: set[int], control: socket.socket, layers: Layers, parent: int) -> None:
    """Process A."""
    gc.disable()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    folder = None
    try:
        os.setsid()
        if layers.proc:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        confine.close_all_but({control.fileno(), *keep_fds})
        student = _prepare(main, policy, keep_fds, layers)
        folder = None if layers.namespaces else student.home
        if layers.user_namespace:
            namespaces.enter_user_namespace()
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # the kernel forgets it with the credentials
        if layers.namespaces:
            namespaces.unshare(namespaces.CLONE_NEWPID)
        elif layers.proc:
            linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        mine, theirs = socket.socketpair()
        init = os.fork()
        if init == 0:
            mine.close()
            control.close()
            _guarded(lambda: _init(student, theirs), theirs)
        theirs.close()
        for fd in keep_fds:
            os.close(fd)
        try:
            line = watch(init, mine, control, policy, layers)
        finally:
            end_all(init, mine, layers)
    except Exception as error:
        line = {"error": f"the sandbox could not be set up: {error}"}
    finally:
        if folder is not None:
            remove(folder)
    if line is not None:
        tell(control, line)


def _prepare(main, policy: Policy, keep_fds: set[int], layers: Layers) -> _Student:
    """Choose user and home; the grader's environment is erased from this process."""
    user = users.unused_id(os.getpid()) if layers.own_user else os.getuid()
    group = user if layers.own_user else os.getgid()
    others = users.tasks_of(user) if layers.proc and not layers.own_user else 0
    if layers.namespaces:
        home, temporary = namespaces.HOME, "/tmp"
    else:
        home = os.path.realpath(tempfile.mkdtemp(prefix="course-sandbox-"))
        temporary = f"{home}/tmp"
        for path in (home, temporary, f"{home}/work"):
            os.makedirs(path, mode=0o700, exist_ok=True)
            os.chown(path, user, group)
    environment = confine.environment(home, temporary, policy)
    if layers.proc:
        linux.erase_initial_environment()
    return _Student(main, policy, keep_fds, layers, user, group, others, home, environment)


def _guarded(action: Callable[[], None], channel: socket.socket) -> None:
    """Run `action` and end the process; a failure goes to A."""
    try:
        action()
    except BaseException as error:
        tell(channel, {"error": f"the sandbox could not be set up: {error}"})
    finally:
        os._exit(1)


def _init(student: _Student, channel: socket.socket) -> None:
    """Process B: make the namespaces, start C, then reap what ends until C does."""
    layers = student.layers
    if layers.namespaces:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    elif layers.proc:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    if select.select([channel], [], [], 0)[0]:  # A has died before
        return
    if layers.proc:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # the first to go where the machine runs out of memory
        linux.prctl(linux.PR_SET_DUMPABLE, 0)  # the student's process cannot look into this one
    if layers.network_namespace:
        namespaces.unshare(namespaces.CLONE_NEWNET)
    if layers.namespaces:
        namespaces.unshare(namespaces.ALL_BUT_USER_PID_NET)
        socket.sethostname("sandbox")
        namespaces.enter_new_root(student.policy, student.user, student.group)

    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    pid = os.fork()
    if pid == 0:
        _guarded(lambda: _become_student(student, channel), channel)
    for fd in student.keep_fds:
        os.close(fd)
    status = None
    while status is None and channel not in select.select([channel, woken], [], [])[0]:
        with contextlib.suppress(BlockingIOError):
            woken.recv(4096)
        status = processes.reap().get(pid)
    if status is not None:
        tell(channel, {"status": status[0], "peak": status[1]})
    _end_orphans(student, pid, forsaken=status is None)


def _end_orphans(student: _Student, pid: int, forsaken: bool) -> None:
    """Where no pid namespace ends them with this process; `forsaken`: A is gone, and cannot clean up."""
    if student.layers.namespaces:
        return
    if student.layers.proc:
        processes.kill_descendants()
    else:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    if forsaken:
        remove(student.home)


def _become_student(student: _Student, channel: socket.socket) -> None:
    """Process C: confine itself, say so, and run the student's code."""
    layers = student.layers
    memory = processes.usage([os.getpid()]).memory
    confine.default_signals()
    os.setsid()
    confine.close_all_but({channel.fileno(), *student.keep_fds})
    os.environ.clear()
    os.environ.update(student.environment)
    tempfile.tempdir = None  # so that it is looked up again
    os.chdir(f"{student.home}/work")
    confine.set_limits(student.policy, layers, student.others)
    if layers.proc:
        confine.give_up_rights(student.policy, layers, student.user, student.home)
    tell(channel, {"ready": memory})
    channel.close()
    gc.enable()
    code = 1
    try:
        student.main()
        code = 0
    finally:
        os._exit(code)
