"""Recipes of models with a likelihood, a bound of it or reconstructions: trained by `fit`, judged on test images."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.data import Images, binarize
from course_utils.models.autoregressive.conditional_pixelcnn import ConditionalPixelCNN
from course_utils.models.autoregressive.fvbn import FullyVisibleBeliefNetwork
from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from course_utils.models.autoregressive.made import MADE
from course_utils.models.autoregressive.multiscale import MultiScalePixelRNN
from course_utils.models.autoregressive.nade import NADE
from course_utils.models.autoregressive.pixelcnn import PixelCNN
from course_utils.models.autoregressive.pixelcnn_pp import PixelCNNPlusPlus
from course_utils.models.autoregressive.pixelrnn import PixelRNN
from course_utils.models.autoregressive.row_lstm import RowLSTM
from course_utils.models.latent.autoencoder import Autoencoder, ConvAutoencoder
from course_utils.models.latent.beta_vae import BetaVAE, beta_schedule
from course_utils.models.latent.cvae import ConditionalVAE
from course_utils.models.latent.denoising import DenoisingAutoencoder
from course_utils.models.latent.hvae import HierarchicalVAE
from course_utils.models.latent.iwae import IWAE
from course_utils.models.latent.vae import conv_vae, dense_vae
from course_utils.recipes.common import Trained, require_labels
from course_utils.training import fit

WARMUP_STEPS = 2000


@dataclass(frozen=True)
class LikelihoodRecipe:
    """How one model is built, trained by `fit`, and judged.

    build: from the shape of an image (C, H, W) and the number of classes to the model.
    settings: arguments of `fit`.
    with_labels: whether the model takes the labels, too.
    likelihood: what is reported of held-out images: log p(x), a bound of it, or (None) the reconstruction error. Models
        with a likelihood are given binary images, binarised where they are grey.
    in_colour: whether it models colours, too, of 256 levels.
    """

    summary: str
    build: Callable[[tuple[int, int, int], int], nn.Module]
    settings: dict = field(default_factory=lambda: {"epochs": 50, "batch_size": 128, "lr": 1e-3, "cosine": True})
    loss: Callable[..., Tensor] | None = None
    with_labels: bool = False
    likelihood: Literal["exact", "bound"] | None = "bound"
    in_colour: bool = False

    def require_fitting(self, name: str, images: Images) -> None:
        """Raise ValueError unless the model can take the data."""
        if self.likelihood and not self.in_colour and images.train.x.shape[1] != 1:
            raise ValueError(f"{name} models binary images, and {images.name} is in colour: choose a grey data set")
        if self.with_labels:
            require_labels(name, images)

    def train(self, model: nn.Module, images: Images, **settings) -> Trained:
        """Train by `fit`, with `transform` applied anew to every batch."""
        history = fit(
            model,
            images.train if self.with_labels else images.train.x,
            loss=self.loss,
            transform=self.transform(images),
            **settings,
        )
        return Trained(len(history.loss), history.seconds)

    def transform(self, images: Images) -> Callable[[Tensor], Tensor] | None:
        """Return what `fit` does to a batch: grey images are binarised (static binary images stay as they are)."""
        return binarize if self.likelihood and images.train.x.shape[1] == 1 else None

    def held_out(self, images: Images, seed: int) -> Tensor:
        """Return the test images (N, C, H, W) that the likelihood is of: grey ones are binarised once by the seed."""
        x = images.test.x
        return x if x.shape[1] > 1 else binarize(x, torch.Generator().manual_seed(seed))

    def evaluate(self, model: nn.Module, images: Images, seed: int, num_samples: int) -> dict:
        """Return the log-likelihood of `held_out` images or bounds of it, or their reconstruction error; print it."""
        device, test = next(model.parameters()).device, images.test
        started = time.monotonic()
        if self.likelihood is None:
            x = test.x.to(device)
            error = evaluation.estimate_mean(lambda x: (model(x) - x).square().flatten(1).sum(1), x)
            print(f"test squared error: {error.mean:.3f} +- {error.standard_error:.3f} an image")
            return {"test_squared_error": error.mean}
        x = self.held_out(images, seed).to(device)
        batch = (x, test.y.to(device)) if self.with_labels else (x,)
        num_dims = x[0].numel()
        if self.likelihood == "exact":
            found = evaluation.estimate_mean(model.log_prob, *batch, batch_size=100, description="log-likelihood")
            bits = evaluation.bits_per_dim(-found.mean, num_dims)
            print(f"test log-likelihood, exact: {found} ({bits:.4f} bits per dimension)")
            return {
                "test_log_likelihood_nats": found.mean,
                "standard_error_nats": found.standard_error,
                "bits_per_dim": bits,
                "evaluation_minutes": (time.monotonic() - started) / 60,
            }
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            elbo = evaluation.evaluate_elbo(model, *batch, description="ELBO")
            print(f"test ELBO: {elbo} ({evaluation.bits_per_dim(-elbo.mean, num_dims):.4f} bits per dimension)")
            bound = evaluation.evaluate_importance_weighted(
                model, *batch, num_samples=num_samples, description=f"importance-weighted, K = {num_samples}"
            )
        bits = evaluation.bits_per_dim(-bound.mean, num_dims)
        print(f"test log-likelihood, importance-weighted (K = {num_samples}): {bound} ({bits:.4f} bits per dimension)")
        return {
            "test_elbo_nats": elbo.mean,
            "test_importance_weighted_nats": bound.mean,
            "num_importance_samples": num_samples,
            "bits_per_dim": bits,
            "evaluation_minutes": (time.monotonic() - started) / 60,
        }

    def draw(self, model: nn.Module, images: Images) -> tuple[Tensor, str]:
        """Return samples in [0, 1], or originals above reconstructions where the model cannot sample, and a title.

        64 samples, and 16 of a model that draws pixel by pixel: that takes minutes where steps are slow.
        """
        device = next(model.parameters()).device
        num_samples = 16 if self.likelihood == "exact" else 64
        if self.likelihood is None:
            x = images.test.x[:8].to(device)
            return torch.cat([x, model(x)]), "originals and reconstructions"
        if self.with_labels:
            y = torch.arange(num_samples, device=device) % 8
            return model.sample(num_samples, y), "samples, a column for each class"
        return model.sample(num_samples), "samples"


def warmed_up(model: nn.Module, *batch: Tensor, step: int) -> Tensor:
    """The negative ELBO with the KL term growing to its full weight over the first steps."""
    return model.loss(*batch, beta=beta_schedule(step, WARMUP_STEPS))


def levels(shape: tuple[int, int, int]) -> int:
    """Grey images are binarised, colours keep their bytes."""
    return 2 if shape[0] == 1 else 256


def wide(width: int, shape: tuple[int, int, int]) -> int:
    """The width, rounded up to a multiple of the colours, which get equal shares of it."""
    return -(-width // shape[0]) * shape[0]


LONG = {"epochs": 40, "batch_size": 128, "lr": 1e-3, "cosine": True}
PIXELS = {"epochs": 20, "batch_size": 64, "lr": 1e-3, "cosine": True, "clip_norm": 1.0}

RECIPES: dict[str, LikelihoodRecipe] = {
    "vae": LikelihoodRecipe(
        "VAE of dense networks, 50 latents (Kingma & Welling 2013)",
        lambda shape, _: dense_vae(shape, latent_dim=50, hidden_dim=500),
        LONG,
        warmed_up,
    ),
    "conv_vae": LikelihoodRecipe(
        "VAE of convolutions, 32 latents", lambda shape, _: conv_vae(shape, latent_dim=32), LONG, warmed_up
    ),
    "beta_vae": LikelihoodRecipe(
        "beta-VAE, beta = 4 (Higgins et al. 2017)",
        lambda shape, _: dense_vae(shape, latent_dim=50, hidden_dim=500, model=BetaVAE, beta=4.0),
        LONG,
    ),
    "iwae": LikelihoodRecipe(
        "importance-weighted autoencoder, 5 samples (Burda et al. 2015)",
        lambda shape, _: dense_vae(shape, latent_dim=50, hidden_dim=500, model=IWAE, num_samples=5),
        LONG,
    ),
    "hvae": LikelihoodRecipe(
        "hierarchical VAE, two layers of latents (Sonderby et al. 2016)",
        lambda shape, _: HierarchicalVAE(shape),
        LONG,
        warmed_up,
    ),
    "cvae": LikelihoodRecipe(
        "conditional VAE (Sohn et al. 2015)",
        lambda shape, num_classes: ConditionalVAE(shape, num_classes),
        LONG,
        warmed_up,
        with_labels=True,
    ),
    "fvbn": LikelihoodRecipe(
        "fully visible belief network (Neal 1992, Frey 1998)",
        lambda shape, _: FullyVisibleBeliefNetwork(shape),
        {"epochs": 20, "batch_size": 100, "lr": 1e-3, "cosine": True},
        likelihood="exact",
    ),
    "nade": LikelihoodRecipe(
        "NADE, 500 hidden units (Larochelle & Murray 2011)",
        lambda shape, _: NADE(shape, hidden_dim=500),
        {"epochs": 10, "batch_size": 100, "lr": 2e-3, "cosine": True},
        likelihood="exact",
    ),
    "made": LikelihoodRecipe(
        "MADE, 1000 hidden units, direct connections (Germain et al. 2015)",
        lambda shape, _: MADE(shape, hidden_dims=(1000,), direct=True),
        {"epochs": 12, "batch_size": 100, "lr": 2e-3, "cosine": True},
        likelihood="exact",
    ),
    "pixel_rnn_row": LikelihoodRecipe(
        "PixelRNN, one Row LSTM (van den Oord et al. 2016)",
        lambda shape, _: PixelRNN(shape, levels(shape), RowLSTM, wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "pixel_rnn_diagonal": LikelihoodRecipe(
        "PixelRNN, one Diagonal BiLSTM (van den Oord et al. 2016)",
        lambda shape, _: PixelRNN(shape, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "multiscale_pixel_rnn": LikelihoodRecipe(
        "multi-scale PixelRNN (van den Oord et al. 2016)",
        lambda shape, _: MultiScalePixelRNN(shape, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "pixelcnn": LikelihoodRecipe(
        "PixelCNN, 15 layers (van den Oord et al. 2016)",
        lambda shape, _: PixelCNN(shape, levels(shape), hidden_dim=wide(16, shape), num_layers=15),
        {"epochs": 7, "batch_size": 32, "lr": 5e-3, "cosine": True, "clip_norm": 1.0},
        likelihood="exact",
        in_colour=True,
    ),
    "gated_pixelcnn": LikelihoodRecipe(
        "Gated PixelCNN, 7 layers (van den Oord et al. 2016)",
        lambda shape, _: GatedPixelCNN(shape, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "conditional_pixelcnn": LikelihoodRecipe(
        "Gated PixelCNN given the class (van den Oord et al. 2016)",
        lambda shape, num_classes: ConditionalPixelCNN(shape, num_classes, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        with_labels=True,
        likelihood="exact",
        in_colour=True,
    ),
    "pixelcnn_pp": LikelihoodRecipe(
        "PixelCNN++ (Salimans et al. 2017)",
        lambda shape, _: PixelCNNPlusPlus(shape, levels(shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "autoencoder": LikelihoodRecipe("dense autoencoder", lambda shape, _: Autoencoder(shape), likelihood=None),
    "conv_autoencoder": LikelihoodRecipe(
        "convolutional autoencoder", lambda shape, _: ConvAutoencoder(shape), likelihood=None
    ),
    "denoising_autoencoder": LikelihoodRecipe(
        "denoising autoencoder (Vincent et al. 2008)",
        lambda shape, _: DenoisingAutoencoder(Autoencoder(shape, latent_dim=64)),
        likelihood=None,
    ),
}
