"""Decks hold what the notebook's slide types say, and nothing that must be fetched."""

import re

import nbformat
import pytest

from course_utils import notebooks
from publish.slides import FULL_PAGE, ORPHAN, pages_of

LECTURES = [source for source in notebooks.sources() if notebooks.is_lecture(source)]


def cell(kind, source, slide_type, **fields):
    made = getattr(nbformat.v4, f"new_{kind}_cell")(source, **fields)
    made.metadata["slideshow"] = {"slide_type": slide_type}
    return made


def shown(page):
    return " ".join(block.html for block in page.blocks)


def test_slide_types_become_pages_and_notes():
    notebook = nbformat.v4.new_notebook(
        cells=[
            cell("markdown", "# Title\n\nfirst words", "slide"),
            cell("code", "secret = 1", "skip"),
            cell("markdown", "## A heading\n\nof the second slide", "slide"),
            cell("markdown", "what the speaker says", "notes"),
            cell("markdown", "more, *below*", "subslide"),
            cell("markdown", "on the same page", "fragment"),
        ]
    )
    first, second = pages_of(notebook)
    assert [page.title for page in first] == ["Title"]
    assert "first words" in shown(first[0])
    assert [page.title for page in second] == ["A heading", "A heading"]
    assert "what the speaker says" in second[0].notes[0]
    assert "what the speaker says" not in shown(second[0])
    assert "<em>below</em>" in shown(second[1])
    assert "on the same page" in shown(second[1])
    assert not any("secret" in shown(page) for page in first + second)


def test_what_does_not_fit_goes_on_a_page_of_its_own():
    paragraphs = [f"paragraph {number} " + "word " * 60 for number in range(12)]
    (pages,) = pages_of(
        nbformat.v4.new_notebook(cells=[cell("markdown", "# T\n\n" + "\n\n".join(paragraphs), "slide")])
    )
    assert len(pages) > 2
    assert all(sum(block.num_lines for block in page.blocks) <= FULL_PAGE + ORPHAN for page in pages)
    assert [f"paragraph {n} " in " ".join(map(shown, pages)) for n in range(12)] == [True] * 12


def test_a_colon_stays_with_what_it_announces_and_fences_stay_whole():
    text = "# T\n\n" + "filler\n\n" * 9 + "This is it:\n\n$$ x = 1 $$\n\n```\na\n\nb\n```"
    (pages,) = pages_of(nbformat.v4.new_notebook(cells=[cell("markdown", text, "slide")]))
    together = [block.html for page in pages for block in page.blocks]
    assert any("This is it:" in html and "x = 1" in html for html in together)
    assert any(re.search(r"a\s+b\s*</code>", html) for html in together)


def test_short_code_stands_beside_what_it_shows():
    output = nbformat.v4.new_output("stream", text="42\n")
    code = "a = 40\nb = 2\nc = a + b\nprint(c)"
    (pages,) = pages_of(nbformat.v4.new_notebook(cells=[cell("code", code, "slide", outputs=[output])]))
    assert [page.columns for page in pages] == [True]
    assert "42" in pages[0].blocks[1].html


@pytest.mark.parametrize("source", LECTURES, ids=lambda source: source.stem)
def test_a_lecture_loses_nothing_and_asks_for_nothing(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    slides = pages_of(notebook)
    pages = [page for slide in slides for page in slide]
    html = " ".join(shown(page) + " ".join(page.notes) for page in pages)
    wanted = [
        output
        for shown_cell in notebook.cells
        if shown_cell.metadata.get("slideshow", {}).get("slide_type") != "skip"
        for output in shown_cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert html.count("data:image/png") == len(wanted)
    assert sum(1 for page in pages if page.notes) >= 1
    assert not re.search(r'(?:src|href)="(?!data:|#)(?:https?:)?//', re.sub(r"<a [^>]*>", "", html))
