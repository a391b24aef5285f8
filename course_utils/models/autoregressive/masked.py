"""Masked convolution: a convolution that sees only what comes earlier in raster order.

    y[o, i, j] = b[o] + sum_{c, u, v} (weight * mask)[o, c, u, v] x[c, i + u - k // 2, j + v - k // 2]

The mask is 1 for rows above and for the pixels to the left in the same row. At the pixel itself, type A hides a colour
from itself (for the first layer, which sees the image) and type B shows it (for all layers after). In both a colour
sees the colours before it: channels come in `num_colors` equal contiguous groups, R, then G, then B.

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (arXiv 1601.06759), section 3.4 and figure 2.
"""

import torch
from torch import Tensor, nn


def causal_mask(mask_type: str, in_channels: int, out_channels: int, kernel_size: int, num_colors: int = 1) -> Tensor:
    """Return the mask of a causal convolution, (out_channels, in_channels, k, k), of zeros and ones.

    Raises ValueError for a type other than "A" and "B", an even kernel, and channels that do not divide into colours.
    """
    if mask_type not in ("A", "B"):
        raise ValueError(f'mask_type must be "A" or "B", got {mask_type!r}')
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, so that there is a centre, got {kernel_size}")
    if num_colors < 1 or in_channels % num_colors or out_channels % num_colors:
        raise ValueError(
            f"in_channels and out_channels must be multiples of num_colors = {num_colors}, "
            f"got {in_channels} and {out_channels}"
        )
    color_in = torch.arange(in_channels) // (in_channels // num_colors)
    color_out = torch.arange(out_channels).unsqueeze(1) // (out_channels // num_colors)
    centre = kernel_size // 2
    mask = torch.zeros(out_channels, in_channels, kernel_size, kernel_size)
    mask[:, :, :centre] = 1
    mask[:, :, centre, :centre] = 1
    mask[:, :, centre, centre] = color_in < color_out if mask_type == "A" else color_in <= color_out
    return mask


class MaskedConv2d(nn.Conv2d):
    """A convolution (B, in, H, W) -> (B, out, H, W) whose weight is multiplied by a causal mask whenever it is used.

    Takes what nn.Conv2d takes, but for groups and padding modes that would show later pixels (ValueError). The spatial
    size stays unless `padding` is given. Its state_dict is that of an nn.Conv2d: the mask is no part of it.
    """

    def __init__(
        self, mask_type: str, in_channels: int, out_channels: int, kernel_size: int, num_colors: int = 1, **kwargs
    ):
        mask = causal_mask(mask_type, in_channels, out_channels, kernel_size, num_colors)
        if kwargs.get("groups", 1) != 1 or kwargs.get("padding_mode", "zeros") != "zeros":
            raise ValueError(f"MaskedConv2d takes one group and zeros as padding, got {kwargs}")
        kwargs.setdefault("padding", kernel_size // 2 * kwargs.get("dilation", 1))
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        self.register_buffer("mask", mask.to(self.weight), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # A new tensor each time: the weight keeps its forbidden entries, which get no gradient.
        return self._conv_forward(x, self.weight * self.mask, self.bias)
