"""Poisson blending: paste a part of one image into another, keeping its gradients and not its colours.

    min_f  integral over Omega of |grad f - v|^2    with f = target on the border of Omega
    <=>    laplace f = div v  inside Omega          the Poisson equation;  v = grad source

On pixels p with their neighbours N_p (four, fewer at the image's border), for every p in Omega:

    |N_p| f_p - sum_{q in N_p, in Omega} f_q  =  sum_{q in N_p, outside} target_q + sum_{q in N_p} v_pq

The eye sees edges rather than levels: what the border leaves over is spread over all of Omega, where no edge shows. One
sparse linear system for each mask, solved exactly.

Source: Perez, Gangnet & Blake 2003 (Poisson image editing), equations 1 to 4, 7, 11, 12. Shapes: images (B, C, H, W),
masks that broadcast to (B, 1, H, W), 1 inside Omega.
"""

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from course_utils.models.applications.inpainting import as_mask


def poisson_blend(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the target with the source's gradients where the mask is 1, (B, C, H, W); a source's offset is lost.

    Perez et al. 2003, equations 7 and 11. Solved in float64, outside autograd; values may leave the images' range.
    Raises ValueError for unequal shapes, a mask that does not broadcast or holds other numbers than 0 and 1, or a mask
    that leaves nothing of a target.
    """
    _require_alike(source, target)
    return blend_gradients(gradients(source), target, mask)


def mixed_blend(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the target with, where the mask is 1, the stronger of both images' gradients at each place, (B, C, H, W).

    Perez et al. 2003, equation 12: for sources with holes, or see-through ones. Raises ValueError as `poisson_blend`.
    """
    _require_alike(source, target)
    pairs = zip(gradients(source), gradients(target), strict=True)
    return blend_gradients(tuple(torch.where(s.abs() > t.abs(), s, t) for s, t in pairs), target, mask)


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's difference to the one above and to the one on the left, (B, C, H-1, W) and (B, C, H, W-1)."""
    return x.diff(dim=-2), x.diff(dim=-1)


@torch.no_grad()
def blend_gradients(guidance: tuple[Tensor, Tensor], target: Tensor, mask: Tensor) -> Tensor:
    """Return the image whose gradients are nearest to v = `guidance` where the mask is 1, elsewhere the target.

    `guidance` is as `gradients` returns it. Raises ValueError as `poisson_blend`, and for guidance of other shapes.
    """
    height, width = target.shape[-2:]
    down, right = (v.double() for v in guidance)
    if down.shape != target[..., 1:, :].shape or right.shape != target[..., 1:].shape:
        shapes = f"{tuple(down.shape)} and {tuple(right.shape)}"
        raise ValueError(f"a target {tuple(target.shape)} needs guidance as gradients() gives it, got {shapes}")
    # div_p = sum over the neighbours q of v_pq; each difference is one neighbour's plus and the other's minus.
    div = torch.zeros_like(target, dtype=torch.float64)
    div[:, :, 1:] += down
    div[:, :, :-1] -= down
    div[..., 1:] += right
    div[..., :-1] -= right

    laplacian = grid_laplacian(height, width)
    blended = target.clone()
    for k, inside in enumerate(_inside(mask, target)):
        chosen = np.flatnonzero(inside.flatten().cpu().numpy())
        if len(chosen) == 0:
            continue
        rows = laplacian[chosen]
        outside = target[k].double().flatten(1).clone()
        outside[:, chosen] = 0
        due = div[k].flatten(1)[:, chosen].cpu().numpy().T - rows @ outside.cpu().numpy().T
        solved = splu(rows[:, chosen].tocsc()).solve(np.ascontiguousarray(due))
        blended[k].flatten(1)[:, chosen] = torch.from_numpy(solved.T).to(target)
    return blended


def grid_laplacian(height: int, width: int) -> sparse.csr_array:
    """Return the matrix L of (L f)_p = |N_p| f_p - sum of f over N_p, for images flattened by rows, (H W, H W)."""

    def path(n):
        steps = sparse.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
        return steps.T @ steps

    rows, columns = sparse.eye_array(height), sparse.eye_array(width)
    return sparse.csr_array(sparse.kron(path(height), columns) + sparse.kron(rows, path(width)))


def _require_alike(source, target):
    if source.shape != target.shape or target.ndim != 4:
        raise ValueError(
            f"source and target must have one shape (B, C, H, W), got {tuple(source.shape)} and {tuple(target.shape)}"
        )


def _inside(mask, target):
    """Return the mask as booleans (B, H, W)."""
    num_images, _, height, width = target.shape
    inside = as_mask(mask, (num_images, 1, height, width)).squeeze(1)
    if inside.flatten(1).all(1).any():
        raise ValueError("a mask must leave some of the target, whose border the blend starts from")
    return inside
