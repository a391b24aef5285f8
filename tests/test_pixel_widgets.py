"""The mask explorer shows what masks let a pixel see; the sampler shows the image, and the odds, of its step."""

import matplotlib

matplotlib.use("agg")
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_utils.widgets import mask_explorer, pixel_sampler, pixels


def field_shown(ax):
    """The pixels that are not white, as offsets from the centre."""
    picture = np.asarray(ax.images[0].get_array())
    rows, columns = np.nonzero((picture < 0.999).any(-1))
    return set(zip((rows - pixels.SIDE // 2).tolist(), (columns - pixels.SIDE // 2).tolist(), strict=True))


def test_mask_explorer_follows_its_controls(drawn):
    box = mask_explorer()
    controls = {control.description: control for control in box.children[:-1]}
    controls["layers"].value = 1
    above = {(-1, -1), (-1, 0), (-1, 1), (0, -1)}
    assert field_shown(drawn[-1][1]) == above
    controls["first mask"].value = "B"
    assert field_shown(drawn[-1][1]) == above | {(0, 0)}
    controls["size"].value = 5
    assert field_shown(drawn[-1][1]) == {(i, j) for i in (-2, -1, 0) for j in range(-2, 3) if (i, j) <= (0, 0)}
    controls["size"].value, controls["layers"].value = 3, 2
    # Two layers of 3x3: the triangle above that widens by a pixel a row, and never the pixels to the right: blind.
    assert field_shown(drawn[-1][1]) == {(0, 0), (0, -1), (0, -2)} | {(-1, j) for j in range(-2, 2)} | {
        (-2, j) for j in range(-2, 3)
    }


def test_mask_explorer_shows_colours(drawn):
    box = mask_explorer()
    controls = {control.description: control for control in box.children[:-1]}
    controls["colours"].value = 3
    axes = drawn[-1]
    assert [ax.get_title() for ax in axes] == ["mask A", "seen by R at x", "seen by G at x", "seen by B at x"]
    assert axes[0].texts[0].get_text() == "R: -\nG: R\nB: RG"
    centre = [np.asarray(ax.images[0].get_array())[pixels.SIDE // 2, pixels.SIDE // 2] for ax in axes[1:]]
    assert np.allclose(centre, [[1, 1, 1], [0.9, 0.15, 0.15], [0.9, 0.9, 0.15]])
    controls["first mask"].value = "B"
    assert drawn[-1][0].texts[0].get_text() == "R: R\nG: RG\nB: RGB"


class Raster(torch.nn.Module):
    """Level 1 with probability sigmoid(2) if the pixel to the left has level 0, else sigmoid(-1)."""

    def forward(self, x):
        left = torch.nn.functional.pad(x, (1, 0))[..., :-1]
        return torch.stack([torch.zeros_like(x), 2 - 3 * left], dim=1)


def test_pixel_sampler_shows_the_odds_of_the_next_pixel(drawn):
    box = pixel_sampler(Raster(), (1, 3, 4))
    _, step, seed, _ = box.children
    step.value = 6
    image, bars = drawn[-1]
    assert image.get_title() == "6 of 12 pixels"
    assert bars.get_title() == "row 1, column 2"
    picture = np.asarray(image.images[0].get_array())
    done = picture.reshape(12, 3)[:6]
    assert set(done.flatten().tolist()) <= {0.0, 1.0}
    left = picture[1, 1, 0]
    (stairs,) = bars.patches
    odds = stairs.get_data().values[1]
    assert odds == pytest.approx(1 / (1 + np.exp(-(2 - 3 * left))), abs=1e-6)
    seed.value = 5
    assert not np.array_equal(picture, np.asarray(drawn[-1][0].images[0].get_array()))
    step.value = 12
    assert drawn[-1][0].get_title() == "12 of 12 pixels"


def test_without_a_front_end_there_are_figures():
    assert isinstance(mask_explorer(), Figure)
    shown = pixel_sampler(Raster(), (1, 3, 4))
    assert [ax.get_title() for ax in shown.axes] == [f"{n} of 12 pixels" for n in (0, 2, 5, 7, 10, 12)]


def test_an_image_of_two_channels():
    with pytest.raises(ValueError, match="1 or 3 channels was due, got 2"):
        pixel_sampler(Raster(), (2, 3, 4))
