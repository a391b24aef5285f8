"""Wasserstein GAN with gradient penalty: a critic of slope 1 measures how far the fakes are from the data.

    W(p_data, p_G) = max over 1-Lipschitz f of  E_x f(x) - E_z f(G(z))

    critic     minimises  E_z f(G(z)) - E_x f(x) + weight E (|grad f(u)| - 1)^2,    u = alpha x + (1 - alpha) G(z)
    generator  minimises  -E_z f(G(z))

alpha is uniform on [0, 1], one for each example. The distance W goes to 0 smoothly as the fakes come near, even where
the two distributions do not overlap and JS stands still at log 2. The critic is trained several steps (5) for each of
the generator's, with Adam's betas (0, 0.9), and must have no batch norm: the penalty is each example's own.

Sources: Arjovsky, Chintala & Bottou 2017 (arXiv 1701.07875), equation 2; Gulrajani et al. 2017 (arXiv 1704.00028),
equation 3. Shapes: real and fake (B, ...), scores (B,) or (B, ...), losses () in the units of the data.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.models.adversarial.gan import GAN, Turn, require_alike


def critic_loss(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    """Return E f(G(z)) - E f(x), (): minus the critic's estimate of the distance."""
    return scores_fake.mean() - scores_real.mean()


def critic_generator_loss(scores_fake: Tensor) -> Tensor:
    """Return -E f(G(z)), ()."""
    return -scores_fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Return E (|grad f(u)| - 1)^2 at u = alpha real + (1 - alpha) fake, (), with gradients for its parameters.

    The norm is L2, for each example over all its axes; alpha is uniform, one for each example. Of unequal batches, the
    first examples of the longer one are paired with the shorter one. If the critic returns a map of scores, an
    example's score is their sum. Gulrajani et al. 2017, equation 3.

    Raises ValueError if one fake has another shape than one real example.
    """
    require_alike(real, fake)
    num_pairs = min(len(real), len(fake))
    real, fake = real[:num_pairs].detach(), fake[:num_pairs].detach()
    alpha = torch.rand(num_pairs, *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
    points = (alpha * real + (1 - alpha) * fake).requires_grad_()
    # No example's score depends on another example, so the gradient of the sum holds each example's own gradient.
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return ((torch.linalg.vector_norm(gradient.flatten(1), dim=1) - 1) ** 2).mean()


class WGANGP(GAN):
    """A GAN whose discriminator is a critic f, with any number as its score, kept near slope 1 by a penalty.

    Args:
        generator, discriminator, latent_dim: as in `GAN`; no batch norm in the discriminator.
        penalty_weight: what the gradient penalty counts, lambda in the paper.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent_dim: int, penalty_weight: float = 10.0):
        super().__init__(generator, discriminator, latent_dim)
        if penalty_weight < 0:
            raise ValueError(f"penalty_weight must be at least 0, got {penalty_weight}")
        self.penalty_weight = penalty_weight

    def discriminator_objective(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        return critic_loss(logits_real, logits_fake)

    def generator_objective(self, logits_fake: Tensor) -> Tensor:
        return critic_generator_loss(logits_fake)

    def verdict(self, logits: Tensor) -> Tensor:
        """Return f(x), the score itself: like `logits`; only differences mean something."""
        return logits

    def discriminator_loss(self, real: Tensor) -> Turn:
        """Return the critic's turn, penalty included, against as many fakes as there are real examples.

        No gradient reaches the generator. Raises ValueError if fakes have another shape than `real`.
        """
        fake = self.fakes_like(real)
        scores_real, scores_fake = self.discriminator(real), self.discriminator(fake)
        penalty = gradient_penalty(self.discriminator, real, fake)
        loss = self.discriminator_objective(scores_real, scores_fake) + self.penalty_weight * penalty
        return Turn(loss, scores_real, scores_fake)
