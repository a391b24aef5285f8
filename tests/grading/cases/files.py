"""Submissions whose notebook or files are not what was handed out.

The answers are right, so that whatever can still be read of them earns its points.
"""

import json
import re
from collections.abc import Callable

import nbformat
from nbformat import NotebookNode

from course_utils.notebooks import ROOT
from tests.grading.cases import ASSIGNMENT, Case, cell

TARGET = "importance_weighted_bound"
LAST = "condition_on_label"
NAME = f"{ASSIGNMENT}.ipynb"
EXERCISES = (
    "reconstruction_loss",
    "reparameterize",
    "gaussian_kl",
    "bernoulli_log_prob",
    "elbo",
    "beta_schedule",
    TARGET,
    LAST,
)
WRONG = f"def {TARGET}(log_weights):\n    return log_weights.mean(0)"
LOST = {TARGET: 0.0}
ALL_LOST = dict.fromkeys(EXERCISES, 0.0)


def changed(story: str, change: Callable[[NotebookNode], object], **more) -> Case:
    """`change` alters the notebook in place; what it returns is of no interest."""
    return Case(story, change=change, **more)


def handed_in(story: str, raw: Callable[[str], dict[str, bytes]], **more) -> Case:
    """`raw` turns the notebook's text into the files that are handed in."""
    return Case(story, raw=raw, **more)


def renamed(story: str, name: str, **more) -> Case:
    return handed_in(story, lambda text: {name: text.encode()}, **more)


def copied(source: str, *, after: bool) -> Callable[[NotebookNode], None]:
    """A copy of the target's cell, grade_id included, before or after it."""

    def change(notebook: NotebookNode) -> None:
        copy = nbformat.v4.new_code_cell(source, metadata=cell(notebook, TARGET).metadata)
        position = notebook.cells.index(cell(notebook, TARGET))
        notebook.cells.insert(position + after, copy)

    return change


def copy_untouched(notebook: NotebookNode) -> None:
    """A copy of the target's cell as it was released, after it."""
    released = nbformat.read(ROOT / "assignments" / ASSIGNMENT / NAME, as_version=4)
    copied(cell(released, TARGET).source, after=True)(notebook)


def without(*grade_ids: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        notebook.cells = [c for c in notebook.cells if c.metadata.nbgrader.grade_id not in grade_ids]

    return change


def delete_tests(notebook: NotebookNode) -> None:
    notebook.cells = [c for c in notebook.cells if not c.metadata.nbgrader.grade]


def strip(notebook: NotebookNode) -> None:
    """As an editor does that knows nothing of metadata and ids."""
    notebook.metadata.clear()
    for number, c in enumerate(notebook.cells):
        c.metadata.clear()
        c.id = f"new-{number}"


def rename_solutions(notebook: NotebookNode) -> None:
    for name in EXERCISES:
        cell(notebook, name).metadata.nbgrader.grade_id = f"{name}_mine"


def retype(grade_id: str, kind: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        old = cell(notebook, grade_id)
        old.cell_type = kind
        for name in ("outputs", "execution_count"):
            old.pop(name, None)

    return change


def write(grade_id: str, source: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        cell(notebook, grade_id).source = source

    return change


def add_cells(number: int) -> Callable[[NotebookNode], None]:
    """Cells that compute next to nothing, after the imports."""

    def change(notebook: NotebookNode) -> None:
        notebook.cells[4:4] = [nbformat.v4.new_code_cell(f"n = {n}") for n in range(number)]

    return change


def add_output(size: int) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        cell(notebook, TARGET).outputs = [nbformat.v4.new_output("stream", text="x" * size)]

    return change


def kernel(name: str, language: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        notebook.metadata.kernelspec = {"name": name, "display_name": name, "language": language}
        notebook.metadata.language_info = {"name": language}

    return change


def version_3(text: str) -> dict[str, bytes]:
    old = nbformat.convert(nbformat.reads(text, as_version=4), 3)
    return {NAME: nbformat.writes(old, version=3).encode()}


def cut_off(text: str) -> dict[str, bytes]:
    """As a full disk leaves it: the end, from within the target's answer on, is missing."""
    return {NAME: text[: text.index("torch.logsumexp")].encode()}


def conflict(text: str) -> dict[str, bytes]:
    """Git's markers around two versions of a line of the target's answer."""
    line = next(line for line in text.splitlines() if "torch.logsumexp" in line)
    theirs = line.replace("torch.logsumexp", "torch.mean")
    return {NAME: text.replace(line, f"<<<<<<< HEAD\n{line}\n=======\n{theirs}\n>>>>>>> other").encode()}


def script(text: str) -> dict[str, bytes]:
    """As Jupyter exports a notebook as a script."""
    parts = ["#!/usr/bin/env python\n# coding: utf-8\n"]
    for c in nbformat.reads(text, as_version=4).cells:
        if c.cell_type == "code":
            parts.append(f"# In[ ]:\n\n\n{c.source}\n")
        else:
            parts.append("".join(f"# {line}\n" for line in c.source.splitlines()))
    return {f"{ASSIGNMENT}.py": "\n\n".join(parts).encode()}


def two_candidates(text: str) -> dict[str, bytes]:
    """The answers under another name, and under the right one a notebook that has nothing of the assignment."""
    other = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]))
    return {NAME: other.encode(), "final version.ipynb": text.encode()}


def latin_1(text: str) -> dict[str, bytes]:
    return {NAME: text.replace("return torch.logsumexp", "# für später\\n    return torch.logsumexp").encode("latin-1")}


CELLS = {
    "copied_right_last": changed(
        "A copied cell: the wrong answer first, the right one last.",
        copied(WRONG, after=False),
        notes=("duplicate",),
        says="the last copy with an answer counts",
    ),
    "copied_right_first": changed(
        "A copied cell: the right answer first, a wrong one last, as Jupyter would run them.",
        copied(WRONG, after=True),
        due=LOST,
        notes=("duplicate",),
        says="the last copy with an answer counts",
    ),
    "copied_untouched": changed(
        "A copied cell whose copy was never filled in.", copy_untouched, notes=("duplicate",), says="counts"
    ),
    "copied_test": changed(
        "A test cell that is there twice.",
        lambda notebook: notebook.cells.append(cell(notebook, f"{TARGET}-test").copy()),
        notes=("duplicate",),
        says="graded once",
    ),
    "setup_deleted": changed("The imports are gone.", without("setup"), notes=("missing",), says="setup"),
    "solution_deleted": changed(
        "An answer is gone.",
        without(TARGET),
        due=LOST,
        mistakes={TARGET: "not-attempted"},
        notes=("missing",),
        says=TARGET,
    ),
    "test_deleted": changed("A hidden test is gone.", without(f"{TARGET}-test"), notes=("missing",), says="put back"),
    "tests_deleted": changed("All tests are gone.", delete_tests, notes=("missing",), says="put back"),
    "reordered": changed(
        "All cells in reverse order.",
        lambda notebook: notebook.cells.reverse(),
        notes=("reordered",),
        says="their order",
    ),
    "renamed_cells": changed(
        "The answers' cells bear other names.", rename_solutions, notes=("metadata",), says="recognised without: 8"
    ),
    "emptied_solution": changed(
        "An answer is deleted, its cell is not.", write(TARGET, ""), due=LOST, mistakes={TARGET: "not-a-function"}
    ),
    "emptied_test": changed(
        "A test is emptied.", write(f"{TARGET}-test", ""), notes=("restored",), says="put back as released"
    ),
    "changed_test": changed(
        "A test gives full marks to wrong code.",
        lambda notebook: (write(f"{TARGET}-test", "2.0")(notebook), write(TARGET, WRONG)(notebook)),
        due=LOST,
        notes=("restored",),
        says="put back as released",
    ),
    "solution_as_text": changed(
        "An answer in a cell of prose.", retype(TARGET, "markdown"), notes=("metadata",), says="changed back"
    ),
    "test_as_text": changed(
        "A test in a raw cell.", retype(f"{TARGET}-test", "raw"), notes=("restored",), says="put back as released"
    ),
    "metadata_stripped": changed(
        "All metadata and ids are gone.", strip, notes=("metadata",), says="lost nbgrader's marks"
    ),
    "nbgrader_stripped": changed(
        "nbgrader's marks are gone.",
        lambda notebook: [c.metadata.pop("nbgrader") for c in notebook.cells],
        notes=("metadata",),
        says="lost nbgrader's marks",
    ),
    "many_cells": changed("5,000 cells more.", add_cells(5000)),
    "missing_package": changed(
        "Imports a package that is not there, at the top of an answer's cell.",
        lambda notebook: write(TARGET, f"import foo_not_there\n{cell(notebook, TARGET).source}")(notebook),
        due=LOST,
        says="No module named 'foo_not_there'",
    ),
    "missing_package_beside": changed(
        "Imports a package that is not there, in a cell that nothing needs.",
        lambda notebook: notebook.cells.insert(4, nbformat.v4.new_code_cell("import foo_not_there")),
    ),
}

NAMES = {
    "renamed_by_browser": renamed(
        "A name as browsers give.", f"{ASSIGNMENT} (1).ipynb", notes=("renamed",), says="(1)"
    ),
    "renamed_by_jupyter": renamed(
        "A name as Jupyter gives.", f"{ASSIGNMENT}-Copy1.ipynb", notes=("renamed",), says="Copy1"
    ),
    "renamed_by_drive": renamed("A name as Drive gives.", f"Copy of {NAME}", notes=("renamed",), says="Copy of"),
    "renamed_json": renamed("A name as mail programs give.", f"{NAME}.json", notes=("renamed",), says=".json"),
    "in_a_folder": renamed("In a folder of that name.", f"{NAME}/{NAME}", notes=("renamed",), says="was taken"),
    "two_candidates": handed_in(
        "An empty notebook under the right name, the answers under another.",
        two_candidates,
        notes=("renamed",),
        says="2 files could be",
    ),
    "nothing": handed_in(
        "Nothing at all.",
        lambda text: {},
        due=ALL_LOST,
        mistakes=dict.fromkeys(EXERCISES, "not-attempted"),
        notes=("missing",),
        says="No notebook was handed in",
    ),
    "picture_only": handed_in(
        "A picture and no notebook.",
        lambda text: {"answers.png": b"\x89PNG\r\n\x1a\n\0\0\0"},
        due=ALL_LOST,
        notes=("missing",),
        says="No notebook was handed in",
    ),
    "script": handed_in(
        "Exported as a script.",
        script,
        notes=("renamed", "unreadable", "metadata", "missing"),
        says="cells could be read",
    ),
}

CONTENTS = {
    "truncated": handed_in(
        "The end of the file is missing.",
        cut_off,
        due={TARGET: 0.0, LAST: 0.0},
        mistakes={TARGET: "not-attempted", LAST: "not-attempted"},
        notes=("unreadable", "missing"),
        says="is damaged",
    ),
    "empty": handed_in(
        "An empty file.", lambda text: {NAME: b""}, due=ALL_LOST, notes=("unreadable",), says="is empty"
    ),
    "no_json": handed_in(
        "A web page under the notebook's name.",
        lambda text: {NAME: b"<!DOCTYPE html><html><body>Please log in</body></html>"},
        due=ALL_LOST,
        notes=("unreadable",),
        says="cannot be read as a notebook",
    ),
    "utf_16": handed_in("In UTF-16.", lambda text: {NAME: text.encode("utf-16")}, notes=("encoding",), says="UTF-16"),
    "byte_order_mark": handed_in("UTF-8 with a mark.", lambda text: {NAME: text.encode("utf-8-sig")}),
    "latin_1": handed_in("In Latin-1.", latin_1, notes=("encoding",), says="Latin-1"),
    "nul_bytes": handed_in(
        "NUL bytes in between.",
        lambda text: {NAME: re.sub("return", "ret\0urn", text).encode()},
        notes=("encoding",),
        says="NUL bytes",
    ),
    "huge_outputs": changed("50 MB of outputs.", add_output(50_000_000)),
    "julia": changed("A kernel of another language.", kernel("julia-1.9", "julia"), notes=("kernel",), says="julia"),
    "conda_kernel": changed("A kernel of the student's own machine.", kernel("conda-env-dgm-py", "python")),
    "version_3": handed_in("In the notebook format of 2013.", version_3),
    "merge_conflict": handed_in("With an unfinished merge.", conflict, notes=("unreadable",), says="unfinished merge"),
    "other_json": handed_in(
        "Some other JSON.",
        lambda text: {NAME: json.dumps([1, {"cells": 3}]).encode()},
        due=ALL_LOST,
        notes=("unreadable",),
        says="holds no cells",
    ),
}

CASES: dict[str, Case] = {**CELLS, **NAMES, **CONTENTS}
