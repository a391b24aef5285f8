"""What the tests of live figures share: whether a picture changes, and how long a call takes."""

from collections.abc import Callable

from playwright.sync_api import Page


def changed_by(page: Page, action: Callable[[], object], canvas: int = -1) -> bool:
    """Whether an action changes the picture of one of the figure's canvases."""
    shown = page.locator(".live-canvas").nth(canvas)
    before = shown.screenshot()
    action()
    page.wait_for_timeout(150)
    return shown.screenshot() != before


def milliseconds(page: Page, call: str, times: int = 50) -> float:
    """The median time of a call of the figure's functions, written in JavaScript."""
    script = f"""async () => {{
        const {{ compute }} = document.querySelector("figure.live"), taken = [];
        for (let n = 0; n < {times}; n++) {{
            const start = performance.now();
            await compute.{call};
            taken.push(performance.now() - start);
        }}
        return taken.sort((a, b) => a - b)[{times // 2}];
    }}"""
    found = page.evaluate(script)
    print(f"{call}: {found:.2f} ms, median of {times}")
    return found
