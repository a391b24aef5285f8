"""k-means clustering: K centres, each the mean of the points nearest to it.

    minimise  sum_n |x_n - c_a(n)|^2  over centres c_1 ... c_K and assignments a(n)

    assign  a(n) = argmin_k |x_n - c_k|^2,    update  c_k = mean of the points with a(n) = k

Neither half-step can raise the sum, so the two in turn come to rest; where depends on the start. The start here picks
points one after the other, each with probability in proportion to its squared distance from those chosen (k-means++).

Source: Lloyd 1982, Least squares quantization in PCM; Arthur & Vassilvitskii 2007, k-means++. Shapes: x (N, D),
centers (K, D), assignments (N,) int64.
"""

import torch
from torch import Tensor

from course_utils.models.points import require_points


def kmeans_step(x: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Return (assignments (N,) int64, new centres (K, D)) after one step; a centre with no points stays."""
    assignments = torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    sums = torch.zeros_like(centers).index_add_(0, assignments, x)
    counts = torch.bincount(assignments, minlength=len(centers)).unsqueeze(1)
    return assignments, torch.where(counts > 0, sums / counts.clamp(min=1), centers)


def inertia(x: Tensor, centers: Tensor) -> Tensor:
    """Return the sum of squared distances to the nearest centre, ()."""
    return torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").amin(1).square().sum()


def spread_centers(x: Tensor, num_centers: int, generator: torch.Generator | None = None) -> Tensor:
    """Return `num_centers` of the points, drawn far apart (k-means++), (K, D).

    Raises ValueError if there are fewer points than centres, or a value is not finite.
    """
    require_points(x)
    if not 1 <= num_centers <= len(x):
        raise ValueError(f"{num_centers} clusters need at least as many points, and at least one: got {len(x)} points")
    chosen = [int(torch.randint(len(x), (), generator=generator))]
    for _ in range(1, num_centers):
        squared_distance = (x[:, None] - x[chosen]).square().sum(2).amin(1)
        if not squared_distance.any():  # all points are chosen ones, or their doubles
            squared_distance = torch.ones_like(squared_distance)
        chosen.append(int(torch.multinomial(squared_distance, 1, generator=generator)))
    return x[chosen]


def kmeans(
    x: Tensor,
    num_clusters: int,
    *,
    num_starts: int = 10,
    max_steps: int = 300,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (assignments (N,), centres (K, D)): the best of `num_starts` runs, each until nothing moves.

    Raises ValueError for fewer points than clusters, or values that are not finite.
    """
    best = None
    for _ in range(num_starts):
        centers = spread_centers(x, num_clusters, generator)
        for _ in range(max_steps):
            _, moved = kmeans_step(x, centers)
            if torch.equal(moved, centers):
                break
            centers = moved
        cost = inertia(x, centers)
        if best is None or cost < best[0]:
            best = cost, kmeans_step(x, centers)[0], centers
    return best[1], best[2]
