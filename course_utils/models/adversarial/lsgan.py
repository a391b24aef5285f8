"""Least-squares GAN: the discriminator's scores are regressed on labels, so far-off fakes keep pulling.

    discriminator  minimises  1/2 E_x (D(x) - 1)^2 + 1/2 E_z D(G(z))^2
    generator      minimises  1/2 E_z (D(G(z)) - 1)^2

A sigmoid is flat where D is sure, a parabola is not. The scores are D(x) itself, without a sigmoid. Against a fixed
generator the best discriminator is again D*(x) = p_data(x) / (p_data(x) + p_G(x)), and its loss is then half the
integral of p_data p_G / (p_data + p_G): at most 1/4, where the two are equal.

Source: Mao et al. 2016 (arXiv 1611.04076), equation 9 (labels 0 and 1). Shapes: scores of any shape, losses ().
"""

from torch import Tensor

from course_utils.models.adversarial.gan import GAN


def ls_discriminator_loss(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    """Return 1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2, (), at least 0; the two batches may differ in size."""
    return 0.5 * ((scores_real - 1) ** 2).mean() + 0.5 * (scores_fake**2).mean()


def ls_generator_loss(scores_fake: Tensor) -> Tensor:
    """Return 1/2 E (D(G(z)) - 1)^2, (), at least 0."""
    return 0.5 * ((scores_fake - 1) ** 2).mean()


class LSGAN(GAN):
    """A GAN whose discriminator returns scores, near 1 for real and near 0 for fake."""

    def discriminator_objective(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        return ls_discriminator_loss(logits_real, logits_fake)

    def generator_objective(self, logits_fake: Tensor) -> Tensor:
        return ls_generator_loss(logits_fake)

    def verdict(self, logits: Tensor) -> Tensor:
        """Return D(x), the score itself: like `logits`, not bound to [0, 1]."""
        return logits
