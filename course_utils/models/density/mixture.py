"""The mixture of Gaussians, fitted by expectation-maximisation (EM).

    p(x) = sum_k w_k N(x; mu_k, cov_k)

    E step   r_nk = w_k N(x_n; mu_k, cov_k) / p(x_n)                     the share of component k in point n
    M step   N_k = sum_n r_nk,  w_k = N_k / N,  mu_k = sum_n r_nk x_n / N_k,
             cov_k = sum_n r_nk (x_n - mu_k)(x_n - mu_k)^T / N_k         means and covariances, weighted by the shares

No step lowers the likelihood. Without a floor (`jitter`) it has no upper limit: a component may shrink onto one point.

Source: Dempster, Laird & Rubin 1977; Bishop 2006, Pattern Recognition and Machine Learning, section 9.2.2. Shapes: x
(N, D), log_weights (K,), mu (K, D), cov (K, D, D); log-densities in nats.
"""

import math

import torch
from torch import Tensor, nn

from course_utils.models.basics.kmeans import spread_centers
from course_utils.models.density.gaussian import Gaussian, cholesky, full_gaussian_log_prob
from course_utils.models.points import require_points


def component_log_prob(x: Tensor, log_weights: Tensor, mu: Tensor, cov: Tensor) -> Tensor:
    """Return log w_k + log N(x_n; mu_k, cov_k), (N, K), in nats."""
    return log_weights + full_gaussian_log_prob(x, mu, cov)


def gmm_log_prob(x: Tensor, log_weights: Tensor, mu: Tensor, cov: Tensor) -> Tensor:
    """Return log p(x) of each point (N, D) under the mixture: (N,), in nats."""
    return torch.logsumexp(component_log_prob(x, log_weights, mu, cov), dim=1)


def em_step(
    x: Tensor, log_weights: Tensor, mu: Tensor, cov: Tensor, jitter: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (log_weights, mu, cov) after one E and one M step; `jitter` is added to each variance.

    A component of which no point has a share keeps its place and shape, with weight 0 (log-weight -inf).

    Raises ValueError if a covariance is singular.
    """
    shares = torch.softmax(component_log_prob(x, log_weights, mu, cov), dim=1)  # (N, K)
    counts = shares.sum(0)
    used = counts > 0
    safe = counts.where(used, torch.ones_like(counts))
    new_mu = (shares.T @ x / safe[:, None]).where(used[:, None], mu)
    difference = x - new_mu[:, None]  # (K, N, D)
    new_cov = (shares.T.unsqueeze(2) * difference).mT @ difference / safe[:, None, None]
    new_cov = new_cov + jitter * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return counts.log() - math.log(len(x)), new_mu, new_cov.where(used[:, None, None], cov)


class GaussianMixture(nn.Module):
    """A mixture of K Gaussians with full covariances; `jitter` is added to every variance at every step."""

    def __init__(self, num_components: int, num_dims: int, jitter: float = 1e-6):
        super().__init__()
        if num_components < 1 or num_dims < 1:
            raise ValueError(f"at least one component and dimension are needed, got {num_components} and {num_dims}")
        if jitter < 0:
            raise ValueError(f"jitter must be at least 0, got {jitter}")
        self.jitter = jitter
        self.register_buffer("log_weights", torch.full((num_components,), -math.log(num_components)))
        self.register_buffer("mu", torch.zeros(num_components, num_dims))
        self.register_buffer("cov", torch.eye(num_dims).repeat(num_components, 1, 1))

    def start(self, x: Tensor, generator: torch.Generator | None = None) -> "GaussianMixture":
        """Place the means on data points far apart, with the covariance of all the data. Return the model.

        Raises ValueError for fewer points than components, values that are not finite, or a singular covariance.
        """
        num_components, num_dims = self.mu.shape
        require_points(x, num_dims)
        self.mu = spread_centers(x, num_components, generator)
        self.cov = Gaussian(num_dims, self.jitter).fit(x).cov.repeat(num_components, 1, 1)
        self.log_weights = torch.full_like(self.mu[:, 0], -math.log(num_components))
        return self

    def step(self, x: Tensor) -> None:
        """Take one EM step on x (N, D)."""
        self.log_weights, self.mu, self.cov = em_step(x, self.log_weights, self.mu, self.cov, self.jitter)

    def fit(
        self, x: Tensor, num_steps: int = 200, tolerance: float = 1e-6, generator: torch.Generator | None = None
    ) -> list[float]:
        """Start afresh and step until the mean log-likelihood gains less than `tolerance`, or `num_steps` are done.

        Return the mean log-likelihood before each step and after the last, in nats.
        """
        self.start(x, generator)
        trace = [self.log_prob(x).mean().item()]
        for _ in range(num_steps):
            self.step(x)
            trace.append(self.log_prob(x).mean().item())
            if trace[-1] - trace[-2] < tolerance:
                break
        return trace

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each point (N, D): (N,), in nats."""
        require_points(x, self.mu.shape[1])
        return gmm_log_prob(x, self.log_weights, self.mu, self.cov)

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return the share of each component in each point, (N, K), rows of sum 1."""
        require_points(x, self.mu.shape[1])
        return torch.softmax(component_log_prob(x, self.log_weights, self.mu, self.cov), dim=1)

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N, D): a component by its weight, then a point from its Gaussian."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = {"dtype": self.mu.dtype, "device": self.mu.device}
        chosen = torch.multinomial(self.log_weights.exp(), num_samples, replacement=True, generator=generator)
        noise = torch.randn(num_samples, self.mu.shape[1], 1, generator=generator, **like)
        return self.mu[chosen] + (cholesky(self.cov)[chosen] @ noise).squeeze(2)
