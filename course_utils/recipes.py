"""The settings with which `course train` trains each reference model, and what it reports afterwards.

A run lives in a folder: `checkpoint.ckpt` while and after training, `metrics.json` and `samples.png` at the end. The
same command goes on from the checkpoint.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.data import Images, Split, binarize, load
from course_utils.files import replacing, write_text
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
from course_utils.training import fit

WARMUP_STEPS = 2000


@dataclass(frozen=True)
class Recipe:
    """How one model is built and trained.

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

RECIPES = {
    "vae": Recipe(
        "VAE of dense networks, 50 latents (Kingma & Welling 2013)",
        lambda shape, _: dense_vae(shape, latent_dim=50, hidden_dim=500),
        LONG,
        warmed_up,
    ),
    "conv_vae": Recipe(
        "VAE of convolutions, 32 latents", lambda shape, _: conv_vae(shape, latent_dim=32), LONG, warmed_up
    ),
    "beta_vae": Recipe(
        "beta-VAE, beta = 4 (Higgins et al. 2017)",
        lambda shape, _: dense_vae(shape, latent_dim=50, hidden_dim=500, model=BetaVAE, beta=4.0),
        LONG,
    ),
    "iwae": Recipe(
        "importance-weighted autoencoder, 5 samples (Burda et al. 2015)",
        lambda shape, _: dense_vae(shape, latent_dim=50, hidden_dim=500, model=IWAE, num_samples=5),
        LONG,
    ),
    "hvae": Recipe(
        "hierarchical VAE, two layers of latents (Sonderby et al. 2016)",
        lambda shape, _: HierarchicalVAE(shape),
        LONG,
        warmed_up,
    ),
    "cvae": Recipe(
        "conditional VAE (Sohn et al. 2015)",
        lambda shape, num_classes: ConditionalVAE(shape, num_classes),
        LONG,
        warmed_up,
        with_labels=True,
    ),
    "fvbn": Recipe(
        "fully visible belief network (Neal 1992, Frey 1998)",
        lambda shape, _: FullyVisibleBeliefNetwork(shape),
        {"epochs": 20, "batch_size": 100, "lr": 1e-3, "cosine": True},
        likelihood="exact",
    ),
    "nade": Recipe(
        "NADE, 500 hidden units (Larochelle & Murray 2011)",
        lambda shape, _: NADE(shape, hidden_dim=500),
        {"epochs": 10, "batch_size": 100, "lr": 2e-3, "cosine": True},
        likelihood="exact",
    ),
    "made": Recipe(
        "MADE, 1000 hidden units, direct connections (Germain et al. 2015)",
        lambda shape, _: MADE(shape, hidden_dims=(1000,), direct=True),
        {"epochs": 12, "batch_size": 100, "lr": 2e-3, "cosine": True},
        likelihood="exact",
    ),
    "pixel_rnn_row": Recipe(
        "PixelRNN, one Row LSTM (van den Oord et al. 2016)",
        lambda shape, _: PixelRNN(shape, levels(shape), RowLSTM, wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "pixel_rnn_diagonal": Recipe(
        "PixelRNN, one Diagonal BiLSTM (van den Oord et al. 2016)",
        lambda shape, _: PixelRNN(shape, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "multiscale_pixel_rnn": Recipe(
        "multi-scale PixelRNN (van den Oord et al. 2016)",
        lambda shape, _: MultiScalePixelRNN(shape, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "pixelcnn": Recipe(
        "PixelCNN, 15 layers (van den Oord et al. 2016)",
        lambda shape, _: PixelCNN(shape, levels(shape), hidden_dim=wide(16, shape), num_layers=15),
        {"epochs": 7, "batch_size": 32, "lr": 5e-3, "cosine": True, "clip_norm": 1.0},
        likelihood="exact",
        in_colour=True,
    ),
    "gated_pixelcnn": Recipe(
        "Gated PixelCNN, 7 layers (van den Oord et al. 2016)",
        lambda shape, _: GatedPixelCNN(shape, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "conditional_pixelcnn": Recipe(
        "Gated PixelCNN given the class (van den Oord et al. 2016)",
        lambda shape, num_classes: ConditionalPixelCNN(shape, num_classes, levels(shape), hidden_dim=wide(32, shape)),
        PIXELS,
        with_labels=True,
        likelihood="exact",
        in_colour=True,
    ),
    "pixelcnn_pp": Recipe(
        "PixelCNN++ (Salimans et al. 2017)",
        lambda shape, _: PixelCNNPlusPlus(shape, levels(shape)),
        PIXELS,
        likelihood="exact",
        in_colour=True,
    ),
    "autoencoder": Recipe("dense autoencoder", lambda shape, _: Autoencoder(shape), likelihood=None),
    "conv_autoencoder": Recipe("convolutional autoencoder", lambda shape, _: ConvAutoencoder(shape), likelihood=None),
    "denoising_autoencoder": Recipe(
        "denoising autoencoder (Vincent et al. 2008)",
        lambda shape, _: DenoisingAutoencoder(Autoencoder(shape, latent_dim=64)),
        likelihood=None,
    ),
}


def train(
    name: str,
    data_name: str,
    folder: Path,
    *,
    epochs: int | None = None,
    max_minutes: float | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "32-true",
    num_devices: int = 1,
    num_samples: int = 500,
    compiled: bool = False,
) -> dict:
    """Train a model by its recipe, evaluate it on the test set, print and save the figures; return them.

    Where several processes train together, only the first has figures; the others return an empty dictionary.

    Raises:
        ValueError: an unknown model, or data that the model cannot take.
        DataNotFoundError, DamagedDataError: as `course_utils.data.load`.
    """
    if name not in RECIPES:
        close = get_close_matches(name, RECIPES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(f"there is no model named {name!r}{hint}; there are {', '.join(RECIPES)}")
    recipe, images = RECIPES[name], load(data_name)
    _require_fitting(name, recipe, images)
    changes = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    settings = {**recipe.settings, **{key: value for key, value in changes.items() if value is not None}}
    shape = tuple(images.train.x.shape[1:])
    # Grey images are binarised anew for every batch; static ones are binary and stay as they are.
    transform = binarize if recipe.likelihood and shape[0] == 1 else None
    num_classes = int(images.train.y.max()) + 1 if recipe.with_labels else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = recipe.build(shape, num_classes)
    if compiled:
        model.compile()
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(images.description)
    print(f"{name}: {num_parameters:,} parameters, {settings}, seed {seed}")

    history = fit(
        model,
        images.train if recipe.with_labels else images.train.x,
        loss=recipe.loss,
        transform=transform,
        seed=seed,
        device=device,
        precision=precision,
        num_devices=num_devices,
        checkpoint=folder / "checkpoint.ckpt",
        max_minutes=max_minutes,
        description=name,
        **settings,
    )
    if torch.distributed.is_initialized() and torch.distributed.get_rank() > 0:
        return {}  # of several processes that trained together, the first evaluates and writes
    print(f"trained {len(history.loss):,} steps in {history.seconds / 60:.1f} minutes")
    metrics = {
        "model": name,
        "data": images.description,
        "settings": {**settings, "seed": seed, "precision": precision, "compiled": compiled},
        "num_parameters": num_parameters,
        "steps": len(history.loss),
        "training_minutes": history.seconds / 60,
        **_evaluate(model, recipe, images.test, seed, num_samples),
    }
    write_text(json.dumps(metrics, indent=2) + "\n", folder / "metrics.json")
    _save_samples(model, recipe, images.test, seed, folder / "samples.png")
    print(f"figures in {folder / 'metrics.json'}, pictures in {folder / 'samples.png'}")
    return metrics


def _require_fitting(name: str, recipe: Recipe, images: Images) -> None:
    if recipe.likelihood and not recipe.in_colour and images.train.x.shape[1] != 1:
        raise ValueError(f"{name} models binary images, and {images.name} is in colour: choose a grey data set")
    if recipe.with_labels and (images.train.y is None or images.train.y.is_floating_point()):
        raise ValueError(f"{name} needs class labels, and {images.name} has none: choose a labelled data set")


def _evaluate(model: nn.Module, recipe: Recipe, test: Split, seed: int, num_samples: int) -> dict:
    """Log-likelihood of the test set or bounds of it, with grey images binarised once by the seed, or its
    reconstruction error."""
    device = next(model.parameters()).device
    started = time.monotonic()
    if recipe.likelihood is None:
        x = test.x.to(device)
        error = evaluation.estimate_mean(lambda x: (model(x) - x).square().flatten(1).sum(1), x)
        print(f"test squared error: {error.mean:.3f} +- {error.standard_error:.3f} an image")
        return {"test_squared_error": error.mean}
    x = test.x if test.x.shape[1] > 1 else binarize(test.x, torch.Generator().manual_seed(seed))
    x = x.to(device)
    batch = (x, test.y.to(device)) if recipe.with_labels else (x,)
    num_dims = x[0].numel()
    if recipe.likelihood == "exact":
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


def _save_samples(model: nn.Module, recipe: Recipe, test: Split, seed: int, path: Path) -> None:
    """A picture of samples, or of originals above reconstructions where the model cannot sample.

    64 samples, and 16 of a model that draws pixel by pixel: that takes minutes where steps are slow.
    """
    from matplotlib.figure import Figure

    from course_utils.plotting import image_grid

    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        num_samples = 16 if recipe.likelihood == "exact" else 64
        if recipe.likelihood is None:
            x = test.x[:8].to(device)
            pictures, title = torch.cat([x, model(x)]), "originals and reconstructions"
        elif recipe.with_labels:
            y = torch.arange(num_samples, device=device) % 8
            pictures, title = model.sample(num_samples, y), "samples, a column for each class"
        else:
            pictures, title = model.sample(num_samples), "samples"
    axes = Figure(figsize=(5, len(pictures) / 16 + 1)).subplots()
    image_grid(pictures.cpu(), ax=axes, num_columns=8).set_title(title)
    with replacing(path) as temporary:
        axes.figure.savefig(temporary, format="png", dpi=120, bbox_inches="tight")
