"""Checks of assignment a3_vae: eight functions of autoencoders and variational autoencoders, one file for each idea.

The oracles are written here in float64, apart from `course_utils.models`. Tables of mistakes give each its sentence.
"""

from course_utils.checks.vae.bound import Elbo
from course_utils.checks.vae.importance import ImportanceWeightedBound
from course_utils.checks.vae.kl import GaussianKL
from course_utils.checks.vae.labels import ConditionOnLabel
from course_utils.checks.vae.likelihood import BernoulliLogProb
from course_utils.checks.vae.reconstruction import ReconstructionLoss
from course_utils.checks.vae.sampling import Reparameterize
from course_utils.checks.vae.schedule import BetaSchedule

reconstruction_loss = ReconstructionLoss()
reparameterize = Reparameterize()
gaussian_kl = GaussianKL()
bernoulli_log_prob = BernoulliLogProb()
elbo = Elbo()
beta_schedule = BetaSchedule()
importance_weighted_bound = ImportanceWeightedBound()
condition_on_label = ConditionOnLabel()

CHECKS = {
    check.name: check
    for check in (
        reconstruction_loss,
        reparameterize,
        gaussian_kl,
        bernoulli_log_prob,
        elbo,
        beta_schedule,
        importance_weighted_bound,
        condition_on_label,
    )
}
