"""Bayes' rule: against enumeration on a table, scikit-learn's discriminant analysis, and grids."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from course_utils.models.density.bayes import (
    ClassConditional,
    class_log_posterior,
    reject_outliers,
    sample_given_label,
)
from course_utils.models.density.gaussian import Gaussian
from course_utils.models.density.mixture import GaussianMixture

DOUBLE = torch.float64
JOINT = torch.tensor([[0.1, 0.05, 0.2], [0.3, 0.05, 0.3]], dtype=DOUBLE)  # p(x, y) of two x and three y


def blobs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(400, 2, dtype=DOUBLE, generator=generator)
    y = (torch.arange(400) % 4 == 0).long()  # a quarter of class 1
    return x * torch.where(y == 1, 0.5, 1.0)[:, None] + 2.0 * y[:, None], y


def test_posterior_of_a_table():
    p_y = JOINT.sum(0)
    posterior = class_log_posterior((JOINT / p_y).log(), p_y.log()).exp()
    torch.testing.assert_close(posterior, JOINT / JOINT.sum(1, keepdim=True))


def test_posterior_far_out_stays_normalised():
    log_px = torch.tensor([[-1e4, -1e4 - 1.0], [-900.0, 0.0]], dtype=DOUBLE)
    posterior = class_log_posterior(log_px, torch.tensor([0.5, 0.5], dtype=DOUBLE).log())
    torch.testing.assert_close(posterior.logsumexp(1), torch.zeros(2, dtype=DOUBLE))
    assert posterior[0, 0].item() == pytest.approx(-math.log1p(math.exp(-1)))
    assert posterior[1, 0].item() == pytest.approx(-900)


def test_generative_classifier_equals_discriminant_analysis():
    x, y = blobs()
    model = ClassConditional([Gaussian(2), Gaussian(2)]).fit(x, y)
    oracle = QuadraticDiscriminantAnalysis(store_covariance=True).fit(x, y)
    for density, mean in zip(model.densities, oracle.means_, strict=True):
        np.testing.assert_allclose(density.mu.numpy(), mean, rtol=1e-8)
    by_hand = np.stack([stats.multivariate_normal(d.mu, d.cov).logpdf(x) for d in model.densities], 1)
    joint = np.exp(by_hand) * np.array([0.75, 0.25])
    np.testing.assert_allclose(model.log_prob(x).exp().numpy(), joint.sum(1), rtol=1e-8)
    np.testing.assert_allclose(
        model.log_posterior(x).exp().numpy(), joint / joint.sum(1, keepdims=True), rtol=1e-7, atol=1e-12
    )
    assert (model.log_posterior(x).argmax(1).numpy() == oracle.predict(x)).mean() > 0.98


def test_samples_are_of_the_class_asked_for():
    x, y = blobs()
    model = ClassConditional([Gaussian(2), Gaussian(2)]).fit(x, y)
    asked = (torch.arange(6000) % 3 == 0).long()
    drawn = model.sample(asked, torch.Generator().manual_seed(0))
    for k, density in enumerate(model.densities):
        mine = drawn[asked == k]
        bound = 5 * (density.cov.diagonal() / len(mine)).sqrt()
        assert ((mine.mean(0) - density.mu).abs() < bound).all()


def test_outliers_are_below_the_threshold_and_equality_is_kept():
    log_px = torch.tensor([-5.0, -3.0, -2.0, -math.inf])
    assert reject_outliers(log_px, -3.0).tolist() == [True, False, False, True]


def test_conditional_sampler_made_of_a_classifier_and_a_sampler():
    """A mixture of two Gaussians and the exact posterior of its components: the reweighted draws are those of one."""
    mixture = GaussianMixture(2, 1)
    mixture.log_weights = torch.tensor([0.8, 0.2], dtype=DOUBLE).log()
    mixture.mu, mixture.cov = (
        torch.tensor([[0.0], [1.5]], dtype=DOUBLE),
        torch.ones(2, 1, 1, dtype=DOUBLE),
    )
    generator = torch.Generator().manual_seed(0)
    drawn = sample_given_label(
        lambda count: mixture.sample(count, generator),
        lambda x: mixture.responsibilities(x).log(),
        label=1,
        num_samples=4000,
        num_candidates=200_000,
        generator=generator,
    )
    assert stats.kstest(drawn.squeeze(1).numpy(), stats.norm(1.5, 1).cdf).pvalue > 1e-4
    assert stats.kstest(drawn.squeeze(1).numpy(), stats.norm(0.3, 1).cdf).pvalue < 1e-4  # not those of the whole


def test_bad_input_is_named():
    x, y = blobs()
    two = [Gaussian(2), Gaussian(2)]
    with pytest.raises(ValueError, match=r"labels must lie in 0 ... 1, got 0 to 2"):
        ClassConditional(two).fit(x, y + (torch.arange(400) == 0).long())
    with pytest.raises(ValueError, match="class 1 has none"):
        ClassConditional(two).fit(x, torch.zeros_like(y))
    with pytest.raises(ValueError, match="one label for each of 400 points"):
        ClassConditional(two).fit(x, y[:-1])
    with pytest.raises(ValueError, match="at least one class"):
        ClassConditional([])
    with pytest.raises(ValueError, match="none of the 5 candidates can be of class 0"):
        sample_given_label(lambda n: x[:n], lambda x: torch.full((len(x), 1), -math.inf), 0, 2, 5)
