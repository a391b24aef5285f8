"""How Sphinx builds the course's site. `python -m publish.site` lays out its sources and calls it."""

import os

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
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "training"}

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
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
