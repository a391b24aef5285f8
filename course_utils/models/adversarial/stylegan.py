"""StyleGAN's generator: a style for each layer, drawn through a learned latent space, and noise for what is chance.

    w = f(z)                                   mapping network: a latent space that need not be round
    y_s, y_b = affine of w, for each layer     a style: what scale and what shift each channel of features gets
    AdaIN(x, y) = y_s (x - mean(x)) / std(x) + y_b      mean and deviation of each example's channel over its pixels
    layer: convolution, + learned scale times noise (a fresh number for each pixel), leaky ReLU, AdaIN

The image starts from a learned constant of 4x4: all that sets one image apart from another enters as style or noise.
Styles of early layers govern what is coarse, those of late ones what is fine, so that layers of two images may be
mixed. In training some fakes are made of two styles, changed at a random layer (style mixing): neighbouring layers then
cannot rely on having the same w.

    L_D = -E log D(x) - E log(1 - D(G(z))) + gamma R_1,    R_1 = 1/2 E |grad_x D(x)|^2 over real x    (logits D)
    w' = mean(w) + psi (w - mean(w))           truncation: nearer to the mean, more typical and less varied

Sources: Karras et al. 2018 (arXiv 1812.04948), sections 2 and 3, equation 1, appendices B (truncation) and C (losses);
Mescheder et al. 2018 (arXiv 1801.04406), equation 9, for R_1. Shapes: z (B, Z), w (B, W), styles (B, L, W), images
(B, C, S, S) in [-1, 1].
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.gan import GAN, Turn, require_alike
from course_utils.models.adversarial.progressive import EqualizedConv2d, pixel_norm, up

FIRST_SIDE = 4
PENALISED = 4  # one real image in so many: R_1 is a mean, and its gradient is the dearest part of a step


def adain(x: Tensor, style_scale: Tensor, style_bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Return style_scale (x - mean) / std + style_bias, with statistics of each example's channel over H and W.

    x (B, C, H, W), scale and bias (B, C). Karras et al. 2018, equation 1; Huang & Belongie 2017 (arXiv 1703.06868).
    Raises ValueError for other shapes.
    """
    if x.ndim != 4 or style_scale.shape != x.shape[:2] or style_bias.shape != x.shape[:2]:
        raise ValueError(
            f"x must be (B, C, H, W), scale and bias (B, C): got {tuple(x.shape)}, {tuple(style_scale.shape)} and "
            f"{tuple(style_bias.shape)}"
        )
    return style_scale[:, :, None, None] * F.instance_norm(x, eps=eps) + style_bias[:, :, None, None]


def mix_styles(w_a: Tensor, w_b: Tensor, crossover: int) -> Tensor:
    """Return styles (B, L, W): those of the layers before `crossover` from w_a, the rest from w_b.

    Raises ValueError for unequal shapes, or a crossover outside 0 ... L.
    """
    if w_a.shape != w_b.shape or w_a.ndim != 3:
        raise ValueError(f"both styles must have one shape (B, L, W), got {tuple(w_a.shape)} and {tuple(w_b.shape)}")
    if not 0 <= crossover <= w_a.shape[1]:
        raise ValueError(f"crossover must lie in 0 ... {w_a.shape[1]}, the number of layers, got {crossover}")
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], dim=1)


def truncate(styles: Tensor, mean: Tensor, psi: float) -> Tensor:
    """Return mean + psi (styles - mean), like `styles` (..., W), for a mean style (W,): psi = 1 changes nothing.

    Karras et al. 2018, appendix B. Raises ValueError for a mean of another shape.
    """
    if mean.shape != styles.shape[-1:]:
        raise ValueError(f"the mean style must be ({styles.shape[-1]},), got {tuple(mean.shape)}")
    return mean + psi * (styles - mean)


def r1_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """Return R_1 = 1/2 E |grad_x D(x)|^2 over `real` (B, ...), of the logits, for the discriminator to minimise: ().

    On real data a discriminator without slope gives the generator no reason to leave them (Mescheder et al. 2018,
    equation 9, without gamma). No logit may depend on another example.
    """
    points = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / 2


class MappingNetwork(nn.Module):
    """z to w: pixel norm, then `num_layers` linear layers with leaky ReLU, (B, Z) to (B, W)."""

    def __init__(self, latent_dim: int, style_dim: int, num_layers: int = 4):
        super().__init__()
        widths = [latent_dim] + [style_dim] * num_layers
        layers = []
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Return w, (B, W); only the direction of z matters."""
        return self.layers(pixel_norm(z))


class StyledLayer(nn.Module):
    """Convolution (where there is one), noise, leaky ReLU, AdaIN with a style made of w."""

    def __init__(self, num_in: int, num_out: int, style_dim: int, convolution: bool = True):
        super().__init__()
        self.convolution = EqualizedConv2d(num_in, num_out, 3, padding=1) if convolution else nn.Identity()
        self.noise_scale = nn.Parameter(torch.zeros(num_out))
        self.style = nn.Linear(style_dim, 2 * num_out)
        with torch.no_grad():  # styles start near scale 1 and shift 0
            self.style.bias.copy_(torch.cat([torch.ones(num_out), torch.zeros(num_out)]))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Return features (B, C', H, W) from x (B, C, H, W), w (B, W) and noise (B, 1, H, W)."""
        x = self.convolution(x) + self.noise_scale[:, None, None] * noise
        return adain(F.leaky_relu(x, 0.2), *self.style(w).chunk(2, dim=1))


class StyleGenerator(nn.Module):
    """The synthesis network with its mapping network: two styled layers at each resolution from 4x4 up.

    Args:
        image_shape: (C, S, S), S a power of 2 from 8 on.
        hidden_dim: channels of all layers.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int = 32, style_dim: int = 32, hidden_dim: int = 32
    ):
        super().__init__()
        num_channels, height, width = image_shape
        num_doublings = (width // FIRST_SIDE).bit_length() - 1
        if height != width or num_doublings < 1 or FIRST_SIDE * 2**num_doublings != width:
            raise ValueError(f"images must be square with a side of 8, 16, 32 ..., got {height}x{width}")
        self.mapping = MappingNetwork(latent_dim, style_dim)
        self.constant = nn.Parameter(torch.randn(hidden_dim, FIRST_SIDE, FIRST_SIDE))
        # The constant needs no convolution before its first style.
        self.layers = nn.ModuleList(
            StyledLayer(hidden_dim, hidden_dim, style_dim, convolution=k > 0) for k in range(2 * (num_doublings + 1))
        )
        self.to_image = EqualizedConv2d(hidden_dim, num_channels, 1, gain=1.0)

    @property
    def num_layers(self) -> int:
        """The number L of styles."""
        return len(self.layers)

    def styles(self, z: Tensor) -> Tensor:
        """Return the same w for every layer, (B, L, W), of z (B, Z)."""
        return self.mapping(z).unsqueeze(1).expand(-1, self.num_layers, -1)

    @torch.no_grad()
    def mean_style(self, num_samples: int = 4096, generator: torch.Generator | None = None) -> Tensor:
        """Return the mean of w over so many draws of z, (W,): the centre of truncation."""
        first = self.mapping.layers[0].weight
        shape = (num_samples, first.shape[1])
        return self.mapping(torch.randn(shape, generator=generator, dtype=first.dtype, device=first.device)).mean(0)

    def side(self, layer: int) -> int:
        """Return the side of the features that a layer gives."""
        return FIRST_SIDE * 2 ** (layer // 2)

    def noises(self, num_samples: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Return fresh noise for each layer, (B, 1, S_l, S_l)."""
        like = {"dtype": self.constant.dtype, "device": self.constant.device, "generator": generator}
        return [torch.randn(num_samples, 1, self.side(k), self.side(k), **like) for k in range(self.num_layers)]

    def synthesize(self, styles: Tensor, noises: list[Tensor] | None = None) -> Tensor:
        """Return the image of styles (B, L, W), in [-1, 1], with these noises or fresh ones.

        Raises ValueError for another number of layers.
        """
        if styles.ndim != 3 or styles.shape[1] != self.num_layers:
            raise ValueError(f"styles must be (B, {self.num_layers}, W), got {tuple(styles.shape)}")
        noises = self.noises(len(styles)) if noises is None else noises
        x = self.constant.expand(len(styles), -1, -1, -1)
        for k, (layer, noise) in enumerate(zip(self.layers, noises, strict=True)):
            if k > 0 and k % 2 == 0:
                x = up(x)
            x = layer(x, styles[:, k], noise)
        return torch.tanh(self.to_image(x))

    def forward(self, z: Tensor) -> Tensor:
        """Return the image of each z (B, Z), with fresh noise: (B, C, S, S)."""
        return self.synthesize(self.styles(z))


class StyleGAN(GAN):
    """The game of `GAN` with a `StyleGenerator`; in training a share of the fakes is made of two mixed styles.

    Args:
        generator: a StyleGenerator.
        discriminator: from images to logits (B,).
        latent_dim: the number Z of noise variables.
        mixing: the probability with which a batch of fakes, in either network's turn, is made of two styles.
        penalty_weight: what R_1 counts, gamma in the paper; 0 leaves it out.
    """

    def __init__(
        self,
        generator: StyleGenerator,
        discriminator: nn.Module,
        latent_dim: int,
        mixing: float = 0.9,
        penalty_weight: float = 1.0,
    ):
        super().__init__(generator, discriminator, latent_dim)
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing must be in [0, 1], got {mixing}")
        if penalty_weight < 0:
            raise ValueError(f"penalty_weight must be at least 0, got {penalty_weight}")
        self.mixing = mixing
        self.penalty_weight = penalty_weight

    def discriminator_loss(self, real: Tensor) -> Turn:
        """Return the discriminator's turn, with gamma R_1 of the first images in `real`, one in PENALISED.

        No gradient reaches the generator. Raises ValueError if fakes have another shape than `real`.
        """
        turn = super().discriminator_loss(real)
        if self.penalty_weight == 0:
            return turn
        penalty = r1_penalty(self.discriminator, real[: math.ceil(len(real) / PENALISED)])
        return turn._replace(loss=turn.loss + self.penalty_weight * penalty)

    def generator_loss(self, real: Tensor) -> Tensor:
        """Return the generator's loss over as many fakes as there are `real` images, styles mixed by chance: ()."""
        return self.generator_objective(self.discriminator(self.training_fakes(len(real))))

    @torch.no_grad()
    def fakes_like(self, real: Tensor) -> Tensor:
        """Return what `training_fakes` makes, as many as there are real images, without gradients.

        Both turns see mixed styles: of a kind of fake that the discriminator never met, its verdict means nothing.
        Raises ValueError if one fake has another shape than one real image.
        """
        fake = self.training_fakes(len(real))
        require_alike(real, fake)
        return fake

    def training_fakes(self, num_samples: int) -> Tensor:
        """Return fakes (N, C, S, S) with gradients, the batch made of two styles with probability `mixing`."""
        styles = self.generator.styles(self.noise(num_samples))
        if torch.rand(()) < self.mixing:
            others = self.generator.styles(self.noise(num_samples))
            styles = mix_styles(styles, others, int(torch.randint(1, self.generator.num_layers, ())))
        return self.generator.synthesize(styles)
