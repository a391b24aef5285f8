"""Super-resolution: an image of few pixels to one of many, by a network that works on the few.

    G(low) = bilinear(low) + pixel shuffle(network(low))      sub-pixel convolution: r^2 C channels to r times the side
    regression   minimises  E |high - G(low)|^2                            least squared error, so best PSNR; smooth
    adversarial  minimises  -E log D(low, G(low)) + lambda E |high - G(low)|    sharper, and further from the truth

Many images become the same few pixels when they are averaged: regression returns the mean of them all, a game one that
looks like an image. What is known for sure is that averaging the answer must give the few pixels back;
`make_consistent` sees to it.

Sources: Shi et al. 2016 (arXiv 1609.05158), equations 3 and 4; Ledig et al. 2016 (arXiv 1609.04802) for residual blocks
and the game, here that of pix2pix. Shapes: low (B, C, H, W), high (B, C, r H, r W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.pix2pix import Pix2Pix


def downsample(x: Tensor, factor: int) -> Tensor:
    """Return the mean of each square of `factor` x `factor` pixels, (B, C, H / factor, W / factor).

    Raises ValueError for sides that are no multiples of the factor.
    """
    if factor < 1 or x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(f"height and width must be multiples of {factor}, got {x.shape[-2]}x{x.shape[-1]}")
    return F.avg_pool2d(x, factor)


def upsample(x: Tensor, factor: int, mode: str = "bicubic") -> Tensor:
    """Return x with `factor` times the sides, by "nearest", "bilinear" or "bicubic" interpolation."""
    if mode == "nearest":
        return F.interpolate(x, scale_factor=factor)
    # antialias: of torch's two bicubic kernels, the usual one (a = -1/2), which is exact on planes.
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=False, antialias=True)


def make_consistent(x: Tensor, low: Tensor) -> Tensor:
    """Return the image nearest to x, (B, C, H, W), of which `downsample` gives `low` (B, C, H / r, W / r).

    Each square is shifted by what its mean is wrong: the orthogonal projection. Values may leave the range by that.
    Raises ValueError unless the sides of x are the same multiple of those of `low`.
    """
    factor = max(x.shape[-1] // low.shape[-1], 1)
    if x.shape != (*low.shape[:-2], factor * low.shape[-2], factor * low.shape[-1]):
        raise ValueError(f"x {tuple(x.shape)} is no enlargement of low {tuple(low.shape)}")
    return x + upsample(low - downsample(x, factor), factor, "nearest")


def psnr(x_hat: Tensor, x: Tensor, max_value: float = 1.0) -> Tensor:
    """Return the peak signal-to-noise ratio of each image, (B,) in dB: 10 log10(max_value^2 / mean squared error).

    `max_value` is the width of the range: 1 for images in [0, 1], 2 for [-1, 1]. Infinite at equality. Raises
    ValueError for unequal shapes or a width that is not positive.
    """
    if x_hat.shape != x.shape:
        raise ValueError(f"both images must have one shape, got {tuple(x_hat.shape)} and {tuple(x.shape)}")
    if not max_value > 0:
        raise ValueError(f"max_value must be above 0, got {max_value}")
    return 10 * torch.log10(max_value**2 / (x_hat - x).square().flatten(1).mean(1))


class ResidualBlock(nn.Module):
    """x + convolution, ReLU, convolution. No norm: one would take the colours' own scale away."""

    def __init__(self, num_channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(num_channels, num_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(num_channels, num_channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features like x."""
        return x + self.layers(x)


class SubPixelGenerator(nn.Module):
    """Convolutions on the few pixels, whose last channels are dealt out as pixels, added to the bilinear enlargement.

    It starts as that enlargement: the last layer's weights are 0.

    Args:
        num_channels: C of the images.
        factor: r, by which the sides grow.
        hidden_dim, num_blocks: channels, and residual blocks.
    """

    def __init__(self, num_channels: int, factor: int, hidden_dim: int = 32, num_blocks: int = 2):
        super().__init__()
        if factor < 2:
            raise ValueError(f"factor must be at least 2, got {factor}")
        self.factor = factor
        self.layers = nn.Sequential(
            nn.Conv2d(num_channels, hidden_dim, 3, padding=1),
            nn.ReLU(),
            *[ResidualBlock(hidden_dim) for _ in range(num_blocks)],
            nn.Conv2d(hidden_dim, factor**2 * num_channels, 3, padding=1),
            nn.PixelShuffle(factor),
        )
        nn.init.zeros_(self.layers[-2].weight)
        nn.init.zeros_(self.layers[-2].bias)

    def forward(self, low: Tensor) -> Tensor:
        """Return the enlargement of low (B, C, H, W), (B, C, r H, r W), in about its range."""
        return upsample(low, self.factor, "bilinear") + self.layers(low)

    def loss(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the mean squared error per value, () (Shi et al. 2016, equation 4); `fit` minimises it.

        Raises ValueError unless the enlargement is shaped like `high`.
        """
        x_hat = self(low)
        if x_hat.shape != high.shape:
            raise ValueError(f"images {tuple(low.shape)} become {tuple(x_hat.shape)}, but high is {tuple(high.shape)}")
        return F.mse_loss(x_hat, high)


class SuperResolutionGAN(Pix2Pix):
    """pix2pix from few pixels to many: the discriminator sees the few beside the many, each as a square of pixels.

    Args: as `Pix2Pix`; the generator has a `factor`, like `SubPixelGenerator`; the discriminator takes 2 C channels.
    """

    def discriminate(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the logits of "target is a real image of which source is the average"."""
        return super().discriminate(upsample(source, self.generator.factor, "nearest"), target)
