"""Every slide of every lecture fits a screen of 1280x720, legibly, and asks for nothing from elsewhere."""

import pytest

from course_utils import notebooks
from publish.slides import DECKS

LECTURES = [source.stem for source in notebooks.sources() if notebooks.is_lecture(source)]

# Of each page: by how much its content leaves the screen, the smallest letters, and broken or tiny pictures.
MEASURE = """() => {
  const slide = Reveal.getCurrentSlide(), found = { right: 0, bottom: 0, text: 99, code: 99, pictures: [] };
  for (const part of slide.querySelectorAll("h1, h2, .page, .page *")) {
    if (part.closest("mjx-assistive-mml")) continue;
    const box = part.getBoundingClientRect();
    if (!box.width) continue;
    found.right = Math.max(found.right, box.right);
    found.bottom = Math.max(found.bottom, box.bottom);
    const size = parseFloat(getComputedStyle(part).fontSize);
    if (part.matches("p, li")) found.text = Math.min(found.text, size);
    if (part.matches("pre")) found.code = Math.min(found.code, size);
    if (part.matches("img") && !(part.complete && part.naturalWidth && box.width > 300)) found.pictures.push(box.width);
  }
  found.unset = [...slide.querySelectorAll(".page p, .page li, h2")].map(part => part.textContent).filter(
    text => text.includes("$") || text.includes("\\\\frac"));
  found.broken = slide.querySelectorAll("mjx-merror, [data-mjx-error]").length;
  return found;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("name", LECTURES)
def test_every_slide_fits_the_screen(visit, name):
    page = visit(f"slides/{name}.html")
    page.wait_for_selector("body[data-ready=true]", timeout=60_000)
    count = page.evaluate("Reveal.getTotalSlides()")
    assert count >= 15
    faults = []
    for number in range(1, count + 1):
        found = page.evaluate(MEASURE)
        if found["right"] > 1280 or found["bottom"] > 720 or found["text"] < 15 or found["code"] < 10:
            faults.append((number, found))
        if found["pictures"] or found["unset"] or found["broken"]:
            faults.append((number, found))
        page.evaluate("Reveal.next()")
    assert page.evaluate("Reveal.isLastSlide()")
    assert faults == [], "\n".join(map(str, faults))


@pytest.mark.browser
def test_a_deck_is_one_file(browser):
    """Opened from the disk, where nothing else can be had, it starts all the same."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((DECKS / f"{LECTURES[0]}.html").as_uri())
    page.wait_for_selector("body[data-ready=true]", timeout=60_000)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [page.url.partition("#")[0]]
    page.close()
