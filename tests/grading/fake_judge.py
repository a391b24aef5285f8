"""A judge that needs neither torch nor a sandbox: an exercise is right if its cell contains "base + x".

It lies in a module of its own, since workers import it by name. A file `orders.json` beside the notebook makes it
misbehave: {"log": PATH} adds a line to PATH for each grading, and {"sleep": SECONDS}, {"die_once": PATH},
{"die": true}, {"raise": TEXT} and {"points": X} do what they say.
"""

import json
import os
import signal
import time
from pathlib import Path

from course_utils.grading.results import CellResult, NotebookResult, SubmissionResult

NAME = "tests.grading.fake_judge:grade"


def grade(submission, spec, *, secret, limits, unsafe) -> SubmissionResult:
    orders = json.loads(submission.files.get("orders.json", b"{}"))
    if "log" in orders:
        with open(orders["log"], "a") as log:
            log.write(f"{submission.student}\n")
    time.sleep(orders.get("sleep", 0))
    if "die_once" in orders and not Path(orders["die_once"]).exists():
        Path(orders["die_once"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if orders.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if "raise" in orders:
        raise ZeroDivisionError(orders["raise"])
    return SubmissionResult(
        submission.assignment,
        submission.student,
        "",
        [_notebook(submission, notebook, orders.get("points")) for notebook in spec.notebooks],
        submission.timestamp,
    )


def _notebook(submission, notebook, points) -> NotebookResult:
    text = submission.files.get(f"{notebook.name}.ipynb", b'{"cells": []}').decode()
    sources = {
        cell["metadata"].get("nbgrader", {}).get("grade_id"): "".join(cell["source"])
        for cell in json.loads(text)["cells"]
    }
    cells = []
    for cell in notebook.cells:
        if cell.has_points:
            right = "base + x" in sources.get(cell.grade_id.rsplit("-", 1)[0], "")
            earned = points if points is not None else cell.points * right
            cells.append(CellResult(cell.grade_id, earned if cell.is_test else None, cell.points))
    solutions = [cell for cell in notebook.cells if cell.solution]
    unanswered = [cell.grade_id for cell in solutions if "raise NotImplementedError" in sources.get(cell.grade_id, "")]
    return NotebookResult(notebook.name, text, cells, unanswered=unanswered)
