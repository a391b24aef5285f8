"""What pix2pix's parts are for, over --seeds seeds: the adversarial term, the L1 term, and the skips of the U-Net.

Every claim is an interval for each seed, closed on both sides, and prints what was found. The pictures have a detail
that the source does not tell: in a window that it marks there are thin bright bars, one in four columns, at an offset
of chance. Of each pixel in the window the mean is 1/4 bright and the median dark, so the best regression by L2 paints
it evenly, by L1 dark: blur in both cases. The rest of the target follows from the source.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.adversarial_training import fit_adversarial
from course_utils.data import load_pairs
from course_utils.models.adversarial.patchgan import PatchDiscriminator
from course_utils.models.adversarial.pix2pix import Pix2Pix, UNetGenerator
from course_utils.training import fit

pytestmark = pytest.mark.training

SIZE, PERIOD = 16, 4
EPOCHS, BATCH_SIZE = 15, 32


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "1")


def barred_windows(num_pairs: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return sources and targets in [-1, 1] and where the windows are, (N, 1, S, S) each.

    The window is 1 in the source, barred in the target; the wall's grey is negated.
    """
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(SIZE)

    def random_span() -> Tensor:
        low, high = (torch.randint(*ends, (num_pairs, 1), generator=generator) for ends in ((1, 5), (11, 15)))
        return (place >= low) & (place < high)

    window = (random_span()[:, None, :, None] & random_span()[:, None, None, :]).float()
    wall = 0.8 * (2 * torch.rand(num_pairs, 1, 1, 1, generator=generator) - 1)
    offset = torch.randint(PERIOD, (num_pairs, 1, 1, 1), generator=generator)
    bars = torch.where((place + offset) % PERIOD == 0, 0.8, -0.8)
    return torch.lerp(wall, torch.ones(1), window), torch.lerp(-wall, bars, window), window


def sharpness(x: Tensor, window: Tensor) -> float:
    """Return the mean squared step from pixel to pixel along the rows, in the windows."""
    within = window[..., 1:] * window[..., :-1]
    return (((x[..., 1:] - x[..., :-1]) ** 2 * within).sum() / within.sum()).item()


def distance(x: Tensor, y: Tensor, mask: Tensor) -> float:
    return (((x - y).abs() * mask).sum() / mask.sum()).item()


class Regression(nn.Module):
    """A generator without an opponent."""

    def __init__(self, generator: nn.Module, loss=F.l1_loss):
        super().__init__()
        self.generator, self.difference = generator, loss

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        return self.difference(self.generator(source), target)


def regressed(data, seed: int, loss=F.l1_loss, **kwargs) -> nn.Module:
    torch.manual_seed(seed)
    model = Regression(UNetGenerator(data[0].shape[1], data[1].shape[1], hidden_dim=16, **kwargs), loss)
    fit(model, data, epochs=EPOCHS, batch_size=BATCH_SIZE, lr=2e-3, seed=seed, device="cpu")
    return model.generator


def played(data, seed: int, l1_weight: float) -> nn.Module:
    torch.manual_seed(seed)
    model = Pix2Pix(UNetGenerator(1, 1, hidden_dim=16), PatchDiscriminator(2, patch=16, hidden_dim=16), l1_weight)
    fit_adversarial(model, data, epochs=EPOCHS, batch_size=BATCH_SIZE, lr=1e-3, seed=seed, device="cpu")
    return model.generator


@torch.no_grad()
def test_regression_blurs_the_adversarial_term_sharpens_and_l1_holds_to_the_target(training_seeds, claim):
    blurred, sharpened, held, strayed = {"l1": [], "l2": []}, [], [], []
    for seed in training_seeds:
        source, target, _ = barred_windows(512, seed)
        x, y, window = barred_windows(256, 1000 + seed)
        real = sharpness(y, window)
        for name, loss in (("l1", F.l1_loss), ("l2", F.mse_loss)):
            with torch.enable_grad():
                generator = regressed([source, target], seed, loss)
            blurred[name].append(sharpness(generator(x), window) / real)
        with torch.enable_grad():
            both, alone = (played([source, target], seed, weight) for weight in (10.0, 0.0))
        sharpened.append(sharpness(both(x), window) / real)
        held.append(distance(both(x), y, 1 - window))
        strayed.append(distance(alone(x), y, 1 - window))
    claim("sharpness over that of real targets, L1 alone", blurred["l1"], 0.0, 0.02)
    claim("sharpness over that of real targets, L2 alone", blurred["l2"], 0.0, 0.1)
    claim("sharpness over that of real targets, L1 and adversarial", sharpened, 0.7, 1.1)
    claim("L1 outside of windows, L1 and adversarial", held, 0.02, 0.13)
    ratios = [one / other for one, other in zip(strayed, held, strict=True)]
    claim("the same of the adversarial term alone, over that of both", ratios, 1.5, 8.0)


@torch.no_grad()
def test_a_unet_translates_more_closely_than_an_encoder_decoder(training_seeds, claim):
    """Colours of grey landscapes by L1: without skips, places have to pass through 4x4 pixels."""
    ratios = []
    for seed in training_seeds:
        train = load_pairs("grey_to_colour", num_pairs=256, seed=seed)
        test = load_pairs("grey_to_colour", num_pairs=128, seed=seed, split="test")
        errors = []
        for skips in (True, False):
            with torch.enable_grad():
                generator = regressed([2 * train.source - 1, 2 * train.target - 1], seed, skips=skips)
            errors.append(F.l1_loss(generator(2 * test.source - 1), 2 * test.target - 1).item())
        ratios.append(errors[0] / errors[1])
    claim("held-out L1 with skips over that without", ratios, 0.6, 0.9)
