"""A process of the grader's, or the student's, is killed from outside during grading: nobody loses a point."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from course_utils.grading import launcher
from tests.grading.test_judge import SOLUTION, check_cell, grade, points


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendant(depth: int) -> int:
    """The zygote (0), the supervisor (1), the first process of the student's namespace (2), the student's (3)."""
    pid = launcher.own_zygote().process.pid
    for _ in range(depth):
        pid = children(pid)[0]
    return pid


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("place", ["cell", "test"])
def test_kill(depth, place):
    launcher.own_zygote().wait_until_ready()
    slow = "import time\ntime.sleep(1.5)\n" if place == "cell" else ""
    answer = slow + "def f(x):\n    return 2 * x"
    if place == "test":
        answer = "import time\ndef f(x):\n    time.sleep(0.75)\n    return 2 * x"
    killed = []

    def kill():
        time.sleep(0.75)
        while not killed:
            try:
                pid = descendant(depth)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            except (IndexError, OSError):  # not there yet
                time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    cells = [SOLUTION, check_cell("f-check", "assert f(2) == 4 and f(3) == 6")]
    notebook = grade(cells, {"f": answer})
    killer.join()
    assert len(killed) == 1
    assert points(notebook) == {"f-check": 2.0}
    assert notebook.notes == []


def test_a_student_who_kills_the_process_every_time_is_told_so():
    cells = [SOLUTION, check_cell("f-check", "assert f(2) == 4"), check_cell("f-test", "assert f(3) == 6")]
    notebook = grade(cells, {"f": "import os\ndef f(x):\n    os.kill(os.getpid(), 9)"})
    assert points(notebook) == {"f-check": 0.0, "f-test": 0.0}
    assert {note.kind for note in notebook.notes} == {"crash"}
    assert "SIGKILL" in notebook.notes[0].text
