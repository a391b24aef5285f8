"""Gated PixelCNN: two stacks of convolutions see all earlier pixels, and gates multiply as an LSTM's do.

    y = tanh(W_f * x) sigmoid(W_g * x)

The vertical stack at row i sees all rows above i, without masks; the horizontal stack sees the row to the left of the
pixel, and at each layer what the vertical stack found. Together they leave no blind spot.

Source: van den Oord et al. 2016 (arXiv 1606.05328), sections 2.1 to 2.3 and figure 2.
Shapes: images x (B, C, H, W) in [0, 1], levels k / (V - 1); features (B, hidden_dim, H, W); logits (B, V, C, H, W).
"""

import torch
from torch import Tensor, nn

from course_utils.models.autoregressive.fast_sampling import RowWise, complete_cached
from course_utils.models.autoregressive.levels import PixelModel
from course_utils.models.autoregressive.masked import MaskedConv2d, causal_mask


class VerticalConv2d(nn.Conv2d):
    """A convolution that sees rows up to the pixel's own (type B) or up to the one above (type A), in both directions.

    The kernel has k // 2 + 1 rows (type B) or k // 2 (type A) and k columns.
    """

    def __init__(self, mask_type: str, in_channels: int, out_channels: int, kernel_size: int):
        reach = kernel_size // 2
        rows = reach if mask_type == "A" else reach + 1
        super().__init__(in_channels, out_channels, (rows, kernel_size), padding=reach)

    def forward(self, x: Tensor) -> Tensor:
        # Padded on both sides, the convolution gives rows past the last one, whose windows end below the image.
        return super().forward(x)[:, :, : x.shape[2]]


class HorizontalConv2d(nn.Conv2d):
    """A convolution along the row: k // 2 pixels to the left, and the pixel itself as far as `causal_mask` has it."""

    def __init__(self, mask_type: str, in_channels: int, out_channels: int, kernel_size: int, num_colors: int):
        reach = kernel_size // 2
        super().__init__(in_channels, out_channels, (1, reach + 1), padding=(0, reach))
        mask = causal_mask(mask_type, in_channels, out_channels, kernel_size, num_colors)
        self.register_buffer("mask", mask[:, :, reach : reach + 1, : reach + 1].to(self.weight), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight * self.mask, self.bias)[..., : x.shape[3]]


def gate(x: Tensor, num_colors: int = 1) -> Tensor:
    """Return tanh(x_f) sigmoid(x_g), (B, P, H, W), for x (B, 2P, H, W): in each colour's group x_f, then x_g.

    Van den Oord et al. 2016 (arXiv 1606.05328), equation 2.
    """
    features, gates = x.unflatten(1, (num_colors, 2, -1)).unbind(2)
    return (features.tanh() * gates.sigmoid()).flatten(1, 2)


class VerticalStack(RowWise):
    """Maps x (B, C, H, W) to what each layer passes to the horizontal stack: num_layers of (B, 2 hidden_dim, H, W).

    At row i these depend on rows above i only, so they need no order of colours.
    """

    def __init__(self, num_colors: int, hidden_dim: int, num_layers: int):
        super().__init__()
        self.convs = nn.ModuleList([VerticalConv2d("A", num_colors, 2 * hidden_dim, 7)])
        self.convs.extend(VerticalConv2d("B", hidden_dim, 2 * hidden_dim, 3) for _ in range(num_layers - 1))
        self.links = nn.ModuleList(nn.Conv2d(2 * hidden_dim, 2 * hidden_dim, 1) for _ in range(num_layers))

    def forward(self, x: Tensor, biases: list[Tensor] | None = None) -> list[Tensor]:
        """`biases`, one (B, 2 hidden_dim, 1, 1) a layer, are added within the gates."""
        passed = []
        for layer, (conv, link) in enumerate(zip(self.convs, self.links, strict=True)):
            out = conv(x)
            passed.append(link(out))
            x = gate(out if biases is None else out + biases[layer])
        return passed


class HorizontalLayer(nn.Module):
    """h + W gate(conv(h) + passed): a layer of the horizontal stack. The first, of type A on the image, adds no h."""

    def __init__(self, mask_type: str, in_channels: int, hidden_dim: int, kernel_size: int, num_colors: int):
        super().__init__()
        self.num_colors = num_colors
        self.is_residual = mask_type == "B"
        self.conv = HorizontalConv2d(mask_type, in_channels, 2 * hidden_dim, kernel_size, num_colors)
        self.output = MaskedConv2d("B", hidden_dim, hidden_dim, 1, num_colors)

    def forward(self, h: Tensor, passed: Tensor) -> Tensor:
        out = self.output(gate(self.conv(h) + passed, self.num_colors))
        return h + out if self.is_residual else out


class GatedPixelCNN(PixelModel):
    """A Gated PixelCNN for images of shape (C, H, W) with V levels.

    Args:
        image_shape: (C, H, W); with C = 3, the horizontal stack's channels come in three groups, one a colour.
        num_levels: the number V of levels that a value can have.
        hidden_dim: the number of channels of each stack, a multiple of C.
        num_layers: the number of layers of both stacks, the first with 7x7 kernels, the others with 3x3.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], num_levels: int = 2, hidden_dim: int = 64, num_layers: int = 7
    ):
        super().__init__(image_shape, num_levels)
        num_colors = image_shape[0]
        self.vertical = VerticalStack(num_colors, hidden_dim, num_layers)
        self.horizontal = nn.ModuleList([HorizontalLayer("A", num_colors, hidden_dim, 7, num_colors)])
        self.horizontal.extend(
            HorizontalLayer("B", hidden_dim, hidden_dim, 3, num_colors) for _ in range(num_layers - 1)
        )
        self.output = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d("B", hidden_dim, hidden_dim, 1, num_colors),
            nn.ReLU(),
            MaskedConv2d("B", hidden_dim, num_colors * num_levels, 1, num_colors),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of every value given all that come earlier, (B, V, C, H, W), for x (B, C, H, W)."""
        h = x
        for layer, passed in zip(self.horizontal, self.vertical(x), strict=True):
            h = layer(h, passed)
        return self.output(h).unflatten(1, (-1, self.num_levels)).transpose(1, 2)

    def complete(self, x: Tensor, known: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """As `PixelModel.complete`, from kept activations: the same images, many times faster."""
        self.require_shape(x)
        return complete_cached(self, x, known, generator)
