"""The generative stochastic network (GSN): a Markov chain that corrupts and denoises, and so walks through the data.

    x~ drawn from C(x~ | x)             corrupt: each value is replaced by a coin flip with probability q
    x' drawn from P(x' | x~)            denoise: a network's guess at the clean image, one draw of it

    loss  -E log P(x | x~)              cross-entropy of the clean image given the corrupted one, in nats

If P is the true conditional, the chain's stationary law is the law of the data: one learns the step of the chain
instead of a density, and never writes the density down. Walkback training also corrupts where the chain itself wanders,
so that spurious places are learned to be left. Here P draws the values independently given x~, which is the true
conditional only where x~ leaves no doubt about several values at once.

Source: Bengio et al. 2014, Deep generative stochastic networks trainable by backprop (arXiv 1306.1091), theorem 1,
section 3; walkback: Bengio et al. 2013 (arXiv 1305.6663), algorithm 1. Shapes: x (B, D) of zeros and ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.latent.likelihoods import require_binary
from course_utils.models.latent.vae import mlp


def corrupt(x: Tensor, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """Return x with each value replaced, with probability `rate`, by a coin flip: like x."""
    like = {"dtype": x.dtype, "device": x.device}
    replaced = torch.rand(x.shape, generator=generator, **like) < rate
    coin = (torch.rand(x.shape, generator=generator, **like) < 0.5).to(x.dtype)
    return torch.where(replaced, coin, x)


class GSN(nn.Module):
    """A GSN for binary vectors with a denoiser of fully connected layers, or a denoiser of one's own.

    Args:
        num_dims: values of an example, D.
        rate: the probability with which a value is corrupted.
        num_walkback: steps of the chain that `loss` trains on; 1 is plain denoising.
        denoiser: from corrupted x (B, D) to logits (B, D); by default two hidden layers of `hidden_dim`.
    """

    def __init__(
        self,
        num_dims: int,
        hidden_dim: int = 256,
        rate: float = 0.4,
        num_walkback: int = 1,
        denoiser: nn.Module | None = None,
    ):
        super().__init__()
        if not 0 < rate <= 1:
            raise ValueError(f"rate must be in (0, 1], got {rate}")
        if num_dims < 1 or num_walkback < 1:
            raise ValueError(f"num_dims and num_walkback must be at least 1, got {num_dims} and {num_walkback}")
        self.num_dims, self.rate, self.num_walkback = num_dims, rate, num_walkback
        self.denoiser = denoiser or nn.Sequential(*mlp(num_dims, hidden_dim, hidden_dim, num_dims))

    def forward(self, x_corrupted: Tensor) -> Tensor:
        """Return logits of p(x_i = 1 | corrupted x), (B, D)."""
        return self.denoiser(x_corrupted)

    def loss(self, x: Tensor) -> Tensor:
        """Return -log P(x | corrupted x), summed over values, mean over batch and walkback steps: (), in nats.

        Raises ValueError for a wrong shape, or values other than 0 and 1.
        """
        if x.ndim != 2 or x.shape[1] != self.num_dims:
            raise ValueError(f"x must be (B, {self.num_dims}), got {tuple(x.shape)}")
        require_binary(x)
        state, losses = x, []
        for _ in range(self.num_walkback):
            logits = self(corrupt(state, self.rate))
            losses.append(F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean())
            # The walk goes on from a draw, which is data for the next step: no gradient passes through it.
            state = torch.bernoulli(torch.sigmoid(logits.detach()))
        return torch.stack(losses).mean()

    @torch.no_grad()
    def step(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the chain's next state, and the probabilities it was drawn with: each (B, D)."""
        probs = torch.sigmoid(self(corrupt(x, self.rate, generator)))
        return torch.bernoulli(probs, generator=generator), probs

    @torch.no_grad()
    def sample(self, num_samples: int, num_steps: int = 100, generator: torch.Generator | None = None) -> Tensor:
        """Return the states of `num_samples` chains, begun at coin flips, after `num_steps` steps: (N, D)."""
        if num_samples < 1 or num_steps < 1:
            raise ValueError(f"num_samples and num_steps must be at least 1, got {num_samples} and {num_steps}")
        like = next(self.parameters())
        x = torch.full((num_samples, self.num_dims), 0.5, dtype=like.dtype, device=like.device)
        x = torch.bernoulli(x, generator=generator)
        for _ in range(num_steps):
            x, _ = self.step(x, generator)
        return x
