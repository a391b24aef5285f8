"""Masks tap by tap against their definition in words, and the convolution by its Jacobian."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models.autoregressive.masked import MaskedConv2d, causal_mask

CASES = [(1, 1, 1, 1), (1, 4, 7, 1), (5, 2, 3, 1), (3, 6, 5, 3), (6, 3, 1, 3), (9, 6, 3, 3), (4, 6, 3, 2), (3, 3, 3, 1)]


def is_visible(mask_type, color_out, color_in, row, column, centre) -> bool:
    """The definition: earlier rows; this row, further left; at the pixel the earlier colours, and in B the same."""
    if row != centre:
        return row < centre
    if column != centre:
        return column < centre
    return color_in < color_out or (mask_type == "B" and color_in == color_out)


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize(("in_channels", "out_channels", "kernel_size", "num_colors"), CASES)
def test_every_tap(mask_type, in_channels, out_channels, kernel_size, num_colors):
    mask = causal_mask(mask_type, in_channels, out_channels, kernel_size, num_colors)
    assert mask.shape == (out_channels, in_channels, kernel_size, kernel_size)
    for o in range(out_channels):
        for c in range(in_channels):
            for row in range(kernel_size):
                for column in range(kernel_size):
                    color_out, color_in = o * num_colors // out_channels, c * num_colors // in_channels
                    due = is_visible(mask_type, color_out, color_in, row, column, kernel_size // 2)
                    assert mask[o, c, row, column].item() == due, (o, c, row, column)


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize(("in_channels", "out_channels", "kernel_size", "num_colors"), CASES)
def test_the_output_moves_with_what_is_visible_only(mask_type, in_channels, out_channels, kernel_size, num_colors):
    torch.manual_seed(1)
    conv = MaskedConv2d(mask_type, in_channels, out_channels, kernel_size, num_colors).double()
    size, centre = kernel_size + 2, kernel_size // 2
    x = torch.randn(1, in_channels, size, size, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(conv, x)[0, :, :, :, 0]
    assert jacobian.shape == (out_channels, size, size, in_channels, size, size)
    for o in range(out_channels):
        for c in range(in_channels):
            color_out, color_in = o * num_colors // out_channels, c * num_colors // in_channels
            for i, j, i_in, j_in in torch.cartesian_prod(*[torch.arange(size)] * 4).tolist():
                row, column = i_in - i + centre, j_in - j + centre
                reached = 0 <= row < kernel_size and 0 <= column < kernel_size
                due = reached and is_visible(mask_type, color_out, color_in, row, column, centre)
                assert (jacobian[o, i, j, c, i_in, j_in].item() != 0) == due


def test_it_is_a_convolution_with_the_masked_weight():
    torch.manual_seed(2)
    conv = MaskedConv2d("B", 3, 6, 5, 3)
    x = torch.randn(2, 3, 8, 7)
    due = F.conv2d(x, conv.weight * causal_mask("B", 3, 6, 5, 3), conv.bias, padding=2)
    assert conv(x).shape == (2, 6, 8, 7)
    assert torch.equal(conv(x), due)
    assert torch.equal(conv(x), due)  # twice the same
    assert MaskedConv2d("A", 1, 2, 5, padding=0)(x[:, :1]).shape == (2, 2, 4, 3)
    assert MaskedConv2d("A", 1, 2, 5, dilation=2)(x[:, :1]).shape == (2, 2, 8, 7)
    assert MaskedConv2d("A", 1, 2, 3, bias=False).bias is None


def test_using_training_and_loading_change_no_hidden_tap_and_let_none_through():
    torch.manual_seed(3)
    conv = MaskedConv2d("A", 1, 4, 3)
    weight = conv.weight.detach().clone()
    conv(torch.randn(1, 1, 4, 4))
    assert torch.equal(conv.weight, weight)
    optimizer = torch.optim.Adam(conv.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        conv(torch.randn(2, 1, 4, 4)).pow(2).sum().backward()
        optimizer.step()
    hidden = causal_mask("A", 1, 4, 3) == 0
    assert torch.equal(conv.weight[hidden], weight[hidden])
    assert not (conv.weight[~hidden] == weight[~hidden]).any()

    plain = nn.Conv2d(1, 4, 3)
    assert conv.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(conv.state_dict())
    other = MaskedConv2d("A", 1, 4, 3)
    other.load_state_dict(plain.state_dict())
    x = torch.randn(1, 1, 4, 4)
    for same in (other, copy.deepcopy(conv), other.eval()):
        assert torch.equal(same(x), conv(x))
    double = other.double()
    assert double(x.double()).dtype == torch.float64
    torch.testing.assert_close(double(x.double()).float(), conv(x))


def test_errors_name_what_came():
    with pytest.raises(ValueError, match='"A" or "B", got \'C\''):
        causal_mask("C", 1, 1, 3)
    for kernel_size in (0, 2, 4):
        with pytest.raises(ValueError, match=f"odd.*got {kernel_size}"):
            MaskedConv2d("A", 1, 1, kernel_size)
    with pytest.raises(ValueError, match="multiples of num_colors = 3, got 4 and 6"):
        causal_mask("A", 4, 6, 3, 3)
    with pytest.raises(ValueError, match="multiples of num_colors = 3, got 6 and 4"):
        causal_mask("A", 6, 4, 3, 3)
    with pytest.raises(ValueError, match="num_colors = 0"):
        causal_mask("A", 1, 1, 3, 0)
    with pytest.raises(ValueError, match="'groups': 2"):
        MaskedConv2d("A", 2, 2, 3, groups=2)
    with pytest.raises(ValueError, match="'padding_mode': 'circular'"):
        MaskedConv2d("A", 1, 1, 3, padding_mode="circular")
