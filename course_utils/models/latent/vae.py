"""Variational autoencoder: an encoder q(z | x) and a decoder p(x | z), trained together on a bound of log p(x).

    log p(x) >= ELBO(x) = E_q(z|x)[log p(x | z)] - KL(q(z | x) || p(z))

with prior p(z) = N(0, I) and q(z | x) = N(mu(x), diag exp(logvar(x))). The gap is KL(q(z | x) || p(z | x)).

Sources: Kingma & Welling 2013 (arXiv 1312.6114), Rezende, Mohamed & Wierstra 2014 (arXiv 1401.4082).
Shapes: images x (B, C, H, W) in [0, 1]; mu, logvar, z (B, Z); logits like x; bounds and their terms (B,), in nats.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_utils.models.density.gaussian import gaussian_log_prob
from course_utils.models.latent.likelihoods import Bernoulli, bernoulli_log_prob, require_same_shape, require_unit_range


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return a draw of N(mu, diag exp(logvar)), like mu, differentiable in both: dz/dmu = 1, dz/dlogvar = (z - mu) / 2.

    Kingma & Welling 2013, section 2.4. Raises ValueError for unequal shapes.
    """
    require_same_shape(mu=mu, logvar=logvar)
    noise = torch.randn_like(mu)
    return mu + torch.exp(0.5 * logvar) * noise


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return KL(N(mu, diag exp(logvar)) || N(0, I)) of each row of (B, Z): (B,), in nats, at least 0.

    Kingma & Welling 2013, appendix B. Raises ValueError for unequal shapes.
    """
    require_same_shape(mu=mu, logvar=logvar)
    # expm1 keeps the digits that exp(logvar) - 1 loses near the prior, where the sum would round below 0.
    return 0.5 * (mu**2 + torch.expm1(logvar) - logvar).sum(-1)


def elbo(logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """Return log p(x | z) - beta KL(q(z | x) || p(z)) of each image, for one draw of z: (B,), in nats.

    At beta = 1 its mean over z is a lower bound on log p(x) (Kingma & Welling 2013, equation 7).
    """
    return bernoulli_log_prob(logits, x) - beta * gaussian_kl(mu, logvar)


@torch.no_grad()
def importance_log_prob(log_weights, num_samples: int, chunk: int, *batch: Tensor) -> Tensor:
    """Return log (1/K) sum_k p(x, z_k) / q(z_k | x) for z_k from q: (B,), in nats, below log p(x) on average.

    `log_weights(*batch, num_samples)` draws log p(x, z_k) / q(z_k | x), (K, B). At most `chunk` images are decoded at
    once, whatever K and B. Burda et al. 2015 (arXiv 1509.00519), equation 8. Raises ValueError for K or chunk below 1.
    """
    if num_samples < 1 or chunk < 1:
        raise ValueError(f"num_samples and chunk must be at least 1, got {num_samples} and {chunk}")
    estimates = []
    for part in zip(*(tensor.split(chunk) for tensor in batch), strict=True):
        at_once = chunk // len(part[0])
        log_sums = [
            log_weights(*part, min(at_once, num_samples - start)).logsumexp(0)
            for start in range(0, num_samples, at_once)
        ]
        estimates.append(torch.stack(log_sums).logsumexp(0) - math.log(num_samples))
    return torch.cat(estimates)


class VAE(nn.Module):
    """A VAE of any two networks.

    Args:
        encoder: maps x (B, C, H, W) to (B, 2 latent_dim): mu, then logvar.
        decoder: maps z (B, latent_dim) to the params of the likelihood.
        latent_dim: the number Z of latent variables.
        likelihood: p(x | z), one of `likelihoods.py`; by default Bernoulli.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent_dim: int, likelihood: nn.Module | None = None):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.latent_dim = latent_dim
        self.likelihood = likelihood if likelihood is not None else Bernoulli()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of q(z | x), each (B, Z). Raises ValueError if x leaves [0, 1] or the encoder's output
        does not fit."""
        require_unit_range(x)
        out = self.encoder(x)
        if out.shape != (len(x), 2 * self.latent_dim):
            raise ValueError(f"the encoder must return {(len(x), 2 * self.latent_dim)}, got {tuple(out.shape)}")
        mu, logvar = out.chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Return the params of p(x | z) for z (B, Z). Raises ValueError for another latent size."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        return self.decoder(z)

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x | z) for one draw z of q(z | x), and KL(q(z | x) || p(z)): each (B,), in nats."""
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar)
        return self.likelihood.log_prob(self.decode(z), x), gaussian_kl(mu, logvar)

    def elbo(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Return log p(x | z) - beta KL, (B,), in nats: at beta = 1 an unbiased estimate of the bound, by one draw."""
        log_px_given_z, kl = self.terms(x)
        return log_px_given_z - beta * kl

    def loss(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Return the negative ELBO, the mean over the batch: (), in nats."""
        return -self.elbo(x, beta).mean()

    def log_weights(self, x: Tensor, num_samples: int) -> Tensor:
        """Return log p(x | z_k) p(z_k) / q(z_k | x) for draws z_1 ... z_K of q(z | x): (K, B), in nats."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        mu, logvar = (param.expand(num_samples, *param.shape) for param in self.encode(x))
        z = reparameterize(mu, logvar)
        params = self.decode(z.flatten(0, 1))
        repeated = x.expand(num_samples, *x.shape).flatten(0, 1)
        log_px_given_z = self.likelihood.log_prob(params, repeated).view(num_samples, len(x))
        zeros = torch.zeros_like(z)
        return log_px_given_z + gaussian_log_prob(z, zeros, zeros) - gaussian_log_prob(z, mu, logvar)

    def importance_log_prob(self, x: Tensor, num_samples: int, chunk: int = 1000) -> Tensor:
        """Return the importance-weighted estimate of log p(x), (B,), in nats, as `importance_log_prob` describes."""
        return importance_log_prob(self.log_weights, num_samples, chunk, x)

    @torch.no_grad()
    def decode_mean(self, z: Tensor) -> Tensor:
        """Return the mean image E[x | z] of each z (B, Z): (B, C, H, W) in [0, 1]."""
        return self.likelihood.mean(self.decode(z))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x_hat, the mean image at the mean of q(z | x): like x, in [0, 1]."""
        mu, _ = self.encode(x)
        return self.decode_mean(mu)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Tensor:
        """Return draws of z from the prior and of x from p(x | z): (N, C, H, W) in [0, 1]."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = next(self.parameters())
        z = torch.randn(num_samples, self.latent_dim, dtype=like.dtype, device=like.device)
        return self.likelihood.sample(self.decode(z))


class ExpectShape(nn.Module):
    """Passes images of one shape on, and names any other."""

    def __init__(self, *image_shape: int):
        super().__init__()
        self.image_shape = image_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the network was built for images {self.image_shape}, got x {tuple(x.shape)}")
        return x


def dense_vae(
    image_shape, latent_dim=20, hidden_dim=400, num_layers=2, likelihood=None, model: type[VAE] = VAE, **settings
) -> VAE:
    """Return a VAE of fully connected networks with `num_layers` hidden layers each, for images of shape (C, H, W).

    `model` is VAE or a class built on it, and `settings` are what it takes besides.
    """
    likelihood = likelihood if likelihood is not None else Bernoulli()
    image_dim = math.prod(image_shape)
    params_shape = likelihood.params_shape(*image_shape)
    widths = [hidden_dim] * num_layers
    encoder = nn.Sequential(ExpectShape(*image_shape), nn.Flatten(), *mlp(image_dim, *widths, 2 * latent_dim))
    decoder = nn.Sequential(*mlp(latent_dim, *widths, math.prod(params_shape)), nn.Unflatten(1, params_shape))
    return model(encoder, decoder, latent_dim, likelihood, **settings)


def mlp(*widths: int) -> nn.Sequential:
    """Return linear layers with ReLU between them, from widths[0] inputs to widths[-1] outputs."""
    layers = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return initialize(nn.Sequential(*layers[:-1]))


def conv_vae(image_shape, latent_dim=20, hidden_dim=32, likelihood=None, model: type[VAE] = VAE, **settings) -> VAE:
    """Return a convolutional VAE for images of shape (C, H, W) with even sides, such as 8x8, 28x28 or 32x32.

    Each strided convolution halves the sides and doubles the channels, from `hidden_dim`, while the sides are even and
    above 4. Raises ValueError for an odd side.
    """
    likelihood = likelihood if likelihood is not None else Bernoulli()
    num_channels, height, width = image_shape
    if height % 2 or width % 2:
        raise ValueError(f"a convolutional VAE needs even sides, got {height}x{width}")
    channels = [num_channels, hidden_dim]
    height, width = height // 2, width // 2
    while height % 2 == 0 and width % 2 == 0 and min(height, width) > 4:
        channels.append(2 * channels[-1])
        height, width = height // 2, width // 2

    down, up = [], []
    for outer, inner in pairwise(channels):
        down += [nn.Conv2d(outer, inner, 4, stride=2, padding=1), nn.ReLU()]
    for outer, inner in pairwise([num_channels * likelihood.num_params, *channels[1:]]):
        up = [nn.ReLU(), nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1), *up]
    code_shape = (channels[-1], height, width)
    code_dim = math.prod(code_shape)
    encoder = nn.Sequential(ExpectShape(*image_shape), *down, nn.Flatten(), nn.Linear(code_dim, 2 * latent_dim))
    decoder = nn.Sequential(
        nn.Linear(latent_dim, code_dim),
        nn.Unflatten(1, code_shape),
        *up,
        nn.Unflatten(1, likelihood.params_shape(num_channels)),
    )
    return model(initialize(encoder), initialize(decoder), latent_dim, likelihood, **settings)


def initialize(network: nn.Sequential) -> nn.Sequential:
    """Draw weights that keep the size of activations through ReLUs (He et al. 2015), and set biases to 0.

    The last layer starts a tenth as large, so that q(z | x) starts near the prior and logits start near 0.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    for layer in layers:
        gain = 0.1 if layer is layers[-1] else math.sqrt(2)
        fan_in = layer.weight[0].numel()
        if isinstance(layer, nn.ConvTranspose2d):
            fan_in = layer.in_channels * math.prod(layer.kernel_size) // math.prod(layer.stride)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(fan_in))
        nn.init.zeros_(layer.bias)
    return network
