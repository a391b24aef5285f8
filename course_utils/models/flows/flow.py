"""What all flows share: the change of variables along a chain of invertible layers.

    z = f_L(... f_2(f_1(x))),    log p(x) = log N(z; 0, I) + sum_l log |det J_l|

A layer has `forward(x)`, from data towards the latent, and `inverse(z)`, back. Each returns its result and the log
|det| of the Jacobian of that very call, (B,): that of the inverse is minus that of the forward at the same place.

Source: Rezende & Mohamed 2015 (arXiv 1505.05770); Dinh et al. 2014 (arXiv 1410.8516), section 2. Shapes: x and z
(B, ...) of equal size an example; log-densities in nats.
"""

import math

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """Invertible layers one after the other: itself an invertible layer."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and log |det dz/dx|, (B,)."""
        log_det = x.new_zeros(len(x))
        for layer in self.layers:
            x, of_layer = layer(x)
            log_det = log_det + of_layer
        return x, log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,)."""
        log_det = z.new_zeros(len(z))
        for layer in reversed(self.layers):
            z, of_layer = layer.inverse(z)
            log_det = log_det + of_layer
        return z, log_det


class Flattened(nn.Module):
    """An invertible layer of vectors applied to examples of any shape: z is given the shape of x."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z in the shape of x, and log |det dz/dx|, (B,)."""
        z, log_det = self.network(x.flatten(1))
        return z.view_as(x), log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x in the shape of z, and log |det dx/dz|, (B,)."""
        x, log_det = self.network.inverse(z.flatten(1))
        return x.view_as(z), log_det


class Flow(nn.Module):
    """The density that an invertible network makes of a standard normal.

    Args:
        network: `forward(x)` to (z, log_det) and `inverse(z)` to (x, log_det).
        event_shape: the shape of one example, and of its z: (D,) or (C, H, W).
    """

    def __init__(self, network: nn.Module, event_shape: tuple[int, ...]):
        super().__init__()
        self.network = network
        self.event_shape = tuple(event_shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and log |det dz/dx|, (B,). Raises ValueError for examples of another shape."""
        self._require_shape(x, "x")
        return self.network(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,). Raises ValueError for latents of another shape."""
        self._require_shape(z, "z")
        return self.network.inverse(z)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), (B,), in nats: exact, of a density; see `dequantization` for pixels of a few levels."""
        z, log_det = self(x)
        return standard_normal_log_prob(z) + log_det

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean negative log-likelihood, (), in nats."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N, ...). A temperature below 1 shrinks the noise: likelier, less varied images."""
        if num_samples < 1 or temperature < 0:
            raise ValueError(f"num_samples and temperature must be positive, got {num_samples} and {temperature}")
        like = next(self.parameters())
        shape = (num_samples, *self.event_shape)
        noise = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
        return self.inverse(temperature * noise)[0]

    def _require_shape(self, x: Tensor, name: str) -> None:
        if x.shape[1:] != self.event_shape:
            raise ValueError(f"{name} must be (B, {', '.join(map(str, self.event_shape))}), got {tuple(x.shape)}")


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) of each example, (B,), in nats."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)
