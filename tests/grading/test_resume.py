"""A class is graded once and wholly, however often the run is killed on the way there."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from course_utils.grading import pipeline, store
from tests.grading.running import contents, grade, gradings, hand_in

ROOT = Path(__file__).parents[2]
NAMES = [f"{name}-{kind}" for name in ("first", "second", "third") for kind in ("check", "test")]


def test_a_class_is_graded_and_a_second_run_does_nothing(course):
    for number in range(4):
        hand_in(course, f"s{number}", second="0" if number == 2 else "base + x")
    seen = []
    assert grade(course, done=lambda *arguments: seen.append(arguments)) == {}
    assert sorted(seen) == [(f"s{number}", "", True) for number in range(4)]
    assert course.scores("s0") == {name: 1 + ("test" in name) for name in NAMES}
    assert course.scores("s2") == course.scores("s0") | {"second-check": 0, "second-test": 0}
    assert sorted(gradings(course)) == ["s0", "s1", "s2", "s3"]
    before, seen[:] = contents(course), []
    assert grade(course, done=lambda *arguments: seen.append(arguments)) == {}
    assert sorted(seen) == [(f"s{number}", "", False) for number in range(4)]
    assert len(gradings(course)) == 4
    assert contents(course) == before


def test_what_changed_is_graded_again(course, monkeypatch):
    for student in ("ada", "bob"):
        hand_in(course, student)
    grade(course)
    path = course.root / "submitted/bob/tiny/tiny.ipynb"
    path.write_text(path.read_text().replace("base + x", "base"))
    grade(course)
    assert sorted(gradings(course)) == ["ada", "bob", "bob"]
    assert sum(course.scores("bob").values()) == 0
    grade(course, ["ada"], again=True)
    assert sorted(gradings(course)) == ["ada", "ada", "bob", "bob"]
    monkeypatch.setenv(store.SEED_VARIABLE, "another secret")
    grade(course)
    assert sorted(gradings(course)) == ["ada", "ada", "ada", "bob", "bob", "bob"]


def test_who_fails_stops_nobody_and_is_tried_again(course):
    hand_in(course, "ada")
    path = hand_in(course, "bob", {"raise": "no good"})
    hand_in(course, "cyd", {"points": 1e9})
    hand_in(course, "dan", {"die": True})
    shutil.copytree(course.root / "submitted/ada", course.root / "submitted/eve")
    failures = grade(course, ["ada", "bob", "cyd", "dan", "nobody", "eve"])
    assert sorted(failures) == ["bob", "cyd", "dan", "nobody"]
    assert failures["bob"].splitlines()[-1] == "ZeroDivisionError: no good"
    assert "cannot get 1000000000.0 points: the release gives 0 to" in failures["cyd"]
    assert "2 workers ended" in failures["dan"]
    assert "nobody has not handed in tiny" in failures["nobody"]
    error = course.root / ".grading/results/tiny/bob.error"
    assert error.read_text() == failures["bob"]
    assert sorted(contents(course)["submissions"]) == ["ada", "eve"]
    path.with_name("orders.json").unlink()
    assert sorted(grade(course, ["ada", "bob"])) == []
    assert sum(course.scores("bob").values()) == 9
    assert not error.exists()


def test_a_failing_feedback_is_tried_again_without_grading(course):
    hand_in(course, "ada")

    def fail(course, result):
        raise OSError("the disk is full")

    assert "the disk is full" in grade(course, write_feedback=fail)["ada"]
    assert grade(course) == {}
    assert gradings(course) == ["ada"]
    assert (course.root / "feedback/ada/tiny/tiny.html").read_text() == "9"


def lose_nothing(course): ...


def lose_mark(course):
    (course.root / ".grading/results/tiny/ada.committed").unlink()


def lose_gradebook(course):
    lose_mark(course)
    with course.gradebook() as gradebook:
        gradebook.remove_submission("tiny", "ada")


def lose_gradebook_only(course):
    """Restored from a backup, say: the mark alone must not be believed."""
    with course.gradebook() as gradebook:
        gradebook.remove_submission("tiny", "ada")


def lose_autograded(course):
    lose_mark(course)
    folder = course.root / "autograded/ada"
    (folder / "tiny").rename(folder / ".tiny.old")
    (folder / ".tiny.new").mkdir()
    (folder / ".tiny.new" / "half").write_text("half a notebook")


@pytest.mark.parametrize("lose", [lose_nothing, lose_mark, lose_gradebook, lose_gradebook_only, lose_autograded])
def test_a_run_goes_on_from_every_boundary(course, lose):
    """A run that was killed left any prefix of: result, entry in the gradebook, files, mark."""
    hand_in(course, "ada", second="0")
    grade(course)
    due = contents(course)
    lose(course)
    assert grade(course) == {}
    assert contents(course) == due
    assert gradings(course) == ["ada"], "a result that was written is not made again"


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', "[]"])
def test_a_damaged_result_is_made_again(course, text):
    hand_in(course, "ada")
    grade(course)
    due = contents(course)
    lose_mark(course)
    (course.root / ".grading/results/tiny/ada.json").write_text(text)
    assert grade(course) == {}
    assert contents(course) == due
    assert gradings(course) == ["ada", "ada"]


SCRIPT = """
import sys
from pathlib import Path
from course_utils.grading.pipeline import Course
from tests.grading import running

if __name__ == "__main__":
    print("failures", running.grade(Course(Path(sys.argv[1]))))
"""


def start(course, tmp_path) -> subprocess.Popen:
    script = tmp_path / "coordinator.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), store.SEED_VARIABLE: "7"}
    return subprocess.Popen([sys.executable, str(script), str(course.root)], env=environment, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_kill_the_coordinator_at_any_moment(course, tmp_path, monkeypatch):
    """Killed again and again, at moments drawn at random; in the end all is as after an undisturbed run."""
    monkeypatch.setenv(store.SEED_VARIABLE, "7")
    for number in range(12):
        hand_in(course, f"s{number:02}", {"sleep": 0.02}, second="0" if number % 3 else "base + x")
    calm = type(course)(tmp_path / "calm")
    shutil.copytree(course.root, calm.root)
    assert grade(calm) == {}
    due = contents(calm)
    draw = random.Random(0)
    results = course.root / ".grading" / "results" / "tiny"
    kills, kept = 0, set()
    while True:
        # The process is killed while it works on this many results more, some milliseconds later.
        goal, delay = len(list(results.glob("*.json"))) + draw.randint(1, 3), draw.uniform(0, 0.05)
        with start(course, tmp_path) as process:
            while process.poll() is None and len(list(results.glob("*.json"))) < goal:
                time.sleep(0.001)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        if process.returncode == 0:
            break
        kills += 1
        done = {path.stem for path in results.glob("*.json")}
        assert kept <= done, "a result that was written is lost"
        kept = done
    assert kills >= 3
    found = contents(course)
    assert found["submissions"] == due["submissions"]
    assert found["files"] == due["files"]


@pytest.mark.slow
def test_nothing_is_graded_twice_whose_result_was_written(course, tmp_path):
    for number in range(6):
        hand_in(course, f"s{number}")
    hand_in(course, "s6", {"sleep": 600})
    results = course.root / ".grading" / "results" / "tiny"
    with start(course, tmp_path) as process:
        while len(list(results.glob("*.json"))) < 6:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    (course.root / "submitted/s6/tiny/orders.json").write_text(json.dumps({"log": str(course.root / "log")}))
    with start(course, tmp_path) as process:
        assert process.communicate()[0] == b"failures {}\n"
    assert sorted(set(gradings(course))) == ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]
    assert len([student for student in gradings(course) if student != "s6"]) == 6


HOLD = """
import sys, time
from pathlib import Path
from course_utils.grading import store
with store.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_two_runs_at_once(course):
    """The second stops with a sentence; once the first is gone, however it ended, it may run."""
    hand_in(course, "ada")
    command = [sys.executable, "-c", HOLD, str(course.root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(pipeline.GradingError, match=f"graded already, by process {other.pid}: wait for its end"):
            grade(course)
        other.kill()
    assert grade(course) == {}


def test_the_secret_is_made_once_and_is_nobody_elses(course, monkeypatch):
    monkeypatch.delenv(store.SEED_VARIABLE, raising=False)
    secret = store.course_secret(course.root)
    assert len(bytes.fromhex(secret)) == 32
    assert store.course_secret(course.root) == secret
    path = course.root / ".grading" / "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(found.name for found in path.parent.iterdir()) == ["secret"]
    monkeypatch.setenv(store.SEED_VARIABLE, "repeatable")
    assert store.course_secret(course.root) == "repeatable"


@pytest.fixture
def postgres():
    """The address of a private PostgreSQL server, started as an ordinary user on a Unix socket."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: grading into PostgreSQL was not tried")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("no PostgreSQL server is installed: grading into one was not tried")
    as_user = []
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a path short enough for a socket
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups", "--"]

    def postgresql(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs[-1].with_name(program)), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)

    data = str(folder / "data")
    try:
        postgresql("initdb", "-D", data, "-U", "course", "-A", "trust")
        options = f"-k {folder} -c listen_addresses=''"
        postgresql("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            postgresql("createdb", "-h", str(folder), "-U", "course", "grades")
            yield f"postgresql+psycopg://course@/grades?host={folder}"
        finally:
            postgresql("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def test_grading_into_postgresql(course, postgres):
    hand_in(course, "ada", second="0")
    hand_in(course, "bob")
    grade(course)
    due = contents(course)
    (course.root / "gradebook.db").unlink()
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {postgres!r}\n")
    pipeline.release(course, "tiny")
    assert grade(course) == {}
    assert contents(course) == due
    assert sorted(gradings(course)) == ["ada", "bob"], "the results were there already"
    with course.gradebook() as gradebook:
        gradebook.find_grade("second-test", "tiny", "tiny", "ada").manual_score = 1.5
        gradebook.db.commit()
    assert grade(course, again=True) == {}
    assert course.scores("ada")["second-test"] == 1.5
    assert not (course.root / "gradebook.db").exists()
