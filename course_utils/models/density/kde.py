"""The kernel density estimate: a small Gaussian on every data point.

    log p(x) = log 1/M sum_m N(x; x_m, h^2 I),    h the bandwidth

A small h shows every point as a peak of its own, a large one blurs them all. The likelihood of the very points that
built it always grows as h falls, so h is chosen on other points, or by leaving each point out of its own density.

Source: Parzen 1962, On Estimation of a Probability Density Function and Mode. Shapes: x (N, D), data (M, D); nats.
"""

import math

import torch
from torch import Tensor, nn

from course_utils.models.points import require_points, require_positive

CHUNK = 2**24  # differences held at a time, so that memory does not grow with N times M


def kde_log_prob(x: Tensor, data: Tensor, bandwidth: float) -> Tensor:
    """Return the log of the kernel density estimate at each x (N, D): (N,), in nats, exact far from the data.

    Raises ValueError if shapes disagree, a value is not finite, or the bandwidth is not above 0.
    """
    require_points(data, name="data")
    require_points(x, data.shape[1])
    require_positive(float(bandwidth), "bandwidth")
    parts = [torch.logsumexp(_log_kernels(part, data, bandwidth), dim=1) for part in x.split(_rows(data))]
    return torch.cat(parts) - math.log(len(data))


def leave_one_out_log_prob(data: Tensor, bandwidth: float) -> Tensor:
    """Return for each data point the log-density that the others give it, (M,), in nats.

    Raises ValueError as `kde_log_prob`, and for a single point.
    """
    require_points(data, name="data")
    require_positive(float(bandwidth), "bandwidth")
    if len(data) < 2:
        raise ValueError("leaving one out needs at least 2 points, got 1")
    places = torch.arange(len(data), device=data.device)
    parts = [
        torch.logsumexp(_log_kernels(data[part], data, bandwidth).masked_fill(part[:, None] == places, -torch.inf), 1)
        for part in places.split(_rows(data))
    ]
    return torch.cat(parts) - math.log(len(data) - 1)


def _rows(data: Tensor) -> int:
    """Return how many points are compared with all the data at a time."""
    return max(1, CHUNK // data.numel())


def _log_kernels(x: Tensor, data: Tensor, bandwidth: float) -> Tensor:
    """Return log N(x_n; data_m, bandwidth^2 I), (N, M)."""
    # Squares of differences, not of norms: exact for points far from the origin, and smooth where a distance is 0.
    squared_distance = (x.unsqueeze(1) - data).div(bandwidth).square().sum(2)
    return -0.5 * squared_distance - data.shape[1] * (math.log(bandwidth) + 0.5 * math.log(2 * math.pi))


class KernelDensity(nn.Module):
    """A kernel density estimate that keeps all its data."""

    def __init__(self, bandwidth: float):
        super().__init__()
        require_positive(bandwidth, "bandwidth")
        self.bandwidth = bandwidth
        self.register_buffer("data", torch.empty(0))

    def fit(self, x: Tensor) -> "KernelDensity":
        """Keep the points x (M, D). Return the model."""
        require_points(x)
        self.data = x.detach().clone()
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each point (N, D): (N,), in nats."""
        return kde_log_prob(x, self.data, self.bandwidth)

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return draws (N, D): a data point, and Gaussian noise of the bandwidth around it."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = {"dtype": self.data.dtype, "device": self.data.device}
        chosen = torch.randint(len(self.data), (num_samples,), generator=generator, device=self.data.device)
        noise = torch.randn(num_samples, self.data.shape[1], generator=generator, **like)
        return self.data[chosen] + self.bandwidth * noise


def best_bandwidth(data: Tensor, candidates: Tensor) -> float:
    """Return the candidate under which the points, each left out of its own density, are likeliest on average."""
    scores = torch.stack([leave_one_out_log_prob(data, float(bandwidth)).mean() for bandwidth in candidates])
    return float(candidates[scores.argmax()])
