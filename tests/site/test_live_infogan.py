"""The InfoGAN's page draws what the Python model draws, and follows its controls."""

import pytest
import torch

from course_utils.models.adversarial.infogan import Codes
from publish.live import infogan
from publish.live.export import weights
from tests.site.live import changed_by, milliseconds

pytestmark = pytest.mark.browser


def trained():
    model = infogan.build().eval()
    stored = weights("infogan")
    names = model.generator.state_dict()
    found = {name: stored[f"generator.{name}"] for name in names if "num_batches" not in name}
    missing = model.generator.load_state_dict(found, strict=False).missing_keys
    assert all("num_batches" in name for name in missing)
    return model


def test_images_are_those_of_python_for_every_category(figure):
    page, compute = figure("infogan")
    model = trained()
    categories = torch.arange(10)[:, None]
    for seed, values in enumerate([[0.0, 0.0], [1.5, -1.5], [-0.7, 0.2]]):
        noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(seed))
        codes = Codes(categories, torch.tensor([values]).expand(10, -1))
        with torch.no_grad():
            expected = (model.generate(noise.expand(10, -1), codes) + 1) / 2
        found = torch.tensor(compute("images", noise[0].tolist(), values))
        torch.testing.assert_close(found, expected.flatten(), atol=1e-4, rtol=0)
    assert milliseconds(page, "images([0.1, 0.2, 0.3, 0.4], [0.5, -0.5])") < 50


def test_controls_change_the_digit(figure):
    page, _ = figure("infogan")
    said = page.locator(".live-said")
    assert said.inner_text() == "category 0, values (0.00, 0.00)"
    page.get_by_role("combobox").select_option("7")
    assert said.inner_text().startswith("category 7")
    assert changed_by(page, lambda: [page.get_by_label("first value").press("ArrowRight") for _ in range(20)], 0)
    assert changed_by(page, lambda: [page.get_by_label("second value").press("ArrowLeft") for _ in range(20)], 0)
    assert said.inner_text() == "category 7, values (1.00, -1.00)"
    assert changed_by(page, lambda: page.get_by_role("button", name="New noise").click(), 0)
    box = page.locator(".live-canvas").nth(1).bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"])
    assert said.inner_text().startswith("category 2")
    assert page.get_by_role("combobox").input_value() == "2"
