"""A density for each class, and Bayes' rule between p(x | y), p(y), p(x) and p(y | x).

    p(x) = sum_y p(x | y) p(y)                  all classes together
    p(y | x) = p(x | y) p(y) / p(x)             a classifier made of densities
    p(x | y) = p(y | x) p(x) / p(y)             a conditional model made of a classifier and an unconditional model

A classifier alone must share out the labels even for noise; the density beside it can reject what is too improbable.

Source: Bishop 2006, Pattern Recognition and Machine Learning, section 1.5. Shapes: x (N, D), y (N,) int64; nats.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.models.points import require_points


def class_log_posterior(log_px_given_y: Tensor, log_py: Tensor) -> Tensor:
    """Return log p(y | x) from log p(x | y) (N, K) and the log prior (K,): (N, K), rows whose exponentials sum to 1."""
    return torch.log_softmax(log_px_given_y + log_py, dim=1)


def reject_outliers(log_px: Tensor, threshold: float | Tensor) -> Tensor:
    """Return which x are rejected, (N,) bool: those with log p(x) below the threshold."""
    return log_px < threshold


class ClassConditional(nn.Module):
    """A generative classifier: one density for each of K classes, and the classes' shares of the data as the prior.

    Args:
        densities: K models with `fit(x)`, `log_prob(x)` and `sample(num_samples, generator)`, such as `Gaussian`.
    """

    def __init__(self, densities: list[nn.Module]):
        super().__init__()
        if not densities:
            raise ValueError("at least one class is needed, got no densities")
        self.densities = nn.ModuleList(densities)
        self.register_buffer("log_py", torch.zeros(len(densities)))

    def fit(self, x: Tensor, y: Tensor) -> "ClassConditional":
        """Fit each class's density to its points, and the prior to their shares. Return the model.

        Raises ValueError for labels out of range, or a class without points.
        """
        require_points(x)
        num_classes = len(self.densities)
        if y.shape != x.shape[:1]:
            raise ValueError(f"there must be one label for each of {len(x)} points, got y {tuple(y.shape)}")
        if y.min() < 0 or y.max() >= num_classes:
            raise ValueError(f"labels must lie in 0 ... {num_classes - 1}, got {int(y.min())} to {int(y.max())}")
        counts = torch.bincount(y, minlength=num_classes)
        if (counts == 0).any():
            raise ValueError(f"every class needs points, but class {int((counts == 0).nonzero()[0])} has none")
        for k, density in enumerate(self.densities):
            density.fit(x[y == k])
        self.log_py = (counts / len(y)).to(x.dtype).log()
        return self

    def log_px_given_y(self, x: Tensor) -> Tensor:
        """Return log p(x | y) for every class, (N, K), in nats."""
        return torch.stack([density.log_prob(x) for density in self.densities], dim=1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), all classes together, (N,), in nats."""
        return torch.logsumexp(self.log_px_given_y(x) + self.log_py, dim=1)

    def log_posterior(self, x: Tensor) -> Tensor:
        """Return log p(y | x), (N, K), in nats."""
        return class_log_posterior(self.log_px_given_y(x), self.log_py)

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a draw from p(x | y) for each label (N,): (N, D)."""
        draws = {int(k): iter(self.densities[int(k)].sample(int((y == k).sum()), generator)) for k in y.unique()}
        return torch.stack([next(draws[int(k)]) for k in y])


def sample_given_label(
    sample: Callable[[int], Tensor],
    log_posterior: Callable[[Tensor], Tensor],
    label: int,
    num_samples: int,
    num_candidates: int = 1000,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return draws from p(x | y) = p(y | x) p(x) / p(y), made of an unconditional sampler and a classifier.

    Of `num_candidates` draws from p(x), `num_samples` are drawn with weights p(y | x); repetitions occur, and the more
    candidates, the closer the result (sampling importance resampling, Rubin 1988).

    Args:
        sample: from a number of samples to x (N, ...).
        log_posterior: from x to log p(y | x), (N, K).
    """
    x = sample(num_candidates)
    log_weights = log_posterior(x)[:, label]
    if not torch.isfinite(log_weights.max()):
        raise ValueError(f"none of the {num_candidates} candidates can be of class {label}: draw more candidates")
    weights = torch.softmax(log_weights, dim=0)
    return x[torch.multinomial(weights, num_samples, replacement=True, generator=generator)]
