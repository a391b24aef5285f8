"""This grader beside stock `nbgrader autograde` on every submission of tests/grading/cases: who gives the points due.

python -m benchmarks.cases [--only NAME ...] [--jobs 2] [--minutes 120] [--out benchmarks/cases.md]

Stock nbgrader grades each case together with a right submission that comes after it, in the same command. It runs
students' code as whoever calls it, so the command runs in namespaces of its own, without network, on a copy in memory;
the rest of the file system is read-only. That takes root, and cases that harm the machine all the same are left out.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from benchmarks.grading import class_folder
from course_utils.files import write_text
from course_utils.grading import judge, spec
from course_utils.grading.limits import MIB, Limits
from course_utils.notebooks import ROOT
from tests.grading.cases import ASSIGNMENT, FULL, Case, breaking, files, forging, honest, surprises

GROUPS = {
    "Broken files": files.CASES,
    "Code that breaks things": breaking.CASES,
    "Forging": forging.CASES,
    "Honest code": honest.CASES,
}
OURS = Limits(cell_seconds=10.0, call_seconds=5.0)
STRICT = replace(OURS, memory=1024 * MIB, processes=16)  # for code that wants to break things, as in its tests
MOST = 24.0  # points of the assignment
OTHER = "zz_honest"  # who is graded after the case
# Seconds for one cell: less than the 30 that nbgrader has by default, so that the table takes less time.
STOCK_LIMITS = "\nc.Execute.timeout = 10\n"
GIB = 1024**3
STOCK_MEMORY = 6 * GIB
# $1: an empty folder, to hold the copy; $2: the course; $3: a folder for what comes out; $4: seconds; then the command.
CONFINED = """
set -e
ip link set lo up
mount -t tmpfs -o size=2g none "$1"
cp -a "$2/." "$1"
mkdir "$1/home" "$1/tmp"
mount --bind "$3" "$3"
mount -o remount,bind,ro /
cd "$1"
export HOME="$1/home" TMPDIR="$1/tmp"
out=$3 seconds=$4
shift 4
set +e
timeout --kill-after=5 "$seconds" "$@" > "$out/log" 2>&1
code=$?
cp gradebook.db "$out"
exit $code
"""


@dataclass
class Outcome:
    """What a grader made of a case."""

    points: float | None  # in all; None if it was not graded
    effects: str = ""  # what else happened
    is_harmful: bool = False  # to another student, or in what it says to the author

    def is_right(self, case: Case) -> bool:
        """Whether the author has the points that are due, and no harm was done."""
        return not self.is_harmful and abs((self.points or 0.0) - points_due(case)) < 1e-6

    def __str__(self):
        return "-" if self.points is None else f"{self.points:g}"


def points_due(case: Case) -> float:
    return MOST - sum(FULL - due for due in case.due.values())


def ours(case: Case, release: spec.AssignmentSpec, limits: Limits) -> Outcome:
    result = judge.grade(case.submission("case"), release, secret="benchmark", limits=limits)
    surprising = surprises(case, result)
    return Outcome(result.points, "; ".join(surprising), bool(surprising))


def stock(case: Case, released: Path, folder: Path, seconds: int) -> Outcome:
    """Grade a case with stock nbgrader in a copy of the course in `released`; `folder` is a new one for all of it."""
    course, out = folder / "course", folder / "out"
    shutil.copytree(released, course)
    for student, submitted in (("case", case), (OTHER, Case("Right."))):
        place = course / "submitted" / student / ASSIGNMENT
        place.mkdir(parents=True)
        try:
            for name, content in submitted.submission(student).files.items():
                (place / name).parent.mkdir(exist_ok=True)
                (place / name).write_bytes(content)
        except OSError as error:  # a name that no file system takes
            return Outcome(None, f"cannot be handed in: {error.strerror}")
    for new in (out, folder / "mount"):
        new.mkdir()
    limits = [f"--as={STOCK_MEMORY}", f"--fsize={GIB}", f"--cpu={seconds}", "--core=0"]
    command = ["prlimit", *limits, sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]
    namespaces = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "--ipc"]
    started = time.monotonic()
    done = subprocess.run(
        [*namespaces, "sh", "-c", CONFINED, "sh", folder / "mount", course, out, str(seconds), *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COURSE_GRADING_SEED": "benchmark"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if not (out / "gradebook.db").is_file():
        raise RuntimeError(f"stock nbgrader could not be run: {done.stderr}")
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        graded, other = (_points(gradebook, student) for student in ("case", OTHER))
    effects = []
    if time.monotonic() - started > seconds:
        effects.append(f"not done after {seconds} s")
    if other is None:
        effects.append("the next student is not graded")
    elif other != MOST:
        effects.append(f"the next student gets {other:g}")
    if graded is None:
        effects.insert(0, "not graded")
    return Outcome(graded, "; ".join(effects), other != MOST)


def _points(gradebook: Gradebook, student: str) -> float | None:
    """Points in all; None if nothing was graded."""
    try:
        (notebook,) = gradebook.find_submission(ASSIGNMENT, student).notebooks
    except (MissingEntry, ValueError):
        return None
    if not notebook.grades or any(grade.auto_score is None for grade in notebook.grades):
        return None
    return sum(grade.auto_score for grade in notebook.grades)


class Kept:
    """What stock nbgrader made of cases, a line of JSON each: an interrupted run goes on from there."""

    def __init__(self, path: Path):
        self.path, self.lock = path, threading.Lock()
        lines = path.read_text().splitlines() if path.is_file() else []
        self.outcomes = {name: Outcome(**values) for name, values in map(json.loads, lines)}

    def add(self, name: str, outcome: Outcome) -> None:
        with self.lock, self.path.open("a") as file:
            file.write(json.dumps([name, asdict(outcome)]) + "\n")
        self.outcomes[name] = outcome


def grade_all(chosen: dict[str, dict[str, Case]], folder: Path, kept: Kept, options: argparse.Namespace) -> dict:
    """The outcomes of each case, ours and that of stock nbgrader; None where that was not run."""
    course = class_folder(folder / "released", stock=True)
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(STOCK_LIMITS)
    release = spec.read(course, ASSIGNMENT)
    deadline = time.monotonic() + 60 * options.minutes

    def by_stock(name: str, case: Case) -> None:
        if case.safe_for_stock and name not in kept.outcomes and time.monotonic() < deadline:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                kept.add(name, stock(case, course.root, Path(place), options.seconds))
                print(f"{name}: stock {kept.outcomes[name]}", kept.outcomes[name].effects, flush=True)

    named = [(group, *item) for group, cases in chosen.items() for item in cases.items()]
    mine = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        theirs = [pool.submit(by_stock, name, case) for _, name, case in named]
        for group, name, case in named:
            mine[name] = ours(case, release, STRICT if group == "Code that breaks things" else OURS)
            print(f"{name}: ours {mine[name]}", mine[name].effects, flush=True)
        for future in theirs:
            future.result()
    return {name: (mine[name], kept.outcomes.get(name)) for _, name, _ in named}


def table(chosen: dict[str, dict[str, Case]], outcomes: dict) -> str:
    lines = [
        "# Submissions that forge, break or surprise: this course's grader beside stock nbgrader",
        "",
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} processors, Python "
        f"{platform.python_version()}. Points of {MOST:g}. A case is a right submission of {ASSIGNMENT} but for what "
        "the story tells. Stock nbgrader has two settings without which it fails honest work (stderr is no failure, "
        "deleted tests are put back), and grades another student's right submission after each case. It runs in "
        f"namespaces of its own with {STOCK_MEMORY // GIB} GiB of memory a process, 2 GiB of disk and 10 s a cell; it "
        "would itself set no limit but 30 s a cell. Bold is wrong: not the points that are due, or another student "
        "without theirs. Where nothing is due, a submission may as well be left ungraded. "
        "The forging cases use checks that look out for tampering themselves, with stock nbgrader, too.",
    ]
    right = Counter()
    for group, cases in chosen.items():
        head = "| case | story | due | ours | stock | stock's other effects |"
        lines += ["", f"## {group}", "", head, "|---|---|---|---|---|---|"]
        for name, case in cases.items():
            mine, theirs = outcomes[name]
            right["ours"] += mine.is_right(case)
            right["stock"] += theirs is not None and theirs.is_right(case)
            right["run"] += theirs is not None
            cells = [name, case.story.replace("|", "\\|"), f"{points_due(case):g}", _marked(mine, case)]
            cells += (
                ["not run", "" if case.safe_for_stock else "would harm the machine"]
                if theirs is None
                else [_marked(theirs, case), theirs.effects]
            )
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Ours is right in {right['ours']} of {len(outcomes)} cases, stock nbgrader in {right['stock']} of the "
        f"{right['run']} that it was given.",
        "",
        "`python -m benchmarks.cases` makes this table.",
        "",
    ]
    return "\n".join(lines)


def _marked(outcome: Outcome, case: Case) -> str:
    return str(outcome) if outcome.is_right(case) else f"**{outcome}**"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases; by default all")
    parser.add_argument("--seconds", type=int, default=120, help="what stock nbgrader gets for a case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many stock nbgraders at a time")
    parser.add_argument("--minutes", type=float, default=120, help="after these, stock nbgrader gets no more cases")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "benchmarks" / "cases.jsonl", help="what an earlier run found"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "cases.md")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this takes root, since stock nbgrader has to be confined")
    names = {name for cases in GROUPS.values() for name in cases}
    if unknown := sorted(set(options.only or ()) - names):
        parser.error(f"there is no case named {', '.join(unknown)}")
    wanted = set(options.only or names)
    chosen = {group: {n: case for n, case in cases.items() if n in wanted} for group, cases in GROUPS.items()}
    chosen = {group: cases for group, cases in chosen.items() if cases}
    options.kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-cases-") as folder:
        outcomes = grade_all(chosen, Path(folder), Kept(options.kept), options)
    text = table(chosen, outcomes)
    print(text)
    write_text(text, options.out)
    return 0 if all(outcomes[n][0].is_right(case) for cases in chosen.values() for n, case in cases.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
