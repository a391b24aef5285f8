"""The processes below one, what they use, and their end. Source: proc_pid_stat(5), proc_tid_children(5)."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """What some processes use together: threads, and resident bytes (memory shared by fork counted each time)."""

    threads: int
    memory: int


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, as far as /proc tells; without those that end meanwhile."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    children = [int(child) for child in file.read().split()]
                found += children
                waiting += children
    return found


def usage(pids: list[int]) -> Usage:
    """What `pids` use now; one that has ended uses nothing."""
    threads = memory = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            threads += int(fields[17])  # num_threads, field 20
            memory += int(fields[21]) * PAGE  # rss, field 24
    return Usage(threads, memory)


def shared_fairly(pids: list[int]) -> int:
    """Resident bytes of `pids`, each page divided among those that share it; costs milliseconds a process."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
    return total


def virtual_memory() -> int:
    """The bytes of address space that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * PAGE


def out_of_memory_kills() -> int:
    """How many processes the kernel has ended on this machine for lack of memory."""
    with contextlib.suppress(OSError), open("/proc/vmstat") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    return 0


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_descendants() -> None:
    """End every process below this one, and wait until none is left.

    Orphans come here only where this process is a child subreaper (prctl(2)).
    """
    while pids := descendants(os.getpid()):
        for pid in pids:
            kill(pid)
        reap()
        time.sleep(0.001)


def reap() -> dict[int, tuple[int, int]]:
    """The children that have ended: pid to wait status and largest resident size in bytes."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status, resources = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = (status, resources.ru_maxrss * 1024)
    return ended
