"""From the py:percent sources that people edit to the notebooks that GitHub, Colab and nbgrader need.

One way to build, byte-identical on every rebuild of the same source: cell ids come from `grade_id` or the position, the
Colab badge and setup cell are inserted from the one address in `pyproject.toml`, lectures are executed in order without
timing metadata, and everything else carries no output. `stale` says which notebooks no longer match their source.
"""

import io
import os
import re
import tomllib
from collections.abc import Iterable
from contextlib import redirect_stderr
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from course_utils.files import write_text

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MAX_LECTURE_BYTES = 300_000
BUILDER_CELLS = ("colab-badge", "colab-setup")


def sources(root: Path = ROOT) -> list[Path]:
    """All notebook sources: the lectures and the assignments' solutions."""
    return sorted(root.glob("lectures/[0-9][0-9]_*.py")) + sorted(root.glob("solutions/*/*.py"))


def is_lecture(source: Path) -> bool:
    return source.parent.name == "lectures"


def repository(root: Path = ROOT) -> str:
    """The repository's address, which `pyproject.toml` alone names."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"].rstrip("/")


def from_source(source: Path, root: Path = ROOT) -> NotebookNode:
    """The notebook that `source` describes, with ids, badge and setup cell, without outputs."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        raise ValueError(f"{source}: the first cell must be markdown and start with the title, '# ...'")
    notebook.cells[1:1] = _colab_cells(source, root)
    for position, cell in enumerate(notebook.cells):
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's note on blank lines in the source
        name = cell.metadata.get("nbgrader", {}).get("grade_id") or cell.get("id", "")
        is_named = name in BUILDER_CELLS or "nbgrader" in cell.metadata
        cell.id = re.sub(r"[^a-zA-Z0-9-_]", "-", name)[:64] if is_named else f"cell-{position:03d}"
    nbformat.validate(notebook)
    return notebook


def colab_address(notebook: Path, root: Path = ROOT) -> str:
    """Where Colab opens a committed notebook, given by its path in the repository."""
    opener = repository(root).replace("https://github.com", "https://colab.research.google.com/github")
    return f"{opener}/blob/main/{notebook.as_posix()}"


def _colab_cells(source: Path, root: Path) -> list[NotebookNode]:
    address = repository(root)
    folder = Path("lectures") if is_lecture(source) else Path("assignments") / source.parent.name
    badge = nbformat.v4.new_markdown_cell(
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab_address(folder / f'{source.stem}.ipynb', root)})"
    )
    badge.id = "colab-badge"
    setup = nbformat.v4.new_code_cell(
        "# In Colab this installs the course, in about a minute; anywhere else it does nothing.\n"
        "import sys\n\n"
        'if "google.colab" in sys.modules:\n'
        f"    %pip install --quiet git+{address}"
    )
    setup.id = "colab-setup"
    setup.metadata["slideshow"] = nbformat.from_dict({"slide_type": "skip"})
    if not is_lecture(source):
        for cell in (badge, setup):
            cell.metadata["nbgrader"] = nbformat.from_dict(
                {
                    "grade": False,
                    "grade_id": cell.id,
                    "locked": True,
                    "schema_version": 3,
                    "solution": False,
                    "task": False,
                }
            )
    return [badge, setup]


def execute(notebook: NotebookNode, folder: Path, timeout: int = 600) -> NotebookNode:
    """Run all cells in order in a fresh kernel that starts in `folder`; an error stops with the cell and its traceback.

    The kernel sees COURSE_STATIC=1: no progress bars, and static figures for widgets.
    """
    environment = {"COURSE_STATIC": "1", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "default"}
    previous = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return _without_accidents(notebook)


def _without_accidents(notebook: NotebookNode) -> NotebookNode:
    """Merge streams that arrived in pieces, and drop metadata that differs from run to run."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        merged: list[NotebookNode] = []
        for output in cell.outputs:
            if output.output_type == "stream" and merged and merged[-1].get("name") == output.name:
                merged[-1].text += output.text
            else:
                merged.append(output)
        for output in merged:
            text = output.get("data", {}).get("text/plain", "")
            if re.search(r" at 0x[0-9a-f]+", text):  # an address of memory is different in every run
                output.data["text/plain"] = re.sub(r" at 0x[0-9a-f]+", "", text)
        cell.outputs = merged
    return notebook


def to_text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def build(source: Path, root: Path = ROOT, force: bool = False) -> bool:
    """Build one notebook beside its source, whole or not at all; return whether it was written.

    A lecture is executed, which takes minutes; it is skipped while it is fresh, unless `force`.

    Raises:
        ValueError: a lecture over 300 KB, one whose cells print errors, or a source without a title.
    """
    target = source.with_suffix(".ipynb")
    if not force and not is_stale(source, root):
        return False
    notebook = from_source(source, root)
    if is_lecture(source):
        try:
            notebook = execute(notebook, source.parent)
        except CellExecutionError as error:
            raise ValueError(f"{source} does not run: {error}") from error
    text = to_text(notebook)
    if is_lecture(source) and len(text.encode()) > MAX_LECTURE_BYTES:
        raise ValueError(
            f"{source} makes a notebook of {len(text.encode()):,} bytes, and {MAX_LECTURE_BYTES:,} are allowed: "
            "lower the resolution or the number of its figures"
        )
    write_text(text, target)
    return True


def is_stale(source: Path, root: Path = ROOT) -> bool:
    return reason_stale(source, root) is not None


def reason_stale(source: Path, root: Path = ROOT) -> str | None:
    """Why the committed notebook is not what `source` would build, in one clause; None when it is fresh."""
    target = source.with_suffix(".ipynb")
    if not target.exists():
        return "has not been built"
    try:
        with redirect_stderr(io.StringIO()):
            committed = nbformat.read(target, as_version=nbformat.NO_CONVERT)
    except Exception as error:
        return f"cannot be read ({error})"
    if is_lecture(source):
        code = [cell for cell in committed.cells if cell.cell_type == "code"]
        if [cell.get("execution_count") for cell in code] != list(range(1, len(code) + 1)):
            return "has not been executed in order"
        if any(output.output_type == "error" for cell in code for output in cell.outputs):
            return "holds an error"
    elif any(cell.get("outputs") for cell in committed.cells):
        return "holds outputs, and a solution is committed without"
    if to_text(_without_outputs(committed)) != to_text(from_source(source, root)):
        return "differs from its source"
    return None


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def stale(paths: Iterable[Path] | None = None, root: Path = ROOT) -> dict[Path, str]:
    """The sources whose notebooks are stale, each with the reason."""
    reasons = {source: reason_stale(source, root) for source in (paths or sources(root))}
    return {source: reason for source, reason in reasons.items() if reason is not None}
