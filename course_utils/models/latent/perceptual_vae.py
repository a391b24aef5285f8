"""Perceptual VAE: reconstructions are compared by the features of a fixed network as well as pixel by pixel.

    loss(x) = -log p(x | z) + weight * sum_l 1/2 mean (phi_l(x) - phi_l(x_hat))^2 + KL(q(z | x) || p(z))

with x_hat = E[x | z]; phi_l is layer l of a classifier that was trained before and no longer changes. A pixel loss
rewards the average of all images that z may stand for; the features of an average differ from those of any of them.

Sources: Hou et al. 2017 (arXiv 1610.00291), section 3.2, for the feature loss; Dosovitskiy & Brox 2016
(arXiv 1602.02644), equation 2, for its sum with a pixel loss. Shapes: images x (B, C, H, W) in [0, 1]; z (B, Z).
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.latent.vae import VAE, gaussian_kl, reparameterize


class FeatureNet(nn.Module):
    """A small convolutional classifier, trained by `loss(x, y)` and then used for its features.

    Args:
        image_shape: (C, H, W) with even sides.
        num_classes: labels are 0 ... num_classes - 1.
        hidden_dim: channels of the first layer; the second, on half the sides, has twice as many.
    """

    def __init__(self, image_shape, num_classes: int = 10, hidden_dim: int = 16):
        super().__init__()
        num_channels, height, width = image_shape
        if height % 2 or width % 2:
            raise ValueError(f"the feature network needs even sides, got {height}x{width}")
        self.first = nn.Conv2d(num_channels, hidden_dim, 3, padding=1)
        self.second = nn.Conv2d(hidden_dim, 2 * hidden_dim, 4, stride=2, padding=1)
        self.head = nn.Linear(2 * hidden_dim * (height // 2) * (width // 2), num_classes)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the two layers of features: (B, hidden_dim, H, W) and (B, 2 hidden_dim, H/2, W/2)."""
        # A smooth unit instead of a ReLU: where all ReLUs are off, a difference of features has no gradient.
        first = F.silu(self.first(x))
        return [first, F.silu(self.second(first))]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes, (B, num_classes)."""
        return self.head(self.features(x)[-1].flatten(1))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the cross-entropy of the labels, the mean over the batch: (), in nats."""
        return F.cross_entropy(self(x), y)


def perceptual_distance(features: list[Tensor], features_hat: list[Tensor]) -> Tensor:
    """Return the sum over layers of half the mean squared difference of features: (B,), at least 0.

    Hou et al. 2017, equation 2: each layer counts alike, however many features it has.
    Raises ValueError unless both lists hold layers of the same shapes.
    """
    shapes, shapes_hat = [tuple(f.shape) for f in features], [tuple(f.shape) for f in features_hat]
    if shapes != shapes_hat or not shapes:
        raise ValueError(f"both images need the same layers of features, got {shapes} and {shapes_hat}")
    layers = zip(features, features_hat, strict=True)
    return sum(0.5 * ((phi - phi_hat) ** 2).flatten(1).mean(1) for phi, phi_hat in layers)


class PerceptualVAE(VAE):
    """A VAE with a feature term; `elbo(x)` stays the bound, `loss(x)` is no longer its negative.

    Build one by `dense_vae(image_shape, model=PerceptualVAE, feature_net=net)` or by `conv_vae` likewise.

    Args:
        feature_net: has `features(x)`, a list of layers. The model keeps a frozen copy.
        feature_weight: of the distance of features, in nats.
        pixel_weight: of -log p(x | z); 0 leaves the features alone, as in Hou et al.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_dim: int,
        likelihood: nn.Module | None = None,
        *,
        feature_net: nn.Module,
        feature_weight: float = 100.0,
        pixel_weight: float = 1.0,
    ):
        super().__init__(encoder, decoder, latent_dim, likelihood)
        if feature_weight < 0 or pixel_weight < 0:
            raise ValueError(f"both weights must be at least 0, got {feature_weight} and {pixel_weight}")
        self.feature_net = copy.deepcopy(feature_net).requires_grad_(False)
        self.feature_weight = feature_weight
        self.pixel_weight = pixel_weight

    def perceptual_distance(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Return the distance of x and x_hat in the features of the fixed network: (B,), at least 0."""
        with torch.no_grad():
            features = self.feature_net.features(x)
        return perceptual_distance(features, self.feature_net.features(x_hat))

    def loss(self, x: Tensor) -> Tensor:
        """Return pixel term, feature term and KL, weighted, the mean over the batch: ()."""
        mu, logvar = self.encode(x)
        params = self.decode(reparameterize(mu, logvar))
        pixels = -self.likelihood.log_prob(params, x)
        distance = self.perceptual_distance(x, self.likelihood.mean(params))
        return (self.pixel_weight * pixels + self.feature_weight * distance + gaussian_kl(mu, logvar)).mean()
