"""Fast sampling: what the network computed for earlier pixels is kept, and each pixel costs only what is new.

Plain sampling of N x N pixels calls the network on the whole image for each: N^2 calls of work N^2. But a causal
network's activations at a pixel never change once the pixels before it are drawn. So a cached network computes them
once, at the pixel that is being drawn, from the kept activations that its kernels reach: N^2 calls of constant work.

`cached` copies a model and replaces every convolution in the copy by one that answers at the cursor only. The model's
own `forward` then runs unchanged, on the whole image as before, and returns logits (B, V, C, 1, 1) of one pixel. What
depends on the rows above alone (`RowWise`) is computed for a whole row when its first pixel is drawn.

Sources: Le Paine et al. 2016 (arXiv 1611.09482), for WaveNet; Ramachandran et al. 2017 (arXiv 1704.06001), for
PixelCNN++.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.autoregressive.levels import draw_levels, require_known, to_unit, uniforms


class RowWise(nn.Module):
    """A network, from an image to a list of maps, whose output at row i depends on the rows above i only."""


@dataclass
class Cursor:
    """Where the network is asked: row i, columns j to j + width - 1."""

    i: int = 0
    j: int = 0
    width: int = 1


class CachedConv2d(nn.Module):
    """A causal convolution at the cursor: from x at the cursor, (B, in, 1, width), to (B, out, 1, width).

    It keeps every x that it was given. Where x is the whole image, (B, in, H, W), nothing need be kept.
    """

    def __init__(self, conv: nn.Conv2d, cursor: Cursor, batch_size: int, height: int, width: int):
        super().__init__()
        weight = conv.weight * conv.mask if hasattr(conv, "mask") else conv.weight
        if conv.stride != (1, 1) or conv.dilation != (1, 1) or conv.groups != 1 or isinstance(conv.padding, str):
            raise ValueError(f"cached sampling needs stride 1, dilation 1, one group, padding in numbers, got {conv}")
        self.up, self.left = conv.padding
        if weight[:, :, self.up + 1 :].any():
            raise ValueError(f"cached sampling needs causal convolutions, got one that sees rows below: {conv}")
        weight = weight[:, :, : self.up + 1]
        self.num_rows, self.num_columns = weight.shape[2:]
        self.cursor, self.size = cursor, (height, width)
        # (out, rows * columns * in): channels last, so that a patch is a few contiguous runs of the kept map.
        self.weight = weight.permute(0, 2, 3, 1).flatten(1).contiguous()
        self.bias = conv.bias
        self.kept = None
        if (self.num_rows, self.num_columns) != (1, 1):
            self.kept = weight.new_zeros(batch_size, self.up + height, width + self.num_columns - 1, weight.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        out = F.linear(self.patches(x.permute(0, 2, 3, 1)), self.weight, self.bias)
        return out.view(len(x), 1, self.cursor.width, -1).permute(0, 3, 1, 2)

    def patches(self, x: Tensor) -> Tensor:
        """Return what the kernel reaches from each pixel at the cursor, (B * width, rows * columns * in)."""
        i, j, width = self.cursor.i, self.cursor.j, self.cursor.width
        num_columns = width + self.num_columns - 1
        if x.shape[1:3] == self.size:
            top, left = i - self.up, j - self.left
            window = x[:, max(top, 0) : top + self.num_rows, max(left, 0) : left + num_columns]
            above, before = max(-top, 0), max(-left, 0)
            below, after = self.num_rows - above - window.shape[1], num_columns - before - window.shape[2]
            window = F.pad(window, (0, 0, before, after, above, below))
        elif self.kept is None:
            return x.reshape(len(x) * width, -1)
        else:
            self.kept[:, i + self.up, j + self.left : j + self.left + width] = x[:, 0]
            window = self.kept[:, i : i + self.num_rows, j : j + num_columns]
        if width == 1:
            return window.reshape(len(x), -1)
        return window.unfold(2, self.num_columns, 1).permute(0, 2, 1, 4, 3).reshape(len(x) * width, -1)


class CachedRows(nn.Module):
    """A `RowWise` network at the cursor: it is asked for the whole row once, at the row's first pixel."""

    def __init__(self, network: RowWise, cursor: Cursor):
        super().__init__()
        self.network, self.cursor = network, cursor
        self.row = -1

    def forward(self, x: Tensor, *condition) -> list[Tensor]:
        cursor = self.cursor
        if cursor.i != self.row:
            j, self.row = cursor.j, cursor.i
            cursor.j, cursor.width = 0, x.shape[3]
            self.maps = self.network(x, *condition)
            cursor.j, cursor.width = j, 1
        return [rows[..., cursor.j : cursor.j + 1] for rows in self.maps]


def cached(model: nn.Module, x: Tensor) -> tuple[nn.Module, Cursor]:
    """Return a copy of a model that answers for one pixel of images like x (B, C, H, W), in eval mode, and its cursor.

    The model may be made of causal convolutions of stride 1, `RowWise` networks of them, and whatever treats each pixel
    alone. The cursor must move in raster order. Raises ValueError for other convolutions.
    """
    cursor = Cursor()
    network = deepcopy(model).eval()
    for parent in list(network.modules()):
        for name, part in parent.named_children():
            if isinstance(part, nn.Conv2d):
                setattr(parent, name, CachedConv2d(part, cursor, len(x), *x.shape[2:]))
            elif isinstance(part, RowWise):
                setattr(parent, name, CachedRows(part, cursor))
    return network, cursor


@torch.no_grad()
def complete_cached(
    model: nn.Module, x: Tensor, known: Tensor, generator: torch.Generator | None = None, condition: tuple = ()
) -> Tensor:
    """Return what `complete_images` returns for the same generator, up to rounding of the logits, many times faster.

    `condition` is what the model takes besides x.
    """
    known = require_known(known, x)
    x = torch.where(known, x, 0)
    uniform = uniforms(x, generator)
    network, cursor = cached(model, x)
    is_given = known[:, 0].all(0).tolist()
    with torch.inference_mode():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                cursor.i, cursor.j = i, j
                for c in range(x.shape[1]):
                    logits = network(x, *condition)[:, :, c, 0, 0]
                    if is_given[i][j]:
                        break  # all colours are there: their activations are kept now, and nothing is to be drawn
                    drawn = to_unit(draw_levels(logits, uniform[:, c, i, j]), logits.shape[1], x.dtype)
                    x[:, c, i, j] = torch.where(known[:, c, i, j], x[:, c, i, j], drawn)
    return x
