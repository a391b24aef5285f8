"""What measures of samples ask of their input: two sets of points of one width, finite, in float64."""

from torch import Tensor


def in_double(real: Tensor, fake: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
    """Return both sets, (N, F) and (M, F), without gradients, in float64 on the CPU.

    Raises:
        ValueError: a set is no matrix, has fewer than `least` rows or a value that is not finite, or widths differ.
    """
    for name, points in (("real", real), ("fake", fake)):
        if points.ndim != 2 or len(points) < least:
            raise ValueError(f"{name} must be (N, F) with N at least {least}, got {tuple(points.shape)}")
        if num_bad := int((~points.isfinite().all(1)).sum()):
            raise ValueError(f"{name} must be finite, but {num_bad} of {len(points)} rows are not")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"real and fake must have one width, got {real.shape[1]} and {fake.shape[1]}")
    return real.detach().cpu().double(), fake.detach().cpu().double()
