"""Checks of assignment a4_gan: ten functions of generative adversarial networks, one file for each idea.

The oracles are written here in float64, apart from `course_utils.models`. Tables of mistakes give each its sentence.
"""

from course_utils.checks.adversarial.categorical_code import CategoricalMutualInformation
from course_utils.checks.adversarial.cross_entropy import DiscriminatorLoss, GeneratorLoss, SaturatingGeneratorLoss
from course_utils.checks.adversarial.gaussian_code import GaussianCodeLogProb
from course_utils.checks.adversarial.least_squares import LSDiscriminatorLoss, LSGeneratorLoss
from course_utils.checks.adversarial.penalty import GradientPenalty
from course_utils.checks.adversarial.steps import DiscriminatorStep, GeneratorStep

discriminator_loss = DiscriminatorLoss()
generator_loss = GeneratorLoss()
saturating_generator_loss = SaturatingGeneratorLoss()
ls_discriminator_loss = LSDiscriminatorLoss()
ls_generator_loss = LSGeneratorLoss()
gradient_penalty = GradientPenalty()
discriminator_step = DiscriminatorStep()
generator_step = GeneratorStep()
categorical_mutual_information = CategoricalMutualInformation()
gaussian_code_log_prob = GaussianCodeLogProb()

CHECKS = {
    check.name: check
    for check in (
        discriminator_loss,
        generator_loss,
        saturating_generator_loss,
        ls_discriminator_loss,
        ls_generator_loss,
        gradient_penalty,
        discriminator_step,
        generator_step,
        categorical_mutual_information,
        gaussian_code_log_prob,
    )
}
