"""Points in the plane and on the line, to see what a model learns; as many as one asks for, none from disk.

    ring_of_gaussians, mixture_1d, checkerboard      with exact log-densities `ring_log_prob`, ...
    two_moons, swiss_roll, spiral                    curves with Gaussian noise; their density has no closed form

All sets are centred, or nearly so, and lie within [-4, 4] but for rare draws. A `generator` makes draws repeatable and
leaves the global random state alone. Shapes: points float32 (N, 2) or (N, 1), on the generator's device;
log-densities (N,) in nats.

Sources: the ring is that of Metz et al. 2017 (arXiv 1611.02163), section 3.2; moons and roll are scikit-learn's,
centred; the checkerboard and the two-armed spiral are those of Grathwohl et al. 2019 (arXiv 1810.01367), section 4.1.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

MIXTURE_1D = {"means": (-2.0, 0.5, 2.5), "stds": (0.5, 0.3, 0.4), "weights": (0.3, 0.5, 0.2)}


def ring_centers(num_modes: int = 8, radius: float = 2.0) -> Tensor:
    """Return the centres (K, 2) of the ring's modes, anticlockwise from (radius, 0). Raises ValueError for K < 1."""
    _require_positive(num_modes=num_modes, radius=radius)
    angle = torch.arange(num_modes) * (2 * math.pi / num_modes)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def ring_of_gaussians(
    num_samples: int,
    *,
    num_modes: int = 8,
    radius: float = 2.0,
    std: float = 0.05,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return draws (N, 2) of equally likely round Gaussians on a ring. Raises ValueError unless all are positive."""
    _require_positive(num_samples=num_samples, std=std)
    centers = ring_centers(num_modes, radius)
    return _mixture(num_samples, centers, torch.full((num_modes,), std), torch.ones(num_modes), generator)


def ring_log_prob(x: Tensor, *, num_modes: int = 8, radius: float = 2.0, std: float = 0.05) -> Tensor:
    """Return the exact log-density of the ring at x (N, 2): (N,), in nats. Raises ValueError for another shape."""
    centers = ring_centers(num_modes, radius).to(x)
    return _mixture_log_prob(x, centers, x.new_full((num_modes,), std), x.new_ones(num_modes))


def mixture_1d(num_samples: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Return draws (N, 1) of the mixture of three Gaussians in MIXTURE_1D. Raises ValueError for N < 1."""
    _require_positive(num_samples=num_samples)
    means, stds, weights = (torch.tensor(MIXTURE_1D[name]) for name in ("means", "stds", "weights"))
    return _mixture(num_samples, means.unsqueeze(1), stds, weights, generator)


def mixture_1d_log_prob(x: Tensor) -> Tensor:
    """Return the exact log-density of MIXTURE_1D at x (N, 1): (N,), in nats. Raises ValueError for another shape."""
    means, stds, weights = (x.new_tensor(MIXTURE_1D[name]) for name in ("means", "stds", "weights"))
    return _mixture_log_prob(x, means.unsqueeze(1), stds, weights)


def checkerboard(num_samples: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Return draws (N, 2), uniform on the eight dark squares of a 4x4 board on [-4, 4]^2. Raises ValueError for N < 1.

    The square in the lower left corner is dark.
    """
    _require_positive(num_samples=num_samples)
    column, half_row = _integers(4, num_samples, generator), _integers(2, num_samples, generator)
    square = torch.stack([column, 2 * half_row + column % 2], dim=1)
    return 2 * (square + _uniform((num_samples, 2), generator)) - 4


def checkerboard_log_prob(x: Tensor) -> Tensor:
    """Return the exact log-density of the checkerboard at x (N, 2): (N,), in nats, -log 32 on dark squares, else -inf.

    Raises ValueError for another shape.
    """
    _require_points(x, 2)
    square = torch.floor((x + 4) / 2)
    dark = (square.sum(1) % 2 == 0) & ((square >= 0) & (square < 4)).all(1)
    return torch.where(dark, -math.log(32), -math.inf).to(x)


def two_moons(num_samples: int, *, std: float = 0.1, generator: torch.Generator | None = None) -> Tensor:
    """Return draws (N, 2) near two interleaved half circles of radius 2. Raises ValueError for N < 1 or std < 0."""
    angle = math.pi * _uniform((num_samples,), generator)
    side = 2.0 * _integers(2, num_samples, generator) - 1  # the lower moon is the upper one, turned by half a circle
    upper = torch.stack([2 * angle.cos() - 1, 2 * angle.sin() - 0.5], dim=1)
    return _noisy(side.unsqueeze(1) * upper, std, generator)


def swiss_roll(num_samples: int, *, std: float = 0.1, generator: torch.Generator | None = None) -> Tensor:
    """Return draws (N, 2) near r = t / 4, t uniform in 3/2 pi to 9/2 pi. Raises ValueError for N < 1 or std < 0."""
    angle = 1.5 * math.pi * (1 + 2 * _uniform((num_samples,), generator))
    return _noisy(angle.unsqueeze(1) / 4 * torch.stack([angle.cos(), angle.sin()], dim=1), std, generator)


def spiral(num_samples: int, *, std: float = 0.1, generator: torch.Generator | None = None) -> Tensor:
    """Return draws (N, 2) near two arms r = t / 3, t up to 3 pi. Raises ValueError for N < 1 or std < 0."""
    angle = 3 * math.pi * _uniform((num_samples,), generator).sqrt()  # the root: about even along the arm
    side = 2.0 * _integers(2, num_samples, generator) - 1
    arm = angle.unsqueeze(1) / 3 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return _noisy(side.unsqueeze(1) * arm, std, generator)


def _mixture(num_samples: int, means: Tensor, stds: Tensor, weights: Tensor, generator) -> Tensor:
    device = _device(generator)
    chosen = torch.multinomial(weights.to(device), num_samples, replacement=True, generator=generator)
    noise = torch.randn(num_samples, means.shape[1], device=device, generator=generator)
    return means.to(device)[chosen] + stds.to(device)[chosen].unsqueeze(1) * noise


def _mixture_log_prob(x: Tensor, means: Tensor, stds: Tensor, weights: Tensor) -> Tensor:
    _require_points(x, means.shape[1])
    normal = torch.distributions.Normal(means, stds.unsqueeze(1))
    return torch.logsumexp(normal.log_prob(x.unsqueeze(1)).sum(2) + (weights / weights.sum()).log(), dim=1)


def _noisy(points: Tensor, std: float, generator: torch.Generator | None) -> Tensor:
    if std < 0:
        raise ValueError(f"std must be at least 0, got {std}")
    return points + std * torch.randn(points.shape, device=points.device, generator=generator)


def _uniform(shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
    _require_positive(num_samples=shape[0])
    return torch.rand(shape, device=_device(generator), generator=generator)


def _integers(high: int, num_samples: int, generator: torch.Generator | None) -> Tensor:
    return torch.randint(high, (num_samples,), device=_device(generator), generator=generator)


def _device(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def _require_points(x: Tensor, num_dims: int) -> None:
    if x.ndim != 2 or x.shape[1] != num_dims:
        raise ValueError(f"x must be (N, {num_dims}), got {tuple(x.shape)}")


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name} must be positive, got {value}")
