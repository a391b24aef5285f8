"""Dequantisation: from a density of real numbers to the probability of pixel levels.

    P(k) = integral over u in [0, 1)^D of p((k + u) / V) du / V^D        k: levels 0 ... V - 1 of D values
    log P(k) >= E_q(u | k)[log p((k + u) / V) - log q(u | k)] - D log V

A density on isolated values could grow without limit, on peaks of no width. Uniform noise u fills the bins
(q = 1); variational dequantisation learns q as a small flow given k, which closes part of the gap.

Sources: Theis, van den Oord & Bethge 2016 (arXiv 1511.01844), section 3.1; Ho et al. 2019 (arXiv 1902.00275), section
3.1. Shapes: levels (B, ...) int64, x (B, ...) in [0, 1); log-probabilities in nats.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.flows.flow import standard_normal_log_prob


class Logit(nn.Module):
    """x in (0, 1) to the whole line: logit of margin + (1 - 2 margin) x; without it a flow must build the walls itself.

    Source: Dinh et al. 2016 (arXiv 1605.08803), section 4.1.
    """

    def __init__(self, margin: float = 0.05):
        super().__init__()
        if not 0 < margin < 0.5:
            raise ValueError(f"margin must be in (0, 0.5), got {margin}")
        self.margin = margin

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and log |det dz/dx|, (B,)."""
        p = self.margin + (1 - 2 * self.margin) * x
        z = torch.logit(p)
        # d logit / dp = 1 / (p (1 - p))
        log_det = F.softplus(z) + F.softplus(-z) + math.log(1 - 2 * self.margin)
        return z, log_det.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,)."""
        x = (torch.sigmoid(z) - self.margin) / (1 - 2 * self.margin)
        log_det = F.softplus(z) + F.softplus(-z) + math.log(1 - 2 * self.margin)
        return x, -log_det.flatten(1).sum(1)


class UniformNoise(nn.Module):
    """u evenly in the bins: log q = 0."""

    def forward(self, levels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return u like `levels` in [0, 1), and log q(u | levels), (B,)."""
        u = torch.rand(levels.shape, dtype=dtype, device=levels.device)
        return u, u.new_zeros(len(u))


class VariationalNoise(nn.Module):
    """u = sigmoid(mu(k) + exp(s(k)) noise) with mu and s by a small convolutional network of the levels.

    It starts wide and even (near the uniform law) and learns where within the bins the flow wants the data to lie.

    Args:
        network: from levels scaled to [-1, 1], (B, C, ...), to mu and s, (B, 2 C, ...).
        num_levels: V.
    """

    def __init__(self, network: nn.Module, num_levels: int):
        super().__init__()
        self.network, self.num_levels = network, num_levels

    def forward(self, levels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return u like `levels` in (0, 1), and log q(u | levels), (B,), in nats."""
        scaled = 2 * levels.to(dtype) / (self.num_levels - 1) - 1
        mu, log_scale = self.network(scaled).chunk(2, dim=1)
        # A logistic of scale 1 has the uniform law; a normal comes closest to it at a deviation of 1.7.
        log_scale = log_scale + math.log(1.7)
        noise = torch.randn_like(mu)
        before = mu + log_scale.exp() * noise
        log_q = standard_normal_log_prob(noise) - log_scale.flatten(1).sum(1)
        log_q = log_q + (F.softplus(before) + F.softplus(-before)).flatten(1).sum(1)
        return torch.sigmoid(before), log_q


class Dequantized(nn.Module):
    """A model of pixel levels made of a flow on [0, 1) and of noise within the bins. `elbo` is a bound: no `log_prob`.

    Args:
        flow: with `log_prob(x)` and `sample(num_samples)`, x in [0, 1).
        noise: UniformNoise or VariationalNoise.
        num_levels: V; images have values k / (V - 1).
    """

    def __init__(self, flow: nn.Module, noise: nn.Module, num_levels: int = 256):
        super().__init__()
        if num_levels < 2:
            raise ValueError(f"num_levels must be at least 2, got {num_levels}")
        self.flow, self.noise, self.num_levels = flow, noise, num_levels

    def elbo(self, x: Tensor) -> Tensor:
        """Return a lower bound on log P of images x (B, ...) with values k / (V - 1), by one draw: (B,), in nats.

        Raises ValueError for values that are no levels.
        """
        levels = (x * (self.num_levels - 1)).round()
        if not (levels / (self.num_levels - 1) - x).abs().max() < 1e-4 or levels.min() < 0 or x.max() > 1 + 1e-6:
            raise ValueError(f"x must hold levels k / {self.num_levels - 1} with k = 0 ... {self.num_levels - 1}")
        u, log_q = self.noise(levels.long(), x.dtype)
        num_dims = x[0].numel()
        return self.flow.log_prob((levels + u) / self.num_levels) - log_q - num_dims * math.log(self.num_levels)

    def importance_log_prob(self, x: Tensor, num_samples: int) -> Tensor:
        """Return the importance-weighted bound with `num_samples` draws of u, (B,), in nats (Burda et al. 2015)."""
        bounds = torch.stack([self.elbo(x) for _ in range(num_samples)])
        return torch.logsumexp(bounds, 0) - math.log(num_samples)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of -elbo, (), in nats."""
        return -self.elbo(x).mean()

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return images (N, ...) of levels k / (V - 1): the bins in which the flow's draws lie."""
        x = self.flow.sample(num_samples, generator=generator)
        return (x * self.num_levels).floor().clamp(0, self.num_levels - 1) / (self.num_levels - 1)
