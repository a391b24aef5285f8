"""Progressive growing: the game is played on 4x4 images first, and each further stage doubles the sides.

    G_s(z)  =  (1 - alpha) up(image_(s-1)(h)) + alpha image_s(block_s(up(h)))         fake of side 4 2^s
    x_s     =  (1 - alpha) up(down(x)) + alpha x                                      real, averaged to side 4 2^s
    D_s(x)  =  rest_(s-1)((1 - alpha) from_(s-1)(down(x)) + alpha block_s(from_s(x)))

h are the generator's features at the stage before; `image` and `from` are 1x1 convolutions to and from colours; `up`
repeats each pixel 2x2, `down` is the mean of 2x2. alpha grows from 0 to 1 while the layers of stage s fade in, so that
fresh layers do not shake the trained ones. Critic f = D and generator play the game of `WGANGP`, with

    drift E f(x)^2     added to the critic's loss, which holds the scores near 0: their level means nothing else
    pixel norm         a_c / sqrt(mean over c of a_c^2 + 1e-8), at each pixel of the generator
    minibatch std      the standard deviation over the batch, averaged over channels and pixels, as one more channel
    equalised rate     w sqrt(2 / fan_in) with w ~ N(0, 1): Adam moves all layers at the same relative speed

The paper's images leave the generator linearly; here through tanh, in [-1, 1], as everywhere in this package.

Source: Karras et al. 2017 (arXiv 1710.10196), sections 2 to 4, figure 2. Shapes: noise (B, Z), real images (B, C, S, S)
in [-1, 1], fakes (B, C, 4 2^s, 4 2^s), scores (B,).
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.adversarial_training import AdversarialHistory, fit_adversarial
from course_utils.models.adversarial.gan import Turn
from course_utils.models.adversarial.wgan_gp import WGANGP, gradient_penalty

FIRST_SIDE = 4
EPSILON = 1e-8


def pixel_norm(x: Tensor) -> Tensor:
    """Return x (B, C, ...) with the vector of channels at each pixel scaled to mean square 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


def with_minibatch_std(x: Tensor) -> Tensor:
    """Return x (B, C, H, W) and, as one more channel, how much the batch varies: (B, C + 1, H, W).

    The last channel holds one number: the standard deviation over the batch (divided by B), its mean over C, H and W.
    """
    deviation = torch.sqrt(x.var(0, correction=0) + EPSILON).mean()
    return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], dim=1)


def up(x: Tensor) -> Tensor:
    """Return x (B, C, H, W) with each pixel repeated 2x2."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def down(x: Tensor) -> Tensor:
    """Return the mean of each 2x2 of x (B, C, H, W)."""
    return F.avg_pool2d(x, 2)


class EqualizedConv2d(nn.Conv2d):
    """A convolution whose weights are stored as N(0, 1) and scaled by gain / sqrt(fan_in) where they are used."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int, padding: int = 0, gain: float = math.sqrt(2)):
        super().__init__(in_dim, out_dim, kernel_size, padding=padding)
        self.scale = gain / math.sqrt(in_dim * kernel_size**2)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_dim, H', W')."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class Layer(nn.Module):
    """Equalised convolution, LeakyReLU of slope 0.2, and pixel norm where it is asked for."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, padding: int = 1, normed: bool = False):
        super().__init__()
        self.convolution = EqualizedConv2d(in_dim, out_dim, kernel_size, padding)
        self.normed = normed

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.convolution(x), 0.2)
        return pixel_norm(x) if self.normed else x


class ProgressiveGenerator(nn.Module):
    """Noise to images of any stage; its layers for all of them are there from the start, those ahead unused."""

    def __init__(self, num_channels: int, latent_dim: int, hidden_dim: int, num_stages: int):
        super().__init__()
        width = hidden_dim
        # On a 1x1 image, padded, a 4x4 convolution is a matrix product: the projection of the noise.
        self.start = nn.Sequential(
            Layer(latent_dim, width, FIRST_SIDE, FIRST_SIDE - 1, normed=True), Layer(width, width, normed=True)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(Layer(width, width, normed=True), Layer(width, width, normed=True))
            for _ in range(1, num_stages)
        )
        self.to_image = nn.ModuleList(EqualizedConv2d(width, num_channels, 1, gain=1.0) for _ in range(num_stages))

    def forward(self, noise: Tensor, stage: int, alpha: Tensor | float) -> Tensor:
        """Return the image of each noise vector (B, Z), whose direction alone matters: (B, C, 4 2^stage, 4 2^stage)."""
        x = before = self.start(pixel_norm(noise)[:, :, None, None])
        for block in self.blocks[:stage]:
            before, x = x, block(up(x))
        image = torch.tanh(self.to_image[stage](x))
        if stage == 0:
            return image
        return (1 - alpha) * up(torch.tanh(self.to_image[stage - 1](before))) + alpha * image


class ProgressiveDiscriminator(nn.Module):
    """Images of any stage to scores, the mirror of `ProgressiveGenerator`."""

    def __init__(self, num_channels: int, hidden_dim: int, num_stages: int):
        super().__init__()
        width = hidden_dim
        self.from_image = nn.ModuleList(Layer(num_channels, width, 1, 0) for _ in range(num_stages))
        self.blocks = nn.ModuleList(
            nn.Sequential(Layer(width, width), Layer(width, width), nn.AvgPool2d(2)) for _ in range(1, num_stages)
        )
        self.end = nn.Sequential(
            Layer(width + 1, width), Layer(width, width, FIRST_SIDE, 0), EqualizedConv2d(width, 1, 1, gain=1.0)
        )

    def forward(self, x: Tensor, stage: int, alpha: Tensor | float) -> Tensor:
        """Return the score of each image (B, C, 4 2^stage, 4 2^stage): (B,)."""
        features = self.from_image[stage](x)
        if stage > 0:
            faded_in = self.blocks[stage - 1](features)
            features = (1 - alpha) * self.from_image[stage - 1](down(x)) + alpha * faded_in
            for block in reversed(self.blocks[: stage - 1]):
                features = block(features)
        return self.end(with_minibatch_std(features)).flatten()


class ProgressiveGAN(WGANGP):
    """A GAN that grows; `stage` and `alpha` are buffers, and so part of its state. It starts at stage 0.

    Args:
        image_shape: (C, S, S), with S = 4, 8, 16, 32, ...
        latent_dim: the number Z of noise variables.
        hidden_dim: channels of every hidden layer.
        penalty_weight: what the gradient penalty counts.
        drift_weight: what the mean square of the scores of real images counts.
    """

    stage: Tensor
    alpha: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int = 64,
        hidden_dim: int = 64,
        penalty_weight: float = 10.0,
        drift_weight: float = 1e-3,
    ):
        num_channels, height, width = image_shape
        if height != width or width < FIRST_SIDE or width.bit_count() != 1:
            raise ValueError(f"images must be square with a side of 4, 8, 16, 32, ..., got {height}x{width}")
        num_stages = (width // FIRST_SIDE).bit_length()
        super().__init__(
            ProgressiveGenerator(num_channels, latent_dim, hidden_dim, num_stages),
            ProgressiveDiscriminator(num_channels, hidden_dim, num_stages),
            latent_dim,
            penalty_weight,
        )
        self.image_shape = tuple(image_shape)
        self.num_stages = num_stages
        self.drift_weight = drift_weight
        self.register_buffer("stage", torch.tensor(0))
        self.register_buffer("alpha", torch.tensor(1.0))

    def set_stage(self, stage: int, alpha: float = 1.0) -> None:
        """Go to a stage, with its layers faded in by alpha. Raises ValueError for one out of range."""
        if not 0 <= stage < self.num_stages or not 0 <= alpha <= 1:
            raise ValueError(
                f"stage must be in 0 ... {self.num_stages - 1} and alpha in [0, 1], got {stage} and {alpha}"
            )
        self.stage.fill_(stage)
        self.alpha.fill_(alpha)

    def grow(self) -> None:
        """Begin the next stage, of twice the side, at alpha = 0. Raises ValueError at the last stage."""
        self.set_stage(int(self.stage) + 1, 0.0)

    def at_stage(self, real: Tensor) -> Tensor:
        """Return what images (B, C, S, S) are at this stage, blended as the fakes are: (B, C, 4 2^s, 4 2^s)."""
        if real.shape[1:] != self.image_shape:
            raise ValueError(f"the model was built for images {self.image_shape}, got x {tuple(real.shape)}")
        stage = int(self.stage)
        x = F.avg_pool2d(real, 2 ** (self.num_stages - 1 - stage))
        return x if stage == 0 else (1 - self.alpha) * up(down(x)) + self.alpha * x

    def discriminate(self, x: Tensor) -> Tensor:
        """Return the score of each image (B, C, 4 2^s, 4 2^s): (B,)."""
        return self.discriminator(x, int(self.stage), self.alpha)

    def generate(self, noise: Tensor) -> Tensor:
        """Return the fake of each noise vector (B, Z), with gradients: (B, C, 4 2^s, 4 2^s)."""
        if noise.ndim != 2 or noise.shape[1] != self.latent_dim:
            raise ValueError(f"noise must be (B, {self.latent_dim}), got {tuple(noise.shape)}")
        return self.generator(noise, int(self.stage), self.alpha)

    def discriminator_loss(self, real: Tensor) -> Turn:
        """Return the critic's turn on images (B, C, S, S): critic loss, gradient penalty and drift."""
        real = self.at_stage(real)
        fake = self.fakes_like(real)
        scores_real, scores_fake = self.discriminate(real), self.discriminate(fake)
        penalty = self.penalty_weight * gradient_penalty(self.discriminate, real, fake)
        drift = self.drift_weight * scores_real.square().mean()
        loss = self.discriminator_objective(scores_real, scores_fake) + penalty + drift
        return Turn(loss, scores_real, scores_fake)

    def generator_loss(self, real: Tensor) -> Tensor:
        """Return the generator's loss over as many fakes as there are `real` images, which are only counted: ()."""
        return self.generator_objective(self.discriminate(self.generate(self.noise(len(real)))))

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return fakes of this stage, (N, C, 4 2^s, 4 2^s), by the averaged generator where one is kept."""
        return self.sampler(self.noise(num_samples, generator), int(self.stage), self.alpha)


def growth(epoch: int, stage_epochs: int, fade: float) -> tuple[int, float]:
    """Return the stage of an epoch, and its alpha: the linear fade over the first part of a stage, at mid-epoch."""
    stage, position = divmod(epoch, stage_epochs)
    faded = 1.0 if stage == 0 or fade == 0 else (position + 0.5) / (fade * stage_epochs)
    return stage, min(1.0, faded)


def fit_progressive(
    model: ProgressiveGAN,
    images: Tensor,
    *,
    stage_epochs: int,
    fade: float = 0.5,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.0, 0.99),
    on_epoch: Callable[[nn.Module, int], None] | None = None,
    **settings,
) -> AdversarialHistory:
    """Train a model from its first stage to its last by `fit_adversarial`, on images (N, C, S, S) in [-1, 1].

    Args:
        stage_epochs: passes over the data in each stage.
        fade: the part of a stage, from 0 to 1, in which its layers fade in; they stand for the rest of it.
        lr, betas, on_epoch, settings: as in `fit_adversarial`. `on_epoch` finds the model as it was in that epoch.

    Raises ValueError for numbers out of range, and as `fit_adversarial`.
    """
    if stage_epochs < 1 or not 0 <= fade <= 1:
        raise ValueError(f"stage_epochs must be at least 1 and fade in [0, 1], got {stage_epochs} and {fade}")

    def after_epoch(model: ProgressiveGAN, epoch: int) -> None:
        if on_epoch is not None:
            on_epoch(model, epoch)
        if epoch + 1 < epochs:
            model.set_stage(*growth(epoch + 1, stage_epochs, fade))

    epochs = model.num_stages * stage_epochs
    model.set_stage(0)
    return fit_adversarial(model, images, epochs=epochs, lr=lr, betas=betas, on_epoch=after_epoch, **settings)
