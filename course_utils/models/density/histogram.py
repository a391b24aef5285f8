"""The histogram: a density that is constant in each of K bins of equal width.

    p(x) = n_k / (N width)    for x in bin k, which holds n_k of the N points;  0 outside the bins

The factor 1 / width makes the total area 1. These heights are those of greatest likelihood among all densities that are
constant in the bins. Shapes: x (N,), one number a point; log-densities in nats.

Source: Bishop 2006, Pattern Recognition and Machine Learning, section 2.5.1.
"""

import torch
from torch import Tensor, nn

from course_utils.models.points import require_points


class Histogram(nn.Module):
    """A histogram with `num_bins` bins from `low` to `high`, by default from the least to the greatest value fitted.

    `pseudo_count` points are added to every bin, so that an empty one does not forbid its values.
    """

    def __init__(self, num_bins: int, low: float | None = None, high: float | None = None, pseudo_count: float = 0.0):
        super().__init__()
        if num_bins < 1:
            raise ValueError(f"num_bins must be at least 1, got {num_bins}")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"low must be below high, got {low} and {high}")
        if pseudo_count < 0:
            raise ValueError(f"pseudo_count must be at least 0, got {pseudo_count}")
        self.low, self.high = low, high
        self.pseudo_count = pseudo_count
        self.register_buffer("edges", torch.zeros(num_bins + 1))
        self.register_buffer("log_heights", torch.full((num_bins,), float("nan")))

    @property
    def num_bins(self) -> int:
        return len(self.log_heights)

    def fit(self, x: Tensor) -> "Histogram":
        """Count the values x (N,) by bin; the topmost edge belongs to the last bin. Return the model.

        Raises ValueError if x is not finite, lies outside [low, high], or spans no width.
        """
        require_points(x.unsqueeze(-1), 1)
        low = x.min().item() if self.low is None else self.low
        high = x.max().item() if self.high is None else self.high
        if x.min() < low or x.max() > high:
            raise ValueError(f"x must lie in [{low}, {high}], got values from {x.min():.4g} to {x.max():.4g}")
        if not low < high:
            raise ValueError(f"all values are {low}: a histogram needs a width, give low and high")
        self.edges = torch.linspace(low, high, self.num_bins + 1, dtype=x.dtype, device=x.device)
        self.log_heights = torch.empty(self.num_bins, dtype=x.dtype, device=x.device)
        counts = torch.bincount(self._bin(x), minlength=self.num_bins) + self.pseudo_count
        self.log_heights = counts.to(x.dtype).log() - (counts.sum() * (high - low) / self.num_bins).log()
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each value, like x, in nats: -inf outside the bins and in empty ones."""
        inside = (x >= self.edges[0]) & (x <= self.edges[-1])
        return torch.where(inside, self.log_heights[self._bin(x)], -torch.inf)

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N,): a bin by its share, a value evenly within it."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        bins = torch.multinomial(self.log_heights.exp(), num_samples, replacement=True, generator=generator)
        place = torch.rand(num_samples, generator=generator, dtype=self.edges.dtype, device=self.edges.device)
        return self.edges[bins] + place * (self.edges[bins + 1] - self.edges[bins])

    def _bin(self, x: Tensor) -> Tensor:
        """Return the index of each value's bin, the nearest one for values outside."""
        return torch.searchsorted(self.edges, x.contiguous(), right=True).sub(1).clamp(0, self.num_bins - 1)
