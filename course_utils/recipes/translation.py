"""Recipes of image-to-image translation: trained by `fit_adversarial` on pictures mapped to [-1, 1].

They are judged by L1, the mean |difference| of a value in [0, 1], on held-out pictures. Where many translations are
valid it cannot become 0, and the sharpest are not the nearest: look at the pictures, too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.adversarial_training import fit_adversarial
from course_utils.data import Images, Split, load_domains, load_pairs
from course_utils.models.adversarial.cyclegan import CycleGAN, ResidualGenerator
from course_utils.models.adversarial.patchgan import PatchDiscriminator
from course_utils.models.adversarial.pix2pix import Pix2Pix, UNetGenerator
from course_utils.recipes.common import Trained

BATCH_SIZE = 64  # of pictures translated to be judged
SPLITS = ("train", "valid", "test")


def paired(name: str) -> Images:
    """Return a set of pairs, x the sources and y the targets: the real facades at 64x64, else 32x32."""
    parts = [load_pairs(name, size=64 if name == "facades" else 32, split=split) for split in SPLITS]
    return Images(name, parts[0].description, *(Split(part.source, part.target) for part in parts))


def unpaired(name: str) -> Images:
    """Return two domains, x the sources; y is the other domain in train, elsewhere the sources' true translations."""
    train, valid, test = (load_domains(name, split=split) for split in SPLITS)
    held_out = (Split(part.source, part.translated) for part in (valid, test))
    return Images(name, train.description, Split(train.source, train.target), *held_out)


@dataclass(frozen=True)
class TranslationRecipe:
    """How one model is built, trained by `fit_adversarial` and asked for translations.

    load: from a name to pictures; y of a split is what x should become.
    build: from the shape of a source (C, H, W) and the targets' number of channels to the model.
    translate: from the model and sources in [-1, 1] to their translations.
    back: the same, from targets to sources, where the model can do that.
    settings: arguments of `fit_adversarial`.
    """

    summary: str
    load: Callable[[str], Images]
    build: Callable[[tuple[int, int, int], int], nn.Module]
    translate: Callable[[nn.Module, Tensor], Tensor]
    settings: dict
    back: Callable[[nn.Module, Tensor], Tensor] | None = None

    def require_fitting(self, name: str, images: Images) -> None:
        """Do nothing: `load` has only such pictures as the model can take."""

    def train(self, model: nn.Module, images: Images, **settings) -> Trained:
        """Train by `fit_adversarial` on sources and targets, both mapped to [-1, 1]."""
        history = fit_adversarial(model, [2 * part - 1 for part in images.train], **settings)
        return Trained(len(history.generator_loss), history.seconds)

    @torch.no_grad()
    def apply(self, way: Callable[[nn.Module, Tensor], Tensor], model: nn.Module, x: Tensor) -> Tensor:
        """Return pictures (N, C', H, W) in [0, 1], on the CPU, of pictures x (N, C, H, W) in [0, 1], one way."""
        device = next(model.parameters()).device
        return torch.cat([((way(model, 2 * part.to(device) - 1) + 1) / 2).cpu() for part in x.split(BATCH_SIZE)])

    def evaluate(self, model: nn.Module, images: Images, seed: int, num_samples: int) -> dict:
        """Return L1 on the test set, of one translation of each source by the model's noise; print it.

        Beside it stands the L1 of what takes no learning: the mean of the training targets, or the source as it is,
        whichever is nearer. `num_samples`, of importance sampling, counts for nothing here.
        """
        x, y = images.test
        device = next(model.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            found = self.apply(self.translate, model, x)
            cycled = self.apply(self.back, model, found) if self.back else None
        effortless = (images.train.y.mean(0, keepdim=True) - y).abs().mean().item()
        if x.shape == y.shape:
            effortless = min(effortless, (x - y).abs().mean().item())
        figures = {"test_l1": (found - y).abs().mean().item(), "test_l1_without_learning": effortless}
        print(f"L1 to the true translations: {figures['test_l1']:.4f} (without learning: {effortless:.4f})")
        if cycled is not None:
            figures["test_cycle_l1"] = (cycled - x).abs().mean().item()
            print(f"L1 of sources from what came back: {figures['test_cycle_l1']:.4f}")
        return figures

    def draw(self, model: nn.Module, images: Images) -> tuple[Tensor, str]:
        """Return two times eight sources, translations and targets in [0, 1], and a title."""
        x, y = images.test.x[:16], images.test.y[:16]
        shown = [part.expand(-1, 3, -1, -1) for part in (x, self.apply(self.translate, model, x), y)]
        rows = [part[start : start + 8] for start in range(0, len(x), 8) for part in shown]
        return torch.cat(rows), "rows: sources, translations, targets"


def pix2pix(shape: tuple[int, int, int], target_channels: int) -> Pix2Pix:
    """A U-Net of four levels, and a judge of patches of side 16: half the width of 32 pixels."""
    discriminator = PatchDiscriminator(shape[0] + target_channels, patch=16, hidden_dim=32)
    return Pix2Pix(UNetGenerator(shape[0], target_channels, hidden_dim=32, num_levels=4), discriminator)


def cyclegan(shape: tuple[int, int, int], _: int) -> CycleGAN:
    """Residual generators and judges of patches of side 16, one for each domain."""
    generators = [ResidualGenerator(shape[0], hidden_dim=24) for _ in range(2)]
    judges = [PatchDiscriminator(shape[0], patch=16, hidden_dim=32) for _ in range(2)]
    return CycleGAN(*generators, *judges, image_shape=shape)


RECIPES: dict[str, TranslationRecipe] = {
    "pix2pix": TranslationRecipe(
        "from pairs of pictures, such as labels_to_facade (Isola et al. 2016)",
        paired,
        pix2pix,
        lambda model, x: model.sample(x),
        {"epochs": 40, "batch_size": 16, "lr": 2e-4, "betas": (0.5, 0.999)},
    ),
    "cyclegan": TranslationRecipe(
        "between two domains without pairs, such as plain_to_striped (Zhu et al. 2017)",
        unpaired,
        cyclegan,
        lambda model, x: model.to_target(x),
        {"epochs": 40, "batch_size": 8, "lr": 2e-4, "betas": (0.5, 0.999)},
        back=lambda model, x: model.to_source(x),
    ),
}
