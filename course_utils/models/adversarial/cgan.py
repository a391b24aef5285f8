"""Conditional GAN: generator and discriminator are both told y, a label or a continuous variable such as an angle.

    min_G max_D  E_(x,y)[log D(x | y)] + E_(z,y)[log(1 - D(G(z | y) | y))],    z ~ N(0, I),  y as in the data

The game is played once for each y: the best discriminator is D*(x | y) = p(x | y) / (p(x | y) + p_G(x | y)), so
that only p_G(x | y) = p(x | y) wins, for every y that the data hold. Networks get y as a code, a vector (B, E): one-hot
for labels, cosine and sine for an angle. To the first layer a one-hot code is a learned embedding of the label: its
weights hold one column for each.

Source: Mirza & Osindero 2014 (arXiv 1411.1784), equation 2. Shapes: x (B, C, H, W) in [-1, 1] or points (B, D); y (B,)
or (B, E); noise (B, Z); logits (B,).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.gan import GAN, Turn
from course_utils.models.adversarial.latent_space import interpolate_spherical, interpolate_straight


class OneHot(nn.Module):
    """The code of labels 0 ... num_classes - 1."""

    def __init__(self, num_classes: int):
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        self.dim = num_classes

    def forward(self, y: Tensor) -> Tensor:
        """Return one-hot codes (B, num_classes), int64, of y int64 (B,); raise ValueError for anything else."""
        if y.ndim != 1 or y.dtype != torch.int64:
            raise ValueError(f"labels must be int64 (B,), got {y.dtype} {tuple(y.shape)}")
        wrong = y[(y < 0) | (y >= self.dim)]
        if len(wrong) > 0:
            raise ValueError(f"labels must lie in 0 ... {self.dim - 1}, got {wrong[0].item()}")
        return F.one_hot(y, self.dim)


class Values(nn.Module):
    """The code of `dim` continuous variables: themselves. They should be of size one or so, as the noise is."""

    def __init__(self, dim: int):
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self.dim = dim

    def forward(self, y: Tensor) -> Tensor:
        """Return y (B, dim), floats, or (B,) where dim is 1, as (B, dim); raise ValueError for anything else."""
        if self.dim == 1 and y.ndim == 1:
            y = y.unsqueeze(1)
        if y.ndim != 2 or y.shape[1] != self.dim or not y.is_floating_point():
            raise ValueError(f"y must be floats (B, {self.dim}), got {y.dtype} {tuple(y.shape)}")
        return y


class Angle(nn.Module):
    """The code of an angle in radians: the point of the unit circle, so that y and y + period are the same.

    `period` is the turn after which all looks the same: 2 pi, or pi for an ellipse.
    """

    dim = 2

    def __init__(self, period: float = 2 * math.pi):
        super().__init__()
        if not period > 0:
            raise ValueError(f"period must be above 0, got {period}")
        self.period = period

    def forward(self, y: Tensor) -> Tensor:
        """Return cosine and sine of 2 pi y / period, (B, 2), of y (B,) floats; raise ValueError for anything else."""
        if y.ndim != 1 or not y.is_floating_point():
            raise ValueError(f"angles must be floats (B,), got {y.dtype} {tuple(y.shape)}")
        turn = y * (2 * math.pi / self.period)
        return torch.stack([turn.cos(), turn.sin()], dim=1)


def join(x: Tensor, code: Tensor) -> Tensor:
    """Return x (B, C, ...) joined to code (B, E) along axis 1, in the dtype of x: (B, C + E, ...).

    To images each entry of the code is added as one more channel of that value everywhere, so that a convolution sees
    it at every place. Raises ValueError for batches of different length.
    """
    if code.ndim != 2 or len(code) != len(x):
        raise ValueError(f"{len(x)} examples need codes ({len(x)}, E), got {tuple(code.shape)}")
    planes = code.to(x.dtype).view(*code.shape, *[1] * (x.ndim - 2))
    return torch.cat([x, planes.expand(*code.shape, *x.shape[2:])], dim=1)


class ConditionalGAN(GAN):
    """A GAN whose two networks are told y.

    Its objectives are those of `GAN`. With a second parent they are that one's: `class CLSGAN(ConditionalGAN, LSGAN)`.

    Args:
        generator: from noise joined to the code, (B, Z + E), to fakes of the shape of the data.
        discriminator: from data or fakes joined to the code, (B, C + E, H, W) or (B, D + E), to logits.
        latent_dim: the number Z of noise variables.
        condition: from y to its code (B, E), with nothing to learn: OneHot, Values or Angle.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent_dim: int, condition: nn.Module):
        super().__init__(generator, discriminator, latent_dim)
        self.condition = condition

    def discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits of "x is real, and its y is this one". Raises ValueError for a wrong y."""
        return self.discriminator(join(x, self.condition(y)))

    def discriminator_loss(self, real: Tensor, y: Tensor) -> Turn:
        """Return the discriminator's turn on real examples and their y, against as many fakes of the same y.

        No gradient reaches the generator. Raises ValueError if fakes have another shape than `real`, or y is wrong.
        """
        fake = self.fakes_like(real, y)
        logits_real, logits_fake = self.discriminate(real, y), self.discriminate(fake, y)
        return Turn(self.discriminator_objective(logits_real, logits_fake), logits_real, logits_fake)

    def generator_loss(self, real: Tensor, y: Tensor) -> Tensor:
        """Return the generator's loss over one fake of each y, (); of `real` only the number counts."""
        fake = self.generate(self.noise(len(real)), y)
        return self.generator_objective(self.discriminate(fake, y))

    def generate(self, noise: Tensor, y: Tensor) -> Tensor:
        """Return the fake of each noise vector (B, Z) and its y, with gradients. Raises ValueError for a wrong y."""
        return self.generate_from_code(noise, self.condition(y))

    def generate_from_code(self, noise: Tensor, code: Tensor) -> Tensor:
        """Return the fake of each noise vector (B, Z) and its code (B, E), with gradients.

        Codes need not be those of any y: half one label and half another is a code, too.
        """
        if noise.ndim != 2 or noise.shape[1] != self.latent_dim:
            raise ValueError(f"noise must be (B, {self.latent_dim}), got {tuple(noise.shape)}")
        return self.generator(join(noise, code))

    @torch.no_grad()
    def sample(self, num_samples: int, y: int | float | Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return fakes of fresh noise, (N, ...), by the averaged generator where one is kept.

        `y` is one for all, or one for each: (N,) or (N, E). Raises ValueError for a wrong y.
        """
        noise = self.noise(num_samples, generator)
        y = torch.as_tensor(y, device=noise.device)
        code = self.condition(y.expand(num_samples) if y.ndim == 0 else y)
        return self.sampler(join(noise, code))

    @torch.no_grad()
    def change_condition(self, noise: Tensor, y: Tensor, y_to: Tensor, num_steps: int) -> Tensor:
        """Return fakes whose code goes straight from that of y to that of y_to, while the noise stays: (S, B, ...).

        What y does not say, the identity, is held; what it says, the attribute, is transformed.
        """
        start, end = (self.condition(value).to(noise.dtype) for value in (y, y_to))
        return self._walk(noise.expand(num_steps, -1, -1), interpolate_straight(start, end, num_steps))

    @torch.no_grad()
    def change_noise(self, noise: Tensor, noise_to: Tensor, y: Tensor, num_steps: int) -> Tensor:
        """Return fakes whose noise goes along an arc from `noise` to `noise_to`, while y stays: (S, B, ...)."""
        code = self.condition(y)
        return self._walk(interpolate_spherical(noise, noise_to, num_steps), code.expand(num_steps, *code.shape))

    def _walk(self, noise: Tensor, code: Tensor) -> Tensor:
        """Return the fakes of noise (S, B, Z) and codes (S, B, E)."""
        fakes = self.generate_from_code(noise.flatten(0, 1), code.flatten(0, 1))
        return fakes.unflatten(0, noise.shape[:2])
