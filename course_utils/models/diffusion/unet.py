"""A small U-Net that is told the time: it looks at a noisy image and says which noise is in it.

Time comes as sines and cosines of many frequencies, goes through two linear layers, and is added to the channels of
every block. Blocks have a shortcut and group norm, whose statistics are each example's own.

Sources: Ho et al. 2020 (arXiv 2006.11239), appendix B; Vaswani et al. 2017 (arXiv 1706.03762), section 3.5. Left out:
attention. Shapes: x (B, C, H, W), t (B,), result like x.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def time_features(t: Tensor, num_features: int) -> Tensor:
    """Return sines and cosines of t (B,) at frequencies from 1 to 1/10000, (B, num_features)."""
    half = num_features // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angles = t.unsqueeze(1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class TimeBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the time is added to the channels between them."""

    def __init__(self, num_in: int, num_out: int, time_dim: int):
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(min(8, num_in), num_in), nn.SiLU(), nn.Conv2d(num_in, num_out, 3, padding=1)
        )
        self.time = nn.Linear(time_dim, num_out)
        self.second = nn.Sequential(nn.GroupNorm(8, num_out), nn.SiLU(), nn.Conv2d(num_out, num_out, 3, padding=1))
        self.shortcut = nn.Identity() if num_in == num_out else nn.Conv2d(num_in, num_out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return (B, num_out, H, W) for x (B, num_in, H, W) and time (B, time_dim)."""
        hidden = self.first(x) + self.time(time)[:, :, None, None]
        return self.second(hidden) + self.shortcut(x)


class TimeUNet(nn.Module):
    """A U-Net of one block a level; sides are multiples of 2^(num_levels - 1), `hidden_dim` of 8."""

    def __init__(self, num_channels: int, hidden_dim: int = 32, num_levels: int = 2):
        super().__init__()
        if num_channels < 1 or num_levels < 1:
            raise ValueError(f"num_channels and num_levels must be at least 1, got {num_channels} and {num_levels}")
        if hidden_dim < 8 or hidden_dim % 8:
            raise ValueError(f"hidden_dim must be a multiple of 8, the groups of the norm, got {hidden_dim}")
        time_dim = 4 * hidden_dim
        dims = [hidden_dim * 2**level for level in range(num_levels)]
        self.hidden_dim = hidden_dim
        self.embed = nn.Sequential(nn.Linear(hidden_dim, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())
        self.stem = nn.Conv2d(num_channels, hidden_dim, 3, padding=1)
        self.down = nn.ModuleList(
            TimeBlock(num_in, num_out, time_dim) for num_in, num_out in zip([hidden_dim, *dims], dims, strict=False)
        )
        self.middle = TimeBlock(dims[-1], dims[-1], time_dim)
        self.up = nn.ModuleList(
            TimeBlock(dims[min(level + 1, num_levels - 1)] + dims[level], dims[level], time_dim)
            for level in reversed(range(num_levels))
        )
        self.head = nn.Sequential(
            nn.GroupNorm(8, hidden_dim), nn.SiLU(), nn.Conv2d(hidden_dim, num_channels, 3, padding=1)
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the noise in x (B, C, H, W) at times t (B,), like x.

        Raises ValueError for another number of channels, sides that cannot be halved, or not one time an image.
        """
        num_channels = self.stem.in_channels
        if x.ndim != 4 or x.shape[1] != num_channels:
            raise ValueError(f"the network was built for images (B, {num_channels}, H, W), got x {tuple(x.shape)}")
        if t.shape != x.shape[:1]:
            raise ValueError(f"one time for each of {len(x)} images was due, got t {tuple(t.shape)}")
        factor = 2 ** (len(self.down) - 1)
        if x.shape[2] % factor or x.shape[3] % factor:
            raise ValueError(f"height and width must be multiples of {factor}, got {x.shape[2]}x{x.shape[3]}")
        time = self.embed(time_features(t, self.hidden_dim).to(x.dtype))
        x, skips = self.stem(x), []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.avg_pool2d(x, 2), time)
            skips.append(x)
        x = self.middle(x, time)
        for block in self.up:
            skip = skips.pop()
            x = block(torch.cat([F.interpolate(x, size=skip.shape[2:], mode="nearest"), skip], 1), time)
        return self.head(x)
