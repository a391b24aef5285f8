"""The PixelCNN's page predicts and draws pixel by pixel as the Python model does."""

import pytest
import torch

from course_utils.data import load
from course_utils.models.autoregressive.levels import complete_images, to_levels, to_unit, uniforms
from publish.live import pixelcnn
from publish.live.export import read_data, weights
from tests.site.live import changed_by, milliseconds

pytestmark = pytest.mark.browser
V = pixelcnn.NUM_LEVELS


@pytest.fixture(scope="module")
def model():
    model = pixelcnn.build().eval()
    stored = weights("pixelcnn")
    model.load_state_dict({name: stored[name] for name in model.state_dict()})
    return model


def test_digits_are_test_images_that_the_model_has_not_seen():
    test = load("digits").test
    for digit in read_data("pixelcnn"):
        x = to_unit(torch.tensor(digit["levels"]), V).view(1, 1, 8, 8)
        same = (test.x == x).flatten(1).all(1)
        assert digit["label"] in test.y[same].tolist()


def test_logits_are_those_of_python(figure, model):
    _, compute = figure("pixelcnn")
    for digit in read_data("pixelcnn")[:3]:
        x = to_unit(torch.tensor(digit["levels"]), V).view(1, 1, 8, 8)
        with torch.no_grad():
            expected = model(x).flatten()
        torch.testing.assert_close(torch.tensor(compute("logits", digit["levels"])), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("missing", ["lower half", "upper half", "a hole", "all"])
def test_completion_is_that_of_python_step_by_step_and_keeps_what_is_known(figure, model, missing):
    _, compute = figure("pixelcnn")
    known = torch.ones(8, 8, dtype=torch.bool)
    rows, columns = {"lower half": ((4, 8), (0, 8)), "upper half": ((0, 4), (0, 8)), "a hole": ((2, 5), (3, 6))}.get(
        missing, ((0, 8), (0, 8))
    )
    known[slice(*rows), slice(*columns)] = False
    for seed, digit in enumerate(read_data("pixelcnn")[:4]):
        levels = torch.tensor(digit["levels"])
        x = to_unit(levels, V).view(1, 1, 8, 8)
        uniform = uniforms(x, torch.Generator().manual_seed(seed))
        expected = complete_images(model, x, known, torch.Generator().manual_seed(seed))
        found = torch.tensor(compute("complete", levels.tolist(), known.flatten().tolist(), uniform.flatten().tolist()))
        assert torch.equal(found[known.flatten()], levels[known.flatten()])
        assert torch.equal(found, to_levels(expected, V).flatten())
        assert missing == "a hole" or not torch.equal(found, levels)


def test_a_pixel_takes_less_than_20_ms(figure):
    page, _ = figure("pixelcnn")
    image = "complete(Array(64).fill(0), Array(64).fill(false), Array(64).fill(0.5))"
    assert milliseconds(page, image, 5) / 64 < 20


def test_page_rubs_out_by_pointer_and_keys_and_completes(figure):
    page, _ = figure("pixelcnn")
    picture, said = page.locator(".live-canvas").first, page.locator(".live-said")
    page.get_by_role("button", name="Whole again").click()
    assert said.inner_text().startswith("0 of 64")
    box = picture.bounding_box()
    cell = box["width"] / 8
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 6.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 4.5 * cell, box["y"] + 6.5 * cell, steps=6)
    page.mouse.up()
    assert said.inner_text().startswith("3 of 64")
    picture.focus()
    for key in ("ArrowUp", "Enter", "ArrowLeft", " ", "ArrowDown", " "):  # the last one brings a pixel back
        page.keyboard.press(key)
    assert said.inner_text().startswith("4 of 64")
    assert changed_by(page, lambda: page.get_by_role("button", name="Complete").click(), 1)
    page.wait_for_function("document.querySelector('.live-said').textContent.startsWith('Pixel 4 of 4')")
    look = page.get_by_label("look back")
    assert changed_by(page, lambda: look.press("ArrowLeft"), 1)
    assert "Pixel 3 of 4 (row 7, column 5)" in said.inner_text()
    page.get_by_label("digit").select_option("8")
    assert said.inner_text().startswith("4 of 64")
    assert look.is_disabled()
