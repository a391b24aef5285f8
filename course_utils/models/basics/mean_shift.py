"""Mean shift clustering: every point climbs to a peak of the density; points that share a peak are a cluster.

    y <- sum_m K(y - x_m) x_m / sum_m K(y - x_m),    K(d) = exp(-|d|^2 / (2 h^2))

Each step goes uphill on the kernel density estimate of bandwidth h, of which it is a rescaled gradient. The number of
clusters is not given: it follows from h.

Source: Comaniciu & Meer 2002, Mean shift: a robust approach toward feature space analysis. Shapes: x (N, D).
"""

import torch
from torch import Tensor

from course_utils.models.points import require_points, require_positive


def mean_shift_step(y: Tensor, x: Tensor, bandwidth: float) -> Tensor:
    """Return where one step takes each y (M, D) on the density of the points x (N, D): (M, D)."""
    squared_distance = torch.cdist(y, x, compute_mode="donot_use_mm_for_euclid_dist").square()
    return torch.softmax(-squared_distance / (2 * bandwidth**2), dim=1) @ x


def mean_shift(x: Tensor, bandwidth: float, *, tolerance: float = 1e-4, max_steps: int = 500) -> tuple[Tensor, Tensor]:
    """Return (assignments (N,) int64, peaks (K, D)), the cluster with most points first.

    A point stops when a step is shorter than `tolerance` bandwidths; ends closer than half a bandwidth are one peak.

    Raises ValueError for a bandwidth that is not above 0, or values that are not finite.
    """
    require_points(x)
    require_positive(bandwidth, "bandwidth")
    y = x.clone()
    for _ in range(max_steps):
        moved = mean_shift_step(y, x, bandwidth)
        longest = (moved - y).norm(dim=1).max()
        y = moved
        if longest < tolerance * bandwidth:
            break
    peaks: list[Tensor] = []
    assignments = torch.full((len(x),), -1, device=x.device)
    while (assignments < 0).any():
        peak = y[(assignments < 0).nonzero()[0, 0]]
        near = ((y - peak).norm(dim=1) < bandwidth / 2) & (assignments < 0)
        assignments[near] = len(peaks)
        peaks.append(y[near].mean(0))
    by_size = torch.bincount(assignments, minlength=len(peaks)).argsort(descending=True, stable=True)
    return by_size.argsort()[assignments], torch.stack(peaks)[by_size]
