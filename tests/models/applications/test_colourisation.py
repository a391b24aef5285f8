"""Colourisation: the luminance is the grey image, to rounding; hue is kept; no more chroma is lost than must be."""

import pytest
import torch
from torch import nn

from course_utils.models.applications.colourisation import Coloriser, keep_luminance, luminance

DOUBLE = torch.float64


def images(*shape, seed=0):
    return 2 * torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed)) - 1


def test_luminance_by_hand():
    x = images(2, 3, 4, 5)
    due = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    torch.testing.assert_close(luminance(x), due[:, None])


def test_the_grey_image_is_kept_and_the_range_too():
    colour, grey = 3 * images(4, 3, 8, 8), images(4, 1, 8, 8, seed=1)
    kept = keep_luminance(colour, grey)
    torch.testing.assert_close(luminance(kept), grey)
    assert kept.abs().max() <= 1 + 1e-12


def test_chroma_keeps_its_direction_and_is_the_longest_that_fits():
    colour, grey = images(2, 3, 8, 8), images(2, 1, 8, 8, seed=1)
    chroma, found = colour - luminance(colour), keep_luminance(colour, grey) - grey
    scale = (found * chroma).sum(1) / (chroma * chroma).sum(1)
    torch.testing.assert_close(found, scale[:, None] * chroma)
    shrunk = scale < 1 - 1e-9
    assert 0 < shrunk.double().mean() < 1
    assert (scale <= 1 + 1e-9).all()
    edge = (keep_luminance(colour, grey).abs() - 1).abs().amin(1)  # a shrunk pixel touches the range
    assert (edge[shrunk] < 1e-9).all()


def test_colours_of_the_right_luminance_are_left_alone_and_grey_stays_grey():
    colour = images(2, 3, 4, 4)
    torch.testing.assert_close(keep_luminance(colour, luminance(colour)), colour)
    grey = images(2, 1, 4, 4, seed=1)
    torch.testing.assert_close(keep_luminance(grey.expand(-1, 3, -1, -1), grey), grey.expand(-1, 3, -1, -1))
    unit = (colour + 1) / 2
    torch.testing.assert_close(keep_luminance(unit, (grey + 1) / 2, 0.0, 1.0), (keep_luminance(colour, grey) + 1) / 2)


def test_gradients_by_finite_differences():
    colour, grey = images(1, 3, 2, 2), images(1, 1, 2, 2, seed=1)
    assert torch.autograd.gradcheck(keep_luminance, (colour.requires_grad_(), grey.requires_grad_()))
    white = torch.ones(1, 1, 1, 1, dtype=DOUBLE)
    flat = torch.zeros(1, 3, 1, 1, dtype=DOUBLE, requires_grad=True)
    keep_luminance(flat, white).sum().backward()
    assert flat.grad.isfinite().all()


def test_coloriser_wraps_any_generator():
    network = nn.Conv2d(1, 3, 3, padding=1).double()
    grey = images(2, 1, 4, 4)
    colours = Coloriser(network)(grey)
    torch.testing.assert_close(luminance(colours), grey)
    torch.testing.assert_close(colours, keep_luminance(network(grey), grey))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: luminance(torch.zeros(1, 1, 2, 2)), r"must be \(B, 3, H, W\), got \(1, 1, 2, 2\)"),
        (lambda: keep_luminance(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)), r"need grey \(B, 1, H, W\)"),
        (lambda: keep_luminance(torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 3)), r"need grey \(B, 1, H, W\)"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
