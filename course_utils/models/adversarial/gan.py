"""The generative adversarial network (GAN): a game of two networks.

    min_G max_D  E_x[log D(x)] + E_z[log(1 - D(G(z)))],    D = sigmoid(logits),  z ~ N(0, I)

    discriminator  minimises  -E log D(x) - E log(1 - D(G(z)))
    generator      minimises  -E log D(G(z))            non-saturating, used in practice
                   or          E log(1 - D(G(z)))       saturating, the game as it is written

Against the best discriminator D*(x) = p_data(x) / (p_data(x) + p_G(x)) the value of the game is
2 JS(p_data, p_G) - 2 log 2, with the Jensen-Shannon divergence JS in nats.

Source: Goodfellow et al. 2014 (arXiv 1406.2661), equation 1, proposition 1, theorem 1. Shapes: real and fake
(B, ...), noise (B, Z), logits of any shape with one score, or a map of scores, for each example.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def discriminator_loss(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Return -E log D(x) - E log(1 - D(G(z))), () in nats: cross-entropy on real as 1 plus that on fake as 0."""
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()


def generator_loss(logits_fake: Tensor) -> Tensor:
    """Return the non-saturating loss -E log D(G(z)), () in nats."""
    return F.softplus(-logits_fake).mean()


def saturating_generator_loss(logits_fake: Tensor) -> Tensor:
    """Return the minimax loss E log(1 - D(G(z))), () in nats, at most 0: flat where D is sure of the fakes."""
    return -F.softplus(logits_fake).mean()


class Turn(NamedTuple):
    """The discriminator's turn: its loss (), and its logits of the real and of the fake batch."""

    loss: Tensor
    logits_real: Tensor
    logits_fake: Tensor


class GAN(nn.Module):
    """A generator, a discriminator, and the losses of their game; it has no density, so no `log_prob`.

    Args:
        generator: from noise (B, Z) to fakes of the shape of the data.
        discriminator: from data or fakes to logits, positive for "real".
        latent_dim: the number Z of noise variables.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent_dim: int):
        super().__init__()
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.averaged: AveragedModel | None = None

    def discriminator_objective(self, logits_real: Tensor, logits_fake: Tensor) -> Tensor:
        """Return what the discriminator minimises: ()."""
        return discriminator_loss(logits_real, logits_fake)

    def generator_objective(self, logits_fake: Tensor) -> Tensor:
        """Return what the generator minimises: ()."""
        return generator_loss(logits_fake)

    def verdict(self, logits: Tensor) -> Tensor:
        """Return D(x), the probability of "real", from logits: like `logits`."""
        return torch.sigmoid(logits)

    def discriminator_loss(self, real: Tensor) -> Turn:
        """Return the discriminator's turn against as many fakes as there are real examples.

        No gradient reaches the generator. Raises ValueError if fakes have another shape than `real`.
        """
        fake = self.fakes_like(real)
        logits_real, logits_fake = self.discriminator(real), self.discriminator(fake)
        return Turn(self.discriminator_objective(logits_real, logits_fake), logits_real, logits_fake)

    def generator_loss(self, real: Tensor) -> Tensor:
        """Return the generator's loss over as many fakes as there are `real` examples, which are only counted: ().

        Its gradient passes through the discriminator, whose parameters are not to be changed by it: see
        `generator_parameters`.
        """
        return self.generator_objective(self.discriminator(self.generate(self.noise(len(real)))))

    def discriminator_parameters(self) -> Iterator[Parameter]:
        """Return the parameters that take a step on `discriminator_loss`."""
        return self.discriminator.parameters()

    def generator_parameters(self) -> Iterator[Parameter]:
        """Return the parameters that take a step on `generator_loss`."""
        return self.generator.parameters()

    def noise(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return standard normal noise, (N, Z)."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = next(self.generator.parameters())
        shape = (num_samples, self.latent_dim)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    def generate(self, noise: Tensor) -> Tensor:
        """Return the fake of each noise vector (B, Z), with gradients."""
        if noise.ndim != 2 or noise.shape[1] != self.latent_dim:
            raise ValueError(f"noise must be (B, {self.latent_dim}), got {tuple(noise.shape)}")
        return self.generator(noise)

    @torch.no_grad()
    def fakes_like(self, real: Tensor, *told: Tensor) -> Tensor:
        """Return as many fakes as there are real examples, without gradients; `told` is what `generate` wants to know.

        Raises ValueError if one fake has another shape than one real example.
        """
        fake = self.generate(self.noise(len(real)), *told)
        require_alike(real, fake)
        return fake

    def keep_average(self, decay: float) -> None:
        """Keep an exponential moving average of the generator, which `sample` uses from now on.

        Each generator step of the training loop moves it by 1 - decay of the way (Yazici et al. 2018,
        arXiv 1806.04498). Batch norm's running statistics are averaged, too.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.averaged = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    @property
    def sampler(self) -> nn.Module:
        """The network that `sample` draws with: the averaged generator where one is kept, else the generator."""
        return self.generator if self.averaged is None else self.averaged

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return fakes of fresh noise, (N, ...), by the averaged generator where one is kept."""
        return self.sampler(self.noise(num_samples, generator))


class SaturatingGAN(GAN):
    """The game as it is written: the generator minimises E log(1 - D(G(z)))."""

    def generator_objective(self, logits_fake: Tensor) -> Tensor:
        return saturating_generator_loss(logits_fake)


def require_alike(real: Tensor, fake: Tensor) -> None:
    """Raise ValueError unless one fake has the shape of one real example."""
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"the generator makes {tuple(fake.shape[1:])}, but an example is {tuple(real.shape[1:])}")


def optimal_discriminator(log_p_data: Tensor, log_p_generator: Tensor) -> Tensor:
    """Return D*(x) = p_data / (p_data + p_G) from log-densities, like them (Goodfellow et al. 2014, proposition 1)."""
    return torch.sigmoid(log_p_data - log_p_generator)


def discriminator_step(
    generator: nn.Module, discriminator: nn.Module, optimizer: Optimizer, real: Tensor, noise: Tensor
) -> Tensor:
    """Let the discriminator take one step on `discriminator_loss`; return the loss before it, ().

    The generator gets no gradient.
    """
    with torch.no_grad():
        fake = generator(noise)
    loss = discriminator_loss(discriminator(real), discriminator(fake))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def generator_step(generator: nn.Module, discriminator: nn.Module, optimizer: Optimizer, noise: Tensor) -> Tensor:
    """Let the generator take one step on `generator_loss`; return the loss before it, ().

    The discriminator's parameters, and their gradients, stay as they were: the loss passes through it, but only the
    generator's parameters may keep a gradient.
    """
    loss = generator_loss(discriminator(generator(noise)))
    optimizer.zero_grad()
    loss.backward(inputs=list(generator.parameters()))
    optimizer.step()
    return loss.detach()
