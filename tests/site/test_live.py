"""The live figures answer in time, to pointer and keys, and compute what the Python model computes."""

import pytest
import torch

from course_utils.models.autoregressive.masked import causal_mask
from course_utils.models.density.mixture import em_step, gmm_log_prob
from publish.live.export import weights
from publish.live.vae import build
from tests.site.live import changed_by, milliseconds

FIGURES = ["game", "infogan", "masks", "mixture", "pixelcnn", "vae"]

pytestmark = pytest.mark.browser


def test_vae_decodes_as_in_python_and_follows_pointer_and_keys(figure):
    page, compute = figure("vae")
    model = build().eval()
    stored = weights("vae")
    decoder = {name.removeprefix("decoder."): value for name, value in stored.items() if name.startswith("decoder.")}
    model.decoder.load_state_dict(decoder)
    for z in ([0.0, 0.0], [1.5, -2.0], [-3.0, 2.9]):
        expected = torch.sigmoid(model.decoder(torch.tensor([z]))).flatten()
        torch.testing.assert_close(torch.tensor(compute("image", z)), expected.detach(), atol=1e-4, rtol=0)
    assert milliseconds(page, "image([0.3, 0.4])") < 50
    plane = page.locator(".live-canvas").first
    box = plane.bounding_box()
    assert changed_by(page, lambda: page.mouse.click(box["x"] + 40, box["y"] + 60))
    plane.focus()
    assert changed_by(page, lambda: [page.keyboard.press("ArrowRight") for _ in range(8)])
    assert "z = (" in page.locator(".live-said").inner_text()


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize("size", [3, 5, 7])
def test_masks_are_those_of_python(figure, mask_type, size):
    from course_utils.receptive_field import receptive_field
    from course_utils.widgets.pixels import _stack

    page, compute = figure("masks")
    expected = causal_mask(mask_type, 1, 1, size)[0, 0].flatten()
    assert compute("causalMask", mask_type, size) == expected.tolist()
    for layers, (row, column) in ((1, (7, 7)), (3, (7, 7)), (4, (2, 13))):
        seen = receptive_field(_stack(mask_type, size, 1, layers), (1, 15, 15), (row, column), num_inputs=1)[0] > 0
        found = torch.tensor(compute("receptiveField", mask_type, size, layers, 15 * row + column)).reshape(15, 15)
        assert torch.equal(found.bool(), seen)
    assert milliseconds(page, 'receptiveField("A", 7, 8, 112)', 10) < 50


def test_mask_explorer_follows_pointer_keys_and_controls(figure):
    page, _ = figure("masks")
    field = page.locator(".live-canvas").nth(1)
    box = field.bounding_box()
    assert changed_by(page, lambda: page.mouse.click(box["x"] + 60, box["y"] + 200), 1)
    field.focus()
    assert changed_by(page, lambda: page.keyboard.press("ArrowUp"), 1)
    assert changed_by(page, lambda: page.get_by_label("kernel size").press("ArrowRight"), 0)
    assert changed_by(page, lambda: page.get_by_label("layers").press("ArrowRight"), 1)
    assert "itself" not in page.locator(".live-said").inner_text()
    page.get_by_label("first mask").select_option("B")
    assert "sees itself" in page.locator(".live-said").inner_text()


def test_em_steps_are_those_of_python(figure):
    _, compute = figure("mixture")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 2, generator=generator, dtype=torch.float64) * 2 - 1
    log_weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    mu = torch.rand(3, 2, generator=generator, dtype=torch.float64) - 0.5
    cov = torch.tensor([[0.3, 0.1], [0.1, 0.2]], dtype=torch.float64).repeat(3, 1, 1)
    components = [
        {"logWeight": w, "mu": m, "cov": c}
        for w, m, c in zip(log_weights.tolist(), mu.tolist(), cov.flatten(1).tolist(), strict=True)
    ]
    for _ in range(3):
        found = compute("meanLogProb", x.tolist(), components)
        assert found == pytest.approx(gmm_log_prob(x, log_weights, mu, cov).mean().item(), abs=1e-9)
        components = compute("emStep", x.tolist(), components, 1e-3)
        log_weights, mu, cov = em_step(x, log_weights, mu, cov, jitter=1e-3)
        for name, expected in (("logWeight", log_weights), ("mu", mu), ("cov", cov.flatten(1))):
            found = torch.tensor([component[name] for component in components], dtype=torch.float64)
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_mixture_takes_points_by_pointer_and_keys_and_fits_them(figure):
    page, _ = figure("mixture")
    said = page.locator(".live-said")
    box = page.locator(".live-canvas").bounding_box()
    assert said.inner_text().startswith("90 points, 0 steps")
    assert changed_by(page, lambda: page.mouse.click(box["x"] + 30, box["y"] + 30))
    assert said.inner_text().startswith("91 points")
    assert changed_by(page, lambda: page.get_by_role("button", name="Twenty steps").click())
    first = float(said.inner_text().split("=")[1].split()[0])
    page.get_by_role("button", name="Twenty steps").click()
    assert float(said.inner_text().split("=")[1].split()[0]) >= first
    page.get_by_role("button", name="No points").click()
    page.get_by_role("button", name="One step").click()
    assert "Set at least two points" in said.inner_text()
    page.locator(".live-canvas").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert said.inner_text().startswith("2 points")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_work_on_a_phone_and_have_a_description(visit, name):
    page = visit(f"live/{name}.html", width=390, height=844)
    page.wait_for_selector(f'figure.live[data-name="{name}"][data-ready=true]', timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert len(page.locator("figure.live figcaption").inner_text()) > 80
    for canvas in page.locator(".live-canvas").all():
        assert canvas.get_attribute("aria-label")
        assert canvas.bounding_box()["width"] <= 390
