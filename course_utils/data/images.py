"""What a data set is here: named splits of image tensors."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate


class Split(NamedTuple):
    """Images with their labels: ``x, y = load("digits").train``.

    x: float32 (N, C, H, W) in [0, 1].
    y: int64 (N,) class labels; None where the set has none; for sprites float32 (N, 6) factors.
    """

    x: Tensor
    y: Tensor | None


class Images(NamedTuple):
    """A data set: its name, one printable sentence about it, and three disjoint splits."""

    name: str
    description: str
    train: Split
    valid: Split
    test: Split

    def __repr__(self) -> str:
        """Return the sentence without the tensors: a notebook cell that ends with a data set stays readable."""
        return f"Images({self.name!r}: {self.description})"


def unit_interval(pixels: Tensor) -> Tensor:
    """Return uint8 pixels (N, C, H, W) as a float32 tensor of the same shape in [0, 1], in one allocation."""
    x = torch.empty(pixels.shape, dtype=torch.float32)
    return x.copy_(pixels).div_(255)


def resize(x: Tensor, size: int | None) -> Tensor:
    """Return images (N, C, H, W) as (N, C, size, size) by bicubic interpolation, clipped to [0, 1].

    ``size=None`` returns x itself. Pixels count as areas, not points, so the mean ink stays, up to the clipped
    overshoots of the cubic; when the images shrink, the filter widens so that nothing aliases.

    Raises: ValueError if size is not a positive whole number.
    """
    if size is None:
        return x
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a positive whole number of pixels, got {size!r}.")
    if x.shape[-2:] == (size, size):
        return x
    shrinks = size < x.shape[-1]
    return interpolate(x, size=(size, size), mode="bicubic", align_corners=False, antialias=shrinks).clamp_(0, 1)


def hold_out(x: Tensor, y: Tensor | None, num_valid: int) -> tuple[Split, Split]:
    """Return (train, valid): valid is the last ``num_valid`` images. Both are views, nothing is copied."""
    cut = len(x) - num_valid
    return Split(x[:cut], None if y is None else y[:cut]), Split(x[cut:], None if y is None else y[cut:])
