"""VAE-GAN: a discriminator judges what the decoder draws, and its features measure how good a reconstruction is.

    real x, fakes D(z_q) with z_q from q(z | x), and D(z_p) with z_p from p(z); C the discriminator, phi its features

    encoder        minimises  1/2 |phi(x) - phi(D(z_q))|^2 + KL(q(z | x) || p(z))
    decoder        minimises  gamma 1/2 |phi(x) - phi(D(z_q))|^2 - log C(D(z_q)) - log C(D(z_p))
    discriminator  minimises  -log C(x) - log(1 - C(D(z_q))) - log(1 - C(D(z_p)))

The three take turns; each loss changes its own network only. To the features the pixels are added here, as one more
layer: early in training they are the better guide. The decoder's adversarial term is the non-saturating one.

Source: Larsen et al. 2016 (arXiv 1512.09300), algorithm 1. Shapes: images x (B, C, H, W) in [0, 1]; z (B, Z).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.latent.likelihoods import require_unit_range
from course_utils.models.latent.vae import gaussian_kl, mlp, reparameterize


class Discriminator(nn.Module):
    """A small convolutional network for images with even sides: `features`, and from them one logit, high for real."""

    def __init__(self, image_shape, hidden_dim: int = 16):
        super().__init__()
        num_channels, height, width = image_shape
        if height % 2 or width % 2:
            raise ValueError(f"the discriminator needs even sides, got {height}x{width}")
        self.first = nn.Conv2d(num_channels, hidden_dim, 3, padding=1)
        self.second = nn.Conv2d(hidden_dim, 2 * hidden_dim, 4, stride=2, padding=1)
        self.head = nn.Linear(2 * hidden_dim * (height // 2) * (width // 2), 1)

    def features(self, x: Tensor) -> Tensor:
        """Return phi(x), (B, 2 hidden_dim, H/2, W/2)."""
        return F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of "x is real", (B,)."""
        return self.head(self.features(x).flatten(1)).squeeze(1)


class VAEGAN(nn.Module):
    """Encoder and decoder of fully connected networks, and a convolutional discriminator.

    It has neither `elbo` nor `loss`: three networks minimise three losses, one step each, by `train_step`.

    Args:
        image_shape: (C, H, W) with even sides.
        latent_dim: the number Z of latent variables.
        hidden_dim, num_layers: width and number of hidden layers, in encoder and decoder each.
        discriminator_dim: channels of the discriminator's first layer.
        gamma: what a reconstruction counts for the decoder, against the discriminator's verdict.
    """

    def __init__(self, image_shape, latent_dim=20, hidden_dim=400, num_layers=1, discriminator_dim=16, gamma=1.0):
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma must be at least 0, got {gamma}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.gamma = gamma
        widths, num_values = [hidden_dim] * num_layers, math.prod(image_shape)
        self.encoder = nn.Sequential(nn.Flatten(), *mlp(num_values, *widths, 2 * latent_dim))
        self.decoder = nn.Sequential(
            *mlp(latent_dim, *widths, num_values), nn.Unflatten(1, self.image_shape), nn.Sigmoid()
        )
        self.discriminator = Discriminator(image_shape, discriminator_dim)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of q(z | x), each (B, Z). Raises ValueError for a wrong shape, or if x leaves [0, 1]."""
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the model was built for images {self.image_shape}, got x {tuple(x.shape)}")
        require_unit_range(x)
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Return the image of each z (B, Z), with gradients: (B, C, H, W) in [0, 1]."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        return self.decoder(z)

    def reconstruction_error(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Return half the squared distance of pixels and of the discriminator's features, (B,), at least 0.

        Up to a constant it is -log N(phi(x); phi(x_hat), I), in nats (Larsen et al. 2016, equation 7).
        """
        with torch.no_grad():
            phi = self.discriminator.features(x)
        phi_hat = self.discriminator.features(x_hat)
        return 0.5 * ((x - x_hat) ** 2).flatten(1).sum(1) + 0.5 * ((phi - phi_hat) ** 2).flatten(1).sum(1)

    def encoder_loss(self, x: Tensor) -> Tensor:
        """Return reconstruction error and KL, the mean over the batch: (), in nats."""
        mu, logvar = self.encode(x)
        x_hat = self.decode(reparameterize(mu, logvar))
        return (self.reconstruction_error(x, x_hat) + gaussian_kl(mu, logvar)).mean()

    def decoder_loss(self, x: Tensor) -> Tensor:
        """Return gamma times the reconstruction error, less the log-odds of being taken for real: ()."""
        fakes, x_hat = self.fakes(x)
        adversarial = F.softplus(-self.discriminator(fakes)).view(2, len(x)).sum(0)
        return (self.gamma * self.reconstruction_error(x, x_hat) + adversarial).mean()

    def discriminator_loss(self, x: Tensor) -> Tensor:
        """Return the cross-entropy of telling x from reconstructions and from draws, the mean over the batch: ()."""
        with torch.no_grad():
            fakes, _ = self.fakes(x)
        logits_real, logits_fake = self.discriminator(x), self.discriminator(fakes)
        return (F.softplus(-logits_real) + F.softplus(logits_fake).view(2, len(x)).sum(0)).mean()

    def fakes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return reconstructions of x followed by draws from the prior, (2B, C, H, W), and the reconstructions alone.

        Gradients reach the decoder and stop at z.
        """
        with torch.no_grad():
            z_q = reparameterize(*self.encode(x))
        fakes = self.decode(torch.cat([z_q, torch.randn_like(z_q)]))
        return fakes, fakes[: len(x)]

    @torch.no_grad()
    def decode_mean(self, z: Tensor) -> Tensor:
        """Return the image of each z (B, Z): (B, C, H, W) in [0, 1]."""
        return self.decode(z)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x_hat, the image of the mean of q(z | x): like x, in [0, 1]."""
        return self.decode(self.encode(x)[0])

    @torch.no_grad()
    def sample(self, num_samples: int) -> Tensor:
        """Return images of draws from the prior: (N, C, H, W) in [0, 1]. The decoder adds no noise of its own."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = next(self.parameters())
        return self.decode(torch.randn(num_samples, self.latent_dim, dtype=like.dtype, device=like.device))


NETWORKS = ("encoder", "decoder", "discriminator")


def make_optimizers(model: VAEGAN, lr: float = 1e-3) -> dict[str, torch.optim.Optimizer]:
    """Return one Adam for each network, by its name, with the short memory (beta1 = 0.5) that GANs want."""
    return {name: torch.optim.Adam(getattr(model, name).parameters(), lr=lr, betas=(0.5, 0.999)) for name in NETWORKS}


def train_step(model: VAEGAN, x: Tensor, optimizers: dict[str, torch.optim.Optimizer]) -> dict[str, float]:
    """Let the three networks take one step each, in the order of NETWORKS; return their losses before it, by name."""
    losses = {}
    for name in NETWORKS:
        loss = getattr(model, f"{name}_loss")(x)
        optimizers[name].zero_grad()
        # The loss passes through the other networks, but only this one may keep a gradient.
        loss.backward(inputs=list(getattr(model, name).parameters()))
        optimizers[name].step()
        losses[name] = loss.item()
    return losses
