"""Histogram, kernel density, Gaussian and mixture against scikit-learn, numpy, closed forms and grids."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.neighbors import KernelDensity as SklearnDensity

from course_utils.models.density.gaussian import Gaussian, full_gaussian_log_prob, gaussian_log_prob
from course_utils.models.density.histogram import Histogram
from course_utils.models.density.kde import KernelDensity, best_bandwidth, kde_log_prob, leave_one_out_log_prob
from course_utils.models.density.mixture import GaussianMixture, em_step, gmm_log_prob

DOUBLE = torch.float64


def points(num_points, num_dims, seed=0):
    return torch.randn(num_points, num_dims, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def mixture(num_components=3, num_dims=2, seed=0):
    """Parameters of a mixture of skewed Gaussians."""
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.log_softmax(torch.randn(num_components, dtype=DOUBLE, generator=generator), 0)
    mu = 3 * torch.randn(num_components, num_dims, dtype=DOUBLE, generator=generator)
    root = torch.randn(num_components, num_dims, num_dims, dtype=DOUBLE, generator=generator)
    return log_weights, mu, root @ root.mT + 0.3 * torch.eye(num_dims, dtype=DOUBLE)


# Histogram


def test_histogram_equals_numpys():
    x = points(500, 1).squeeze(1)
    heights, edges = np.histogram(x.numpy(), bins=13, density=True)
    histogram = Histogram(13).fit(x)
    middles = torch.from_numpy((edges[1:] + edges[:-1]) / 2)
    np.testing.assert_allclose(histogram.log_prob(middles).exp().numpy(), heights, atol=1e-12)
    np.testing.assert_allclose(histogram.edges.numpy(), edges, atol=1e-12)


def test_histogram_has_area_one_and_ends_at_its_edges():
    histogram = Histogram(7, -3.0, 4.0, pseudo_count=0.5).fit(points(40, 1).squeeze(1).clamp(-2.9, 3.9))
    grid = torch.linspace(-5, 6, 110_001, dtype=DOUBLE)
    assert torch.trapezoid(histogram.log_prob(grid).exp(), grid).item() == pytest.approx(1, abs=1e-3)
    outside = histogram.log_prob(torch.tensor([-3.01, 4.01], dtype=DOUBLE))
    assert outside.tolist() == [-math.inf, -math.inf]
    at_edges = histogram.log_prob(torch.tensor([-3.0, 4.0], dtype=DOUBLE))
    assert torch.isfinite(at_edges).all()


def test_histogram_samples_have_its_shares():
    histogram = Histogram(4, 0.0, 4.0).fit(torch.tensor([0.5, 1.5, 1.6, 1.7, 3.2, 3.3], dtype=DOUBLE))
    drawn = histogram.sample(60_000, torch.Generator().manual_seed(1))
    counts = np.histogram(drawn.numpy(), bins=[0, 1, 2, 3, 4])[0]
    assert counts[2] == 0
    assert stats.chisquare(counts[[0, 1, 3]], np.array([1, 3, 2]) * 10_000).pvalue > 1e-4
    inside = drawn[(drawn >= 1) & (drawn < 2)] - 1
    assert stats.kstest(inside.numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Histogram(0), "num_bins must be at least 1, got 0"),
        (lambda: Histogram(3, 2.0, 1.0), "low must be below high"),
        (lambda: Histogram(3).fit(torch.tensor([1.0, float("nan")])), "1 of 2 points are not"),
        (lambda: Histogram(3).fit(torch.tensor([1.0, 1.0])), "needs a width"),
        (lambda: Histogram(3, 0.0, 1.0).fit(torch.tensor([0.5, 2.0])), "must lie in"),
    ],
)
def test_histogram_names_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Kernel density


@pytest.mark.parametrize(("num_dims", "bandwidth"), [(1, 0.3), (2, 0.7), (5, 2.0)])
def test_kde_equals_scikit_learns(num_dims, bandwidth):
    data, x = points(60, num_dims), 2 * points(40, num_dims, seed=1)
    expected = SklearnDensity(bandwidth=bandwidth, rtol=1e-12).fit(data.numpy()).score_samples(x.numpy())
    np.testing.assert_allclose(kde_log_prob(x, data, bandwidth).numpy(), expected, rtol=1e-8)
    np.testing.assert_allclose(KernelDensity(bandwidth).fit(data).log_prob(x).numpy(), expected, rtol=1e-8)


def test_kde_is_exact_far_out_and_smooth_at_its_points():
    data = points(5, 3)
    far = torch.full((1, 3), 500.0, dtype=DOUBLE)
    nearest = (far - data).square().sum(1).min()
    value = kde_log_prob(far, data, 0.5)
    assert value.item() == pytest.approx(-nearest.item() / 0.5, rel=1e-2)
    x = data[:2].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(kde_log_prob(x, data, 0.5).sum(), x)
    kernels = torch.softmax(-(data[:2, None] - data).square().sum(2) / 0.5, 1)
    expected = -(data[:2, None] - data).mul(kernels[..., None]).sum(1) / 0.25
    torch.testing.assert_close(gradient, expected)


def test_kde_in_chunks_is_the_same(monkeypatch):
    data, x = points(50, 2), points(33, 2, seed=2)
    whole = kde_log_prob(x, data, 0.4)
    left_out = leave_one_out_log_prob(data, 0.4)
    monkeypatch.setattr("course_utils.models.density.kde.CHUNK", 700)
    torch.testing.assert_close(kde_log_prob(x, data, 0.4), whole)
    torch.testing.assert_close(leave_one_out_log_prob(data, 0.4), left_out)


def test_leaving_one_out_equals_doing_so_by_hand_and_picks_a_bandwidth():
    data = points(30, 2)
    by_hand = [kde_log_prob(data[i : i + 1], torch.cat([data[:i], data[i + 1 :]]), 0.6) for i in range(30)]
    torch.testing.assert_close(leave_one_out_log_prob(data, 0.6), torch.cat(by_hand))
    # For N(0, I) in 2-D Silverman's rule says N^(-1/6), 0.32 at 1,000 points.
    chosen = best_bandwidth(points(1000, 2, seed=3), torch.tensor([0.02, 0.08, 0.32, 1.3, 5.0]))
    assert chosen == pytest.approx(0.32)


def test_kde_samples_have_its_moments():
    density = KernelDensity(0.5).fit(torch.tensor([[-1.0], [2.0], [2.0]], dtype=DOUBLE))
    drawn = density.sample(40_000, torch.Generator().manual_seed(0))
    mean, variance = 1.0, 2.0 + 0.25
    assert abs(drawn.mean().item() - mean) < 5 * math.sqrt(variance / 40_000)
    assert drawn.var().item() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize(
    ("x", "data", "bandwidth", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(4, 2), 1.0, r"x must be \(N, 2\)"),
        (torch.zeros(2, 2), torch.zeros(4, 2), 0.0, "bandwidth must be above 0 and finite, got 0"),
        (torch.zeros(2, 2), torch.zeros(4, 2), -1.0, "bandwidth must be above 0"),
        (torch.zeros(2, 2), torch.full((4, 2), math.nan), 1.0, "data must be finite, but 4 of 4"),
        (torch.zeros(2, 2), torch.zeros(0, 2), 1.0, "at least one point"),
        (torch.zeros(2, 2, dtype=torch.int64), torch.zeros(4, 2), 1.0, "floating-point"),
    ],
)
def test_kde_names_bad_input(x, data, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        kde_log_prob(x, data, bandwidth)


# Gaussian


def test_gaussians_equal_scipys():
    x, (_, mu, cov) = points(20, 3), mixture(4, 3)
    expected = np.stack([stats.multivariate_normal(m, c).logpdf(x) for m, c in zip(mu, cov, strict=True)], 1)
    np.testing.assert_allclose(full_gaussian_log_prob(x, mu, cov).numpy(), expected, rtol=1e-10)
    logvar = torch.tensor([-1.0, 0.5, 2.0], dtype=DOUBLE)
    expected = stats.norm(mu[0], (logvar / 2).exp()).logpdf(x).sum(1)
    np.testing.assert_allclose(gaussian_log_prob(x, mu[0], logvar).numpy(), expected, rtol=1e-10)


def test_fitted_gaussian_is_the_likeliest():
    x = points(200, 2) @ torch.tensor([[2.0, 0.0], [1.0, 0.3]], dtype=DOUBLE) + 4
    model = Gaussian(2).fit(x)
    np.testing.assert_allclose(model.cov.numpy(), np.cov(x.T.numpy(), bias=True), rtol=1e-10)
    best = model.log_prob(x).mean()
    mu, cov = model.mu.clone().requires_grad_(), model.cov.clone().requires_grad_()
    gradients = torch.autograd.grad(full_gaussian_log_prob(x, mu, cov).mean(), (mu, cov))
    assert max(gradient.abs().max().item() for gradient in gradients) < 1e-9
    for change in (0.9, 1.1):
        assert full_gaussian_log_prob(x, model.mu, model.cov * change).mean() < best


def test_gaussian_samples_have_its_moments():
    model = Gaussian(2)
    model.mu = torch.tensor([3.0, -1.0], dtype=DOUBLE)
    model.cov = torch.tensor([[2.0, 1.2], [1.2, 1.0]], dtype=DOUBLE)
    drawn = model.sample(50_000, torch.Generator().manual_seed(0))
    assert ((drawn.mean(0) - model.mu).abs() < 5 * (model.cov.diagonal() / 50_000).sqrt()).all()
    torch.testing.assert_close(torch.cov(drawn.T), model.cov, rtol=0.05, atol=0)


def test_singular_covariances_are_named():
    line = torch.linspace(0, 1, 10).unsqueeze(1).repeat(1, 2)
    with pytest.raises(ValueError, match="singular"):
        Gaussian(2).fit(line)
    assert torch.isfinite(Gaussian(2, jitter=1e-3).fit(line).log_prob(line)).all()
    with pytest.raises(ValueError, match="singular"):
        full_gaussian_log_prob(line, torch.zeros(2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="1 of 3 points"):
        Gaussian(2).fit(torch.tensor([[0.0, 0.0], [1.0, math.inf], [1.0, 2.0]]))


# Mixture


def test_mixture_density_equals_scikit_learns_and_integrates_to_one():
    log_weights, mu, cov = mixture()
    x = 3 * points(30, 2)
    oracle = SklearnMixture(3)
    oracle.weights_, oracle.means_ = log_weights.exp().numpy(), mu.numpy()
    oracle.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(cov.numpy()))
    np.testing.assert_allclose(gmm_log_prob(x, log_weights, mu, cov).numpy(), oracle.score_samples(x), rtol=1e-9)
    line = torch.linspace(-25, 25, 501, dtype=DOUBLE)
    grid = torch.cartesian_prod(line, line)
    area = gmm_log_prob(grid, log_weights, mu, cov).exp().sum() * (line[1] - line[0]) ** 2
    assert area.item() == pytest.approx(1, abs=1e-4)


def test_em_step_equals_scikit_learns():
    log_weights, mu, cov = mixture()
    x = torch.cat([points(70, 2), points(50, 2, seed=1) + 3])
    oracle = SklearnMixture(
        3,
        max_iter=1,
        weights_init=log_weights.exp().numpy(),
        means_init=mu.numpy(),
        precisions_init=np.linalg.inv(cov.numpy()),
        reg_covar=0,
    )
    with pytest.warns(UserWarning, match="converge"):
        oracle.fit(x.numpy())
    new_weights, new_mu, new_cov = em_step(x, log_weights, mu, cov)
    np.testing.assert_allclose(new_weights.exp().numpy(), oracle.weights_, rtol=1e-8)
    np.testing.assert_allclose(new_mu.numpy(), oracle.means_, rtol=1e-8)
    np.testing.assert_allclose(new_cov.numpy(), oracle.covariances_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_em_never_lowers_the_likelihood(seed):
    x = torch.cat([points(40, 2, seed), points(40, 2, seed + 50) * 0.3 + 2, points(20, 2, seed + 90) - 3])
    trace = GaussianMixture(4, 2, jitter=0.0).fit(x, 60, 0.0, torch.Generator().manual_seed(seed))
    assert min(b - a for a, b in itertools.pairwise(trace)) > -1e-10
    assert trace[-1] > trace[0] + 0.05


def test_mixture_finds_what_made_the_data_as_scikit_learns_does():
    made = GaussianMixture(3, 2)
    made.log_weights, made.mu, made.cov = mixture(seed=5)
    generator = torch.Generator().manual_seed(0)
    x, held_out = made.sample(3000, generator), made.sample(3000, generator)
    found = GaussianMixture(3, 2)
    found.fit(x, generator=generator)
    ours = found.log_prob(held_out).mean().item()
    oracle = SklearnMixture(3, n_init=3, random_state=0).fit(x.numpy()).score(held_out.numpy())
    truth = made.log_prob(held_out)
    assert ours == pytest.approx(oracle, abs=0.01)
    assert abs(ours - truth.mean().item()) < 0.03
    torch.testing.assert_close(found.responsibilities(x).sum(1), torch.ones(3000, dtype=DOUBLE))


def test_a_component_of_no_share_keeps_its_place():
    log_weights, mu, cov = mixture(2)
    mu[1] = 1e6
    new_weights, new_mu, new_cov = em_step(points(20, 2), log_weights, mu, cov)
    assert new_weights[1] == -math.inf
    assert torch.equal(new_mu[1], mu[1])
    assert torch.equal(new_cov[1], cov[1])
    assert torch.isfinite(gmm_log_prob(points(5, 2), new_weights, new_mu, new_cov)).all()


def test_mixture_names_bad_input():
    with pytest.raises(ValueError, match=r"4 clusters need at least as many points.*got 3"):
        GaussianMixture(4, 2).fit(points(3, 2))
    with pytest.raises(ValueError, match="finite"):
        GaussianMixture(2, 2).fit(torch.full((5, 2), math.nan))
    with pytest.raises(ValueError, match="singular"):
        GaussianMixture(2, 2, jitter=0.0).fit(torch.ones(5, 2))
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        GaussianMixture(2, 2).log_prob(points(3, 3))


def test_models_survive_saving_and_loading(tmp_path):
    model = GaussianMixture(3, 2)
    model.fit(points(50, 2))
    torch.save(model.state_dict(), tmp_path / "mixture.pt")
    other = GaussianMixture(3, 2).double()
    other.load_state_dict(torch.load(tmp_path / "mixture.pt", weights_only=True))
    torch.testing.assert_close(other.log_prob(points(5, 2)), model.log_prob(points(5, 2)))
