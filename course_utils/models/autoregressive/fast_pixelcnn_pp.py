"""Fast sampling of PixelCNN++: what the network computed for earlier pixels is kept, at every resolution.

As in `fast_sampling`, activations never change once the pixels before them are drawn, so each is computed once. Three
things are new. The stream that sees the rows above is computed a row at a time, when the row's first pixel is due. A
lower resolution has something new only at every second row and column, so that most pixels never ask it. And a
transposed convolution answers for 2 x 2 places at once, of which three are kept for later.

Source: Ramachandran et al. 2017 (arXiv 1704.06001), section 2.
Shapes: images x (B, C, H, W) in [0, 1]; features of a row (B, hidden_dim, 1, W) and of a pixel (B, hidden_dim, 1, 1).
"""

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.autoregressive.levels import require_known, uniforms
from course_utils.models.autoregressive.logistics import sample_mixture
from course_utils.models.autoregressive.pixelcnn_pp import GatedResidual, PixelCNNPlusPlus, Resolution


class Cursor:
    """The place of one resolution at which its layers are asked: row i, column j."""

    i: int = 0
    j: int = 0


class KeptConv(nn.Module):
    """A shifted convolution at the cursor: from a row, or a pixel, of its input to the same of its output.

    It keeps all that it was given. With stride 2 it may be asked at even rows and columns only.
    """

    def __init__(self, shifted: nn.Sequential, cursor: Cursor, batch_size: int, height: int, width: int):
        super().__init__()
        pad, self.conv = shifted
        self.left, right, self.up, _ = pad.padding
        self.cursor = cursor
        weight = self.conv.weight
        self.kept = weight.new_zeros(batch_size, weight.shape[1], self.up + height, self.left + width + right)

    def keep(self, x: Tensor) -> slice:
        """Store x, a row or the pixel at the cursor, and return the columns that its output sees."""
        width = x.shape[-1]
        j = self.cursor.j if width == 1 else 0
        self.kept[:, :, self.cursor.i + self.up, self.left + j : self.left + j + width] = x[:, :, 0]
        # Beside a row stand its zeros on both sides; beside a pixel, what was kept to the left of it.
        return slice(j, j + width - 1 + self.conv.kernel_size[1])

    def forward(self, x: Tensor) -> Tensor:
        columns = self.keep(x)
        return self.conv(self.kept[:, :, self.cursor.i : self.cursor.i + self.conv.kernel_size[0], columns])


class KeptResolution:
    """A `Resolution` of a copied model, and those below it, asked row by row and pixel by pixel."""

    def __init__(self, resolution: Resolution, batch_size: int, height: int, width: int):
        self.blocks = resolution
        self.cursor = Cursor()
        for layer in [layer for block in (*resolution.encoder, *resolution.decoder) for layer in block.children()]:
            keep_convolutions(layer, self.cursor, batch_size, height, width)
        self.lower = None
        if resolution.lower is not None:
            self.down_above = KeptConv(resolution.down.above, self.cursor, batch_size, height, width)
            self.down_left = KeptConv(resolution.down.left, self.cursor, batch_size, height, width)
            self.lower = KeptResolution(resolution.lower, batch_size, height // 2, width // 2)
            # What came up from below for the present pair of rows.
            channels = resolution.up.left.out_channels
            self.raised_left = resolution.up.left.weight.new_zeros(batch_size, channels, 2, width)

    def row(self, above: Tensor, i: int) -> Tensor:
        """Return the upper stream at row i, (B, F, 1, W), and keep what the pixels of the row will ask for."""
        self.cursor.i = i
        shortcuts = [above]
        for block in self.blocks.encoder:
            shortcuts.append(block.above(shortcuts[-1]))
        self.encoded = shortcuts[1:]
        if self.lower is None:
            above = shortcuts.pop()
        else:
            if i % 2 == 0:
                lower = self.lower.row(self.down_above(shortcuts[-1]), i // 2)
                self.raised_above = self.blocks.up.above(lower)
            else:
                self.down_above.keep(shortcuts[-1])
            above = self.raised_above[:, :, i % 2 : i % 2 + 1]
        self.decoded = []
        for block in self.blocks.decoder:
            above = block.above(above, shortcuts.pop())
            self.decoded.append(above)
        return above

    def pixel(self, left: Tensor, i: int, j: int) -> Tensor:
        """Return the stream that sees above and left at (i, j): (B, F, 1, 1). Its row must have been asked before."""
        self.cursor.i, self.cursor.j = i, j
        here = ..., slice(j, j + 1)
        shortcuts = [left]
        for block, above in zip(self.blocks.encoder, self.encoded, strict=True):
            shortcuts.append(block.left(shortcuts[-1], above[here]))
        if self.lower is None:
            left = shortcuts.pop()
        else:
            if i % 2 == 0 and j % 2 == 0:
                lower = self.lower.pixel(self.down_left(shortcuts[-1]), i // 2, j // 2)
                self.raised_left[..., j : j + 2] = self.blocks.up.left(lower)
            else:
                self.down_left.keep(shortcuts[-1])
            left = self.raised_left[:, :, i % 2 : i % 2 + 1, j : j + 1]
        for block, above in zip(self.blocks.decoder, self.decoded, strict=True):
            left = block.left(left, above[here], shortcuts.pop())
        return left


def keep_convolutions(layer: GatedResidual, cursor: Cursor, batch_size: int, height: int, width: int) -> None:
    """Replace both convolutions of a block's layer, whose own `forward` then works at the cursor."""
    layer.first = KeptConv(layer.first, cursor, batch_size, height, width)
    layer.second = KeptConv(layer.second, cursor, batch_size, height, width)


@torch.no_grad()
def complete_cached(
    model: PixelCNNPlusPlus, x: Tensor, known: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Return what `complete_plainly` returns for the same generator, up to rounding of the params, many times faster.

    x (B, C, H, W) is returned where `known`, boolean, (H, W) or (B, 1, H, W), is True; elsewhere are draws. To sample,
    let nothing be known. Raises ValueError for shapes that do not fit.
    """
    model.require_shape(x)
    known = require_known(known, x)
    batch_size, channels, height, width = x.shape
    uniform = uniforms(x.new_empty(batch_size, 1 + channels, height, width), generator)
    network = deepcopy(model).eval()
    body = KeptResolution(network.body, batch_size, height, width)
    x = torch.where(known, x, 0)
    # Scaled as `forward` does, with a row of zeros above and a column of zeros to the left, as if moved already.
    image = F.pad(torch.cat([2 * x - 1, torch.ones_like(x[:, :1])], dim=1), (1, 0, 1, 0))
    nothing = x.new_zeros(batch_size, network.head[1].in_channels, 1, 1)
    for i in range(height):
        # Row i of the padded image is row i - 1 of the image, the last that the upper stream sees.
        above = row_above = nothing.expand(-1, -1, -1, width)
        if i > 0:
            above = network.first_above(image[:, :, i - 1 : i + 1, 1:])[:, :, -1:]
            row_above = network.first_row_above(image[:, :, i : i + 1, 1:])
        body.row(above, i)
        for j in range(width):
            left = network.first_left(image[:, :, i : i + 2, j : j + 1])[:, :, -1:] if j else nothing
            params = network.head(body.pixel(row_above[..., j : j + 1] + left, i, j))
            here = ..., slice(i, i + 1), slice(j, j + 1)
            if not known[here].all():
                drawn = sample_mixture(params, uniform[here], model.num_levels)
                x[here] = torch.where(known[here], x[here], (drawn + 1) / 2)
                image[:, :channels, i + 1, j + 1] = 2 * x[:, :, i, j] - 1
    return x
