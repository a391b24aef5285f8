"""Conditional VAE: encoder and decoder are told the class y, so z is left with what the class does not say (style).

    log p(x | y) >= E_q(z|x,y)[log p(x | z, y)] - KL(q(z | x, y) || p(z))

with p(z) = N(0, I) for every class, so that a draw of z with a chosen y gives an image of that class.

Sources: Sohn, Lee & Yan 2015 (NeurIPS, "Learning structured output representation"); Kingma et al. 2014
(arXiv 1406.5298), model M2 with observed labels, for the prior that does not depend on y.
Shapes: images x (B, C, H, W) in [0, 1]; labels y (B,) int64; z (B, Z); bounds and their terms (B,), in nats.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.density.gaussian import gaussian_log_prob
from course_utils.models.latent.likelihoods import Bernoulli, require_unit_range
from course_utils.models.latent.vae import gaussian_kl, importance_log_prob, mlp, reparameterize


def condition_on_label(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Return z (B, Z) joined to one-hot y (B,), in the dtype of z: (B, Z + num_classes).

    Raises ValueError if y is not int64 (B,) or a label lies outside 0 ... num_classes - 1.
    """
    if z.ndim != 2 or y.shape != z.shape[:1] or y.dtype != torch.int64:
        raise ValueError(f"z must be (B, Z) and y int64 (B,), got {tuple(z.shape)} and {y.dtype} {tuple(y.shape)}")
    wrong = y[(y < 0) | (y >= num_classes)]
    if len(wrong) > 0:
        raise ValueError(f"labels must lie in 0 ... {num_classes - 1}, got {wrong[0].item()}")
    return torch.cat([z, F.one_hot(y, num_classes).to(z.dtype)], dim=1)


class ConditionalVAE(nn.Module):
    """A conditional VAE of fully connected networks.

    Args:
        image_shape: (C, H, W).
        num_classes: labels are 0 ... num_classes - 1.
        latent_dim: the number Z of latent variables.
        hidden_dim, num_layers: width and number of hidden layers, in encoder and decoder each.
        likelihood: p(x | z, y), one of `likelihoods.py`; by default Bernoulli.
    """

    def __init__(self, image_shape, num_classes: int, latent_dim=20, hidden_dim=400, num_layers=2, likelihood=None):
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        self.latent_dim = latent_dim
        self.likelihood = likelihood if likelihood is not None else Bernoulli()
        widths = [hidden_dim] * num_layers
        params_shape = self.likelihood.params_shape(*image_shape)
        self.encoder = mlp(math.prod(image_shape) + num_classes, *widths, 2 * latent_dim)
        self.decoder = nn.Sequential(
            *mlp(latent_dim + num_classes, *widths, math.prod(params_shape)), nn.Unflatten(1, params_shape)
        )

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of q(z | x, y), each (B, Z). Raises ValueError for a wrong shape, range or label."""
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the model was built for images {self.image_shape}, got x {tuple(x.shape)}")
        require_unit_range(x)
        mu, logvar = self.encoder(condition_on_label(x.flatten(1), y, self.num_classes)).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the params of p(x | z, y). Raises ValueError for a wrong latent size or label."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        return self.decoder(condition_on_label(z, y, self.num_classes))

    def terms(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x | z, y) for one draw z of q(z | x, y), and KL(q(z | x, y) || p(z)): each (B,), in nats."""
        mu, logvar = self.encode(x, y)
        z = reparameterize(mu, logvar)
        return self.likelihood.log_prob(self.decode(z, y), x), gaussian_kl(mu, logvar)

    def elbo(self, x: Tensor, y: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Return log p(x | z, y) - beta KL, (B,), in nats: at beta = 1 a bound on log p(x | y), by one draw."""
        log_px_given_zy, kl = self.terms(x, y)
        return log_px_given_zy - beta * kl

    def loss(self, x: Tensor, y: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Return the negative ELBO, the mean over the batch: (), in nats."""
        return -self.elbo(x, y, beta).mean()

    def log_weights(self, x: Tensor, y: Tensor, num_samples: int) -> Tensor:
        """Return log p(x | z_k, y) p(z_k) / q(z_k | x, y) for draws z_1 ... z_K: (K, B), in nats."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        mu, logvar = (param.repeat(num_samples, 1) for param in self.encode(x, y))
        z = reparameterize(mu, logvar)
        repeated = x.expand(num_samples, *x.shape).flatten(0, 1)
        zeros = torch.zeros_like(z)
        log_px_given_zy = self.likelihood.log_prob(self.decode(z, y.repeat(num_samples)), repeated)
        log_weights = log_px_given_zy + gaussian_log_prob(z, zeros, zeros) - gaussian_log_prob(z, mu, logvar)
        return log_weights.view(num_samples, len(x))

    def importance_log_prob(self, x: Tensor, y: Tensor, num_samples: int, chunk: int = 1000) -> Tensor:
        """Return the importance-weighted estimate of log p(x | y), (B,), in nats: see `vae.importance_log_prob`."""
        return importance_log_prob(self.log_weights, num_samples, chunk, x, y)

    @torch.no_grad()
    def decode_mean(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the mean image E[x | z, y]: (B, C, H, W) in [0, 1]."""
        return self.likelihood.mean(self.decode(z, y))

    @torch.no_grad()
    def reconstruct(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x_hat, the mean image at the mean of q(z | x, y): like x, in [0, 1]."""
        mu, _ = self.encode(x, y)
        return self.decode_mean(mu, y)

    @torch.no_grad()
    def sample(self, num_samples: int, y: int | Tensor) -> Tensor:
        """Return draws of x given y, one label for all or (N,) labels: (N, C, H, W) in [0, 1]."""
        like = next(self.parameters())
        y = torch.as_tensor(y, device=like.device)
        if num_samples < 1 or y.shape not in ((), (num_samples,)):
            raise ValueError(
                f"num_samples must be at least 1 and y one label or (num_samples,) labels, "
                f"got {num_samples} and {tuple(y.shape)}"
            )
        z = torch.randn(num_samples, self.latent_dim, dtype=like.dtype, device=like.device)
        return self.likelihood.sample(self.decode(z, y.expand(num_samples)))
