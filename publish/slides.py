"""Slides of each lecture, one file that needs nothing else: `python -m publish.slides [NUMBER ...]`.

A deck is made of the lecture's notebook, by the slide types of its cells. Slides and subslides begin a page; code, and
figures that are large, get pages of their own; notes become the speaker's (key S). Scripts, styles, fonts and maths are
inside the file. What still is too high for its page is made smaller in the browser by `slides.js`.
"""

import argparse
import base64
import html
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from jinja2 import Template
from nbconvert.filters import Highlight2HTML, ansi2html, markdown2html_mistune
from nbformat import NotebookNode
from PIL import Image
from pygments.formatters import HtmlFormatter

from course_utils import notebooks
from course_utils.files import write_text
from publish.assets import packages

HERE = Path(__file__).parent
DECKS = notebooks.ROOT / "build" / "site" / "slides"
FULL_PAGE = 17  # lines of text that a page holds beside its title
ORPHAN = 3  # so many more are squeezed in rather than left on a page of their own
IMAGE_HEIGHT, PAGE_WIDTH, LINE_HEIGHT = 440, 1184, 35  # pixels, as in slides.css
CHARACTERS = 90  # of a line of text
CODE_LINE, CODE_CHARACTERS = 0.64, 115  # a line of code, in lines of text, and what it holds
NARROW = (16, 62)  # lines and characters of code that stands beside its figure


@dataclass
class Block:
    """A piece of a page, and about how many lines of text it is high."""

    html: str
    num_lines: float


@dataclass
class Page:
    """What is on the screen at once: blocks one below the other, or in two columns, and the speaker's notes."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    columns: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def room(self) -> float:
        return -math.inf if self.columns else FULL_PAGE - sum(block.num_lines for block in self.blocks)


def pages_of(notebook: NotebookNode) -> list[list[Page]]:
    """The pages of each slide of a lecture, the first one at its top and the others below it."""
    slides: list[list[Page]] = []
    title = ""
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind == "skip" or cell.id in notebooks.BUILDER_CELLS or not cell.source.strip():
            continue
        if kind == "notes":
            slides[-1][-1].notes.append(markdown(cell.source))
            continue
        heading = re.match(r"#+ (.*)\n*", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            title = heading[1]
        if kind == "slide" or not slides:
            slides.append([])
        pages = slides[-1]
        if not pages or heading or kind == "subslide":
            pages.append(Page(title))
        if cell.cell_type == "markdown":
            _fill(pages, title, list(_paragraphs(cell.source[heading.end() :] if heading else cell.source)))
        else:
            _add_code(pages, title, cell)
    return [[page for page in pages if page.blocks or page is pages[0]] for pages in slides]


def _fill(pages: list[Page], title: str, blocks: list[Block]) -> None:
    """Put blocks on the last page as long as there is room, and on pages of their own from there on."""
    rest = sum(block.num_lines for block in blocks)  # from the present block on
    for block in blocks:
        room = pages[-1].room
        if block.num_lines > room and rest > room + ORPHAN and pages[-1].blocks:
            pages.append(Page(title))
        pages[-1].blocks.append(block)
        rest -= block.num_lines


def _add_code(pages: list[Page], title: str, cell: NotebookNode) -> None:
    """Code and what it shows: side by side where both are small, else one below the other or on pages of their own."""
    lines = cell.source.splitlines()
    outputs = [shown for output in cell.outputs if (shown := show(output))]
    code = Block(highlight(cell.source), 1 + CODE_LINE * sum(1 + len(line) // CODE_CHARACTERS for line in lines))
    if outputs and 3 < len(lines) <= NARROW[0] and max(map(len, lines)) <= NARROW[1]:
        page = Page(title, [code, Block("".join(output.html for output in outputs), 0)], columns=True)
        if pages[-1].blocks:
            pages.append(page)
        else:
            pages[-1] = page
    else:
        for block in (code, *outputs):
            _fill(pages, title, [block])


def _paragraphs(text: str) -> Iterator[Block]:
    """The blocks of a text; fenced lines are one, and so are a colon and what it announces."""
    together: list[str] = []
    for paragraph in re.split(r"\n{2,}", text.strip()):
        together.append(paragraph)
        fences = sum(part.count("```") for part in together)
        if fences % 2 == 0 and not paragraph.endswith(":"):
            yield _text("\n\n".join(together))
            together = []
    if "".join(together):
        yield _text("\n\n".join(together))


def _text(source: str) -> Block:
    equations = re.findall(r"\$\$.*?\$\$", source, flags=re.DOTALL)
    shown = re.sub(r"\$\$.*?\$\$", "", source, flags=re.DOTALL)
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", shown).strip()  # of a link only the words
    lines = [line for line in shown.splitlines() if line and not re.match(r"\|[-|: ]+\|$", line)]
    high = sum(1 + len(line) // CHARACTERS for line in lines) + (0.6 if lines else 0)
    return Block(markdown(source), high + 3 * len(equations))


def show(output: NotebookNode) -> Block | None:
    """What a cell's output looks like."""
    if output.output_type == "stream":
        return _printed(ansi2html(output.text.rstrip()))
    data = output.get("data", {})
    animated = re.match(r'<img alt="([^"]*)" src="data:image/gif;base64,([^"]+)">$', data.get("text/html", ""))
    if animated:
        return _image("image/gif", animated[2], html.unescape(animated[1]))
    if "image/png" in data:
        return _image("image/png", data["image/png"].strip(), data.get("text/plain", "figure"))
    if "image/svg+xml" in data:
        return Block(f'<div class="drawing">{data["image/svg+xml"]}</div>', FULL_PAGE)
    if "text/html" in data:
        rows = data["text/html"].count("<tr")
        return Block(f'<div class="table">{data["text/html"]}</div>', 1.5 * rows or FULL_PAGE)
    if "text/markdown" in data:
        return _text(data["text/markdown"])
    if "text/plain" in data:
        return _printed(html.escape(data["text/plain"]))
    return None


def _image(kind: str, encoded: str, alt: str) -> Block:
    width, height = Image.open(io.BytesIO(base64.b64decode(encoded))).size
    shape = f'alt="{html.escape(alt, quote=True)}" style="--aspect: {width / height:.4f}"'
    high = min(IMAGE_HEIGHT, PAGE_WIDTH * height / width)
    return Block(f'<img {shape} src="data:{kind};base64,{encoded}">', high / LINE_HEIGHT + 0.5)


def _printed(text: str) -> Block:
    return Block(f'<pre class="output">{text}</pre>', 0.8 + CODE_LINE * (1 + text.count("\n")))


def markdown(text: str) -> str:
    return markdown2html_mistune(text)


def highlight(code: str) -> str:
    return Highlight2HTML(pygments_lexer="python3")(code)


def deck(notebook: NotebookNode) -> str:
    """One HTML file of all slides of a lecture."""
    reveal, mathjax = packages() / "reveal.js" / "dist", packages() / "mathjax" / "es5" / "tex-svg-full.js"
    styles = [reveal / "reset.css", reveal / "reveal.css", HERE / "slides.css"]
    scripts = [reveal / "reveal.js", reveal / "plugin" / "notes.js", HERE / "slides.js"]
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    template = Template((HERE / "slides.html").read_text(), autoescape=True)
    return template.render(
        title=title,
        slides=pages_of(notebook),
        styles=[HtmlFormatter(style="friendly").get_style_defs(".highlight"), *(path.read_text() for path in styles)],
        # Inside a script element "</script" would end it.
        scripts=[path.read_text().replace("</script", "<\\/script") for path in scripts],
        mathjax=mathjax.read_text().replace("</script", "<\\/script"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=int, help="lectures; by default all")
    numbers = parser.parse_args().numbers
    for source in notebooks.sources():
        if notebooks.is_lecture(source) and (not numbers or int(source.stem[:2]) in numbers):
            target = DECKS / f"{source.stem}.html"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(deck(nbformat.read(source.with_suffix(".ipynb"), as_version=4)), target)
            print(f"{target.relative_to(notebooks.ROOT)}  {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
