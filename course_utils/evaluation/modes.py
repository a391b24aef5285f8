"""Mode coverage: of the known modes of a toy distribution, how many do the samples reach, and how cleanly?

Each sample belongs to its nearest centre, and is of high quality if it lies within three standard deviations of it.
A mode is covered if enough samples of high quality belong to it.

Source: the experiments on rings and grids of Gaussians of Metz et al. 2017 (arXiv 1611.02163), section 3.2, counted as
by Srivastava et al. 2017 (arXiv 1705.07761), section 4.1, whose modes need one sample; here they need a tenth of an
even share, so that stray samples do not count. Shapes: samples (N, D), centres (K, D).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ModeCoverage:
    """What samples reach: the number of covered modes, the share near any, and how many (K,) are near each."""

    num_modes: int
    high_quality_share: float
    counts: Tensor

    def __str__(self) -> str:
        return f"{self.num_modes} of {len(self.counts)} modes, {self.high_quality_share:.1%} of the samples near one"


def mode_coverage(
    samples: Tensor, centers: Tensor, std: float, *, within: float = 3.0, least_share: float = 0.1
) -> ModeCoverage:
    """Return how samples (N, D) cover modes with these centers (K, D) and one standard deviation.

    Perfect samples of two dimensions lie within three standard deviations with probability 1 - exp(-9/2) = 0.989.

    Args:
        within: how many standard deviations from its centre a sample may lie.
        least_share: what a mode must have to be covered, as a fraction of the N / K of an even share; 0 asks for one
            sample.

    Raises:
        ValueError: shapes that do not fit, no samples, samples that are not finite, or a std that is not positive.
    """
    if samples.ndim != 2 or centers.ndim != 2 or samples.shape[1] != centers.shape[1] or not len(samples):
        raise ValueError(
            f"samples (N, D) and centers (K, D) were due, got {tuple(samples.shape)} and {tuple(centers.shape)}"
        )
    if std <= 0:
        raise ValueError(f"std must be positive, got {std}")
    if num_bad := int((~samples.isfinite().all(1)).sum()):
        raise ValueError(f"samples must be finite, but {num_bad} of {len(samples)} are not")
    distance, nearest = torch.linalg.vector_norm(samples.unsqueeze(1) - centers.to(samples), dim=2).min(dim=1)
    good = distance <= within * std
    counts = nearest[good].bincount(minlength=len(centers))
    covered = counts >= max(1.0, least_share * len(samples) / len(centers))
    return ModeCoverage(int(covered.sum()), good.double().mean().item(), counts)
