"""Multi-scale PixelRNN: first a small image, then the large one around its pixels.

    p(x) = p(x_s) prod_i p(x_i | x_1 ... x_{i-1}, x_s)    over the pixels i that are not in x_s

x_s is x at every second row and column (`factor` = 2): a part of x, not something besides it, so that each pixel
counts once and p(x) sums to 1. An unconditional PixelRNN models x_s. Another, of the large image, sees x_s by
deconvolution to a map of the large size, from which a 1 x 1 convolution for each layer makes a bias of its gates. Every
pixel thus knows the whole picture before its details, while the order stays raster within each scale.

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (PixelRNN, arXiv 1601.06759), section 3.6.
Shapes: images x (B, C, H, W) in [0, 1]; x_s (B, C, H / factor, W / factor); logits (B, V, C, H, W).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.models.autoregressive.diagonal_lstm import DiagonalBiLSTM
from course_utils.models.autoregressive.levels import PixelModel, complete_images, require_known
from course_utils.models.autoregressive.pixelrnn import PixelRNN


class MultiScalePixelRNN(PixelModel):
    """Two PixelRNNs, of the subsampled image and of the image given it.

    Args:
        image_shape: (C, H, W).
        num_levels: the number V of levels that a value can have.
        layer, hidden_dim, num_layers: as PixelRNN takes them; both scales have the same.
        factor: x_s keeps every `factor`-th row and column; H and W are multiples of it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_levels: int = 2,
        layer: Callable[[int, int, int], nn.Module] = DiagonalBiLSTM,
        hidden_dim: int = 32,
        num_layers: int = 1,
        factor: int = 2,
    ):
        super().__init__(image_shape, num_levels)
        channels, height, width = image_shape
        if factor < 2 or height % factor or width % factor:
            raise ValueError(f"factor must be at least 2 and divide {height} and {width}, got {factor}")
        self.factor = factor
        small_shape = (channels, height // factor, width // factor)
        self.small = PixelRNN(small_shape, num_levels, layer, hidden_dim, num_layers)
        self.large = PixelRNN(image_shape, num_levels, layer, hidden_dim, num_layers)
        # Nothing here needs a mask: all of x_s comes before the pixels that are still to be drawn.
        self.upsample = nn.Sequential(
            nn.Conv2d(channels, hidden_dim, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(hidden_dim, hidden_dim, factor, stride=factor),
            nn.ReLU(),
            nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1),
            nn.ReLU(),
        )
        self.to_gates = nn.ModuleList(nn.Conv2d(hidden_dim, lstm.gate_channels, 1) for lstm in self.large.layers)

    def subsample(self, x: Tensor) -> Tensor:
        """Return x_s, the pixels that are drawn first: (..., H / factor, W / factor) of (..., H, W)."""
        return x[..., :: self.factor, :: self.factor]

    def large_logits(self, x: Tensor) -> Tensor:
        """Return the logits of each value given x_s and the values before it in raster order: (B, V, C, H, W).

        Those at the pixels of x_s mean nothing.
        """
        condition = self.upsample(self.subsample(x))
        return self.large(x, [to_gates(condition) for to_gates in self.to_gates])

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each value given those drawn before it: (B, V, C, H, W).

        The pixels of x_s are drawn first, in raster order, and then the others, in raster order.
        Raises ValueError for images of another shape.
        """
        logits = self.large_logits(x)
        self.subsample(logits)[...] = self.small(self.subsample(x))
        return logits

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return x (B, C, H, W) where `known` is True, and elsewhere draws given all that is drawn before: like x.

        `known` is boolean, (H, W) or (B, 1, H, W). First x_s is completed, and then the rest. Raises ValueError for
        shapes that do not fit.
        """
        self.require_shape(x)
        known = require_known(known, x)[:, :1]
        x_small = self.small.complete(self.subsample(x), self.subsample(known), generator)
        x = x.clone()
        self.subsample(x)[...] = x_small
        known = known.clone()
        self.subsample(known)[...] = True
        return complete_images(self.large_logits, x, known, generator)
