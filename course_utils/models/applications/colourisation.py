"""Colourisation that keeps what is known: the network chooses colours, the grey image stays exactly as it was.

    luminance(x) = 0.299 R + 0.587 G + 0.114 B
    x = grey + s (colour - luminance(colour)),      s the largest number up to 1 that keeps the pixel in range

colour - luminance(colour) is chroma: it has no luminance, so that x has that of the grey image, for any s. Grey itself
is in range, so that there always is an s.

Source: Isola et al. 2016 (arXiv 1611.07004) for the task as translation; Zhang et al. 2016 (arXiv 1603.08511) for
predicting chroma alone; the weights are those of ITU-R BT.601. Shapes: grey (B, 1, H, W), colours (B, 3, H, W).
"""

import torch
from torch import Tensor, nn

from course_utils.data.translation.canvas import LUMINANCE


def luminance(x: Tensor) -> Tensor:
    """Return the grey image (B, 1, H, W) of colours (B, 3, H, W). Raises ValueError for other shapes."""
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"colours must be (B, 3, H, W), got {tuple(x.shape)}")
    return (x * x.new_tensor(LUMINANCE)[:, None, None]).sum(1, keepdim=True)


def keep_luminance(colour: Tensor, grey: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    """Return the colours with the luminance of the grey image, within [low, high], (B, 3, H, W).

    The hue is kept, and as much of the chroma as there is room for. Raises ValueError for other shapes.
    """
    if colour.ndim != 4 or grey.shape != (len(colour), 1, *colour.shape[2:]):
        raise ValueError(f"colours (B, 3, H, W) need grey (B, 1, H, W), got {tuple(colour.shape)}, {tuple(grey.shape)}")
    chroma = colour - luminance(colour)
    room = torch.where(chroma > 0, high - grey, grey - low)
    tiny = torch.finfo(chroma.dtype).tiny
    scale = (room / chroma.abs().clamp(min=tiny)).amin(1, keepdim=True).clamp(0.0, 1.0)
    return grey + scale * chroma


class Coloriser(nn.Module):
    """A generator for `Pix2Pix` that takes over the chroma of another: (B, 1, H, W) to (B, 3, H, W), in [-1, 1]."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, grey: Tensor) -> Tensor:
        """Return colours whose luminance is the grey image."""
        return keep_luminance(self.generator(grey), grey)
