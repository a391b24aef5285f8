"""Diagonal BiLSTM: two LSTMs that sweep an image along its diagonals, one from each upper corner.

    [o, f, i, g](r, j) = [sigmoid, sigmoid, sigmoid, tanh](K_left h(r, j-1) + K_above h(r-1, j) + K_is x(r, j))
    c(r, j) = f c(r, j-1) + i g,    h(r, j) = o tanh(c(r, j))

and its mirror image, which runs from right to left. Skewing the image, row r by r places to the right, turns diagonals
into columns: h(r, j-1) and h(r-1, j) both lie in the column before, and a whole column is one step, a 2 x 1
convolution. An H x W image takes H + W - 1 steps, 2N - 1 for N x N.

At (r, j) the mirrored sweep has read (r, j+1), which comes later. So its output moves down by one row before it is
added: pixel (r, j) gets what it knew at (r - 1, j). Together, the two have read the features of all earlier pixels and
of this one, and nothing else.

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (PixelRNN, arXiv 1601.06759), section 3.2 and equation 3.
Shapes: features (B, F, H, W) to hidden states (B, hidden_dim, H, W); one diagonal's gates (2, 4 hidden_dim, H, B).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.autoregressive.masked import MaskedConv2d
from course_utils.models.autoregressive.row_lstm import gates_by_color, lstm_update


def skew(x: Tensor, dim: int = -2) -> Tensor:
    """Shift row r of x by r places to the right: (..., H, W, ...) to (..., H, H + W - 1, ...), elsewhere zeros.

    dim is the axis of rows, counted from the end, and dim + 1 that of columns.
    """
    height, width = x.shape[dim], x.shape[dim + 1]
    # Rows padded to H + W and read as rows of H + W - 1 each start one place later than the row before.
    padded = F.pad(x, (0, 0) * (-dim - 2) + (0, height)).flatten(dim, dim + 1)
    return padded.narrow(dim + 1, 0, padded.shape[dim + 1] - height).unflatten(dim + 1, (height, height + width - 1))


def unskew(x: Tensor, dim: int = -2) -> Tensor:
    """Undo `skew`: (..., H, H + W - 1, ...) to (..., H, W, ...). Raises ValueError for maps narrower than high."""
    height, skewed_width = x.shape[dim], x.shape[dim + 1]
    if skewed_width < height:
        raise ValueError(f"a skewed map of {height} rows must have at least {height} columns, got {tuple(x.shape)}")
    padded = F.pad(x.flatten(dim, dim + 1), (0, 0) * (-dim - 2) + (0, height))
    return padded.unflatten(dim + 1, (height, skewed_width + 1)).narrow(dim + 1, 0, skewed_width + 1 - height)


class DiagonalBiLSTM(nn.Module):
    """One Diagonal BiLSTM layer.

    Args:
        in_channels: the channels F of its input.
        hidden_dim: the channels of h and c, in each direction.
        num_colors: groups of channels, of input and hidden states alike: a group sees itself and those before it.
    """

    def __init__(self, in_channels: int, hidden_dim: int, num_colors: int = 1):
        super().__init__()
        if hidden_dim < 1 or hidden_dim % num_colors or in_channels % num_colors:
            raise ValueError(
                f"hidden_dim and in_channels must be multiples of {num_colors} colours, got {hidden_dim}, {in_channels}"
            )
        self.hidden_dim = hidden_dim
        self.num_colors = num_colors
        self.gate_channels = 8 * hidden_dim
        # Both directions share every call: one masked convolution, and a pair of matrices in each step.
        self.input_to_state = MaskedConv2d("B", in_channels, self.gate_channels, 1, num_colors)
        bound = (2 * hidden_dim) ** -0.5
        self.state_to_state = nn.Parameter(torch.empty(2, 4 * hidden_dim, 2 * hidden_dim).uniform_(-bound, bound))

    def forward(self, features: Tensor, gate_bias: Tensor | None = None) -> Tensor:
        """Return the hidden states of both directions, summed: (B, hidden_dim, H, W), of features (B, F, H, W).

        gate_bias, (B, 8 hidden_dim, H, W), is added to the input-to-state maps (section 3.6: conditioning).
        """
        batch, _, height, width = features.shape
        # With the batch as the last axis, skewing and every step move whole blocks of memory. A 1 x 1 convolution takes
        # columns and batch for one long axis.
        maps = self.input_to_state(features.permute(1, 2, 3, 0).reshape(1, -1, height, width * batch))
        maps = gates_by_color(maps, 8, self.num_colors).view(2, -1, height, width, batch)
        if gate_bias is not None:
            maps = maps + gates_by_color(gate_bias, 8, self.num_colors).permute(1, 2, 3, 0).unflatten(0, (2, -1))
        # Skewing maps, biases included, leaves zeros beside the image, and from zeros states of zero.
        maps = skew(torch.stack([maps[0], maps[1].flip(2)]), dim=-3)
        h = c = maps.new_zeros(2, self.hidden_dim, height, batch)
        diagonals = []
        for diagonal in maps.unbind(3):
            h, c = self.step(diagonal, h, c)
            diagonals.append(h)
        rightward, leftward = unskew(torch.stack(diagonals, dim=3), dim=-3).permute(0, 4, 1, 2, 3)
        return rightward + F.pad(leftward.flip(3), (0, 0, 1, -1))

    def step(self, diagonal: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return h and c of a diagonal in both directions, (2, hidden_dim, H, B), from its input-to-state map
        (2, 4 hidden_dim, H, B) and the states of the diagonal before."""
        above = F.pad(h, (0, 0, 1, -1))
        from_state = self.state_to_state @ torch.cat([h, above], dim=1).flatten(2)
        return lstm_update(*(diagonal + from_state.view_as(diagonal)).chunk(4, dim=1), c)
