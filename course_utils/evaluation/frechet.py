"""The Frechet distance of samples: how far the Gaussian of their features lies from that of real images.

    d^2 = |mu_r - mu_f|^2 + tr(C_r + C_f - 2 (C_r C_f)^(1/2))

is the squared 2-Wasserstein distance of N(mu_r, C_r) and N(mu_f, C_f), the means and covariances of two sets of
features. With the features of the Inception net it is the FID.

It sees two moments only. And it is biased upwards: two halves of one set are not 0 apart, the less so the smaller they
are. Compare distances of equally many samples, and print that of held-out real images beside them.

torchmetrics has it, too, and the tests compare the two; to import that takes several seconds, and singular covariances
cost it digits.

Source: Heusel et al. 2017 (arXiv 1706.08500), equation 6; the bias: Binkowski et al. 2018 (arXiv 1801.01401), section
4. Shapes: features (N, F).
"""

import torch
from torch import Tensor, nn

from course_utils.evaluation.feature_sets import in_double
from course_utils.evaluation.features import image_features


def frechet_distance(features_real: Tensor, features_fake: Tensor) -> float:
    """Return the squared Frechet distance of features (N, F) and (M, F), at least 0, computed in float64 on the CPU.

    Raises:
        ValueError: fewer than two features, unequal widths, or a value that is not finite.
    """
    real, fake = in_double(features_real, features_fake, least=2)
    root_real, root_fake = _covariance_root(real), _covariance_root(fake)
    # tr (C_r C_f)^(1/2) is the sum of the singular values of R_f R_r^T: no root of a matrix that need not be
    # symmetric, and exact for singular covariances too.
    overlap = torch.linalg.matrix_norm(root_fake @ root_real.mT, ord="nuc")
    spread = root_real.square().sum() + root_fake.square().sum() - 2 * overlap
    return max(0.0, ((real.mean(0) - fake.mean(0)).square().sum() + spread).item())


def frechet_distance_of_images(net: nn.Module, real: Tensor, fake: Tensor) -> float:
    """Return the squared Frechet distance of the features that `net.features` finds in two sets of images (N, ...)."""
    return frechet_distance(image_features(net, real), image_features(net, fake))


def _covariance_root(features: Tensor) -> Tensor:
    """Return R, (min(N, F), F), with R^T R the unbiased covariance, without squaring what could round away."""
    centred = features - features.mean(0)
    return torch.linalg.qr(centred, mode="r").R / (len(features) - 1) ** 0.5
