"""The same units on a real Dask cluster: a scheduler and two workers, each a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.grading import cluster
from tests.grading import fake_judge
from tests.grading.test_workers import unit

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s",
}


def dask(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def line(process: subprocess.Popen, text: str) -> str:
    """What follows `text` in the process's log."""
    for printed in process.stderr:
        if text in printed:
            return printed.partition(text)[2].strip()
    raise AssertionError(f"{process.args} ended with {process.wait()} and never wrote {text!r}")


@pytest.fixture
def scheduler(tmp_path):
    """The address of a scheduler without workers."""
    arguments = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
    with dask(tmp_path, "distributed.cli.dask_scheduler", *arguments) as process:
        try:
            yield process, line(process, "Scheduler at:")
        finally:
            process.kill()


@pytest.fixture
def workers(scheduler, tmp_path):
    """Two workers of one thread, without the nanny that would start a dead one again."""
    _, address = scheduler
    arguments = (address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    processes = [dask(tmp_path, "distributed.cli.dask_worker", *arguments) for _ in range(2)]
    try:
        for process in processes:
            line(process, "Registered to:")
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


def test_a_worker_killed_midway_costs_nobody_anything(scheduler, workers, tmp_path):
    log = tmp_path / "log"
    units = [unit(f"s{number:02}", "base + x" if number % 2 else "0", sleep=0.1, log=str(log)) for number in range(20)]
    units.append(unit("bob", **{"raise": "no good"}))
    outcomes = {}
    for outcome in cluster.run(units, scheduler[1], judge=fake_judge.NAME):
        outcomes[outcome.unit.student] = outcome
        if len(outcomes) == 4:
            workers[0].kill()
    assert outcomes.pop("bob").error.splitlines()[-1] == "ZeroDivisionError: no good"
    assert {outcome.error for outcome in outcomes.values()} == {""}
    assert {name: outcome.result.points for name, outcome in outcomes.items()} == {
        f"s{number:02}": 2.0 * (number % 2) for number in range(20)
    }
    assert set(log.read_text().split()) == set(outcomes)
    assert workers[1].poll() is None


def test_a_scheduler_that_goes_away_ends_the_run(scheduler, workers, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 5)
    outcomes = cluster.run([unit(f"s{number}", sleep=0.2) for number in range(20)], scheduler[1], judge=fake_judge.NAME)
    assert next(outcomes).result.points == 2
    scheduler[0].kill()
    with pytest.raises(cluster.ClusterError, match=r"the Dask scheduler at tcp://127.0.0.1:\d+ went away"):
        list(outcomes)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(cluster.ClusterError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9"):
        list(cluster.run([unit("ada")], "tcp://127.0.0.1:9", judge=fake_judge.NAME))
    with pytest.raises(cluster.ClusterError, match="no Dask scheduler at nonsense://x"):
        list(cluster.run([unit("ada")], "nonsense://x", judge=fake_judge.NAME))


def test_a_cluster_without_workers_is_named(scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(cluster.ClusterError, match="has no workers"):
        list(cluster.run([unit("ada")], scheduler[1], judge=fake_judge.NAME))
