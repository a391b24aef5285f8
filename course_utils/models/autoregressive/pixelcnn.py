"""PixelCNN: a stack of masked convolutions gives the distributions of all pixels in one pass.

    log p(x) = sum_i sum_j sum_c log p(x_cij | pixels above, to the left in the row, and colours before c at the pixel)

The logits at a pixel see 7x7 pixels around it through a mask of type A, and one pixel further in each of `num_layers`
residual blocks through masks of type B. Training takes one pass for an image, sampling one for each value.

What it cannot see, however deep: the blind spot, a wedge above the pixel on the right. Each layer climbs to the right
at 45 degrees at most, because in the pixel's own row nothing right of it may be seen. `gated_pixelcnn` cures it.

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (arXiv 1601.06759), section 3.5 and table 1.
Shapes: images x (B, C, H, W) in [0, 1], levels k / (V - 1); features (B, 2 hidden_dim, H, W); logits (B, V, C, H, W).
"""

import torch
from torch import Tensor, nn

from course_utils.models.autoregressive.fast_sampling import complete_cached
from course_utils.models.autoregressive.levels import PixelModel
from course_utils.models.autoregressive.masked import MaskedConv2d


class ResidualBlock(nn.Module):
    """x + conv(x), where conv narrows 2 hidden_dim channels to hidden_dim, looks around, and widens them again."""

    def __init__(self, hidden_dim: int, num_colors: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d("B", 2 * hidden_dim, hidden_dim, 1, num_colors),
            nn.ReLU(),
            MaskedConv2d("B", hidden_dim, hidden_dim, 3, num_colors),
            nn.ReLU(),
            MaskedConv2d("B", hidden_dim, 2 * hidden_dim, 1, num_colors),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PixelCNN(PixelModel):
    """A PixelCNN for images of shape (C, H, W) with V levels.

    Args:
        image_shape: (C, H, W); with C = 3, hidden channels come in three groups, one a colour.
        num_levels: the number V of levels that a value can have.
        hidden_dim: h of the paper: the blocks have 2 h channels, and h inside. A multiple of C.
        num_layers: the number of residual blocks.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], num_levels: int = 2, hidden_dim: int = 64, num_layers: int = 7
    ):
        super().__init__(image_shape, num_levels)
        num_colors = image_shape[0]
        self.input = MaskedConv2d("A", num_colors, 2 * hidden_dim, 7, num_colors)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden_dim, num_colors) for _ in range(num_layers)))
        self.output = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d("B", 2 * hidden_dim, 2 * hidden_dim, 1, num_colors),
            nn.ReLU(),
            MaskedConv2d("B", 2 * hidden_dim, num_colors * num_levels, 1, num_colors),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of every value given all that come earlier, (B, V, C, H, W), for x (B, C, H, W)."""
        out = self.output(self.blocks(self.input(x)))
        return out.unflatten(1, (-1, self.num_levels)).transpose(1, 2)

    def complete(self, x: Tensor, known: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """As `PixelModel.complete`, from kept activations: the same images, many times faster."""
        self.require_shape(x)
        return complete_cached(self, x, known, generator)
