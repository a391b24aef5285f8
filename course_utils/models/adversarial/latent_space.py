"""Walks and sums in the latent space of a generator, for codes (..., Z).

Sources: Radford et al. 2015 (arXiv 1511.06434), section 6.3, for arithmetic; White 2016 (arXiv 1609.04468) for the
spherical walk.
"""

import torch
from torch import Tensor


def interpolate_straight(z_a: Tensor, z_b: Tensor, num_steps: int) -> Tensor:
    """Return `num_steps` codes on the straight line from z_a to z_b (..., Z), both ends included: (num_steps, ..., Z).

    Halfway between two draws of N(0, I) the norm is about sqrt(2) too small for a draw. Raises ValueError for unequal
    shapes or fewer than two steps.
    """
    t = _times(z_a, z_b, num_steps)
    return (1 - t) * z_a + t * z_b


def interpolate_spherical(z_a: Tensor, z_b: Tensor, num_steps: int) -> Tensor:
    """Return `num_steps` codes on the arc from z_a to z_b (..., Z), both ends included: (num_steps, ..., Z).

    sin((1 - t) w) / sin w z_a + sin(t w) / sin w z_b with w the angle between them: equal steps of the angle, and a
    norm that stays, if the ends have the same (White 2016, section 2.1). Parallel codes are joined by a straight line.
    Raises ValueError for unequal shapes, fewer than two steps, or opposite codes, which no single arc joins.
    """
    t = _times(z_a, z_b, num_steps)
    unit_a, unit_b = (z / torch.linalg.vector_norm(z, dim=-1, keepdim=True) for z in (z_a, z_b))
    # The half-angle formula keeps its digits where the cosine is near 1.
    chord, sum_ = (torch.linalg.vector_norm(v, dim=-1, keepdim=True) for v in (unit_a - unit_b, unit_a + unit_b))
    angle = 2 * torch.atan2(chord, sum_)
    if (torch.pi - angle).min() < 1e-4:
        raise ValueError("no single arc joins opposite codes")
    parallel = angle < 1e-4
    safe = torch.where(parallel, 1.0, angle)
    arc = (torch.sin((1 - t) * safe) * z_a + torch.sin(t * safe) * z_b) / torch.sin(safe)
    return torch.where(parallel, (1 - t) * z_a + t * z_b, arc)


def latent_arithmetic(with_attribute: Tensor, without: Tensor, other: Tensor) -> Tensor:
    """Return mean(with attribute) - mean(without) + other, like `other`.

    "man with glasses" - "man" + "woman": codes (N, Z) and (M, Z) that show the attribute and lack it, averaged, since a
    single code holds much else (the paper takes three); `other` (..., Z).
    """
    if not with_attribute.shape[-1] == without.shape[-1] == other.shape[-1]:
        shapes = ", ".join(str(tuple(z.shape)) for z in (with_attribute, without, other))
        raise ValueError(f"all codes must have the same length, got {shapes}")
    return with_attribute.flatten(0, -2).mean(0) - without.flatten(0, -2).mean(0) + other


def _times(z_a: Tensor, z_b: Tensor, num_steps: int) -> Tensor:
    if z_a.shape != z_b.shape:
        raise ValueError(f"the two ends must have the same shape, got {tuple(z_a.shape)} and {tuple(z_b.shape)}")
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2, got {num_steps}")
    t = torch.linspace(0, 1, num_steps, dtype=z_a.dtype, device=z_a.device)
    return t.view(-1, *[1] * z_a.ndim)
