"""Pyramid VAE: a VAE of the coarse image, then, for each finer scale, a conditional VAE of the detail that is missing.

    coarse = mean of each 2x2 block of x,   detail = x - up(coarse),   x = up(coarse) + detail, exactly
    log p(x) = log p(coarse) + log p(detail | coarse) - (number of values in coarse) log 2

and each of the two terms has its ELBO; `coarse` is split again, `num_levels` - 1 times in all. The detail of a block
sums to 0, so it has 3 free values, on which a Gaussian decoder is a proper density. In the orthonormal basis of a block
its mean has the coordinate 2 * mean: the last term is that factor's log.

Sources: Burt & Adelson 1983 for the pyramid; Denton et al. 2015 (arXiv 1506.05751) for generation from coarse to fine,
there with GANs. Shapes: images x (B, C, H, W) in [0, 1]; z (B, Z) at each level; bounds (B,), in nats.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.latent.likelihoods import Gaussian, require_unit_range
from course_utils.models.latent.vae import dense_vae, gaussian_kl, mlp, reparameterize


def downsample(x: Tensor) -> Tensor:
    """Return the mean of each 2x2 block: (B, C, H/2, W/2). Raises ValueError for odd sides."""
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"a level of the pyramid needs even sides, got {x.shape[-2]}x{x.shape[-1]}")
    return F.avg_pool2d(x, 2)


def upsample(coarse: Tensor) -> Tensor:
    """Return each pixel as a 2x2 block: (B, C, 2H, 2W)."""
    return coarse.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


def remove_block_mean(detail: Tensor) -> Tensor:
    """Return the detail less the mean of each 2x2 block, like detail: the part that the coarse image does not hold."""
    return detail - upsample(downsample(detail))


def build_pyramid(x: Tensor, num_levels: int) -> list[Tensor]:
    """Return the coarsest image, then the details from coarse to fine: `num_levels` tensors, details in [-1, 1].

    Raises ValueError unless the sides can be halved num_levels - 1 times.
    """
    details = []
    for _ in range(num_levels - 1):
        coarse = downsample(x)
        details.insert(0, x - upsample(coarse))
        x = coarse
    return [x, *details]


def collapse_pyramid(pyramid: list[Tensor]) -> Tensor:
    """Return the image that `build_pyramid` took apart, (B, C, H, W)."""
    x, *details = pyramid
    for detail in details:
        x = upsample(x) + detail
    return x


class DetailVAE(nn.Module):
    """A conditional VAE of one level's detail, given the coarser image enlarged: both (B, C, H, W)."""

    def __init__(self, image_shape, latent_dim: int, hidden_dim: int, num_layers: int):
        super().__init__()
        num_values, widths = math.prod(image_shape), [hidden_dim] * num_layers
        self.latent_dim = latent_dim
        self.encoder = mlp(2 * num_values, *widths, 2 * latent_dim)
        self.decoder = nn.Sequential(
            *mlp(latent_dim + num_values, *widths, num_values), nn.Unflatten(1, tuple(image_shape))
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.1)))

    def encode(self, detail: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of q(z | detail, base), each (B, Z)."""
        mu, logvar = self.encoder(torch.cat([detail.flatten(1), base.flatten(1)], dim=1)).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor, base: Tensor) -> Tensor:
        """Return the mean detail for z (B, Z) and base: like base, the sum of each 2x2 block 0."""
        return remove_block_mean(self.decoder(torch.cat([z, base.flatten(1)], dim=1)))

    def log_prob(self, mean: Tensor, detail: Tensor) -> Tensor:
        """Return log p(detail | z, base) on the 3 free values of each block: (B,), in nats."""
        num_free = 3 * mean[0].numel() // 4
        squared = ((detail - mean) ** 2).flatten(1).sum(1) * torch.exp(-2 * self.log_scale)
        return -0.5 * squared - num_free * (self.log_scale + 0.5 * math.log(2 * math.pi))

    def elbo(self, detail: Tensor, base: Tensor) -> Tensor:
        """Return log p(detail | z, base) - KL(q(z | detail, base) || p(z)), (B,), in nats, for one draw of z."""
        mu, logvar = self.encode(detail, base)
        return self.log_prob(self.decode(reparameterize(mu, logvar), base), detail) - gaussian_kl(mu, logvar)

    @torch.no_grad()
    def sample(self, base: Tensor, noise: bool = True) -> Tensor:
        """Return a draw of the detail given base, or with noise=False the mean detail of a draw of z: like base."""
        mean = self.decode(torch.randn(len(base), self.latent_dim, dtype=base.dtype, device=base.device), base)
        if not noise:
            return mean
        return mean + self.log_scale.exp() * remove_block_mean(torch.randn_like(mean))


class PyramidVAE(nn.Module):
    """A VAE of the coarsest image and a DetailVAE for each finer level, all of fully connected networks.

    Args:
        image_shape: (C, H, W); the sides can be halved num_levels - 1 times.
        num_levels: scales, the coarsest counted.
        latent_dim: latent variables at each level.
        hidden_dim, num_layers: width and number of hidden layers in each network.
    """

    def __init__(self, image_shape, num_levels=2, latent_dim=10, hidden_dim=200, num_layers=1):
        super().__init__()
        num_channels, height, width = image_shape
        factor = 2 ** (num_levels - 1)
        if num_levels < 2 or height % factor or width % factor:
            raise ValueError(f"{num_levels} levels (2 at least) need sides that {factor} divides, got {height}x{width}")
        self.image_shape = tuple(image_shape)
        self.num_levels = num_levels
        shapes = [(num_channels, height // 2**k, width // 2**k) for k in reversed(range(num_levels))]
        self.coarse = dense_vae(shapes[0], latent_dim, hidden_dim, num_layers, Gaussian(0.1, learn_scale=True))
        self.details = nn.ModuleList(DetailVAE(shape, latent_dim, hidden_dim, num_layers) for shape in shapes[1:])

    def elbo_per_level(self, x: Tensor) -> Tensor:
        """Return the bound of each level, from coarse to fine, for one draw of z: (B, num_levels), in nats; their sum
        is the ELBO. Raises ValueError for a wrong shape, or if x leaves [0, 1]."""
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the model was built for images {self.image_shape}, got x {tuple(x.shape)}")
        require_unit_range(x)
        coarse, *details = build_pyramid(x, self.num_levels)
        bounds = [self.coarse.elbo(coarse)]
        for vae, detail in zip(self.details, details, strict=True):
            bounds.append(vae.elbo(detail, upsample(coarse)) - coarse[0].numel() * math.log(2))
            coarse = upsample(coarse) + detail
        return torch.stack(bounds, dim=1)

    def elbo(self, x: Tensor) -> Tensor:
        """Return the bound on log p(x), (B,), in nats, by one draw; of a density: it may be above 0."""
        return self.elbo_per_level(x).sum(1)

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative ELBO, the mean over the batch: (), in nats."""
        return -self.elbo(x).mean()

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x_hat, the mean image at the means of all q, each level given the true coarser image: in [0, 1]."""
        coarse, *details = build_pyramid(x, self.num_levels)
        out = [self.coarse.reconstruct(coarse)]
        for vae, detail in zip(self.details, details, strict=True):
            base = upsample(coarse)
            mu, _ = vae.encode(detail, base)
            out.append(vae.decode(mu, base))
            coarse = base + detail
        return collapse_pyramid(out).clamp(0, 1)

    @torch.no_grad()
    def sample_levels(self, num_samples: int, noise: bool = True) -> list[Tensor]:
        """Return draws from coarse to fine, each the next one's coarse image: num_levels tensors, unclipped.

        With noise=False each level is the mean image of a draw of z, without the decoder's Gaussian noise.
        """
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = next(self.parameters())
        z = torch.randn(num_samples, self.coarse.latent_dim, dtype=like.dtype, device=like.device)
        mean = self.coarse.decode(z)
        levels = [mean + noise * self.coarse.likelihood.log_scale.exp() * torch.randn_like(mean)]
        for vae in self.details:
            base = upsample(levels[-1])
            levels.append(base + vae.sample(base, noise))
        return levels

    def sample(self, num_samples: int, noise: bool = True) -> Tensor:
        """Return draws of x, (N, C, H, W), clipped to [0, 1]; `noise` as in `sample_levels`."""
        return self.sample_levels(num_samples, noise)[-1].clamp(0, 1)
