"""The process from which students' processes are forked: it has imported what notebooks need, and nothing secret.

`python -m course_utils.grading.zygote SOCKET` listens on a Unix socket. Whoever connects sends one byte with the
descriptor of a control socket, then the policy; the connection is from then on the line to a new student's process
(see `agent`), and closing the control socket ends it. The zygote ends when its standard input is closed.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys

import matplotlib.pyplot  # noqa: F401  for the notebooks: importing it once here saves every submission the time
import torch
import torch._dynamo  # the first optimiser of a process imports it, which takes seconds

import course_utils.plotting  # noqa: F401
from course_utils.grading import agent
from course_utils.grading.isolation import Policy, spawn
from course_utils.grading.limits import Limits
from course_utils.grading.wire import ClosedError, WireError, receive


def main(path: str) -> None:
    torch.set_num_threads(1)
    shell = agent.make_shell()
    gc.collect()
    gc.freeze()  # keeps the collector's hands off the pages that all forks share
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    print("ready", file=sys.__stdout__, flush=True)
    while True:
        readable, _, _ = select.select([listener, 0], [], [], 1.0)
        _reap()
        if 0 in readable and not os.read(0, 1):
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)
            os._exit(0)  # nothing else to tidy up, and libraries' leak reports would only confuse
        if listener in readable:
            connection, _ = listener.accept()
            with connection:
                _fork(connection, listener, shell)


def _fork(connection: socket.socket, listener: socket.socket, shell) -> None:
    try:
        _, (control, *_), _, _ = socket.recv_fds(connection, 1, 1)
        request, _ = receive(connection, largest=0)
    except (ClosedError, WireError, ValueError):
        return
    try:
        limits = Limits(**request["limits"])
        policy = Policy(limits, tuple(request["readable"]), tuple(request["hidden"]), unsafe=request["unsafe"])

        def run() -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.path[0] = ""
            agent.serve(connection, shell, limits.message)

        spawn(run, policy, keep_fds=[connection.fileno()], control=control)
    except OSError as error:  # no more processes or memory
        os.write(control, json.dumps({"error": f"no process for the submission: {error}"}).encode() + b"\n")
    finally:
        os.close(control)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main(sys.argv[1])
