"""The Row LSTM against its equations, written out pixel by pixel, and its triangle by Jacobian, in float64."""

import pytest
import torch
from torch.autograd.functional import jacobian

from course_utils.models.autoregressive.row_lstm import RowLSTM


def random_layer(*args, seed=0, **kwargs):
    torch.manual_seed(seed)
    layer = RowLSTM(*args, **kwargs).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.6)
    return layer


def naive_row_lstm(layer, x):
    """Equation 3, for one colour: each gate at each pixel as a sum over the columns that the kernels reach."""
    weight, bias = layer.input_to_state.weight.squeeze(2), layer.input_to_state.bias
    state_weight = layer.state_to_state.weight
    batch, _, height, width = x.shape
    reach = weight.shape[-1] // 2
    h = torch.zeros(batch, height + 1, width, layer.hidden_dim, dtype=x.dtype)  # row -1 stands last
    c = torch.zeros_like(h)
    for r in range(height):
        for j in range(width):
            gates = bias.expand(batch, -1)
            for u in range(-reach, reach + 1):
                if not 0 <= j + u < width:
                    continue
                if u <= 0:
                    gates = gates + x[:, :, r, j + u] @ weight[:, :, u + reach].T
                gates = gates + h[:, r - 1, j + u] @ state_weight[:, :, u + reach].T
            o, f, i, g = gates.chunk(4, dim=1)
            c[:, r, j] = torch.sigmoid(f) * c[:, r - 1, j] + torch.sigmoid(i) * torch.tanh(g)
            h[:, r, j] = torch.sigmoid(o) * torch.tanh(c[:, r, j])
    return h[:, :height].permute(0, 3, 1, 2)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_against_the_equations(kernel_size):
    layer = random_layer(3, 4, kernel_size=kernel_size)
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), naive_row_lstm(layer, x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_sees_exactly_its_triangle(kernel_size):
    layer = random_layer(1, 2, kernel_size=kernel_size)
    height, width, m = 4, 11, kernel_size // 2
    x = torch.randn(1, 1, height, width, dtype=torch.float64)
    sensitivity = jacobian(layer, x).abs().sum((0, 1, 4, 5))
    rows, columns = torch.arange(height), torch.arange(width)
    d = (rows[:, None] - rows)[:, None, :, None]  # output row - input row
    right = (columns - columns[:, None])[None, :, None, :]  # input column - output column
    triangle = (d >= 0) & (right >= -(d + 1) * m) & (right <= d * m)
    assert torch.equal(sensitivity > 0, triangle.expand_as(sensitivity))


def test_colors_see_themselves_and_those_before():
    layer = random_layer(6, 3, num_colors=3)
    x = torch.randn(1, 6, 2, 3, dtype=torch.float64)
    sensitivity = jacobian(layer, x).abs().sum((0, 4))  # (3, H, W, 6, H, W)
    sensitivity = sensitivity.unflatten(3, (3, 2)).sum(4)
    lower = torch.ones(3, 3).tril().bool()
    for r in range(2):
        for j in range(3):
            assert torch.equal(sensitivity[:, r, j, :, r, j] > 0, lower)
            if j:
                # k = 3 reaches one pixel to the left, all of whose colours come earlier.
                assert (sensitivity[:, r, j, :, r, j - 1] > 0).all()
    assert (sensitivity[:, 1, :, :, 0, 0] > 0)[:, :2].all()


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


def test_one_step_a_row(monkeypatch):
    layer = random_layer(1, 2)
    steps = []
    step = layer.step
    monkeypatch.setattr(layer, "step", lambda *args: steps.append(1) or step(*args))
    layer(torch.randn(2, 1, 5, 7, dtype=torch.float64))
    assert len(steps) == 5


def test_errors_name_what_came():
    with pytest.raises(ValueError, match="multiples of 3 colours, got 4, 6"):
        RowLSTM(6, 4, 3)
    with pytest.raises(ValueError, match="multiples of 3 colours, got 6, 4"):
        RowLSTM(4, 6, 3)
    with pytest.raises(ValueError, match="odd, got 4"):
        RowLSTM(6, 6, kernel_size=4)
