"""A real browser, and the built site served to it, for `make test-site`."""

import functools
import http.server
import json
import shutil
import threading

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from course_utils.notebooks import ROOT

SITE = ROOT / "build" / "site"


@pytest.fixture(scope="session")
def browser() -> Browser:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.exit("no browser on the PATH: on Debian, apt-get install chromium", returncode=3)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address() -> str:
    """The site's address; below a folder, as GitHub Pages serves it."""
    if not (SITE / "index.html").exists():
        pytest.exit("build/site is not there: run make site slides first", returncode=3)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix("/course")) if path.startswith("/course/") else "/nowhere"

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/course/"
    server.shutdown()


class Watched:
    """A page, and what went wrong in it."""

    def __init__(self, page: Page, address: str):
        self.page, self.troubles = page, []
        page.on("console", lambda message: self._note(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("requestfailed", lambda request: self._note(f"no answer: {request.url}"))
        page.on(
            "response", lambda answer: self._note(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
        )
        local = (address, "data:", "blob:")
        page.on("request", lambda asked: None if asked.url.startswith(local) else self._note(f"elsewhere: {asked.url}"))

    def _note(self, trouble: str) -> None:
        self.troubles.append(trouble)


@pytest.fixture
def visit(browser, address):
    """Open a page of the site by its path; what goes wrong in any of them fails the test."""
    visited = []

    def open_page(path: str, width: int = 1280, height: int = 720) -> Page:
        watched = Watched(browser.new_page(viewport={"width": width, "height": height}), address)
        visited.append(watched)
        watched.page.goto(address + path, wait_until="load")
        return watched.page

    yield open_page
    troubles = [trouble for watched in visited for trouble in watched.troubles]
    for watched in visited:
        watched.page.close()
    assert troubles == []


@pytest.fixture
def figure(visit):
    """Open a figure's page and wait until it is ready; return the page and a way to call what it computes."""

    def open_figure(name: str):
        page = visit(f"live/{name}.html")
        page.wait_for_selector(f'figure.live[data-name="{name}"][data-ready=true]', timeout=30_000)

        def compute(function: str, *arguments):
            call = f"""async () => {{
                const figure = document.querySelector('figure.live[data-name="{name}"]');
                const result = await figure.compute["{function}"](...{json.dumps(arguments)});
                return ArrayBuffer.isView(result) ? Array.from(result) : result;
            }}"""
            return page.evaluate(call)

        return page, compute

    return open_figure
