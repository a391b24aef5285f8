"""Build the course's site from what is committed: lectures, students' assignments, guides, the reference of the code.

    python -m publish.site

Sphinx wants its sources in one folder: they are laid out in build/site-source, each page at the place that it has in
the repository, so that links between pages hold. A link to a file that has no page leads to the repository.
Solutions are never laid out, so nothing of them can be published.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from sphinx.cmd.build import build_main

from course_utils import notebooks
from course_utils.files import write_text
from publish.assets import packages
from publish.live import MODELS

ROOT = notebooks.ROOT
SOURCES, DOCTREES, SITE = (ROOT / "build" / name for name in ("site-source", "site-doctrees", "site"))
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s:]+?)(#[^)\s]*)?\)")


def pages() -> dict[Path, Path]:
    """From the place of each page in the site to its file in the repository."""
    files = [*ROOT.glob("lectures/*.ipynb"), *ROOT.glob("assignments/*/*.ipynb")]
    return {file.relative_to(ROOT): file for file in sorted(files)}


def linked(text: str, page: Path, staged: set[Path]) -> str:
    """The markdown of a page, with links to what has no page leading to the repository."""

    def target(match: re.Match) -> str:
        label, address, anchor = match[1], match[2], match[3] or ""
        file = Path(os.path.normpath(page.parent / address))
        if file in staged or not (ROOT / file).exists():
            return match[0]
        kind = "tree" if (ROOT / file).is_dir() else "blob"
        return f"[{label}]({notebooks.repository()}/{kind}/main/{file}{anchor})"

    return LINK.sub(target, text)


def _notebook(file: Path, page: Path, staged: set[Path]) -> str:
    notebook = nbformat.read(file, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in notebooks.BUILDER_CELLS]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, page, staged)
    first = notebook.cells[0]
    title, _, rest = first.source.partition("\n")
    first.source = f"{title}\n\n{links_of(page)}\n{rest}"
    return notebooks.to_text(notebook)


def links_of(page: Path) -> str:
    """One line that leads from a notebook's page to Colab, to its slides and to the file that people edit."""
    links = [f"[Run in Colab]({notebooks.colab_address(page)})"]
    if page.parts[0] == "lectures":
        links.append(f'<a href="../slides/{page.stem}.html">Slides</a>')
        source = page.with_suffix(".py")
    else:
        source = page
    links.append(f"[Edit on GitHub]({notebooks.repository()}/blob/main/{source})")
    return '<p class="course-links">\n\n' + " · ".join(links) + "\n\n</p>\n"


def lay_out() -> None:
    """Write all that Sphinx reads into build/site-source."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCES)
    files = pages()
    staged = {*files, *(path.relative_to(SOURCES) for path in SOURCES.rglob("*.md"))}
    for page, file in files.items():
        write_text(_notebook(file, page, staged), SOURCES / page)
    _add_scripts(SOURCES / "_static")
    for page in SOURCES.rglob("*.md"):
        write_text(linked(page.read_text(), Path("docs") / page.relative_to(SOURCES), staged), page)


def _add_scripts(static: Path) -> None:
    """Put beside the course's own scripts what they need: MathJax, onnxruntime, and the models."""
    mathjax, runtime = packages() / "mathjax" / "es5", packages() / "onnxruntime-web" / "dist"
    wanted = {
        "mathjax": [mathjax / "tex-svg-full.js"],
        "live/ort": [runtime / f"{name}.mjs" for name in ("ort.wasm.min", "ort-wasm-simd-threaded")]
        + [runtime / "ort-wasm-simd-threaded.wasm"],
        "live/models": [*sorted(MODELS.glob("*.onnx")), *sorted(MODELS.glob("*.json"))],
    }
    for folder, files in wanted.items():
        (static / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(file, static / folder)


def main() -> int:
    os.environ["COURSE_REPOSITORY"] = notebooks.repository()
    lay_out()
    return build_main(
        ["-b", "html", "-W", "--keep-going", "-j", "auto", "-q", "-d", str(DOCTREES), str(SOURCES), str(SITE)]
    )


if __name__ == "__main__":
    sys.exit(main())
