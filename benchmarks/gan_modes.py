"""Modes that GANs find on a ring of eight Gaussians: five losses, three ways of training, five seeds.

python -m benchmarks.gan_modes [--losses wgan_gp hinge] [--settings balanced] [--seeds 5]

Networks and data are the same throughout; a way of training sets the learning rates and momenta of the two networks.
What was measured is kept in gan_modes.json, and a run that was cut short goes on where it was; gan_modes.md is made
from it. The tests of tests/models/adversarial/test_training_claims.py train by this file.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import nn

from course_utils.adversarial_training import fit_adversarial
from course_utils.data.toy import ring_centers, ring_of_gaussians
from course_utils.evaluation import mode_coverage
from course_utils.files import write_text
from course_utils.models.adversarial.gan import GAN, SaturatingGAN
from course_utils.models.adversarial.lsgan import LSGAN
from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator
from course_utils.models.adversarial.sngan import HingeGAN, with_spectral_norm
from course_utils.models.adversarial.wgan_gp import WGANGP
from course_utils.notebooks import ROOT

NUM_MODES = 8
STD = 0.1
LATENT_DIM = 2
HIDDEN_DIM = 64
BATCH_SIZE = 128
NUM_POINTS = 12_800
NUM_SAMPLES = 2_000
PENALTY_WEIGHT = 1.0


def normed_hinge(generator: nn.Module, discriminator: nn.Module, latent_dim: int) -> HingeGAN:
    return HingeGAN(generator, with_spectral_norm(discriminator), latent_dim)


LOSSES: dict[str, Callable[..., GAN]] = {
    "saturating": SaturatingGAN,
    "non_saturating": GAN,
    "least_squares": LSGAN,
    "wgan_gp": partial(WGANGP, penalty_weight=PENALTY_WEIGHT),
    "hinge": normed_hinge,
}


@dataclass(frozen=True)
class Setting:
    """How both networks are trained: rounds of one step each, and Adam's settings."""

    rounds: int
    lr: float
    discriminator_lr: float
    betas: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.rounds:,} rounds, lr {self.lr:g} (discriminator {self.discriminator_lr:g}), betas {self.betas}"


SETTINGS = {
    "weak_discriminator": Setting(600, 1e-3, 1e-4, (0.5, 0.999)),
    "balanced": Setting(1500, 1e-3, 1e-3, (0.5, 0.999)),
    "strong_discriminator": Setting(1000, 2e-3, 4e-3, (0.0, 0.9)),
}


@dataclass(frozen=True)
class Outcome:
    """What samples reach: covered modes, the share within three standard deviations of one, and the largest share of
    samples that have the same nearest mode (1/8 at best, 1 after a full collapse)."""

    num_modes: int
    high_quality_share: float
    largest_share: float


def train(loss: str, setting: Setting, seed: int) -> Outcome:
    """Train one GAN on the ring and return what its samples reach; the seed decides everything."""
    points = ring_of_gaussians(NUM_POINTS, std=STD, generator=torch.Generator().manual_seed(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = mlp_generator(LATENT_DIM, 2, HIDDEN_DIM), mlp_discriminator(2, HIDDEN_DIM)
        model = LOSSES[loss](generator, discriminator, latent_dim=LATENT_DIM)
    fit_adversarial(
        model,
        points,
        epochs=setting.rounds * BATCH_SIZE // NUM_POINTS,
        batch_size=BATCH_SIZE,
        lr=setting.lr,
        discriminator_lr=setting.discriminator_lr,
        betas=setting.betas,
        seed=seed,
        device="cpu",
    )
    samples = model.sample(NUM_SAMPLES, torch.Generator().manual_seed(seed))
    found = mode_coverage(samples, ring_centers(NUM_MODES), STD)
    nearest = torch.cdist(samples, ring_centers(NUM_MODES)).argmin(1).bincount(minlength=NUM_MODES)
    return Outcome(found.num_modes, found.high_quality_share, nearest.max().item() / NUM_SAMPLES)


def page(measured: dict[str, dict], seconds: float) -> str:
    lines = [
        "# Modes that GANs find on a ring of eight Gaussians",
        "",
        f"{platform.machine()}, torch {torch.__version__}, one thread, {seconds / 60:.0f} minutes of processor time. "
        f"Ring of radius 2, standard deviation {STD}; {NUM_POINTS:,} points, batches of {BATCH_SIZE}, {LATENT_DIM} "
        f"noise variables, two hidden layers of {HIDDEN_DIM} in both networks; gradient penalty weighted "
        f"{PENALTY_WEIGHT:g}, hinge loss with spectral norm. {NUM_SAMPLES:,} samples of each trained generator.",
        "",
        "A mode is covered if it has at least a tenth of its even share of samples within three standard deviations. "
        "Each entry: covered modes for each seed; over the seeds, the mean share of samples near any mode, and the "
        "mean of the largest share of samples that have the same nearest mode (12.5 % is even, 100 % one mode only).",
        "",
        "| loss | " + " | ".join(name.replace("_", " ") for name in SETTINGS) + " |",
        "|---" * (len(SETTINGS) + 1) + "|",
    ]
    for loss in LOSSES:
        cells = []
        for setting in SETTINGS:
            runs = [value for key, value in sorted(measured.items()) if key.startswith(f"{loss}-{setting}-")]
            if not runs:
                cells.append("open")
                continue
            modes = " ".join(str(run["num_modes"]) for run in runs)
            near = statistics.mean(run["high_quality_share"] for run in runs)
            largest = statistics.mean(run["largest_share"] for run in runs)
            cells.append(f"{modes}; {near:.0%} near, {largest:.0%} at one")
        lines.append(f"| {loss.replace('_', ' ')} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- {name.replace('_', ' ')}: {setting}" for name, setting in SETTINGS.items())]
    return "\n".join([*lines, "", "`make bench-gan-modes` makes this page.", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["COURSE_STATIC"] = "1"  # no progress bars

    kept = ROOT / "benchmarks" / "gan_modes.json"
    measured = json.loads(kept.read_text()) if kept.exists() else {}
    for setting in options.settings:
        for loss in options.losses:
            for seed in range(options.seeds):
                key, text = f"{loss}-{setting}-{seed}", str(SETTINGS[setting])
                if measured.get(key, {}).get("settings") == text:
                    continue
                started = time.process_time()
                outcome = train(loss, SETTINGS[setting], seed)
                seconds = time.process_time() - started
                measured[key] = {**asdict(outcome), "seconds": round(seconds, 1), "settings": text}
                print(key, outcome, f"{seconds:.1f} s", flush=True)
                write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", kept)
    text = page(measured, sum(run["seconds"] for run in measured.values()))
    print(text)
    write_text(text, kept.with_suffix(".md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
