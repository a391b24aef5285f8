"""Run as a program by `test_isolation`: puts things around a sandbox, runs code in it, and says what came of it.

Takes a job as JSON on the standard input: package (the folder to import from), code (run inside, with the names below),
layers (changes to what the survey found), limits, kill (which process to kill once the code runs), timeout in seconds.
Needs the standard library only, and is a program of its own since the process that forks must have one thread.
"""

import ctypes
import dataclasses
import errno
import glob  # noqa: F401 (these are for the code inside)
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial

job = json.load(sys.stdin)
sys.path.insert(0, job["package"])
from course_utils.grading.isolation import Policy, default_readable, linux, processes, spawn, survey  # noqa: E402
from course_utils.grading.isolation.spawn import start  # noqa: E402
from course_utils.grading.limits import Limits  # noqa: E402

# ----------------------------------------------------------------------------------------------- for the code inside


libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def read(path):
    with open(path, "rb") as file:
        return file.read(100).decode("latin-1")


def write(path, text="x"):
    with open(path, "a") as file:
        file.write(text)
    return path


def outcome(action):
    """How `action` went: done, refused by the system, or failed otherwise."""
    try:
        return "done: " + repr(action())
    except OSError as error:
        return "refused: " + errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return "failed: " + repr(error)


def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as connection:
        connection.settimeout(5)
        connection.connect(address)


def datagram(address):
    left, _right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.sendto(b"hello", address)


def talk():
    left, right = socket.socketpair()
    left.send(b"hello")
    return right.recv(5) == b"hello"


def through_shell(command, shell="/bin/sh"):
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(errno.EPERM, done.stderr)
    return done.stdout


def any_of(paths, action):
    """Refused only if `action` is refused for every one of `paths`."""
    done = [path for path in paths if not outcome(partial(action, path)).startswith("refused")]
    if not done:
        raise PermissionError(errno.EPERM, "all refused")
    return done


def beside(folder):
    """The names in a folder that are not on the way to what is readable; refused if there are none."""
    way = {path.removeprefix(folder + "/").split("/")[0] for path in readable}
    seen = set(os.listdir(folder)) - way
    if not seen:
        raise PermissionError(errno.EPERM, "only the way to what is readable")
    return sorted(seen)


def raise_limit():
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))
    except ValueError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


def tell(answer):
    writing.sendall(json.dumps(answer).encode() + b"\n")


# ------------------------------------------------------------------------------------------------ around the sandbox


def listen(family, address, kind=socket.SOCK_STREAM):
    listener = socket.socket(family, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def fresh_folder():
    """One that another user can enter, and outside /tmp, of which the sandbox has one of its own."""
    made = tempfile.mkdtemp(prefix="outside-", dir="/var/tmp")
    os.chmod(made, 0o755)
    return made


os.environ.update(NBGRADER_SECRET="hush", COURSE_SECRET="hush")
folder, tempfile.tempdir = fresh_folder(), fresh_folder()
shown, home, python, grader = folder + "/shown", os.path.expanduser("~"), sys.prefix, os.getpid()
os.makedirs(shown + "/checks/deep")
gradebook = write(folder + "/gradebook.db", "scores")
write(shown + "/public.txt", "public")
write(shown + "/checks/deep/answer.py", "answer")
write(shown + "/reference.py", "answer")
os.symlink(gradebook, shown + "/link")
readable = [os.path.realpath(path) for path in (*default_readable(), shown)]
opened = os.open(gradebook, os.O_RDONLY)
bus, log, abstract = folder + "/bus", folder + "/log", f"\0outside-{grader}"
listening = listen(socket.AF_INET, ("127.0.0.1", 0))
port = listening.getsockname()[1]
unix = [listen(socket.AF_UNIX, bus), listen(socket.AF_UNIX, abstract), listen(socket.AF_UNIX, log, socket.SOCK_DGRAM)]
sleeping = subprocess.Popen(["sleep", "600"])
victim = sleeping.pid
mine, theirs = socket.socketpair()
reading, writing = socket.socketpair()


def begin():
    """Start the sandbox; its supervisor's process id."""
    policy = Policy(Limits(**job["limits"]), (*default_readable(), shown), (shown + "/checks", shown + "/reference.py"))
    fds = [writing.fileno()], theirs.fileno()
    if not job["layers"]:
        return spawn(student, policy, *fds)
    return start(student, policy, *fds, dataclasses.replace(survey().layers, **job["layers"]))


def student():
    exec(job["code"], dict(globals()))


def wait(connection):
    """All that comes, until no process holds the other end any more."""
    text = b""
    connection.settimeout(job["timeout"])
    while piece := connection.recv(1 << 20):
        text += piece
    return text.decode()


def run():
    supervisor = begin()
    theirs.close()
    writing.close()
    answer, line = wait(reading), json.loads(wait(mine))
    left = processes.descendants(supervisor)
    os.waitpid(supervisor, 0)
    return {"answer": answer, "line": line, "left": left}


def run_and_kill(which):
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    pids, told = socket.socketpair()
    zygote = os.fork()
    if zygote == 0:
        mine.close()
        reading.close()
        pid = begin()
        theirs.close()
        writing.close()
        told.sendall(str(pid).encode())
        os.waitpid(pid, 0)
        os._exit(0)
    theirs.close()
    writing.close()
    supervisor = int(pids.recv(100))
    assert reading.recv(100), "the code inside did not begin"
    if which == "control":
        mine.close()
    else:
        init = processes.descendants(supervisor)[0]
        os.kill({"zygote": zygote, "supervisor": supervisor, "init": init}[which], signal.SIGKILL)
    wait(reading)
    while processes.descendants(grader) != [victim]:  # orphans come to this process
        processes.reap()
        time.sleep(0.01)
    return {"ended": True}


try:
    result = run() if job["kill"] is None else run_and_kill(job["kill"])
    result |= {"left_behind": os.listdir(tempfile.tempdir), "victim": sleeping.poll(), "gradebook": read(gradebook)}
finally:
    sleeping.kill()
    shutil.rmtree(folder)
    shutil.rmtree(tempfile.tempdir)
print(json.dumps(result))
