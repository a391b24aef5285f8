"""The Gaussian density, fitted by maximum likelihood.

    log N(x; mu, cov) = -1/2 (x - mu)^T cov^-1 (x - mu) - 1/2 log det cov - D/2 log 2 pi

Its likelihood of points x_1 ... x_N is greatest at their mean and their covariance, divided by N (not N - 1).

Source: Bishop 2006, Pattern Recognition and Machine Learning, section 2.3.4. Shapes: x (N, D), mu (D,), cov (D, D);
log-densities in nats.
"""

import math

import torch
from torch import Tensor, nn

from course_utils.models.points import require_points


def gaussian_log_prob(x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Return log N(x; mu, diag exp(logvar)), summed over the last axis: (...,), in nats."""
    # Scaled before it is squared: exp(-logvar) overflows long before the quotient does.
    scaled = (x - mu) * torch.exp(-0.5 * logvar)
    return -0.5 * (scaled.square() + logvar + math.log(2 * math.pi)).sum(-1)


def full_gaussian_log_prob(x: Tensor, mu: Tensor, cov: Tensor) -> Tensor:
    """Return log N(x_n; mu_k, cov_k) for x (N, D), mu (..., D), cov (..., D, D): (N, ...), in nats.

    Raises ValueError if a covariance is not symmetric and positive definite.
    """
    scale = cholesky(cov)
    # All points are right-hand sides of one triangular system a component.
    difference = x.T - mu.unsqueeze(-1)  # (..., D, N)
    squared_distance = torch.linalg.solve_triangular(scale, difference, upper=False).square().sum(-2).movedim(-1, 0)
    half_log_det = scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * squared_distance - half_log_det - 0.5 * x.shape[1] * math.log(2 * math.pi)


def cholesky(cov: Tensor) -> Tensor:
    """Return the lower triangular L with L L^T = cov, like it; raise ValueError unless cov is positive definite."""
    scale, failed = torch.linalg.cholesky_ex(cov)
    # The share of each variance that the dimensions before it leave unexplained: of a singular matrix only rounding
    # errors are left, and they may have either sign.
    left = scale.diagonal(dim1=-2, dim2=-1).square() / cov.diagonal(dim1=-2, dim2=-1)
    if failed.any() or not (left > 8 * cov.shape[-1] * torch.finfo(cov.dtype).eps).all():
        raise ValueError(
            "a covariance is singular (not positive definite): points lie on a line or a plane, or are too few; "
            "add a little to its diagonal (jitter)"
        )
    return scale


class Gaussian(nn.Module):
    """A Gaussian with a full covariance. `jitter` is added to its diagonal: the variance below which none may fall."""

    def __init__(self, num_dims: int, jitter: float = 0.0):
        super().__init__()
        if num_dims < 1:
            raise ValueError(f"num_dims must be at least 1, got {num_dims}")
        if jitter < 0:
            raise ValueError(f"jitter must be at least 0, got {jitter}")
        self.jitter = jitter
        self.register_buffer("mu", torch.zeros(num_dims))
        self.register_buffer("cov", torch.eye(num_dims))

    def fit(self, x: Tensor) -> "Gaussian":
        """Set mean and covariance to those of greatest likelihood for x (N, D). Return the model.

        Raises ValueError if x is not finite, or its covariance is singular and there is no jitter.
        """
        require_points(x, len(self.mu))
        mu = x.mean(0)
        cov = (x - mu).T @ (x - mu) / len(x) + self.jitter * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        cholesky(cov)
        self.mu, self.cov = mu, cov
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each point (N, D): (N,), in nats."""
        require_points(x, len(self.mu))
        return full_gaussian_log_prob(x, self.mu, self.cov)

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N, D): the mean, and standard normal noise times the Cholesky factor."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = {"dtype": self.mu.dtype, "device": self.mu.device}
        noise = torch.randn(num_samples, len(self.mu), generator=generator, **like)
        return self.mu + noise @ cholesky(self.cov).T
