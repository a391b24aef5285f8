"""This grader beside stock `nbgrader autograde`: time, processor time, memory and scores, in turn in one run.

python benchmarks/grading.py [--submissions 200] [--rounds 4] [--growth 50 200 1000] [--out benchmarks/grading.md]

Both grade the same submissions of a3_vae: the honest ones of the example class (right, untouched, other formulas,
warnings, two mistakes, cut gradients), over and over, each time by another student. Stock nbgrader runs its own
preprocessors on the same notebooks, so that the same checks run, inside its kernel. Times are of the whole command.
"""

import argparse
import contextlib
import ctypes
import datetime
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil

from course_utils.files import write_text
from course_utils.grading import demo, pipeline
from course_utils.notebooks import ROOT, to_text

ASSIGNMENT = "a3_vae"
HONEST = (
    "1_perfect",
    "2_untouched",
    "3_other_formulas",
    "4_warnings_on_stderr",
    "5_kl_sign",
    "6_logvar_as_std",
    "7_detached",
)
# nbgrader's own defaults, and the two settings without which it fails honest work: stderr, and deleted test cells.
STOCK = """
c.Autograde.sanitize_preprocessors = [
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "nbgrader.preprocessors.Execute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.exporter_class = "nbconvert.exporters.NotebookExporter"
c.Autograde.pre_convert_hook = lambda **_: None
"""
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass
class Usage:
    """Seconds on the clock, seconds of processors, bytes at the peak (shared pages counted once)."""

    wall: float
    cpu: float
    memory: int


def measure(command: list[str], folder: Path) -> Usage:
    """Run a command to its end, with all processes that it leaves behind. Raises RuntimeError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    log = folder / "benchmark.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COURSE_GRADING_SEED": "benchmark"},
        )
        peak, done = [0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(psutil.Process(), peak, done))
        watcher.start()
        code = process.wait()
        wall = time.perf_counter() - started
        done.set()
        watcher.join()
    with contextlib.suppress(ChildProcessError):  # what it left behind has come to us
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {code}:\n{log.read_text()[-3000:]}")
    return Usage(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0])


def _watch(root: psutil.Process, peak: list[int], done: threading.Event) -> None:
    while not done.wait(1.0):
        total = 0
        for process in root.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        peak[0] = max(peak[0], total)


def class_folder(folder: Path, stock: bool) -> pipeline.Course:
    """A released course, with nbgrader's own settings if `stock`."""
    course = demo.set_up(folder)
    if stock:
        with (folder / "nbgrader_config.py").open("a") as config:
            config.write(STOCK)
    pipeline.release(course, ASSIGNMENT)
    return course


def hand_in(course: pipeline.Course, students: list[str]) -> dict[str, str]:
    """Write a submission for each student; return whose answers they took."""
    released = course.root / "assignments" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    perfect = demo.answers(ROOT / "demo" / "class" / "1_perfect.py")
    texts = {}
    for name in HONEST:
        notebook = nbformat.read(released, as_version=4)
        if name != demo.UNTOUCHED:
            demo.fill_in(notebook, {**perfect, **demo.answers(ROOT / "demo" / "class" / f"{name}.py")})
        texts[name] = to_text(notebook)
    taken = {student: HONEST[number % len(HONEST)] for number, student in enumerate(students)}
    for student, name in taken.items():
        write_text(texts[name], course.root / "submitted" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    return taken


def scores(course: pipeline.Course, students: list[str]) -> dict[str, float]:
    with course.gradebook() as gradebook:
        return {student: gradebook.find_submission(ASSIGNMENT, student).score for student in students}


def ours(workers: int) -> list[str]:
    return [sys.executable, "-m", "course_utils.cli", "grade", ASSIGNMENT, "--workers", str(workers)]


def stock() -> list[str]:
    return [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]


def compare(folder: Path, submissions: int, rounds: int, workers: int) -> dict:
    """Both graders on the same submissions, in turn, a part of the class each round."""
    totals = {"ours": [], "stock": []}
    points: dict[str, dict[str, float]] = {"ours": {}, "stock": {}}
    for number in range(rounds):
        students = [f"student{n:04}" for n in range(number, submissions, rounds)]
        order = ("ours", "stock") if number % 2 else ("stock", "ours")
        for name in order:
            course = class_folder(folder / f"{name}{number}", stock=name == "stock")
            taken = hand_in(course, students)
            usage = measure(stock() if name == "stock" else ours(workers), course.root)
            totals[name].append((len(students), usage))
            points[name] |= scores(course, students)
            print(f"round {number + 1}, {name}: {len(students)} submissions in {usage.wall:.1f} s", flush=True)
            shutil.rmtree(course.root)
        del taken
    different = {
        s: (points["ours"][s], points["stock"][s]) for s in points["ours"] if points["ours"][s] != points["stock"][s]
    }
    result = {"submissions": submissions, "workers": workers, "different_scores": different}
    for name, runs in totals.items():
        count = sum(n for n, _ in runs)
        result[name] = {
            "wall": sum(usage.wall for _, usage in runs) / count,
            "cpu": sum(usage.cpu for _, usage in runs) / count,
            "memory": max(usage.memory for _, usage in runs),
            "rounds": [round(usage.wall / n, 3) for n, usage in runs],
        }
    ratios = [s.wall / o.wall for (_, s), (_, o) in zip(totals["stock"], totals["ours"], strict=True)]
    return {
        **result,
        "ratio": result["stock"]["wall"] / result["ours"]["wall"],
        "ratios": [round(r, 1) for r in ratios],
    }


def growth(folder: Path, sizes: list[int], workers: int) -> list[dict]:
    """Our grader on classes of several sizes."""
    rows = []
    for size in sizes:
        course = class_folder(folder / f"growth{size}", stock=False)
        hand_in(course, [f"student{n:04}" for n in range(size)])
        usage = measure(ours(workers), course.root)
        rows.append({"submissions": size, "wall": usage.wall, "cpu": usage.cpu, "memory": usage.memory})
        print(f"{size} submissions in {usage.wall:.1f} s", flush=True)
        shutil.rmtree(course.root)
    return rows


def table(result: dict, rows: list[dict]) -> str:
    mib = 1024**2
    o, s, workers = result["ours"], result["stock"], result["workers"]
    by_round = ", ".join(map(str, result["ratios"]))
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    lines = [
        "# Grading: this course's grader beside stock nbgrader",
        "",
        f"{datetime.date.today()}, {machine}. {result['submissions']} honest submissions of {ASSIGNMENT} (8 exercises, "
        f"16 tests), {workers} workers, whole commands, in turn in one run. Memory counts shared pages once.",
        "",
        "| per submission | stock `nbgrader autograde` | `course grade` | ratio |",
        "|---|---|---|---|",
        f"| time on the clock | {s['wall']:.2f} s | {o['wall']:.3f} s | {result['ratio']:.1f} (by round {by_round}) |",
        f"| time of processors | {s['cpu']:.2f} s | {o['cpu']:.3f} s | {s['cpu'] / o['cpu']:.1f} |",
        f"| peak memory, all processes | {s['memory'] / mib:.0f} MiB | {o['memory'] / mib:.0f} MiB "
        f"({o['memory'] / workers / mib:.0f} a worker) | |",
        f"| scores that differ | | {len(result['different_scores'])} | |",
        "",
        "The time of processors includes the student's own code.",
        "",
        "| class | `course grade` | per submission | processors, per submission | peak memory |",
        "|---|---|---|---|---|",
        *(
            f"| {r['submissions']} | {r['wall']:.1f} s | {r['wall'] / r['submissions']:.3f} s | "
            f"{r['cpu'] / r['submissions']:.3f} s | {r['memory'] / mib:.0f} MiB |"
            for r in rows
        ),
        "",
        "`make bench-grading` makes this table.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--growth", type=int, nargs="*", default=[50, 200, 1000])
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "grading.md")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="bench-grading-") as folder:
        result = compare(Path(folder), options.submissions, options.rounds, options.workers)
        rows = growth(Path(folder), options.growth, options.workers)
    text = table(result, rows)
    print(text)
    print(json.dumps(result["different_scores"]))
    write_text(text, options.out)
    return 1 if result["different_scores"] else 0


if __name__ == "__main__":
    sys.exit(main())
