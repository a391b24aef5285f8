"""What the models of points ask of their data."""

import torch
from torch import Tensor


def require_points(x: Tensor, num_dims: int | None = None, name: str = "x") -> None:
    """Raise ValueError unless x is a non-empty (N, D) of finite numbers, with D = `num_dims` where that is given."""
    if x.ndim != 2 or len(x) == 0 or (num_dims is not None and x.shape[1] != num_dims):
        due = f"(N, {'D' if num_dims is None else num_dims})"
        raise ValueError(f"{name} must be {due} with at least one point, got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"{name} must hold floating-point numbers, got {x.dtype}")
    bad = ~torch.isfinite(x).all(1)
    if bad.any():
        first = int(bad.nonzero()[0])
        raise ValueError(
            f"{name} must be finite, but {int(bad.sum())} of {len(x)} points are not, the first is {first}"
        )


def require_positive(value: float, name: str) -> None:
    """Raise ValueError unless the number is finite and above 0."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be above 0 and finite, got {value}")
