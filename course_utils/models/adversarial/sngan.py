"""Hinge loss and spectral norm: a discriminator that stops pushing at a margin, with layers that cannot stretch.

    discriminator  minimises  E_x max(0, 1 - D(x)) + E_z max(0, 1 + D(G(z)))
    generator      minimises  -E_z D(G(z))
    every weight of the discriminator is W / sigma(W), with sigma the largest singular value

Then no layer stretches a vector, and with activations of slope at most 1 the whole discriminator is 1-Lipschitz, with
no penalty to compute. A convolution's kernel (O, I, k, k) is taken as the matrix (O, I k k), so a convolution may
stretch by more than 1, at most by k. The singular value is tracked by one step of the power method a forward pass in
training mode.

Sources: Lim & Ye 2017 (arXiv 1705.02894) for the hinge; Miyato et al. 2018 (arXiv 1802.05957), equation 8 and
algorithm 1. Shapes: scores of any shape, losses ().
"""

import copy

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from course_utils.models.adversarial.gan import GAN

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def hinge_discriminator_loss(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    """Return E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), (), at least 0; the batches may differ in size."""
    return F.relu(1 - scores_real).mean() + F.relu(1 + scores_fake).mean()


def hinge_generator_loss(scores_fake: Tensor) -> Tensor:
    """Return -E D(G(z)), ()."""
    return -scores_fake.mean()


def with_spectral_norm(network: nn.Module) -> nn.Module:
    """Return a copy of the network whose linear and convolutional weights are divided by their largest singular value.

    Miyato et al. 2018, equation 8. Raises ValueError if the network has no such layer.
    """
    normed = copy.deepcopy(network)
    layers = [module for module in normed.modules() if isinstance(module, LAYERS)]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no linear or convolutional layer to normalise")
    for layer in layers:
        spectral_norm(layer)
    return normed


class HingeGAN(GAN):
    """A GAN with the hinge loss; give its discriminator through `with_spectral_norm`."""

    def discriminator_objective(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        return hinge_discriminator_loss(logits_real, logits_fake)

    def generator_objective(self, logits_fake: Tensor) -> Tensor:
        return hinge_generator_loss(logits_fake)

    def verdict(self, logits: Tensor) -> Tensor:
        """Return D(x), the score itself: like `logits`, positive for real."""
        return logits
