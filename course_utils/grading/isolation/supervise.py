"""The supervisor A: it watches the others, ends them, and says how it went."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket

from . import processes
from .policy import Policy
from .survey import Layers

WATCH_SECONDS = 0.05
LONGEST_LINE = 65536


def watch(init: int, channel: socket.socket, control: socket.socket, policy: Policy, layers: Layers) -> dict | None:
    """Wait until the student's process ends, a limit is passed, or nobody listens any more.

    Args:
        init: process id of B, a child.
        channel: to B and C, who send one line of JSON each: {"ready": resident bytes} before the student's code
            starts, {"error": sentence} instead, {"status": wait status, "peak": bytes} at the end.

    Returns:
        the line for the grader (see `spawn`); None if the control socket was closed.
    """
    limits = policy.limits
    kills_before = processes.out_of_memory_kills()
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(control, select.POLLIN)
    most_memory, peak = None, 0
    while True:
        ready = {fd for fd, _ in poll.poll(1000 * WATCH_SECONDS)}
        if control.fileno() in ready and not _receive(control):
            return None
        if channel.fileno() in ready:
            text = _receive(channel)
            if not text:
                return ended(signal.SIGKILL, peak, kills_before)  # B does not end by itself without a word
            for message in map(json.loads, text.splitlines()):
                if "error" in message:
                    return {"error": message["error"]}
                if "status" in message:
                    return ended(message["status"], max(peak, message["peak"]), kills_before)
                most_memory = message["ready"] + limits.memory
        if most_memory is not None and layers.proc:
            pids = processes.descendants(init)
            used = processes.usage(pids)
            peak = max(peak, used.memory)
            if used.threads > limits.processes:
                return {"limit": "processes"}
            if used.memory > most_memory and processes.shared_fairly(pids) > most_memory:
                return {"limit": "memory"}


def ended(status: int, peak: int, kills_before: int) -> dict:
    """What a wait status says, as the line for the grader."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return {"exit": code, "peak_memory": peak}
    oom = code == -signal.SIGKILL and processes.out_of_memory_kills() > kills_before
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"SIG{-code}"
    return {"signal": -code, "name": name, "oom": oom, "peak_memory": peak}


def end_all(init: int, channel: socket.socket, layers: Layers) -> None:
    """End B and everything below it, and wait until that is done."""
    channel.close()  # which B sees, where the kernel does not do it all
    if layers.namespaces:
        processes.kill(init)
    elif layers.proc:
        processes.kill_descendants()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(init, 0)


def tell(connection: socket.socket, message: dict) -> None:
    """Send one line of JSON, if anyone is there to take it."""
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def remove(folder: str) -> None:
    """Remove a folder and all in it, also what its owner has closed to himself."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(parent, name), 0o700, follow_symlinks=False)
    shutil.rmtree(folder, ignore_errors=True)


def _receive(connection: socket.socket) -> bytes:
    """What has come; empty if the other end is gone."""
    try:
        return connection.recv(LONGEST_LINE)
    except ConnectionError:
        return b""
