"""Checks of assignment a1_density: eight functions of densities, clusters and mixtures, one file for each idea.

The oracles are written here in float64, apart from `course_utils.models`. Tables of mistakes give each its sentence.
"""

from course_utils.checks.density.bits import BitsPerDim
from course_utils.checks.density.em import EmStep
from course_utils.checks.density.gaussian import GaussianLogProb
from course_utils.checks.density.kde import KdeLogProb
from course_utils.checks.density.kmeans import KmeansStep
from course_utils.checks.density.mixture import GmmLogProb
from course_utils.checks.density.outliers import RejectOutliers
from course_utils.checks.density.posterior import ClassLogPosterior

gaussian_log_prob = GaussianLogProb()
kde_log_prob = KdeLogProb()
kmeans_step = KmeansStep()
gmm_log_prob = GmmLogProb()
em_step = EmStep()
bits_per_dim = BitsPerDim()
class_log_posterior = ClassLogPosterior()
reject_outliers = RejectOutliers()

CHECKS = {
    check.name: check
    for check in (
        gaussian_log_prob,
        kde_log_prob,
        kmeans_step,
        gmm_log_prob,
        em_step,
        bits_per_dim,
        class_log_posterior,
        reject_outliers,
    )
}
