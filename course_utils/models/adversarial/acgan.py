"""ACGAN: the discriminator is not told the label, it must name it; so must be able to name that of a fake.

    L_S = E[log P(real | x)] + E[log P(fake | G(z, y))]        the source
    L_C = E[log P(y | x)]    + E[log P(y | G(z, y))]           the class

    discriminator and classifier  maximise  L_S + L_C          generator  maximises  L_C - L_S

Each of L_S and L_C is at most 0, in nats. With the game as it is written the generator minimises E log(1 - D(G(z, y)))
in L_S; here, as usual, it minimises -E log D(G(z, y)), which has the same best answer and more slope.

Source: Odena, Olah & Shlens 2017 (arXiv 1610.09585), equations 2 and 3. Shapes: x (B, C, H, W) in [-1, 1] or (B, D);
labels y (B,) int64; noise (B, Z); logits (B,), class logits (B, K).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.cgan import ConditionalGAN, OneHot
from course_utils.models.adversarial.gan import SaturatingGAN, Turn


class ACGAN(ConditionalGAN):
    """A GAN with labels, whose generator is told the label and whose discriminator has a classifier beside it.

    Args:
        generator: from noise joined to a one-hot label, (B, Z + K), to fakes of the shape of the data.
        discriminator: from data or fakes to logits (B,) and class logits (B, K): `TwoHeaded` (one trunk, shared) or
            `SideBySide` (a classifier of its own).
        latent_dim: the number Z of noise variables.
        num_classes: the number K of labels.
        class_weight: what L_C counts against L_S, 1 in the paper.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        num_classes: int,
        class_weight: float = 1.0,
    ):
        super().__init__(generator, discriminator, latent_dim, OneHot(num_classes))
        if class_weight < 0:
            raise ValueError(f"class_weight must be at least 0, got {class_weight}")
        self.class_weight = class_weight

    def discriminator_loss(self, real: Tensor, y: Tensor) -> Turn:
        """Return the turn of discriminator and classifier, with the loss -(L_S + L_C): examples and their labels
        against as many fakes of the same labels.

        No gradient reaches the generator. Raises ValueError if fakes have another shape than `real`, or y is wrong.
        """
        fake = self.fakes_like(real, y)
        logits_real, class_real = self.discriminator(real)
        logits_fake, class_fake = self.discriminator(fake)
        source = self.discriminator_objective(logits_real, logits_fake)
        classes = F.cross_entropy(class_real, y) + F.cross_entropy(class_fake, y)
        return Turn(source + self.class_weight * classes, logits_real, logits_fake)

    def generator_loss(self, real: Tensor, y: Tensor) -> Tensor:
        """Return the generator's loss, its terms of L_S - L_C, over one fake of each label: ()."""
        logits, class_logits = self.discriminator(self.generate(self.noise(len(real)), y))
        return self.generator_objective(logits) + self.class_weight * F.cross_entropy(class_logits, y)

    def discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits of "x is real", (B,), for which y does not count."""
        return self.discriminator(x)[0]

    def classify(self, x: Tensor) -> Tensor:
        """Return the class logits of x, (B, K)."""
        return self.discriminator(x)[1]


class SaturatingACGAN(ACGAN, SaturatingGAN):
    """ACGAN as it is written: the generator maximises L_C - L_S."""
