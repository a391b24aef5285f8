"""What training does, over --seeds seeds: modes lost and found on a ring, and digits near the real ones.

Every claim is an interval for each seed, closed on both sides, and prints what was found. The ring is that of
benchmarks/gan_modes.py, whose page has all losses under all settings.
"""

import pytest
import torch

from benchmarks.gan_modes import NUM_MODES, SETTINGS, Outcome, train
from course_utils.adversarial_training import fit_adversarial
from course_utils.data.digits import load_digits
from course_utils.evaluation import digit_classifier, frechet_distance_of_images
from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator
from course_utils.models.adversarial.gan import GAN

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "1")


def outcomes(loss: str, setting: str, seeds: range) -> list[Outcome]:
    return [train(loss, SETTINGS[setting], seed) for seed in seeds]


def test_against_a_weak_discriminator_the_non_saturating_generator_loses_modes(training_seeds, claim):
    """A discriminator that learns ten times slower: the generator runs to where it errs most, with all its samples."""
    found = outcomes("non_saturating", "weak_discriminator", training_seeds)
    claim("covered modes", [run.num_modes for run in found], 0, 2)
    claim("largest share of samples at one mode", [run.largest_share for run in found], 0.5, 1.0)


@pytest.mark.parametrize("loss", ["non_saturating", "wgan_gp", "hinge"])
def test_a_discriminator_that_keeps_up_cures_it(loss, training_seeds, claim):
    """One that learns twice as fast, without momentum; perfect samples: 0.989 near a mode, 0.125 at each."""
    found = outcomes(loss, "strong_discriminator", training_seeds)
    claim(f"covered modes, {loss}", [run.num_modes for run in found], NUM_MODES, NUM_MODES)
    claim(f"share of samples near a mode, {loss}", [run.high_quality_share for run in found], 0.5, 0.995)
    claim(f"largest share of samples at one mode, {loss}", [run.largest_share for run in found], 0.125, 0.25)


def test_dcgan_draws_digits_near_the_real_ones(training_seeds, claim):
    """Frechet distance to the training digits in the features of the course's own classifier, 1,297 samples each.

    The 300 test digits are 5.9 from the training digits.
    """
    digits, net = load_digits(), digit_classifier()
    before, after = [], []
    for seed in training_seeds:
        torch.manual_seed(seed)
        model = GAN(DCGenerator((1, 8, 8), 32, 32), DCDiscriminator((1, 8, 8), 32), latent_dim=32)

        def distance(model=model, seed=seed):
            fake = model.eval().sample(len(digits.train.x), torch.Generator().manual_seed(seed))
            return frechet_distance_of_images(net, digits.train.x, ((fake + 1) / 2).clamp(0, 1))

        before.append(distance())
        x = 2 * digits.train.x - 1
        fit_adversarial(model, x, epochs=20, batch_size=64, lr=1e-3, ema_decay=0.98, seed=seed, device="cpu")
        after.append(distance())
    claim("Frechet distance before training", before, 800, 1100)
    claim("Frechet distance after training", after, 6, 30)
    claim("ratio of the two", [b / a for a, b in zip(after, before, strict=True)], 25, 200)
