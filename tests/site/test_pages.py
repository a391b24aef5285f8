"""Every page of the site loads cleanly, with its maths set, its images there and its links alive."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pytest

from course_utils.notebooks import ROOT

SITE = ROOT / "build" / "site"
PAGES = sorted(
    path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if path.relative_to(SITE).parts[0] != "slides"
)
READ = [page for page in PAGES if not page.startswith("reference/")]  # reference pages are alike: two stand for all
SOLUTIONS = sorted(ROOT.glob("solutions/*/*.py"))


class Links(HTMLParser):
    """What a page refers to, and the anchors it has."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        for name in ("href", "src"):
            if values.get(name):
                self.found.append(values[name])


@pytest.mark.browser
@pytest.mark.parametrize("path", [*READ, "reference.html", "reference/course_utils.models.latent.vae.html"])
def test_page_loads_cleanly_with_its_maths_and_images(visit, path):
    page = visit(path)
    page.wait_for_function("!window.MathJax || (MathJax.startup && MathJax.startup.promise)")
    page.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise; }")
    broken = page.evaluate("[...document.images].filter(i => i.loading !== 'lazy' && !i.naturalWidth).map(i => i.src)")
    assert broken == []
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    unset = page.evaluate(
        r"""() => [...document.querySelectorAll(".math")].filter(part => !part.querySelector("mjx-container"))
                  .map(part => part.textContent)"""
    )
    assert unset == []
    assert page.title()


@pytest.mark.browser
def test_no_link_within_the_site_is_broken():
    parsed = {page: Links((SITE / page).read_text()) for page in PAGES}
    broken = []
    for page, links in parsed.items():
        for link in links.found:
            address, anchor = urldefrag(link)
            if urlparse(address).scheme or link.startswith("//"):
                continue
            target = (SITE / page).parent / unquote(address.partition("?")[0]) if address else SITE / page
            target = Path(target).resolve()
            if target.is_dir():
                target /= "index.html"
            name = target.relative_to(SITE.resolve()).as_posix() if target.is_relative_to(SITE.resolve()) else ""
            if not target.exists() or (anchor and name in parsed and unquote(anchor) not in parsed[name].anchors):
                broken.append((page, link))
    assert broken == []


@pytest.mark.browser
def test_search_finds_reparameterization(visit):
    page = visit("search.html?q=reparameterization")
    page.wait_for_selector("#search-results li a", timeout=30_000)
    titles = page.locator("#search-results li a").all_inner_texts()
    assert any("Variational autoencoders" in title for title in titles), titles


@pytest.mark.browser
@pytest.mark.parametrize("path", ["index.html", "lectures/10_vae.html", "assignments/a3_vae/a3_vae.html"])
def test_pages_fit_a_phone(visit, path):
    page = visit(path, width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_dark_mode_darkens(visit):
    page = visit("index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    light = page.evaluate(background)
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(background) != light


@pytest.mark.browser
def test_nothing_of_the_solutions_is_on_the_site():
    """Neither the answers, marked in the sources, nor the hidden tests."""
    secrets = []
    for source in SOLUTIONS:
        hidden = False
        for line in source.read_text().splitlines():
            if "### BEGIN" in line:
                hidden = True
            elif "### END" in line:
                hidden = False
            elif hidden and len(line.strip()) > 25 and not line.strip().startswith("#"):
                secrets.append(line.strip())
    assert len(secrets) > 50
    pages = {page: (SITE / page).read_text() for page in PAGES if page.startswith(("assignments/", "lectures/"))}
    pages |= (
        {path.name: path.read_text() for path in (SITE / "_sources").rglob("*") if path.is_file()}
        if (SITE / "_sources").exists()
        else {}
    )
    assert not list(SITE.rglob("*solutions*"))
    plain = {name: " ".join(_text(text).split()) for name, text in pages.items() if name.startswith("assignments/")}
    assert plain
    shown = [(secret, name) for secret in secrets for name, text in plain.items() if " ".join(secret.split()) in text]
    assert shown == []


class _Text(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.parts: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _text(page: str) -> str:
    return "".join(_Text(page).parts)
