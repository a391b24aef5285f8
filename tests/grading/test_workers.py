"""Workers: every submission gets its result, whichever process is killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from course_utils.grading import workers
from course_utils.grading.limits import Limits
from course_utils.grading.results import Note, Submission, SubmissionResult
from course_utils.grading.spec import AssignmentSpec, NotebookSpec, SourceCell
from tests.grading import fake_judge

CELLS = (SourceCell("f", "code", "", solution=True), SourceCell("f-test", "code", "1", grade=True, points=2))
NOTE = Note("too-large", "a video was left out")
SPEC = AssignmentSpec("tiny", (NotebookSpec("tiny", CELLS),))


def unit(student: str, answer: str = "base + x", **orders) -> workers.Unit:
    cells = [{"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "f"}}, "source": answer}]
    files = {"tiny.ipynb": json.dumps({"cells": cells}).encode(), "orders.json": json.dumps(orders).encode()}
    return workers.Unit(Submission("tiny", student, files), SPEC, "secret")


def run(units, num_workers=2, **options) -> dict[str, workers.Outcome]:
    return {
        outcome.unit.student: outcome for outcome in workers.run(units, num_workers, judge=fake_judge.NAME, **options)
    }


def test_all_are_graded_and_keep_their_own_result():
    units = [unit(f"s{number}", "base + x" if number % 3 else "0") for number in range(20)]
    started = []
    outcomes = run(units, 3, started=started.append)
    assert {name: outcome.result.points for name, outcome in outcomes.items()} == {
        f"s{number}": 2.0 if number % 3 else 0.0 for number in range(20)
    }
    assert sorted(started) == sorted(outcomes)
    assert all(outcome.result.digest == outcome.unit.digest for outcome in outcomes.values())


def test_notes_of_the_reading_join_the_result():
    one = workers.Unit(unit("ada").submission, SPEC, "secret", notes=(NOTE,))
    assert run([one])["ada"].result.notes == [NOTE]


def test_nobody_hands_in_nothing():
    assert run([]) == {}


@pytest.mark.parametrize("number", [0, -1])
def test_there_must_be_a_worker(number):
    with pytest.raises(ValueError, match=f"at least 1 worker, not {number}"):
        run([unit("ada")], number)


def test_units_are_read_when_a_worker_is_free():
    """A class of a thousand is never in memory at once."""
    taken = []

    def units():
        for number in range(10):
            taken.append(number)
            yield unit(f"s{number}")

    outcomes = workers.run(units(), 2, judge=fake_judge.NAME)
    next(outcomes)
    assert len(taken) <= 4
    outcomes.close()


def test_the_submission_of_a_killed_worker_is_tried_again(tmp_path):
    log = tmp_path / "log"
    units = [unit(f"s{number}") for number in range(4)]
    units.insert(1, unit("bob", die_once=str(tmp_path / "died"), log=str(log)))
    outcomes = run(units)
    assert all(outcome.result.points == 2 for outcome in outcomes.values())
    assert log.read_text() == "bob\nbob\n"


def test_a_submission_that_ends_every_worker_is_given_up(tmp_path):
    log = tmp_path / "log"
    outcomes = run([unit("ada"), unit("bob", die=True, log=str(log)), unit("cyd")])
    assert outcomes["bob"].result is None
    assert outcomes["bob"].error == "2 workers ended while they graded it; the last one ended with exit code -9"
    assert log.read_text() == "bob\nbob\n"
    assert outcomes["ada"].result.points == outcomes["cyd"].result.points == 2


def test_an_exception_in_the_judge_costs_one_submission():
    outcomes = run([unit("ada"), unit("bob", **{"raise": "no good"}), unit("cyd")])
    assert outcomes["bob"].error.splitlines()[-1] == "ZeroDivisionError: no good"
    assert outcomes["ada"].result.points == outcomes["cyd"].result.points == 2


def test_a_judge_that_cannot_be_imported_is_named():
    (outcome,) = workers.run([unit("ada")], 1, judge="tests.grading.nothing:grade")
    assert "No module named 'tests.grading.nothing'" in outcome.error


def test_a_worker_that_hangs_is_replaced():
    outcomes = run([unit("ada"), unit("bob", sleep=60), unit("cyd")], patience=0.5)
    assert outcomes["bob"].error.endswith("the last one did not come to an end and was killed")
    assert outcomes["ada"].result.points == outcomes["cyd"].result.points == 2


def fork_server() -> psutil.Process:
    """The process that forks the workers."""
    return psutil.Process(forkserver._forkserver._forkserver_pid)


def kill(process: psutil.Process) -> None:
    """Kill it, and wait until it is dead, without reaping it."""
    process.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)


def test_the_server_that_forks_workers_may_be_killed():
    killed = []

    def started(student):
        if student == "s3" and not killed:
            killed.append(fork_server())
            kill(killed[0])

    outcomes = run([unit(f"s{number}") for number in range(8)], started=started)
    assert killed
    assert {name: outcome.error for name, outcome in outcomes.items()} == {f"s{number}": "" for number in range(8)}


def test_an_idle_worker_may_be_killed(tmp_path):
    log = tmp_path / "log"
    outcomes = workers.run([unit(f"s{number}", log=str(log)) for number in range(3)], 1, judge=fake_judge.NAME)
    next(outcomes)
    (idle,) = fork_server().children()
    kill(idle)
    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert log.read_text() == "s0\ns1\ns2\n"


def test_closing_ends_the_workers_at_once():
    outcomes = workers.run([unit("ada"), unit("bob", sleep=600)], 2, judge=fake_judge.NAME)
    assert next(outcomes).unit.student == "ada"
    family = fork_server().children()
    assert len(family) == 2
    outcomes.close()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


SCRIPT = """
import signal

from course_utils.grading import workers
from tests.grading import fake_judge, test_workers

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background, it is ignored
    units = [test_workers.unit(f"s{number}", sleep=60) for number in range(2)]
    started = lambda student: print(student, flush=True)
    list(workers.run(units, 2, judge=fake_judge.NAME, started=started))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_coordinator(number, tmp_path):
    script = tmp_path / "coordinator.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    coordinator = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with coordinator:
        assert {coordinator.stdout.readline() for _ in range(2)} == {"s0\n", "s1\n"}
        family = psutil.Process(coordinator.pid).children(recursive=True)
        assert len(family) >= 3
        coordinator.send_signal(number)
        coordinator.wait(timeout=20)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_a_unit_travels_as_json():
    one = workers.Unit(unit("ada").submission, SPEC, "secret", Limits(cell_seconds=3.0), True, (NOTE,))
    assert workers.Unit.from_json(one.to_json()) == one
    assert workers.Unit.from_json(unit("ada").to_json()) == unit("ada")


def test_the_digest_changes_with_all_that_the_result_depends_on():
    one = unit("ada")
    others = [
        unit("bob"),
        unit("ada", "0"),
        workers.Unit(one.submission, SPEC, "other secret"),
        workers.Unit(one.submission, SPEC, "secret", Limits(memory=2**33)),
        workers.Unit(one.submission, SPEC, "secret", unsafe=True),
        workers.Unit(one.submission, SPEC, "secret", notes=(NOTE,)),
        workers.Unit(one.submission, SPEC, "secret", version="another"),
        workers.Unit(one.submission, AssignmentSpec("tiny", ()), "secret"),
        workers.Unit(Submission("tiny", "ada", one.submission.files, "2026-01-01 12:00:00 UTC"), SPEC, "secret"),
    ]
    assert unit("ada").digest == one.digest
    assert len({one.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_a_worker_with_another_version_grades_nothing():
    other = workers.Unit(unit("ada").submission, SPEC, "secret", version="another")
    text, error = workers.answer(other.to_json(), fake_judge.NAME)
    assert text is None
    assert "another version of the course" in error


@pytest.mark.parametrize("text", ["", "[]", '{"format": 0}', SubmissionResult("tiny", "eve", "").to_json()])
def test_an_answer_that_is_no_result_is_an_error(text):
    outcome = workers.outcome(unit("ada"), text, "")
    assert outcome.result is None
    assert outcome.error


def test_only_one_submission_at_a_time_in_a_process(tmp_path):
    """A worker of a cluster may have several threads; torch's global generator is one."""
    log = tmp_path / "log"
    judge = tmp_path / "overlapping.py"
    judge.write_text(
        textwrap.dedent(
            """
            import threading, time
            from tests.grading import fake_judge
            inside, most = 0, 0

            def grade(*arguments, **options):
                global inside, most
                inside += 1
                most = max(most, inside)
                time.sleep(0.05)
                inside -= 1
                return fake_judge.grade(*arguments, **options)
            """
        )
    )
    sys.path.insert(0, str(tmp_path))
    try:
        texts = [unit(f"s{number}", log=str(log)).to_json() for number in range(4)]
        threads = [threading.Thread(target=workers.answer, args=(text, "overlapping:grade")) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sys.modules.pop("overlapping").most == 1
    finally:
        sys.path.remove(str(tmp_path))
    assert len(log.read_text().splitlines()) == 4
