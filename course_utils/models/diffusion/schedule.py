"""How much of the data is left after t of T steps of noise, and the Gaussians that follow from it.

    q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I),          abar_t = product of alpha_s up to t
    q(x_t-1 | x_t, x_0) = N(mu~_t(x_t, x_0), beta~_t I)
        mu~_t = sqrt(abar_t-1) beta_t / (1 - abar_t) x_0 + sqrt(alpha_t) (1 - abar_t-1) / (1 - abar_t) x_t
        beta~_t = (1 - abar_t-1) / (1 - abar_t) beta_t,          beta_t = 1 - alpha_t

The cosine schedule lets abar fall as cos^2, so that all steps have something to do; betas are cut at 0.999.

Sources: Ho et al. 2020 (arXiv 2006.11239), equations 4, 6 and 7; Nichol & Dhariwal 2021 (arXiv 2102.09672), equation
17. Shapes: x (B, ...), t (B,) int64 in 1 ... T; t = 0 is the data.
"""

import math

import torch
from torch import Tensor, nn


def cosine_alpha_bars(num_steps: int, offset: float = 0.008) -> Tensor:
    """Return abar_0 = 1 ... abar_T, (T + 1,), float64."""
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
    times = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    curve = torch.cos((times + offset) / (1 + offset) * math.pi / 2) ** 2
    alphas = (curve[1:] / curve[:-1]).clamp(min=0.001)
    return torch.cat([torch.ones(1, dtype=torch.float64), alphas.cumprod(0)])


class Schedule(nn.Module):
    """The forward process; coefficients are looked up at t and shaped to multiply x."""

    def __init__(self, num_steps: int = 200):
        super().__init__()
        alpha_bars = cosine_alpha_bars(num_steps)
        self.num_steps = num_steps
        self.register_buffer("alpha_bars", alpha_bars)
        self.register_buffer("alphas", torch.cat([alpha_bars[:1], alpha_bars[1:] / alpha_bars[:-1]]))

    def at(self, values: Tensor, t: Tensor, like: Tensor) -> Tensor:
        """Return values[t], (B, 1, ...), in the dtype of `like`. Raises ValueError for t out of range."""
        if t.min() < 0 or t.max() > self.num_steps:
            raise ValueError(f"t must lie in 0 ... {self.num_steps}, got {int(t.min())} to {int(t.max())}")
        return values[t].to(like.dtype).view(-1, *[1] * (like.ndim - 1))

    def add_noise(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, like x."""
        alpha_bar = self.at(self.alpha_bars, t, x)
        return alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise

    def denoised(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return the x_0 of which x_t was made with this noise: the inverse of `add_noise`."""
        alpha_bar = self.at(self.alpha_bars, t, x_t)
        return (x_t - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()

    def posterior(self, x_t: Tensor, x_0: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean (like x) and variance (B, 1, ...) of q(x_t-1 | x_t, x_0), for t of at least 1."""
        alpha, alpha_bar = self.at(self.alphas, t, x_t), self.at(self.alpha_bars, t, x_t)
        before = self.at(self.alpha_bars, t - 1, x_t)
        mean = before.sqrt() * (1 - alpha) / (1 - alpha_bar) * x_0
        mean = mean + alpha.sqrt() * (1 - before) / (1 - alpha_bar) * x_t
        return mean, (1 - before) / (1 - alpha_bar) * (1 - alpha)
