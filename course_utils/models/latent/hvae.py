"""Hierarchical VAE: latent layers z_1 ... z_L, each with a prior that is learned from the layer above.

    p(x, z) = p(x | z_1) p(z_1 | z_2) ... p(z_{L-1} | z_L) p(z_L),    p(z_L) = N(0, I)
    q(z | x) = q(z_L | x) q(z_{L-1} | z_L, x) ... q(z_1 | z_2, x)
    log p(x) >= E_q[log p(x | z_1) - sum_l KL(q(z_l | z_{l+1}, x) || p(z_l | z_{l+1}))]

Inference runs top-down like the model: what the image says of z_l, a Gaussian, is multiplied with the prior, a Gaussian
too (the ladder VAE). Inference from the bottom up (Rezende et al. 2014) tends to leave the upper layers unused.

Source: Sonderby et al. 2016 (arXiv 1602.02282). Shapes: images x (B, C, H, W) in [0, 1]; z_l (B, Z_l).
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_utils.models.density.gaussian import gaussian_log_prob
from course_utils.models.latent.likelihoods import Bernoulli, require_unit_range
from course_utils.models.latent.vae import importance_log_prob, mlp, reparameterize


def gaussian_kl_between(mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor) -> Tensor:
    """Return KL(q || p) of diagonal Gaussians (B, Z): (B,), in nats, at least 0."""
    log_ratio = logvar_q - logvar_p
    return 0.5 * ((mu_q - mu_p) ** 2 * torch.exp(-logvar_p) + torch.expm1(log_ratio) - log_ratio).sum(-1)


def gaussian_product(mu_a: Tensor, logvar_a: Tensor, mu_b: Tensor, logvar_b: Tensor) -> tuple[Tensor, Tensor]:
    """Return mu and logvar of the normalised product of two Gaussian densities: precisions add, means are weighted by
    them (Sonderby et al. 2016, equations 17 and 18)."""
    logvar = -torch.logaddexp(-logvar_a, -logvar_b)
    mu = mu_a * torch.exp(logvar - logvar_a) + mu_b * torch.exp(logvar - logvar_b)
    return mu, logvar


class HierarchicalVAE(nn.Module):
    """A ladder VAE of fully connected networks.

    Args:
        image_shape: (C, H, W).
        latent_dims: the sizes (Z_1, ..., Z_L) of the layers, from the image upwards.
        hidden_dim, num_layers: width and number of hidden layers in each network between two layers of latents.
        likelihood: p(x | z_1), one of `likelihoods.py`; by default Bernoulli.
    """

    def __init__(self, image_shape, latent_dims=(32, 8), hidden_dim=400, num_layers=1, likelihood=None):
        super().__init__()
        if len(latent_dims) < 1 or min(latent_dims) < 1:
            raise ValueError(f"latent_dims must name at least one layer of at least 1, got {tuple(latent_dims)}")
        self.image_shape = tuple(image_shape)
        self.latent_dims = tuple(latent_dims)
        self.likelihood = likelihood if likelihood is not None else Bernoulli()
        widths = [hidden_dim] * num_layers
        params_shape = self.likelihood.params_shape(*image_shape)
        inputs = [math.prod(image_shape)] + [hidden_dim] * (len(latent_dims) - 1)
        # Lists run from the image upwards: features[l] reads features[l - 1], evidence[l] and priors[l] speak of z_l.
        self.features = nn.ModuleList(nn.Sequential(mlp(dim, *widths), nn.ReLU()) for dim in inputs)
        self.evidence = nn.ModuleList(mlp(hidden_dim, 2 * dim) for dim in latent_dims)
        self.priors = nn.ModuleList(mlp(above, *widths, 2 * dim) for dim, above in pairwise(latent_dims))
        # At the start the image's word must outweigh the prior's, or the layers fall silent and stay so.
        for evidence, dim in zip(self.evidence, latent_dims, strict=True):
            nn.init.normal_(evidence[0].weight, std=hidden_dim**-0.5)
            nn.init.constant_(evidence[0].bias[dim:], -2.0)
        self.decoder = nn.Sequential(
            *mlp(latent_dims[0], *widths, math.prod(params_shape)), nn.Unflatten(1, params_shape)
        )

    def prior(self, layer: int, z_above: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of p(z_l | z_{l+1}), each (B, Z_l), for a layer below the top one, counted from 0."""
        mu, logvar = self.priors[layer](z_above).chunk(2, dim=1)
        return mu, logvar

    def encode(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return what x alone says of each layer: (mu, logvar), each (B, Z_l), from the image upwards.

        At the top it is q(z_L | x). Raises ValueError for a wrong shape, or if x leaves [0, 1].
        """
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the model was built for images {self.image_shape}, got x {tuple(x.shape)}")
        require_unit_range(x)
        hidden, out = x.flatten(1), []
        for features, evidence in zip(self.features, self.evidence, strict=True):
            hidden = features(hidden)
            out.append(tuple(evidence(hidden).chunk(2, dim=1)))
        return out

    def infer(self, evidence: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], Tensor, Tensor]:
        """Draw all layers from q, from the top down, given what `encode` returned.

        Returns the draws z_l from the image upwards, KL(q || p) of each layer given the draw above, (B, L), and
        log p(z) / q(z | x) of the draws, (B,), in nats.
        """
        mu, logvar = evidence[-1]
        mu_prior, logvar_prior = torch.zeros_like(mu), torch.zeros_like(logvar)
        draws, kls, log_ratio = [], [], 0.0
        for layer in reversed(range(len(self.latent_dims))):
            if draws:
                mu_prior, logvar_prior = self.prior(layer, draws[0])
                mu, logvar = gaussian_product(*evidence[layer], mu_prior, logvar_prior)
            z = reparameterize(mu, logvar)
            draws.insert(0, z)
            kls.insert(0, gaussian_kl_between(mu, logvar, mu_prior, logvar_prior))
            log_ratio = log_ratio + gaussian_log_prob(z, mu_prior, logvar_prior) - gaussian_log_prob(z, mu, logvar)
        return draws, torch.stack(kls, dim=1), log_ratio

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x | z_1) and the sum of the layers' KL, for one draw of z: each (B,), in nats."""
        draws, kl_per_layer, _ = self.infer(self.encode(x))
        return self.likelihood.log_prob(self.decoder(draws[0]), x), kl_per_layer.sum(1)

    def kl_per_layer(self, x: Tensor) -> Tensor:
        """Return the KL of each layer from the image upwards, for one draw of z: (B, L), in nats, at least 0."""
        _, kl_per_layer, _ = self.infer(self.encode(x))
        return kl_per_layer

    def elbo(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Return log p(x | z_1) - beta (sum of the layers' KL), (B,), in nats: at beta = 1 a bound, by one draw."""
        log_px_given_z, kl = self.terms(x)
        return log_px_given_z - beta * kl

    def loss(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Return the negative ELBO, the mean over the batch: (), in nats. Warm-up of beta keeps upper layers in use."""
        return -self.elbo(x, beta).mean()

    def log_weights(self, x: Tensor, num_samples: int) -> Tensor:
        """Return log p(x, z_k) / q(z_k | x) for draws of all layers, k = 1 ... K: (K, B), in nats."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        evidence = [tuple(param.repeat(num_samples, 1) for param in layer) for layer in self.encode(x)]
        draws, _, log_ratio = self.infer(evidence)
        repeated = x.expand(num_samples, *x.shape).flatten(0, 1)
        log_px_given_z = self.likelihood.log_prob(self.decoder(draws[0]), repeated)
        return (log_px_given_z + log_ratio).view(num_samples, len(x))

    def importance_log_prob(self, x: Tensor, num_samples: int, chunk: int = 1000) -> Tensor:
        """Return the importance-weighted estimate of log p(x), (B,), in nats: see `vae.importance_log_prob`."""
        return importance_log_prob(self.log_weights, num_samples, chunk, x)

    @torch.no_grad()
    def descend(self, z_top: Tensor) -> Tensor:
        """Return the mean image for draws of the lower layers from their priors, given z_L (B, Z_L): in [0, 1]."""
        return self.likelihood.mean(self._params_below(z_top))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x_hat, the mean image at one draw of z_1 from q: like x, in [0, 1]."""
        draws, _, _ = self.infer(self.encode(x))
        return self.likelihood.mean(self.decoder(draws[0]))

    @torch.no_grad()
    def sample(self, num_samples: int) -> Tensor:
        """Return draws of all layers from the prior and of x from p(x | z_1): (N, C, H, W) in [0, 1]."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = next(self.parameters())
        z_top = torch.randn(num_samples, self.latent_dims[-1], dtype=like.dtype, device=like.device)
        return self.likelihood.sample(self._params_below(z_top))

    def _params_below(self, z: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.latent_dims[-1]:
            raise ValueError(f"z must be (B, {self.latent_dims[-1]}), got {tuple(z.shape)}")
        for layer in reversed(range(len(self.priors))):
            z = reparameterize(*self.prior(layer, z))
        return self.decoder(z)
