"""Row LSTM: an LSTM that reads an image from top to bottom, one whole row a step.

    [o, f, i, g] = [sigmoid, sigmoid, sigmoid, tanh](K_ss * h_{r-1} + K_is * x_r)
    c_r = f c_{r-1} + i g,    h_r = o tanh(c_r)

x_r, h_r and c_r are all the columns of row r. K_is is a 1 x k convolution masked (type B) to the pixel and its left;
K_ss is a 1 x k convolution over the row above, all of which comes earlier, and needs no mask. One layer sees a
triangle: with m = (k - 1) / 2, pixel (r, j) sees columns j - (d + 1) m to j + d m of row r - d, and misses earlier
pixels outside.

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (PixelRNN, arXiv 1601.06759), section 3.1 and equation 3.
Shapes: features (B, F, H, W) to hidden states (B, hidden_dim, H, W); one row's gates (B, 4 hidden_dim, W).
"""

import torch
from torch import Tensor, nn

from course_utils.models.autoregressive.masked import causal_mask


def lstm_update(output: Tensor, forget: Tensor, write: Tensor, content: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return h and c from the pre-activations of the gates o, f, i and of g, and the last c, all of one shape.

    van den Oord et al. 2016, equation 3.
    """
    cell = forget.sigmoid() * cell + write.sigmoid() * content.tanh()
    return output.sigmoid() * cell.tanh(), cell


def gates_by_color(maps: Tensor, num_gates: int, num_colors: int) -> Tensor:
    """Reorder channels of (B, num_gates hidden_dim, H, W) from groups of colours, as masks make them, to gates.

    Within each gate the colours then lie in order, so that hidden states are grouped by colour again.
    """
    return maps.unflatten(1, (num_colors, num_gates, -1)).transpose(1, 2).flatten(1, 3)


class RowLSTM(nn.Module):
    """One Row LSTM layer.

    Args:
        in_channels: the channels F of its input.
        hidden_dim: the channels of h and c.
        num_colors: groups of channels, of input and hidden states alike: a group sees itself and those before it.
        kernel_size: k, odd.
    """

    def __init__(self, in_channels: int, hidden_dim: int, num_colors: int = 1, kernel_size: int = 3):
        super().__init__()
        if hidden_dim < 1 or hidden_dim % num_colors or in_channels % num_colors:
            raise ValueError(
                f"hidden_dim and in_channels must be multiples of {num_colors} colours, got {hidden_dim}, {in_channels}"
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        self.hidden_dim = hidden_dim
        self.num_colors = num_colors
        self.gate_channels = 4 * hidden_dim
        padding = kernel_size // 2
        self.input_to_state = nn.Conv2d(in_channels, self.gate_channels, (1, kernel_size), padding=(0, padding))
        # Of a square causal mask, the middle row is the pixel's own.
        mask = causal_mask("B", in_channels, self.gate_channels, kernel_size, num_colors)
        self.register_buffer("mask", mask[:, :, padding : padding + 1].to(self.input_to_state.weight), persistent=False)
        # The bias of input_to_state serves both.
        self.state_to_state = nn.Conv1d(hidden_dim, self.gate_channels, kernel_size, padding=padding, bias=False)

    def forward(self, features: Tensor, gate_bias: Tensor | None = None) -> Tensor:
        """Return the hidden states, (B, hidden_dim, H, W), of features (B, F, H, W).

        gate_bias, (B, 4 hidden_dim, H, W), is added to the input-to-state maps (section 3.6: conditioning).
        """
        conv = self.input_to_state
        maps = nn.functional.conv2d(features, conv.weight * self.mask, conv.bias, padding=conv.padding)
        if gate_bias is not None:
            maps = maps + gate_bias
        h = c = maps.new_zeros(len(maps), self.hidden_dim, maps.shape[-1])
        rows = []
        for row in gates_by_color(maps, 4, self.num_colors).unbind(2):
            h, c = self.step(row, h, c)
            rows.append(h)
        return torch.stack(rows, dim=2)

    def step(self, row: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return h and c of a row, (B, hidden_dim, W), from its input-to-state map (B, 4 hidden_dim, W) and the states
        of the row above."""
        return lstm_update(*(row + self.state_to_state(h)).chunk(4, dim=1), c)
