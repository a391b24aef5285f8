"""The real release of `a3_vae` as a specification, and notebooks handed in against it, for the tests of the intake."""

import json
from functools import cache

import nbformat

from course_utils.grading.intake import Repaired, repair
from course_utils.grading.results import Submission
from course_utils.grading.spec import NotebookSpec, SourceCell
from course_utils.notebooks import ROOT

NAME = "a3_vae"
FILE = f"{NAME}.ipynb"
RELEASE = (ROOT / "assignments" / NAME / FILE).read_text(encoding="utf-8")
HIDDEN = "\n### BEGIN HIDDEN TESTS\nthe_secret = 1\n### END HIDDEN TESTS"
EXERCISES = tuple(
    cell["metadata"]["nbgrader"]["grade_id"]
    for cell in json.loads(RELEASE)["cells"]
    if cell["metadata"]["nbgrader"]["solution"]
)


@cache
def spec() -> NotebookSpec:
    """The release with a hidden part in each `-test` cell, as the gradebook has it."""
    cells = []
    for cell in json.loads(RELEASE)["cells"]:
        mark = {key: value for key, value in cell["metadata"]["nbgrader"].items() if key != "schema_version"}
        hidden = HIDDEN if mark["grade_id"].endswith("-test") else ""
        cells.append(SourceCell(source="".join(cell["source"]) + hidden, **mark))
    return NotebookSpec(NAME, tuple(cells))


def answer(name: str) -> str:
    return f"def {name}(*tensors):\n    return '{name}, answered'"


def answered() -> dict:
    """The release with an answer to every exercise, as plain JSON."""
    notebook = json.loads(RELEASE)
    for cell in notebook["cells"]:
        if cell["metadata"]["nbgrader"]["solution"]:
            cell["source"] = answer(cell["metadata"]["nbgrader"]["grade_id"])
    return notebook


def cell_of(notebook: dict, grade_id: str) -> dict:
    return next(cell for cell in notebook["cells"] if cell["metadata"]["nbgrader"].get("grade_id") == grade_id)


def code(source: str, **others) -> dict:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source, **others}


def submission(**files: bytes | str | dict) -> Submission:
    """Files by name; a dictionary is written as JSON."""
    contents = {}
    for name, content in files.items():
        content = json.dumps(content) if isinstance(content, dict) else content
        contents[name] = content.encode() if isinstance(content, str) else content
    return Submission(NAME, "ada", contents)


def repaired(content: bytes | str | dict, name: str = FILE) -> Repaired:
    """Repair a notebook, and see to it that the outcome is sound."""
    return sound(repair(submission(**{name: content}), spec()))


def sound(result: Repaired) -> Repaired:
    """The outcome itself, if it is a valid notebook that holds what was released, once and in order."""
    nbformat.validate(result.nb)
    assert (result.nb.nbformat, result.nb.nbformat_minor) == (4, 5)
    assert result.nb.metadata.kernelspec.name == "python3"
    marked = [cell for cell in result.nb.cells if "nbgrader" in cell.metadata]
    assert [cell.metadata.nbgrader.grade_id for cell in marked] == [cell.grade_id for cell in spec().cells]
    for cell, due in zip(marked, spec().cells, strict=True):
        assert cell.cell_type == due.cell_type
        assert cell.source == due.source or not due.locked
    code_cells = [cell for cell in result.nb.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells)
    return result


def kinds(result: Repaired) -> list[str]:
    return [note.kind for note in result.notes]


def source_of(result: Repaired, grade_id: str) -> str:
    marked = [cell for cell in result.nb.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return marked[0].source


def own_sources(result: Repaired) -> list[str]:
    return [cell.source for cell in result.nb.cells if "nbgrader" not in cell.metadata]


def answers_kept(result: Repaired, *but: str) -> bool:
    """Whether every answer of `answered` came through, except for those named."""
    return result.unanswered == [] and all(
        source_of(result, name) == answer(name) for name in EXERCISES if name not in but
    )
