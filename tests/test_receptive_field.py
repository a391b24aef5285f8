"""Receptive fields against networks whose dependence is known."""

import pytest
import torch
from torch import nn

from course_utils.receptive_field import receptive_field


def test_gradient_of_a_convolution_is_its_kernel():
    network = nn.Conv2d(2, 3, 3, padding=1).double()
    field = receptive_field(network, (2, 5, 6), (2, 3), channel=1)
    expected = torch.zeros(2, 5, 6, dtype=torch.float64)
    expected[:, 1:4, 2:5] = network.weight[1].detach().abs()
    assert torch.allclose(field, expected, atol=1e-14)


def test_all_channels_and_levels_count():
    network = nn.Conv2d(1, 4, 3, padding=1).double()
    field = receptive_field(lambda x: network(x).unflatten(1, (2, 2)), (1, 3, 3), (1, 1))
    assert torch.allclose(field[0], network.weight.detach().abs().sum(0)[0], atol=1e-14)


def test_gradients_of_opposite_sign_do_not_cancel():
    field = receptive_field(lambda x: torch.cat([x, -x], dim=1), (1, 2, 2), (0, 1))
    assert torch.equal(field, torch.tensor([[[0.0, 2.0], [0.0, 0.0]]], dtype=torch.float64))


def test_is_repeatable_and_leaves_the_generator():
    before = torch.get_rng_state()
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Tanh()).double()
    torch.set_rng_state(before)
    first, second = (receptive_field(network, (1, 4, 4), (1, 1)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("pixel", "channel", "words"), [((3, 0), None, r"3x4, got \(3, 0\)"), ((0, 0), 2, "0 to 1, got 2")]
)
def test_places_outside(pixel, channel, words):
    with pytest.raises(ValueError, match=words):
        receptive_field(lambda x: x, (2, 3, 4), pixel, channel)
