"""The restricted Boltzmann machine (RBM): visible and hidden binary units, joined in pairs across.

    p(x, h) = exp(-E(x, h)) / Z,    E(x, h) = -b^T x - c^T h - x^T W h,    Z = sum over all x and h of exp(-E(x, h))
    p(x) = exp(-F(x)) / Z,          F(x) = -b^T x - sum_j softplus(c_j + (x^T W)_j)          the free energy

The gradient of the log-likelihood is  -dF(x)/dtheta at the data + E_model[dF/dtheta].  The second term is an average
over the model, which no formula gives; contrastive divergence replaces it by one over the ends of short Gibbs chains
that start at the data (CD-k), or that go on from step to step (persistent CD).

Z is a sum over 2^V states, and also over 2^H: exact where the smaller of the two is at most 20 or so.

Source: Hinton 2002, Training products of experts by minimizing contrastive divergence; Tieleman 2008 (persistent
chains). Shapes: x (B, V) and h (B, H) of zeros and ones; energies and log-probabilities in nats.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.latent.likelihoods import require_binary

MAX_ENUMERATED = 20  # units whose states are listed for the exact partition function: 2^20, about a million


class RBM(nn.Module):
    """An RBM with `num_visible` and `num_hidden` units.

    Args:
        num_steps: Gibbs steps a chain takes in `loss`, the k of CD-k.
        num_chains: chains that `loss` keeps from call to call (persistent CD); with 0 chains start at the data.
    """

    def __init__(self, num_visible: int, num_hidden: int, num_steps: int = 1, num_chains: int = 0):
        super().__init__()
        if min(num_visible, num_hidden, num_steps) < 1 or num_chains < 0:
            raise ValueError(
                "an RBM needs at least one visible unit, hidden unit and step, and no negative number of chains: "
                f"got {num_visible}, {num_hidden}, {num_steps} and {num_chains}"
            )
        self.weight = nn.Parameter(0.01 * torch.randn(num_visible, num_hidden))
        self.visible_bias = nn.Parameter(torch.zeros(num_visible))
        self.hidden_bias = nn.Parameter(torch.zeros(num_hidden))
        self.num_steps = num_steps
        self.register_buffer("chains", torch.bernoulli(torch.full((num_chains, num_visible), 0.5)))

    def energy(self, x: Tensor, h: Tensor) -> Tensor:
        """Return E(x, h) for x (B, V) and h (B, H): (B,), in nats."""
        return -x @ self.visible_bias - h @ self.hidden_bias - ((x @ self.weight) * h).sum(1)

    def free_energy(self, x: Tensor) -> Tensor:
        """Return F(x) = -log sum_h exp(-E(x, h)), (B,), in nats."""
        return -x @ self.visible_bias - F.softplus(self.hidden_bias + x @ self.weight).sum(1)

    def hidden_probs(self, x: Tensor) -> Tensor:
        """Return p(h_j = 1 | x), (B, H): given x the hidden units are independent."""
        return torch.sigmoid(self.hidden_bias + x @ self.weight)

    def visible_probs(self, h: Tensor) -> Tensor:
        """Return p(x_i = 1 | h), (B, V)."""
        return torch.sigmoid(self.visible_bias + h @ self.weight.T)

    @torch.no_grad()
    def gibbs(self, x: Tensor, num_steps: int, generator: torch.Generator | None = None) -> Tensor:
        """Return x (B, V) after steps of drawing h given x, then x given h; the chain's law tends to p(x)."""
        for _ in range(num_steps):
            h = torch.bernoulli(self.hidden_probs(x), generator=generator)
            x = torch.bernoulli(self.visible_probs(h), generator=generator)
        return x

    def loss(self, x: Tensor) -> Tensor:
        """Return mean F(data) - mean F(ends of chains), (): its gradient is that of contrastive divergence.

        Its value is no likelihood, and does not tell whether the model is good. Raises ValueError unless x is binary.
        """
        self._require_visible(x)
        start = self.chains if len(self.chains) else x
        ends = self.gibbs(start, self.num_steps)
        if len(self.chains):
            self.chains = ends
        return self.free_energy(x).mean() - self.free_energy(ends).mean()

    def log_partition(self) -> Tensor:
        """Return log Z, (), in nats, by summing over all states of the smaller layer.

        Raises ValueError if both layers have more than MAX_ENUMERATED units.
        """
        num_visible, num_hidden = self.weight.shape
        if min(num_visible, num_hidden) > MAX_ENUMERATED:
            raise ValueError(
                f"log Z needs a layer of at most {MAX_ENUMERATED} units, got {num_visible} visible, {num_hidden} hidden"
            )
        if num_visible <= num_hidden:
            return torch.logsumexp(-self.free_energy(self._all_states(num_visible)), 0)
        h = self._all_states(num_hidden)
        return torch.logsumexp(h @ self.hidden_bias + F.softplus(self.visible_bias + h @ self.weight.T).sum(1), 0)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), (B,), in nats: exact, for small layers only (see `log_partition`)."""
        self._require_visible(x)
        return -self.free_energy(x) - self.log_partition()

    @torch.no_grad()
    def sample(self, num_samples: int, num_steps: int = 1000, generator: torch.Generator | None = None) -> Tensor:
        """Return the ends of `num_samples` Gibbs chains that start at coin flips, (N, V)."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        half = torch.full((num_samples, len(self.visible_bias)), 0.5).to(self.weight)
        return self.gibbs(torch.bernoulli(half, generator=generator), num_steps, generator)

    def _all_states(self, num_units: int) -> Tensor:
        """Return all vectors of zeros and ones, (2^n, n)."""
        numbers = torch.arange(2**num_units, device=self.weight.device)
        return (numbers.unsqueeze(1) >> torch.arange(num_units, device=self.weight.device) & 1).to(self.weight)

    def _require_visible(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.visible_bias):
            raise ValueError(f"x must be (B, {len(self.visible_bias)}), got {tuple(x.shape)}")
        require_binary(x)
