"""The Frechet distance against closed forms and scipy's matrix square root."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from course_utils.data.digits import load_digits
from course_utils.evaluation import digit_classifier, frechet_distance, frechet_distance_of_images, image_features


def points_with(mean, covariance, num_points=50):
    """Points whose sample mean and unbiased sample covariance are exactly these."""
    mean, covariance = (torch.as_tensor(value, dtype=torch.float64) for value in (mean, covariance))
    raw = torch.randn(num_points, len(mean), dtype=torch.float64)
    raw = raw - raw.mean(0)
    white = raw @ torch.linalg.inv(torch.linalg.cholesky(raw.T @ raw / (num_points - 1))).T
    return mean + white @ torch.linalg.cholesky(covariance).T


def test_two_gaussians_on_the_line():
    """(mu - mu')^2 + (sigma - sigma')^2."""
    real, fake = points_with([1.0], [[4.0]], 7), points_with([-2.0], [[0.25]], 30)
    assert frechet_distance(real, fake) == pytest.approx(9 + 1.5**2, abs=1e-10)


def test_covariances_with_the_same_axes():
    axes = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    first, second = torch.tensor([4.0, 1.0, 9.0]).double(), torch.tensor([1.0, 16.0, 0.25]).double()
    real = points_with([0, 0, 0], axes @ first.diag() @ axes.T)
    fake = points_with([1, 2, -1], axes @ second.diag() @ axes.T)
    due = 6 + (first.sqrt() - second.sqrt()).square().sum().item()
    assert frechet_distance(real, fake) == pytest.approx(due, abs=1e-10)


def test_against_the_matrix_square_root():
    """General covariances do not commute: the formula as it stands, by scipy."""
    for num_dims in (2, 5):
        real = torch.randn(40, num_dims, dtype=torch.float64) @ torch.randn(num_dims, num_dims, dtype=torch.float64)
        fake = torch.randn(60, num_dims, dtype=torch.float64) @ torch.randn(num_dims, num_dims, dtype=torch.float64) + 1
        a, b = np.cov(real.numpy().T), np.cov(fake.numpy().T)
        assert np.abs(a @ b - b @ a).max() > 0.1
        due = ((real.mean(0) - fake.mean(0)) ** 2).sum().item() + np.trace(a + b - 2 * sqrtm(a @ b).real)
        assert frechet_distance(real, fake) == pytest.approx(due, abs=1e-9)
        assert frechet_distance(fake, real) == pytest.approx(due, abs=1e-9)


class PassedOn(nn.Module):
    """torchmetrics runs a network on images; here the images are features already."""

    num_features = 32

    def forward(self, features):
        return features


def test_equals_torchmetrics_on_the_features_of_digits():
    from torchmetrics.image.fid import FrechetInceptionDistance  # here, since it takes seconds

    digits, net = load_digits(), digit_classifier()
    for fake in (digits.test.x, (digits.test.x + 0.3 * torch.rand_like(digits.test.x)).clamp(0, 1)):
        features = [image_features(net, x) for x in (digits.train.x, fake)]
        other = FrechetInceptionDistance(feature=PassedOn()).set_dtype(torch.float64)
        other.update(features[0].double(), real=True)
        other.update(features[1].double(), real=False)
        assert frechet_distance(*features) == pytest.approx(other.compute().item(), rel=1e-6)


def test_fewer_points_than_features():
    """Singular covariances: in the plane that holds all points, the distance is what it was without the other axes."""
    real, fake = torch.randn(6, 3, dtype=torch.float64), 2 * torch.randn(5, 3, dtype=torch.float64) + 1
    into = torch.linalg.qr(torch.randn(20, 3, dtype=torch.float64)).Q.T
    due = frechet_distance(real, fake)
    assert due > 1
    assert frechet_distance(real @ into, fake @ into) == pytest.approx(due, abs=1e-9)
    # A collapsed generator: C_f = 0, and all of tr C_r is left.
    collapsed = real.mean(0).expand(9, 3)
    assert frechet_distance(real, collapsed) == pytest.approx(real.var(0).sum().item(), abs=1e-10)


def test_a_set_is_nowhere_but_at_itself_and_halves_of_a_set_are_apart():
    x = torch.randn(400, 8)
    assert 0 <= frechet_distance(x, x) < 1e-10
    assert 0 <= frechet_distance(x, x[torch.randperm(400)]) < 1e-10
    few, many = frechet_distance(x[:20], x[200:220]), frechet_distance(x[:200], x[200:])
    assert few > 4 * many > 0  # the bias that the docstring warns of: about 1 / N


def test_float32_input_is_computed_in_double():
    """A far mean does not swallow the spread, which in float32 sums of squares it would."""
    real, fake = torch.randn(100, 4), 1.5 * torch.randn(100, 4)
    due = frechet_distance(real.double(), fake.double())
    assert frechet_distance(real, fake) == pytest.approx(due, rel=1e-12)
    assert frechet_distance(real.double() + 1e5, fake.double() + 1e5) == pytest.approx(due, rel=1e-6)


def test_of_images_is_that_of_their_features():
    net, real, fake = digit_classifier(), torch.rand(30, 1, 8, 8), torch.rand(40, 1, 8, 8) ** 2
    due = frechet_distance(image_features(net, real), image_features(net, fake))
    assert frechet_distance_of_images(net, real, fake) == due > 0


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (torch.ones(1, 3), torch.ones(5, 3), r"real must be \(N, F\) with N at least 2, got \(1, 3\)"),
        (torch.ones(5, 3), torch.ones(5), r"fake must be \(N, F\) with N at least 2, got \(5,\)"),
        (torch.ones(5, 3), torch.ones(5, 4), "one width, got 3 and 4"),
        (torch.ones(5, 3), torch.full((5, 3), math.nan), "fake must be finite, but 5 of 5 rows are not"),
        (torch.tensor([[1.0], [math.inf]]), torch.ones(5, 1), "real must be finite, but 1 of 2 rows are not"),
    ],
)
def test_wrong_input_is_named(real, fake, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(real, fake)
