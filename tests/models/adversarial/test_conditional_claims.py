"""What conditional GAN, ACGAN and InfoGAN promise, measured over as many seeds as --seeds says: labels and angles are
obeyed and the samples of a class differ; InfoGAN's codes find digit classes and positions without labels; controls do
not.

Each test prints its figures and the interval that each seed's must lie in. `COURSE_STATIC=1` hides the progress bars.
"""

import math

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from course_utils.adversarial_training import fit_adversarial
from course_utils.data import load, render_sprites
from course_utils.evaluation import digit_classifier, label_accuracy, matched_accuracy
from course_utils.models.adversarial.acgan import ACGAN
from course_utils.models.adversarial.cgan import Angle, ConditionalGAN, OneHot
from course_utils.models.adversarial.dense import (
    SideBySide,
    TwoHeaded,
    dense_discriminator,
    dense_generator,
    dense_trunk,
)
from course_utils.models.adversarial.infogan import InfoGAN

DIGIT, SPRITE, BAR = (1, 8, 8), (1, 16, 16), (1, 12, 12)
NOISE_DIM = 16

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def digits():
    x, y = load("digits").train
    return 2 * x - 1, y


def train(model, tensors, steps, seed, lr=5e-4, ema_decay=None):
    epochs = round(steps * 64 / len(tensors[0]))
    fit_adversarial(model, tensors, epochs=epochs, batch_size=64, lr=lr, ema_decay=ema_decay, seed=seed, device="cpu")
    return model


def spread(x: Tensor, y: Tensor) -> float:
    """The mean distance of two images of one class, averaged over the classes."""
    distances = [torch.pdist(x[y == label].flatten(1)).mean() for label in y.unique()]
    return torch.stack(distances).mean().item()


def of_labels(model, digits) -> tuple[float, float]:
    """The share of samples that show their label, and their spread within a class as a share of the data's."""
    y = torch.arange(10).repeat_interleave(100)
    x = model.sample(1000, y)
    return label_accuracy(digit_classifier(), (x + 1) / 2, y).mean, spread(x, y) / spread(*digits)


def conditional_gan():
    generator = dense_generator(NOISE_DIM + 10, DIGIT)
    return ConditionalGAN(generator, dense_discriminator((11, 8, 8)), NOISE_DIM, OneHot(10))


def acgan():
    discriminator = TwoHeaded(dense_trunk(DIGIT), 128, 10)
    return ACGAN(dense_generator(NOISE_DIM + 10, DIGIT), discriminator, NOISE_DIM, 10, class_weight=0.5)


@pytest.mark.parametrize(
    ("build", "accuracy_within", "spread_within"),
    [(conditional_gan, (0.92, 0.995), (0.75, 1.0)), (acgan, (0.95, 1.0), (0.55, 0.85))],
)
def test_digits_show_the_label_asked_for_and_differ(
    build, accuracy_within, spread_within, digits, training_seeds, claim
):
    accuracies, spreads = [], []
    for seed in training_seeds:
        torch.manual_seed(seed)
        accuracy, diversity = of_labels(train(build(), digits, 1000, seed, ema_decay=0.99), digits)
        accuracies.append(accuracy)
        spreads.append(diversity)
    claim(f"{build.__name__}: spread within a class as a share of the data's", spreads, *spread_within)
    claim(f"{build.__name__}: samples that show their label", accuracies, *accuracy_within)


def test_with_shuffled_labels_digits_show_any(digits, training_seeds, claim):
    x, y = digits
    accuracies = []
    for seed in training_seeds:
        torch.manual_seed(seed)
        shuffled = y[torch.randperm(len(y))]
        accuracies.append(of_labels(train(conditional_gan(), (x, shuffled), 400, seed), digits)[0])
    claim("conditional GAN, labels shuffled: samples that show their label", accuracies, 0.04, 0.18)


def test_infogan_finds_the_classes_of_digits(digits, training_seeds, claim):
    x, y = digits
    on_data, on_samples = [], []
    for seed in training_seeds:
        torch.manual_seed(seed)
        q = nn.Sequential(dense_trunk(DIGIT, num_layers=1), nn.Linear(128, 10))
        heads = SideBySide(dense_discriminator(DIGIT), q)
        model = train(InfoGAN(dense_generator(NOISE_DIM + 10, DIGIT), heads, NOISE_DIM), (x,), 1500, seed)
        on_data.append(matched_accuracy(model.infer(x).categories[:, 0], y).accuracy)
        codes = model.codes(1000)
        shown = digit_classifier()((model.sample(1000, codes) + 1) / 2).argmax(1)
        on_samples.append(matched_accuracy(codes.categories[:, 0], shown).accuracy)
    clusters = [KMeans(10, n_init=1, random_state=seed).fit_predict(x.flatten(1).numpy()) for seed in training_seeds]
    reference = [matched_accuracy(torch.from_numpy(found).long(), y).accuracy for found in clusters]
    claim("k-means: data whose cluster is that of their class", reference, 0.6, 0.85)
    claim("InfoGAN: data whose inferred code is that of their class", on_data, 0.45, 0.85)
    claim("InfoGAN: samples whose code is that of the class they show", on_samples, 0.55, 0.95)


def sprites(angle: Tensor, x: Tensor, y: Tensor, size: Tensor, side: int) -> Tensor:
    """Ellipses in [-1, 1], (N, 1, side, side)."""
    factors = torch.stack([torch.ones_like(angle), size, angle, x, y, torch.zeros_like(angle)], dim=1)
    return 2 * render_sprites(factors, side, colour=False) - 1


def moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """The x of the centroid in image widths, and the angle of the long axis in [-pi/2, pi/2], each (N,)."""
    mass = (images[:, 0] + 1) / 2
    mass = mass / mass.sum((1, 2), keepdim=True)
    centres = (torch.arange(mass.shape[1]) + 0.5) / mass.shape[1]
    x, y = mass.sum(1) @ centres, mass.sum(2) @ centres
    right, up = centres - x[:, None], y[:, None] - centres
    xx, yy = (mass.sum(1) * right**2).sum(1), (mass.sum(2) * up**2).sum(1)
    xy = torch.einsum("nhw,nh,nw->n", mass, up, right)
    return x, 0.5 * torch.atan2(2 * xy, xx - yy)


def apart(a: Tensor, b: Tensor) -> Tensor:
    """The angle between two axes, in degrees, 0 to 90."""
    turn = (a - b) % math.pi
    return torch.minimum(turn, math.pi - turn).rad2deg()


def uniform(low: float, high: float, num: int) -> Tensor:
    return low + (high - low) * torch.rand(num)


def test_ellipses_lie_at_the_angle_asked_for(training_seeds, claim):
    """What they are told they obey; what they are not, the position, they may forget: its spread collapses in some
    runs, and no claim is made of it."""
    errors, places = [], []
    for seed in training_seeds:
        torch.manual_seed(seed)
        angle, x, y = uniform(0, math.pi, 4000), uniform(0.42, 0.58, 4000), uniform(0.42, 0.58, 4000)
        images = sprites(angle, x, y, torch.full_like(x, 0.35), 16)
        assert apart(moments(images)[1], angle).mean() < 0.5  # the estimator's own error
        generator, discriminator = dense_generator(4 + 2, SPRITE, 64), dense_discriminator((1 + 2, 16, 16), 64)
        model = train(ConditionalGAN(generator, discriminator, 4, Angle(math.pi)), (images, angle), 800, seed, lr=1e-3)
        asked = uniform(0, math.pi, 1000)
        found_x, found_angle = moments(model.sample(1000, asked))
        errors.append(apart(found_angle, asked).mean().item())
        places.append((found_x.std() / x.std()).item())
    claim("conditional GAN: mean error of the angle, in degrees (45 by chance)", errors, 0.5, 10)
    claim("conditional GAN: standard deviation of x as a share of the data's", places, 0.0, 1.2)


def rank_correlation(a: Tensor, b: Tensor) -> float:
    ranks = torch.stack([a.argsort().argsort(), b.argsort().argsort()]).double()
    return torch.corrcoef(ranks)[0, 1].item()


@pytest.mark.parametrize(("weight", "low", "high"), [(1.0, 0.65, 1.0), (0.0, 0.0, 0.5)])
def test_continuous_code_is_the_position_by_the_information_term(weight, low, high, training_seeds, claim):
    correlations = []
    for seed in training_seeds:
        torch.manual_seed(seed)
        x, size = uniform(0.3, 0.7, 4000), uniform(0.3, 0.35, 4000)
        images = sprites(torch.zeros_like(x), x, torch.full_like(x, 0.5), size, 12)
        q = nn.Sequential(dense_trunk(BAR, 64, num_layers=1), nn.Linear(64, 2))
        heads = SideBySide(dense_discriminator(BAR, 64), q)
        model = InfoGAN(dense_generator(4 + 1, BAR, 64), heads, 4, (), 1, value_weight=weight)
        train(model, (images,), 1000, seed, lr=1e-3)
        codes = model.codes(1000)
        found_x, _ = moments(model.sample(1000, codes))
        correlations.append(abs(rank_correlation(codes.values[:, 0], found_x)))
    claim(f"InfoGAN, lambda {weight}: |rank correlation| of the code and x in samples", correlations, low, high)
