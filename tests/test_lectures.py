"""Every lecture runs, has the parts that a reader may expect, and shows its figures."""

import re

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
