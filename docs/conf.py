"""How Sphinx builds the course's site. `python -m publish.site` lays out its sources and calls it."""

import os
import re

project = "Deep generative models for computer vision"
author = "the course's authors"
copyright = "text and figures CC BY 4.0, code MIT"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
templates_path = ["_templates"]
exclude_patterns = ["_templates"]

# Notebooks are committed executed; the site shows what they show.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "training"}

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["course.css"]
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
mathjax_path = "mathjax/tex-svg-full.js"
html_theme_options = {
    "repository_url": os.environ["COURSE_REPOSITORY"],
    "repository_branch": "main",
    "use_edit_page_button": False,  # pages are staged elsewhere than they live: publish.site links the source itself
    "use_repository_button": True,
    "use_download_button": False,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
}
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]


def plain_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are plain text: equations set apart by indentation, stars and bars that mean what they are.

    Told to Sphinx as it wants it: indented blocks are shown as they stand, arguments listed without a heading are a
    list, and no sign is markup.
    """
    shown: list[str] = []
    inside = None  # of a "block" that stands as it is, an "argument", or a "section" that napoleon reads
    for line in lines:
        indented = line.startswith("    ")
        if line.strip() and not indented:
            before, inside = inside, "section" if re.match(r"(Args|Raises|Returns|Yields):$", line) else None
            argument = re.match(r"(\w[\w, ]*): (.+)", line) if what != "module" else None
            if argument and inside is None:
                inside = "argument"
                line = f"* **{argument[1]}**: {_escaped(argument[2])}"
            else:
                line = _escaped(line)
            if before != inside and shown and shown[-1]:  # markup begins and ends at an empty line
                shown.append("")
        elif indented and inside is None:
            inside = "block"
            shown += ["", "::", ""]
        elif indented and inside == "argument":
            line = f"  {_escaped(line.strip())}"
        elif indented and inside == "section":
            line = _escaped(line)
        shown.append(line)
    lines[:] = shown


def _escaped(line: str) -> str:
    return re.sub(r"(`[^`]*`)|([*|])", lambda match: match[1] or f"\\{match[2]}", line)


def setup(app) -> None:
    app.connect("autodoc-process-docstring", plain_text, priority=100)  # before napoleon
