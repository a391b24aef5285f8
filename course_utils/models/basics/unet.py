"""The U-Net: a label for each pixel.

    p(y_ij | x) = softmax(logits(x)_:ij),    loss  - mean over pixels of log p(y_ij | x), in nats

On the way down resolution halves and channels double, so that a unit sees more and more of the picture; on the way up
resolution is won back, and each level is joined to what the way down knew at that resolution (the skip connections):
what it is comes from below, where exactly it is from across.

Source: Ronneberger et al. 2015 (arXiv 1505.04597). Shapes: x (B, C, H, W), y (B, H, W) int64, logits (B, K, H, W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def double_conv(num_in: int, num_out: int) -> nn.Sequential:
    """Two 3x3 convolutions that keep the resolution, each with batch norm, without which training is slow to begin."""
    layers = []
    for dim in (num_in, num_out):
        layers += [nn.Conv2d(dim, num_out, 3, padding=1, bias=False), nn.BatchNorm2d(num_out), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A U-Net with `num_levels` halvings, for sides that are multiples of 2^num_levels."""

    def __init__(self, num_channels: int, num_classes: int, hidden_dim: int = 16, num_levels: int = 2):
        super().__init__()
        if num_levels < 1:
            raise ValueError(f"num_levels must be at least 1, got {num_levels}")
        self.num_classes = num_classes
        self.num_levels = num_levels
        dims = [hidden_dim * 2**level for level in range(num_levels + 1)]
        self.down = nn.ModuleList(
            double_conv(num_in, num_out) for num_in, num_out in zip([num_channels, *dims], dims, strict=False)
        )
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * dim, dim, 2, stride=2) for dim in reversed(dims[:-1]))
        self.up = nn.ModuleList(double_conv(2 * dim, dim) for dim in reversed(dims[:-1]))
        self.head = nn.Conv2d(hidden_dim, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, K, H, W). Raises ValueError for sides that cannot be halved so often."""
        factor = 2**self.num_levels
        if x.shape[2] % factor or x.shape[3] % factor:
            raise ValueError(f"height and width must be multiples of {factor}, got {x.shape[2]}x{x.shape[3]}")
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([skips.pop(), grow(x)], 1))
        return self.head(x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean of -log p(y_ij | x), (), in nats. Raises ValueError for labels out of range."""
        if y.min() < 0 or y.max() >= self.num_classes:
            raise ValueError(f"labels must lie in 0 ... {self.num_classes - 1}, got {int(y.min())} to {int(y.max())}")
        return F.cross_entropy(self(x), y)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the likeliest label of each pixel, (B, H, W) int64."""
        return self(x).argmax(1)
