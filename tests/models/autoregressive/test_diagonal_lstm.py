"""The Diagonal BiLSTM against its recursion, pixel by pixel; skewing, steps and context by Jacobian, in float64."""

import pytest
import torch
from torch.autograd.functional import jacobian

from course_utils.models.autoregressive.diagonal_lstm import DiagonalBiLSTM, skew, unskew


def random_layer(*args, seed=0):
    torch.manual_seed(seed)
    layer = DiagonalBiLSTM(*args).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.6)
    return layer


def naive_sweep(maps, matrix):
    """h(r, j) from h(r, j - 1) and h(r - 1, j), from left to right: maps (B, 4 h, H, W) to (B, h, H, W)."""
    batch, num_gates, height, width = maps.shape
    hidden_dim = num_gates // 4
    zero = torch.zeros(batch, hidden_dim, dtype=maps.dtype)
    h, c = {}, {}
    for r in range(height):
        for j in range(width):
            gates = maps[:, :, r, j]
            gates = gates + h.get((r, j - 1), zero) @ matrix[:, :hidden_dim].T
            gates = gates + h.get((r - 1, j), zero) @ matrix[:, hidden_dim:].T
            o, f, i, g = gates.chunk(4, dim=1)
            c[r, j] = torch.sigmoid(f) * c.get((r, j - 1), zero) + torch.sigmoid(i) * torch.tanh(g)
            h[r, j] = torch.sigmoid(o) * torch.tanh(c[r, j])
    return torch.stack([torch.stack([h[r, j] for j in range(width)], -1) for r in range(height)], -2)


def naive_diagonal_bilstm(layer, x):
    conv = layer.input_to_state
    maps = torch.einsum("oi,birj->borj", conv.weight[:, :, 0, 0], x) + conv.bias[:, None, None]
    right, left = maps.chunk(2, dim=1)
    from_left = naive_sweep(right, layer.state_to_state[0])
    from_right = naive_sweep(left.flip(-1), layer.state_to_state[1]).flip(-1)
    out = from_left.clone()
    out[:, :, 1:] += from_right[:, :, :-1]
    return out


@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (6, 3), (1, 5), (5, 1)])
def test_against_the_recursion(shape):
    layer = random_layer(3, 4)
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), naive_diagonal_bilstm(layer, x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (5, 2), (1, 4), (4, 1)])
def test_skew(shape):
    height, width = shape
    x = torch.rand(2, *shape) + 1
    skewed = skew(x)
    assert skewed.shape == (2, height, height + width - 1)
    for r in range(height):
        assert torch.equal(skewed[:, r, r : r + width], x[:, r])
    assert torch.count_nonzero(skewed) == x.numel()
    assert torch.equal(unskew(skewed), x)


def test_skew_of_inner_axes():
    x = torch.rand(2, 3, 4, 5, 6)
    skewed = skew(x, dim=-3)
    assert torch.equal(skewed, skew(x.movedim(-1, 0)).movedim(0, -1))
    assert torch.equal(unskew(skewed, dim=-3), x)
    assert torch.equal(skew(x, dim=-4), skew(x.flatten(-2), dim=-3).unflatten(-1, (5, 6)))


@pytest.mark.parametrize("shape", [(5, 5), (3, 7)])
def test_number_of_steps(shape, monkeypatch):
    layer = random_layer(1, 2)
    steps = []
    step = layer.step
    monkeypatch.setattr(layer, "step", lambda *args: steps.append(1) or step(*args))
    layer(torch.randn(2, 1, *shape, dtype=torch.float64))
    assert len(steps) == sum(shape) - 1  # 2 N - 1 for a square


def test_sees_exactly_all_earlier_pixels_and_itself():
    height, width = 4, 5
    layer = random_layer(1, 2)
    x = torch.randn(1, 1, height, width, dtype=torch.float64)
    sensitivity = jacobian(layer, x).abs().sum((0, 1, 4, 5)).view(height * width, height * width)
    assert torch.equal(sensitivity > 0, torch.ones_like(sensitivity).tril().bool())


def test_colors_see_themselves_and_those_before():
    layer = random_layer(6, 3, 3)
    x = torch.randn(1, 6, 3, 3, dtype=torch.float64)
    sensitivity = jacobian(layer, x).abs().sum((0, 4))  # (3, H, W, 6, H, W)
    sensitivity = sensitivity.permute(1, 2, 0, 4, 5, 3).unflatten(-1, (3, 2)).sum(-1).reshape(27, 27)
    # In the order of pixels, and at each pixel of colours, nothing later is seen, and all else is.
    assert torch.equal(sensitivity > 0, torch.ones_like(sensitivity).tril().bool())


@pytest.mark.parametrize("num_colors", [1, 3])
def test_gate_bias_adds_to_the_input_to_state_map(num_colors):
    layer = random_layer(6, 3, num_colors)
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    bias = torch.randn(layer.gate_channels, dtype=torch.float64)
    with torch.no_grad():
        biased = layer(x, bias[None, :, None, None].expand(2, -1, 3, 4))
        assert not torch.allclose(biased, layer(x))
        layer.input_to_state.bias += bias
        torch.testing.assert_close(layer(x), biased, rtol=0, atol=1e-13)


def test_gate_bias_stays_at_its_pixel():
    """A bias that only some pixels get is seen there and later, in both directions."""
    layer = random_layer(1, 2)
    x = torch.randn(1, 1, 3, 4, dtype=torch.float64)
    zeros = torch.zeros(1, layer.gate_channels, 3, 4, dtype=torch.float64)
    sensitivity = jacobian(lambda bias: layer(x, bias), zeros).abs().sum((0, 1, 4, 5)).view(12, 12)
    assert torch.equal(sensitivity > 0, torch.ones(12, 12).tril().bool())


def test_errors_name_what_came():
    with pytest.raises(ValueError, match="multiples of 3 colours, got 4, 6"):
        DiagonalBiLSTM(6, 4, 3)
    with pytest.raises(ValueError, match=r"at least 4 columns, got \(4, 3\)"):
        unskew(torch.zeros(4, 3))
