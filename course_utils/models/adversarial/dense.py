"""Small fully connected networks for images up to about 16x16, and discriminators with a second head.

A generator ends in tanh, for data in [-1, 1], and has batch norm; a discriminator is a trunk and a linear head.
`TwoHeaded` puts a second head on the trunk, for an auxiliary task; `SideBySide` gives the task a network of its own.
Both take any trunk, that of a DCDiscriminator d is nn.Sequential(d.features, nn.Flatten()).

Shapes: x (B, C, H, W) or (B, D); features (B, F); logits (B,); what the auxiliary head or network returns, (B, K).
"""

import math
from itertools import pairwise

from torch import Tensor, nn


def dense_generator(
    input_dim: int, shape: tuple[int, ...], hidden_dim: int = 128, num_layers: int = 2
) -> nn.Sequential:
    """Return a network from noise and what is joined to it, (B, input_dim), to fakes (B, *shape) in [-1, 1]."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise([input_dim] + [hidden_dim] * num_layers):
        layers += [nn.Linear(width_in, width_out), nn.BatchNorm1d(width_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden_dim, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape))


def dense_trunk(shape: tuple[int, ...], hidden_dim: int = 128, num_layers: int = 2) -> nn.Sequential:
    """Return a network from x (B, *shape) to features (B, hidden_dim), with LeakyReLU of slope 0.2."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width_in, width_out in pairwise([math.prod(shape)] + [hidden_dim] * num_layers):
        layers += [nn.Linear(width_in, width_out), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


def dense_discriminator(shape: tuple[int, ...], hidden_dim: int = 128, num_layers: int = 2) -> nn.Sequential:
    """Return a network from x (B, *shape) to logits (B,): a trunk and a linear head."""
    return nn.Sequential(dense_trunk(shape, hidden_dim, num_layers), nn.Linear(hidden_dim, 1), nn.Flatten(0))


class TwoHeaded(nn.Module):
    """One trunk from x to features (B, F), and two linear heads: real or fake, and an auxiliary task with K outputs."""

    def __init__(self, trunk: nn.Module, feature_dim: int, num_outputs: int):
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(feature_dim, 1)
        self.auxiliary = nn.Linear(feature_dim, num_outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of "x is real", (B,), and what the auxiliary head says, (B, K)."""
        features = self.trunk(x)
        return self.head(features).squeeze(1), self.auxiliary(features)


class SideBySide(nn.Module):
    """Two networks that share nothing: a discriminator, x to logits (B,), and an auxiliary one, x to (B, K)."""

    def __init__(self, discriminator: nn.Module, auxiliary: nn.Module):
        super().__init__()
        self.discriminator = discriminator
        self.auxiliary = auxiliary

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of "x is real", (B,), and what the auxiliary network says, (B, K)."""
        return self.discriminator(x), self.auxiliary(x)
