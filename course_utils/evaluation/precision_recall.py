"""Precision and recall of samples: how many are plausible, and how much of the data they reach.

Around each point of a set lies a ball that reaches to its k-th nearest neighbour in the set; the set's manifold is
the union of its balls.

    precision = share of the fakes that lie on the manifold of the real points
    recall    = share of the real points that lie on the manifold of the fakes

Dropped modes cost recall, bad samples cost precision; a Frechet distance mixes the two. Both fall a little below 1 for
a perfect model (compare with held-out real images), rise with k, and depend on how many points there are.

Source: Kynkaanniemi et al. 2019 (arXiv 1904.06991), equations 1 and 2. Shapes: features (N, F) and (M, F).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils.evaluation.feature_sets import in_double

CHUNK = 512  # rows of the matrix of distances that are in memory at a time


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares in [0, 1]: of the fakes that are plausible, and of the real points that are reached."""

    precision: float
    recall: float

    def __str__(self) -> str:
        return f"precision {self.precision:.3f}, recall {self.recall:.3f}"


def precision_recall(features_real: Tensor, features_fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Return improved precision and recall of features (N, F) and (M, F), computed in float64 on the CPU.

    Raises:
        ValueError: k is below 1, a set has k points or fewer, widths differ, or a value is not finite.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    real, fake = in_double(features_real, features_fake, least=k + 1)
    return PrecisionRecall(precision=_share_covered(fake, real, k), recall=_share_covered(real, fake, k))


def _share_covered(points: Tensor, support: Tensor, k: int) -> float:
    # The point itself, at distance 0, is the first of its k + 1 nearest.
    radii = torch.cat([_distances(chunk, support).kthvalue(k + 1, dim=1).values for chunk in support.split(CHUNK)])
    covered = [(_distances(chunk, support) <= radii).any(dim=1) for chunk in points.split(CHUNK)]
    return torch.cat(covered).double().mean().item()


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # By differences, not by inner products: these would put a copy of a point at 1e-8 from it, outside a ball of
    # radius 0, such as a collapsed generator has.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
