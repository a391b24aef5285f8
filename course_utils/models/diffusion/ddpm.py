"""Denoising diffusion: a hierarchical VAE whose encoder adds noise, and whose decoder learns to take it away.

    log p(x_0) >= log p(x_0 | x_1) - sum_t>1 KL(q(x_t-1 | x_t, x_0) || p(x_t-1 | x_t)) - KL(q(x_T | x_0) || N(0, I))

p(x_t-1 | x_t) is the posterior of `schedule` with x_0 replaced by the network's guess, so that each KL is a squared
distance of means. Training drops their weights and minimises E |noise - network(x_t, t)|^2 at a random t.

    DDPM   draws x_t-1 from p(x_t-1 | x_t), T steps
    DDIM   goes x_t -> sqrt(abar_s) x_0 + sqrt(1 - abar_s) noise with the guesses x_0 and noise: no draws, few steps

Sources: Ho et al. 2020 (arXiv 2006.11239), equations 5 to 14; Song et al. 2020 (arXiv 2010.02502), equation 12 with
eta = 0. Shapes: x (B, C, H, W) in [-1, 1]; bounds (B,), in nats.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_utils.models.autoregressive.logistics import require_levels
from course_utils.models.diffusion.schedule import Schedule


class DDPM(nn.Module):
    """A diffusion model of images.

    Args:
        network: from x_t (B, C, H, W) and t (B,) to the noise in it, like x.
        image_shape: (C, H, W).
        num_steps: T.
        num_levels: V; in `elbo` images have V grey levels, 2 k / (V - 1) - 1.
    """

    def __init__(
        self, network: nn.Module, image_shape: tuple[int, int, int], num_steps: int = 200, num_levels: int = 256
    ):
        super().__init__()
        if num_levels < 2:
            raise ValueError(f"num_levels must be at least 2, got {num_levels}")
        self.network = network
        self.image_shape = tuple(image_shape)
        self.schedule = Schedule(num_steps)
        self.num_levels = num_levels

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the guess at the noise in x_t at times t (B,), like x_t. Raises ValueError if it comes otherwise."""
        noise = self.network(x_t, t)
        if noise.shape != x_t.shape:
            raise ValueError(f"the network must return noise {tuple(x_t.shape)} like x_t, got {tuple(noise.shape)}")
        return noise

    def loss(self, x: Tensor) -> Tensor:
        """Return |noise - guess|^2, the mean over values, at a random time for each image: (). Ho et al. 2020, 14."""
        self._require_images(x)
        t = torch.randint(1, self.schedule.num_steps + 1, (len(x),), device=x.device)
        noise = torch.randn_like(x)
        return (noise - self(self.schedule.add_noise(x, t, noise), t)).square().mean()

    def guess(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the guesses at x_0, kept in [-1, 1], and at the noise that agrees with it, each like x_t."""
        x_0 = self.schedule.denoised(x_t, t, self(x_t, t)).clamp(-1, 1)
        alpha_bar = self.schedule.at(self.schedule.alpha_bars, t, x_t)
        return x_0, (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    def bound_terms(self, x: Tensor) -> Tensor:
        """Return the T + 1 terms of -elbo of each image, by one draw each, (B, T + 1), in nats, all at least 0.

        Column 0 is -log p(x_0 | x_1), column t - 1 the KL of step t = 2 ... T, column T that of x_T to the prior.
        Raises ValueError for another shape, and for x that holds no levels.
        """
        self._require_images(x)
        require_levels(x, self.num_levels)
        terms = [-self._reconstruction(x)]
        for step in range(2, self.schedule.num_steps + 1):
            t = torch.full((len(x),), step, device=x.device)
            x_t = self.schedule.add_noise(x, t, torch.randn_like(x))
            due, variance = self.schedule.posterior(x_t, x, t)
            mean, _ = self.schedule.posterior(x_t, self.guess(x_t, t)[0], t)
            terms.append(((due - mean).square() / (2 * variance)).flatten(1).sum(1))
        last = self.schedule.alpha_bars[-1].to(x.dtype)
        # KL(N(sqrt(abar) x, (1 - abar) I) to N(0, I))
        prior = 0.5 * (last * x.square() - last - torch.log1p(-last)).flatten(1).sum(1)
        return torch.stack([*terms, prior], 1)

    def elbo(self, x: Tensor) -> Tensor:
        """Return a lower bound on log P(x) of images of V levels, by one draw of each x_t: (B,), in nats."""
        return -self.bound_terms(x).sum(1)

    def _reconstruction(self, x: Tensor) -> Tensor:
        """Return log p(x_0 | x_1), (B,): the mass that a Gaussian gives the bin of each level, outer bins open."""
        t = torch.ones(len(x), dtype=torch.int64, device=x.device)
        x_1 = self.schedule.add_noise(x, t, torch.randn_like(x))
        mean = self.guess(x_1, t)[0]
        # The posterior's variance is 0 at t = 1; beta_1 is the other end of its range (section 3.2).
        deviation = (1 - self.schedule.at(self.schedule.alphas, t, x)).sqrt()
        half_bin = 1 / (self.num_levels - 1)
        upper = torch.where(x > 1 - half_bin, torch.inf, (x + half_bin - mean) / deviation)
        lower = torch.where(x < half_bin - 1, -torch.inf, (x - half_bin - mean) / deviation)
        return _log_mass(lower, upper).flatten(1).sum(1)

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N, C, H, W) in [-1, 1] by T steps of DDPM."""
        x = self._noise(num_samples, generator)
        for step in range(self.schedule.num_steps, 0, -1):
            t = torch.full((num_samples,), step, device=x.device)
            mean, variance = self.schedule.posterior(x, self.guess(x, t)[0], t)
            x = mean + variance.sqrt() * self._noise(num_samples, generator) if step > 1 else mean
        return x

    @torch.no_grad()
    def sample_ddim(self, num_samples: int, num_steps: int = 20, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N, C, H, W) in [-1, 1] by `num_steps` steps of DDIM, from noise that is the only draw.

        Raises ValueError for more steps than T.
        """
        if not 1 <= num_steps <= self.schedule.num_steps:
            raise ValueError(f"num_steps must be 1 ... {self.schedule.num_steps}, got {num_steps}")
        x = self._noise(num_samples, generator)
        times = torch.linspace(self.schedule.num_steps, 0, num_steps + 1).round().long().tolist()
        for now, then in pairwise(times):
            t = torch.full((num_samples,), now, device=x.device)
            x_0, noise = self.guess(x, t)
            x = self.schedule.add_noise(x_0, torch.full_like(t, then), noise)
        return x

    def _noise(self, num_samples: int, generator: torch.Generator | None) -> Tensor:
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = next(self.parameters())
        shape = (num_samples, *self.image_shape)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    def _require_images(self, x: Tensor) -> None:
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the model was built for images {self.image_shape}, got x {tuple(x.shape)}")
        if x.min() < -1 or x.max() > 1:
            raise ValueError(f"x must lie in [-1, 1], got values from {x.min():.4g} to {x.max():.4g}")


def _log_mass(lower: Tensor, upper: Tensor) -> Tensor:
    """Return log(Phi(upper) - Phi(lower)) for lower < upper, exact in both tails."""
    # Right of the middle both are mirrored to the left, where log Phi keeps its digits.
    mirrored = lower > 0
    lower, upper = torch.where(mirrored, -upper, lower), torch.where(mirrored, -lower, upper)
    log_upper, log_lower = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    gap = (log_lower - log_upper).clamp(max=-1e-30)
    return log_upper + torch.where(gap > -math.log(2), torch.log(-torch.expm1(gap)), torch.log1p(-gap.exp()))
