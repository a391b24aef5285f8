"""InfoGAN: part of the noise is a code c, and an image must tell which code it was drawn from.

    min_(G,Q) max_D  V(D, G) - lambda L_I(G, Q)

    I(c; G(z, c)) = H(c) - H(c | G(z, c)) >= L_I = E_(c, x = G(z,c))[log Q(c | x)] + H(c)      in nats

with equality where Q(c | x) is the true posterior. V is the game of `GAN`; no labels are used. Categorical codes are
uniform over K classes, H = log K, Q = softmax; continuous codes are uniform over [-1, 1], H = log 2 each,
Q = N(mu(x), exp(logvar(x))).

Source: Chen et al. 2016 (arXiv 1606.03657), equations 3, 5 and 6. Shapes: x (B, C, H, W) in [-1, 1] or (B, D);
categories (B, M) int64; values (B, E); noise (B, Z); Q's output (B, sum of K + 2 E).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter

from course_utils.models.adversarial.cgan import OneHot, join
from course_utils.models.adversarial.gan import GAN, Turn, require_alike
from course_utils.models.density.gaussian import gaussian_log_prob
from course_utils.models.latent.likelihoods import require_same_shape


def categorical_mutual_information(q_logits: Tensor, c: Tensor) -> Tensor:
    """Return log K + E log Q(c | x), () in nats: a lower bound on I(c; x), which is at most log K.

    q_logits (B, K), and c (B,) int64, drawn uniformly from K classes. Chen et al. 2016, equation 5. Raises ValueError
    for other shapes.
    """
    if q_logits.ndim != 2 or c.shape != q_logits.shape[:1]:
        raise ValueError(f"q_logits must be (B, K) and c (B,), got {tuple(q_logits.shape)} and {tuple(c.shape)}")
    return math.log(q_logits.shape[1]) - F.cross_entropy(q_logits, c)


def gaussian_code_log_prob(mu: Tensor, logvar: Tensor, c: Tensor) -> Tensor:
    """Return log Q(c | x) = log N(c; mu, diag exp(logvar)), summed over the code (B, E): (B,), in nats.

    Raises ValueError for unequal shapes.
    """
    require_same_shape(mu=mu, logvar=logvar, c=c)
    return gaussian_log_prob(c, mu, logvar)


class Codes(NamedTuple):
    """Codes of B images: categories (B, M) int64, and values (B, E) in [-1, 1]."""

    categories: Tensor
    values: Tensor


class Posterior(NamedTuple):
    """Q(c | x): the logits (B, K) of each of M categorical codes, and mu and logvar (B, E) of the continuous ones."""

    logits: list[Tensor]
    mu: Tensor
    logvar: Tensor


class InfoGAN(GAN):
    """A GAN with M categorical and E continuous codes.

    Q's parameters, of the auxiliary head or network, take their steps with the generator; a trunk that Q shares with
    the discriminator takes its own with the discriminator.

    Args:
        generator: from noise joined to the codes, (B, Z + sum of K + E), to fakes of the shape of the data.
        discriminator: from x to logits (B,) and Q's output (B, sum of K + 2 E): `TwoHeaded` or `SideBySide`, whose
            `auxiliary` is Q.
        latent_dim: the number Z of noise variables beside the codes.
        num_classes: the number K of classes of each categorical code: (10,) for one of ten.
        num_values: the number E of continuous codes.
        category_weight, value_weight: lambda for either kind.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        num_classes: tuple[int, ...] = (10,),
        num_values: int = 0,
        category_weight: float = 1.0,
        value_weight: float = 0.1,
    ):
        super().__init__(generator, discriminator, latent_dim)
        if num_values < 0 or any(classes < 2 for classes in num_classes) or len(num_classes) + num_values == 0:
            raise ValueError(
                f"InfoGAN needs a code, each of at least 2 classes or a value: got num_classes {num_classes} and "
                f"num_values {num_values}"
            )
        if category_weight < 0 or value_weight < 0:
            raise ValueError(f"weights must be at least 0, got {category_weight} and {value_weight}")
        self.num_classes = tuple(num_classes)
        self.num_values = num_values
        self.category_weight = category_weight
        self.value_weight = value_weight

    def discriminator_loss(self, real: Tensor) -> Turn:
        """Return the discriminator's turn, that of `GAN`, against fakes of fresh noise and codes."""
        with torch.no_grad():
            fake = self.generate(self.noise(len(real)), self.codes(len(real)))
        require_alike(real, fake)
        logits_real, logits_fake = self.discriminator(real)[0], self.discriminator(fake)[0]
        return Turn(self.discriminator_objective(logits_real, logits_fake), logits_real, logits_fake)

    def generator_loss(self, real: Tensor) -> Tensor:
        """Return the loss of generator and Q, that of `GAN` less lambda L_I, over as many fakes as there are `real`
        examples, which are only counted: ()."""
        noise, codes = self.noise(len(real)), self.codes(len(real))
        logits, q = self.discriminator(self.generate(noise, codes))
        categories, values = self.information(self.split(q), codes)
        return self.generator_objective(logits) - self.category_weight * categories - self.value_weight * values

    def information(self, posterior: Posterior, codes: Codes) -> tuple[Tensor, Tensor]:
        """Return L_I of the categorical codes and that of the continuous ones: each (), in nats."""
        categories = sum(
            (
                categorical_mutual_information(logits, c)
                for logits, c in zip(posterior.logits, codes.categories.T, strict=True)
            ),
            start=posterior.mu.new_zeros(()),
        )
        log_q = gaussian_code_log_prob(posterior.mu, posterior.logvar, codes.values).mean()
        return categories, self.num_values * math.log(2) + log_q

    def discriminator_parameters(self) -> Iterator[Parameter]:
        """Return the parameters of the discriminator without Q's."""
        of_q = {id(parameter) for parameter in self.discriminator.auxiliary.parameters()}
        return (parameter for parameter in self.discriminator.parameters() if id(parameter) not in of_q)

    def generator_parameters(self) -> Iterator[Parameter]:
        """Return the parameters of the generator, then those of Q."""
        yield from self.generator.parameters()
        yield from self.discriminator.auxiliary.parameters()

    def codes(self, num_samples: int, generator: torch.Generator | None = None) -> Codes:
        """Return fresh codes of N images."""
        like = next(self.generator.parameters())
        draws = torch.rand(
            num_samples,
            len(self.num_classes) + self.num_values,
            generator=generator,
            dtype=like.dtype,
            device=like.device,
        )
        num_codes = len(self.num_classes)
        classes = torch.tensor(self.num_classes, device=like.device)
        return Codes((draws[:, :num_codes] * classes).long(), 2 * draws[:, num_codes:] - 1)

    def code_vector(self, codes: Codes) -> Tensor:
        """Return what the generator is told: one-hot categories, then values, (B, sum of K + E).

        Raises ValueError for codes of another shape, or a category out of range.
        """
        categories, values = codes
        if categories.ndim != 2 or categories.shape[1] != len(self.num_classes):
            raise ValueError(f"categories must be (B, {len(self.num_classes)}), got {tuple(categories.shape)}")
        if values.shape != (len(categories), self.num_values):
            raise ValueError(f"values must be {(len(categories), self.num_values)}, got {tuple(values.shape)}")
        one_hot = [OneHot(K)(column).to(values.dtype) for K, column in zip(self.num_classes, categories.T, strict=True)]
        return torch.cat([*one_hot, values], dim=1)

    def generate(self, noise: Tensor, codes: Codes) -> Tensor:
        """Return the fake of each noise vector (B, Z) and its codes, with gradients; raise ValueError if wrong."""
        if noise.ndim != 2 or noise.shape[1] != self.latent_dim:
            raise ValueError(f"noise must be (B, {self.latent_dim}), got {tuple(noise.shape)}")
        return self.generator(join(noise, self.code_vector(codes)))

    def split(self, q: Tensor) -> Posterior:
        """Return Q's output (B, sum of K + 2 E) as the parameters of its distributions."""
        if q.shape[1] != sum(self.num_classes) + 2 * self.num_values:
            raise ValueError(f"Q must return (B, {sum(self.num_classes) + 2 * self.num_values}), got {tuple(q.shape)}")
        *logits, mu, logvar = q.split([*self.num_classes, self.num_values, self.num_values], dim=1)
        return Posterior(logits, mu, logvar)

    @torch.no_grad()
    def infer(self, x: Tensor) -> Codes:
        """Return the codes that Q holds to be most probable for each image."""
        logits, mu, _ = self.split(self.discriminator(x)[1])
        categories = [of_code.argmax(1) for of_code in logits]
        empty = torch.empty(len(x), 0, dtype=torch.int64, device=x.device)
        return Codes(torch.stack(categories, dim=1) if categories else empty, mu)

    @torch.no_grad()
    def sample(self, num_samples: int, codes: Codes | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return fakes of fresh noise and of the codes given, or fresh ones, (N, ...); averaged as in `GAN`."""
        noise = self.noise(num_samples, generator)
        codes = codes if codes is not None else self.codes(num_samples, generator)
        return self.sampler(join(noise, self.code_vector(codes)))
