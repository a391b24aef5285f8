"""Every lecture runs, has the parts that a reader may expect, and shows its figures."""

import re
from pathlib import Path

import nbformat
import pytest

from course_utils import notebooks

LECTURES = [source for source in notebooks.sources() if notebooks.is_lecture(source)]


@pytest.fixture(params=LECTURES, ids=lambda source: source.stem)
def lecture(request):
    return request.param


def test_there_are_lectures():
    assert {"09_autoencoders", "10_vae"} <= {source.stem for source in LECTURES}


@pytest.mark.slow
def test_runs_in_fast_mode(lecture, monkeypatch):
    monkeypatch.setenv("COURSE_FAST", "1")
    notebook = notebooks.execute(notebooks.from_source(lecture), lecture.parent)
    assert all(output.output_type != "error" for cell in notebook.cells for output in cell.get("outputs", []))


def test_has_its_parts_in_order(lecture):
    cells = notebooks.from_source(lecture).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    number = lecture.stem[:2].lstrip("0")
    assert cells[0].source.startswith(f"# Lecture {number}: ")
    parts = ["You will", "You need", "Time and hardware", "## Recap", "## Exercises", "## References"]
    places = [prose.find(part) for part in parts]
    assert -1 not in places, f"missing: {[part for part, place in zip(parts, places, strict=True) if place < 0]}"
    assert places == sorted(places)
    references = re.findall(r"^(?:\d+\.|-) .*\b(?:19|20)\d\d\b", prose[places[-1] :], flags=re.MULTILINE)
    assert len(references) >= 4, "references give authors and year"


def test_code_cells_are_short(lecture):
    cells = [cell for cell in notebooks.from_source(lecture).cells if cell.cell_type == "code"]
    setup = cells[1]  # after the builder's Colab cell
    assert "import" in setup.source
    assert len(setup.source.splitlines()) <= 12
    longest = max(cells, key=lambda cell: len(cell.source.splitlines()))
    assert len(longest.source.splitlines()) <= 25, longest.source


def test_cells_carry_slide_metadata(lecture):
    types = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebooks.from_source(lecture).cells]
    assert types.count("slide") >= 5
    assert set(types) <= {None, "slide", "subslide", "fragment", "skip", "notes"}


def test_committed_notebook_shows_figures_and_no_noise(lecture):
    notebook = nbformat.read(lecture.with_suffix(".ipynb"), as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    noise = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert noise == []
    assert not any("execution" in cell.metadata for cell in notebook.cells)


def systems():
    """The rows of the table of lectures/README.md: a system, its lecture's source, its model file and its test."""
    text = (notebooks.ROOT / "lectures" / "README.md").read_text().partition("## What runs where")[2]
    row = r"^\| \[\d+\]\((\S+)\.ipynb\) \| (.+?) \| \[\S+\]\((\S+)\) \| \[\S+\]\((\S+)\) \|$"
    folder = notebooks.ROOT / "lectures"
    for lecture, system, model, test in re.findall(row, text, flags=re.MULTILINE):
        yield system, folder / f"{lecture}.py", (folder / model).resolve(), (folder / test).resolve()


def test_every_system_runs_in_its_lecture_and_has_a_test():
    rows = list(systems())
    assert len(rows) > 60
    for system, lecture, model, test in rows:
        module = ".".join(model.relative_to(notebooks.ROOT).with_suffix("").parts)
        package, _, name = module.rpartition(".")
        imported = re.compile(rf"from {re.escape(module)} import|from {re.escape(package)} import [^\n]*\b{name}\b")
        shown = lecture.read_text()
        assert model.exists(), f"{system}: {model} is missing"
        assert imported.search(shown) or shown_by_name(model, shown), f"{system}: {lecture.name} does not use {module}"
        tested = test.read_text()
        assert imported.search(tested) or shown_by_name(model, tested), f"{system}: {test.name} does not use {module}"


def shown_by_name(model: Path, text: str) -> bool:
    """Whether a text calls something that the model's file defines, or loads a data set that is named after it."""
    defined = re.findall(r"^(?:def|class) ([A-Za-z]\w+)", model.read_text(), flags=re.MULTILINE)
    return any(re.search(rf"\b{name}\(", text) for name in defined) or f'"{model.stem}_' in text


def test_every_paper_is_in_the_table():
    """Model files that no lecture needs to name: parts that several models share."""
    shared = {"networks", "dense", "levels", "logistics", "likelihoods", "flow", "schedule", "points", "unet"}
    shared |= {"fast_pixelcnn_pp"}  # fast sampling, for PixelCNN++
    named = {model for _, _, model, _ in systems()}
    files = {path for path in (notebooks.ROOT / "course_utils" / "models").rglob("*.py") if path.stem != "__init__"}
    assert {path.stem for path in files - named} <= shared
