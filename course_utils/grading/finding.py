"""Finding, among the files of a submission, the one that is the notebook."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from course_utils.grading import reading
from course_utils.grading.matching import match
from course_utils.grading.reading import Cell, shown
from course_utils.grading.results import Note, Submission
from course_utils.grading.spec import NotebookSpec

MAX_CANDIDATES = 20  # files that are read in search of the notebook
NOTEBOOK_FILE = re.compile(r"\.ipynb(\.json|\.txt)?$", re.IGNORECASE)
OTHER_SUFFIXES = ("", ".json", ".txt", ".py")  # under which a notebook may have been saved by mistake


def find(submission: Submission, notebook: NotebookSpec, others: Collection[str]) -> tuple[list[Cell], list[Note]]:
    """The cells of the file that is the notebook, or looks most like it, and notes about the file.

    The name that is due wins if the file holds any cell of the release, else the file that holds most of them.

    Args:
        others: names of the assignment's other notebooks, whose files are not taken for this one.
    """
    due = f"{notebook.name}.ipynb"
    candidates = _candidates(submission, notebook.name, others)
    best = None
    for path in candidates:
        contents = reading.read(submission.files[path], shown(path))
        known = len(match(contents.cells, notebook).chosen)
        if best is None or known > best[0]:
            best = known, path, contents
        if path == due and known:
            break
    if best is None or not (best[0] or _is_likely(best[1], notebook.name)):
        return [], [Note("missing", f"No notebook was handed in: {due} is due.")]
    _, path, contents = best
    notes = []
    if path != due and len(candidates) == 1:
        notes.append(Note("renamed", f"{shown(path)} was taken for {due}, the name that is due."))
    elif path != due:
        problem = f"{len(candidates)} files could be {due}: {shown(path)}, which holds most of its cells, was taken."
        notes.append(Note("renamed", problem))
    if contents.language and not contents.language.startswith(("python", "ipython")):
        language = shown(contents.language)
        notes.append(Note("kernel", f"The notebook names {language} as its language and was run as Python."))
    return contents.cells, notes + contents.notes


def _candidates(submission: Submission, name: str, others: Collection[str]) -> list[str]:
    """The files that may be the notebook, likeliest first: whatever is called .ipynb, or else other text."""
    taken = {f"{other}.ipynb" for other in others}
    visible = [
        path
        for path in submission.files
        if path not in taken and not any(part.startswith(".") for part in PurePosixPath(path).parts)
    ]
    paths = [path for path in visible if NOTEBOOK_FILE.search(path)]
    paths = paths or [path for path in visible if PurePosixPath(path).suffix.lower() in OTHER_SUFFIXES]

    def rank(path: str) -> tuple:
        file = PurePosixPath(path)
        return path != f"{name}.ipynb", name.casefold() not in file.name.casefold(), len(file.parts), path

    return sorted(paths, key=rank)[:MAX_CANDIDATES]


def _is_likely(path: str, name: str) -> bool:
    """Whether a file passes for the notebook even where none of its cells are known."""
    return bool(NOTEBOOK_FILE.search(path)) or name.casefold() in PurePosixPath(path).name.casefold()
