"""Submissions that forge, break or surprise, each with the score that it must get.

A case is a perfect submission of a3_vae but for what it changes. `due` gives the points of the exercises that lose
some, of 3 each; all others keep theirs. The files of this folder hold the cases, the tests beside it grade them,
and `benchmarks/cases.py` shows what stock nbgrader makes of the same files.
"""

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import nbformat

from course_utils.grading import demo
from course_utils.grading.results import Submission, SubmissionResult
from course_utils.grading.spec import exercise_of
from course_utils.notebooks import ROOT, to_text

ASSIGNMENT = "a3_vae"
FULL = 3.0  # points of an exercise: 1 for the check that the student sees, 2 for the hidden test


@dataclass(frozen=True)
class Case:
    """One submission.

    Args:
        story: what its author did, in a sentence.
        answers: cells that are not those of the perfect submission, by exercise.
        change: called with the notebook (`nbformat.NotebookNode`), to be changed in place, after the answers are in.
        raw: called with the notebook's text; returns the files that are handed in instead of the notebook.
        due: points of the exercises that lose some.
        mistakes: ids of the mistakes that the reports must name, by exercise.
        notes: kinds of the notes that the submission must get, no more and no less.
        says: words that one of the notes or messages must hold.
        safe_for_stock: whether stock nbgrader can be shown it without harm to the machine.
    """

    story: str
    answers: dict[str, str] = field(default_factory=dict)
    change: Callable[[nbformat.NotebookNode], None] | None = None
    raw: Callable[[str], dict[str, bytes]] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    says: str = ""
    safe_for_stock: bool = True

    def submission(self, student: str) -> Submission:
        """The files that are handed in."""
        notebook = copy.deepcopy(perfect())
        demo.fill_in(notebook, self.answers)
        if self.change is not None:
            self.change(notebook)
        text = to_text(notebook)
        files = {f"{ASSIGNMENT}.ipynb": text.encode()} if self.raw is None else self.raw(text)
        return Submission(ASSIGNMENT, student, {**files, **self.files})


@functools.cache
def perfect() -> nbformat.NotebookNode:
    """The released notebook with right answers."""
    notebook = nbformat.read(ROOT / "assignments" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    demo.fill_in(notebook, demo.answers(ROOT / "demo" / "class" / "1_perfect.py"))
    return notebook


def cell(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    """The cell of the notebook that nbgrader tracks under this name."""
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def points(result: SubmissionResult) -> dict[str, float]:
    """Points by exercise: those of its check and of its hidden test."""
    (notebook,) = result.notebooks
    sums: dict[str, float] = {}
    for graded in notebook.cells:
        exercise = exercise_of(graded.grade_id)
        sums[exercise] = sums.get(exercise, 0.0) + (graded.points or 0.0)
    return sums


def surprises(case: Case, result: SubmissionResult) -> list[str]:
    """Where a result is not what the case must get, one sentence each."""
    (notebook,) = result.notebooks
    found = []
    for exercise, got in points(result).items():
        due = case.due.get(exercise, FULL)
        if not math.isclose(got, due, abs_tol=1e-9):
            found.append(f"{exercise} got {got:g} points, {due:g} were due")
    reports = {graded.grade_id: graded.report or {} for graded in notebook.cells}
    for exercise, mistake in case.mistakes.items():
        named = [reports[f"{exercise}-{kind}"].get("mistake") for kind in ("check", "test")]
        if named != [mistake, mistake]:
            found.append(f"{exercise}: the mistakes named were {named}, due was {mistake!r}")
    kinds = {note.kind for note in result.notes}
    if kinds != set(case.notes):
        found.append(f"the notes were of the kinds {sorted(kinds)}, due were {sorted(case.notes)}: {result.notes}")
    told = [note.text for note in result.notes]
    told += [graded.error or reports[graded.grade_id].get("message", "") for graded in notebook.cells]
    if not any(case.says in text for text in told):
        found.append(f"nothing says {case.says!r}: {sorted(set(told))}")
    return found
