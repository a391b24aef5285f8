"""Recipes of adversarial models: trained by `fit_adversarial` on images mapped to [-1, 1], judged by their samples.

They have no likelihood. Where the course has a net that finds features (8x8 digits), samples get their Frechet distance
from the test images, and labels or codes their accuracy; elsewhere there are the pictures. The epochs are those that
the 1,297 digits want: larger sets want fewer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.adversarial_training import fit_adversarial
from course_utils.data import Images
from course_utils.models.adversarial.acgan import ACGAN
from course_utils.models.adversarial.cgan import ConditionalGAN, OneHot
from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator
from course_utils.models.adversarial.dense import TwoHeaded, dense_discriminator, dense_generator, dense_trunk
from course_utils.models.adversarial.gan import GAN
from course_utils.models.adversarial.infogan import InfoGAN
from course_utils.models.adversarial.lsgan import LSGAN
from course_utils.models.adversarial.sngan import HingeGAN, with_spectral_norm
from course_utils.models.adversarial.stylegan import StyleGAN, StyleGenerator
from course_utils.models.adversarial.wgan_gp import WGANGP
from course_utils.recipes.common import Trained, require_labels

LATENT_DIM = 32
NUM_CODES = 10  # categories of InfoGAN: as many as digits
BATCH_SIZE = 500  # of samples drawn to be judged


@dataclass(frozen=True)
class AdversarialRecipe:
    """How one model is built and trained by `fit_adversarial`.

    build: from the shape of an image (C, H, W) and the number of classes to the model.
    settings: arguments of `fit_adversarial`.
    told: what is given when a sample is drawn: nothing, a label of the data, or a category of the model's own.
    """

    summary: str
    build: Callable[[tuple[int, int, int], int], GAN]
    settings: dict = field(
        default_factory=lambda: {"epochs": 100, "batch_size": 64, "lr": 2e-4, "betas": (0.5, 0.999), "ema_decay": 0.99}
    )
    told: Literal["label", "code"] | None = None

    @property
    def with_labels(self) -> bool:
        return self.told == "label"

    def require_fitting(self, name: str, images: Images) -> None:
        """Raise ValueError unless the model can take the data."""
        if self.with_labels:
            require_labels(name, images)

    def train(self, model: GAN, images: Images, **settings) -> Trained:
        """Train by `fit_adversarial` on images mapped to [-1, 1]."""
        data = images.train if self.with_labels else images.train.x
        history = fit_adversarial(model, data, transform=lambda x: 2 * x - 1, **settings)
        return Trained(len(history.generator_loss), history.seconds)

    @torch.no_grad()
    def sample(self, model: GAN, told: Tensor) -> Tensor:
        """Return a sample in [0, 1] for each label or category (N,), which count for nothing if none is told."""
        match self.told:
            case "label":
                x = model.sample(len(told), told)
            case "code":
                codes = model.codes(len(told))
                x = model.sample(len(told), codes._replace(categories=told[:, None]))
            case None:
                x = model.sample(len(told))
        return ((x + 1) / 2).clamp(0, 1)

    def evaluate(self, model: GAN, images: Images, seed: int, num_samples: int) -> dict:
        """Return what the samples of 8x8 digits are worth, as many as there are test images; print it.

        The Frechet distance of as many training images stands beside it: less cannot be asked for. `num_samples`, of
        importance sampling, counts for nothing here.
        """
        test, device = images.test, next(model.parameters()).device
        if test.x.shape[1:] != (1, 8, 8):
            print("no net finds features of these images: the pictures alone say how good they are")
            return {}
        net = evaluation.digit_classifier()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            told = test.y if self.with_labels else torch.arange(len(test.x)) % NUM_CODES
            x = torch.cat([self.sample(model, part.to(device)) for part in told.split(BATCH_SIZE)]).cpu()
        distance = evaluation.frechet_distance_of_images(net, test.x, x)
        floor = evaluation.frechet_distance_of_images(net, test.x, images.train.x[: len(test.x)])
        print(f"Frechet distance of {len(x)} samples from the test set: {distance:.2f} (training images: {floor:.2f})")
        figures = {"test_frechet_distance": distance, "frechet_distance_of_training_images": floor}
        if self.told == "label":
            shown = evaluation.label_accuracy(net, x, told)
            print(f"samples that show their label: {shown}")
            figures["label_accuracy"] = shown.mean
        if self.told == "code" and test.y is not None:
            codes = model.infer(2 * test.x.to(device) - 1).categories[:, 0]
            matched = evaluation.matched_accuracy(codes, test.y.to(device)).accuracy
            print(f"test images whose category is matched to their label: {100 * matched:.1f} %")
            figures["test_matched_accuracy"] = matched
        return figures

    def draw(self, model: GAN, images: Images) -> tuple[Tensor, str]:
        """Return 64 samples in [0, 1] and a title."""
        told = torch.arange(64, device=next(model.parameters()).device) % 8
        titles = {None: "samples", "label": "samples, a column for each class", "code": "a column for each category"}
        return self.sample(model, told), titles[self.told]


def convolutional(
    kind: type[GAN], shape: tuple[int, int, int], norm: Callable[[int], nn.Module] = nn.BatchNorm2d
) -> GAN:
    """A game of DCGAN's networks, with the discriminator's norm."""
    return kind(DCGenerator(shape, LATENT_DIM), DCDiscriminator(shape, norm=norm), LATENT_DIM)


def spectral(shape: tuple[int, int, int], _: int) -> HingeGAN:
    """DCGAN's networks, with spectral norm in place of the discriminator's batch norm."""
    discriminator = with_spectral_norm(DCDiscriminator(shape, norm=nn.Identity))
    return HingeGAN(DCGenerator(shape, LATENT_DIM), discriminator, LATENT_DIM)


def styled(shape: tuple[int, int, int], _: int) -> StyleGAN:
    """A style-based generator against DCGAN's discriminator without batch norm, which R_1 would not bear."""
    return StyleGAN(StyleGenerator(shape, LATENT_DIM), DCDiscriminator(shape, 48, nn.Identity), LATENT_DIM)


def conditional(shape: tuple[int, int, int], num_classes: int) -> ConditionalGAN:
    """Fully connected networks; the label is one more set of noise variables, and of channels."""
    generator = dense_generator(LATENT_DIM + num_classes, shape)
    discriminator = dense_discriminator((shape[0] + num_classes, *shape[1:]))
    return ConditionalGAN(generator, discriminator, LATENT_DIM, OneHot(num_classes))


def auxiliary(shape: tuple[int, int, int], num_classes: int) -> ACGAN:
    """Fully connected networks; discriminator and classifier share a trunk."""
    generator = dense_generator(LATENT_DIM + num_classes, shape)
    return ACGAN(generator, TwoHeaded(dense_trunk(shape), 128, num_classes), LATENT_DIM, num_classes)


def informative(shape: tuple[int, int, int], _: int) -> InfoGAN:
    """Fully connected networks, one category of ten and two values; Q shares the discriminator's trunk."""
    generator = dense_generator(LATENT_DIM + NUM_CODES + 2, shape)
    return InfoGAN(
        generator, TwoHeaded(dense_trunk(shape), 128, NUM_CODES + 4), LATENT_DIM, num_classes=(NUM_CODES,), num_values=2
    )


RECIPES: dict[str, AdversarialRecipe] = {
    "gan": AdversarialRecipe(
        "GAN of dense networks (Goodfellow et al. 2014)",
        lambda shape, _: GAN(dense_generator(LATENT_DIM, shape), dense_discriminator(shape), LATENT_DIM),
    ),
    "dcgan": AdversarialRecipe(
        "deep convolutional GAN (Radford et al. 2015)", lambda shape, _: convolutional(GAN, shape)
    ),
    "lsgan": AdversarialRecipe(
        "least-squares GAN, DCGAN's networks (Mao et al. 2016)", lambda shape, _: convolutional(LSGAN, shape)
    ),
    "wgan_gp": AdversarialRecipe(
        "Wasserstein GAN, gradient penalty (Gulrajani et al. 2017)",
        lambda shape, _: convolutional(WGANGP, shape, norm=nn.Identity),
        {
            "epochs": 200,
            "batch_size": 64,
            "discriminator_steps": 5,
            "lr": 5e-4,
            "betas": (0.0, 0.9),
            "ema_decay": 0.99,
        },
    ),
    "sngan": AdversarialRecipe("spectral norm and hinge loss (Miyato et al. 2018)", spectral),
    "stylegan": AdversarialRecipe(
        "StyleGAN with style mixing and R1 penalty (Karras et al. 2018), sides of 8, 16, 32 ...",
        styled,
        {
            "epochs": 100,
            "batch_size": 64,
            "lr": 3e-3,
            "discriminator_lr": 2e-3,
            "betas": (0.0, 0.99),
            "ema_decay": 0.995,
        },
    ),
    "cgan": AdversarialRecipe("conditional GAN (Mirza & Osindero 2014)", conditional, told="label"),
    "acgan": AdversarialRecipe("auxiliary classifier GAN (Odena et al. 2016)", auxiliary, told="label"),
    "infogan": AdversarialRecipe("InfoGAN, ten categories, two values (Chen et al. 2016)", informative, told="code"),
}
