"""k-means, mean shift and PCA against scikit-learn and closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn import decomposition
from sklearn.cluster import KMeans, MeanShift
from sklearn.metrics import adjusted_rand_score

from course_utils.models.basics.kmeans import inertia, kmeans, kmeans_step, spread_centers
from course_utils.models.basics.mean_shift import mean_shift, mean_shift_step
from course_utils.models.basics.pca import PCA
from course_utils.models.density.kde import kde_log_prob

DOUBLE = torch.float64


def clusters(seed=0, spread=0.4):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 5.0]], dtype=DOUBLE)
    labels = torch.arange(200) % 4
    return centers[labels] + spread * torch.randn(200, 2, dtype=DOUBLE, generator=generator), labels


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_steps_lead_where_scikit_learns_do(seed):
    x, _ = clusters(seed, spread=1.5)
    start = spread_centers(x, 5, torch.Generator().manual_seed(seed))
    centers = start
    costs = [inertia(x, centers).item()]
    for _ in range(100):
        _, centers = kmeans_step(x, centers)
        costs.append(inertia(x, centers).item())
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(costs))
    oracle = KMeans(5, init=start.numpy(), n_init=1, tol=0, max_iter=100, algorithm="lloyd").fit(x.numpy())
    np.testing.assert_allclose(centers.numpy(), oracle.cluster_centers_, atol=1e-8)
    assert (kmeans_step(x, centers)[0].numpy() == oracle.labels_).all()
    assert costs[-1] == pytest.approx(oracle.inertia_)


def test_kmeans_finds_the_clusters():
    x, labels = clusters()
    assignments, centers = kmeans(x, 4, generator=torch.Generator().manual_seed(0))
    assert adjusted_rand_score(labels, assignments) == 1
    means = torch.stack([x[assignments == k].mean(0) for k in range(4)])
    torch.testing.assert_close(centers, means)


def test_an_empty_centre_stays():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=DOUBLE)
    centers = torch.tensor([[0.5, 0.0], [90.0, 90.0]], dtype=DOUBLE)
    assignments, moved = kmeans_step(x, centers)
    assert assignments.tolist() == [0, 0]
    torch.testing.assert_close(moved, torch.tensor([[0.5, 0.0], [90.0, 90.0]], dtype=DOUBLE))


def test_starts_are_points_far_apart():
    x, labels = clusters(spread=0.05)
    for seed in range(10):
        chosen = spread_centers(x, 4, torch.Generator().manual_seed(seed))
        assert (chosen[:, None] == x).all(2).any(1).all()
        assert len({int(labels[(x == center).all(1)][0]) for center in chosen}) == 4
    same = torch.ones(3, 2)
    assert torch.equal(spread_centers(same, 3), same)


@pytest.mark.parametrize("bandwidth", [0.8, 1.0])
def test_mean_shift_finds_the_peaks(bandwidth):
    x, labels = clusters()
    assignments, peaks = mean_shift(x, bandwidth)
    assert adjusted_rand_score(labels, assignments) == 1
    assert peaks.shape == (4, 2)
    # A peak is a point where the gradient of the log-density vanishes, and lower all around.
    at = peaks.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(kde_log_prob(at, x, bandwidth).sum(), at)
    assert gradient.abs().max() < 1e-3
    for direction in torch.eye(2, dtype=DOUBLE):
        assert (kde_log_prob(peaks + 0.1 * direction, x, bandwidth) < kde_log_prob(peaks, x, bandwidth)).all()


def test_mean_shift_agrees_with_scikit_learn_on_the_partition():
    """scikit-learn's kernel is flat, ours a Gaussian: on clusters that stand apart both give the same parts."""
    x, _ = clusters(1)
    assert adjusted_rand_score(MeanShift(bandwidth=1.5).fit(x.numpy()).labels_, mean_shift(x, 0.8)[0]) == 1


def test_mean_shift_step_climbs_along_the_gradient():
    x, _ = clusters()
    y = torch.tensor([[1.0, 1.2], [3.0, 3.0]], dtype=DOUBLE, requires_grad=True)
    (gradient,) = torch.autograd.grad(kde_log_prob(y, x, 0.9).sum(), y)
    torch.testing.assert_close(mean_shift_step(y.detach(), x, 0.9) - y.detach(), 0.81 * gradient)


def test_one_wide_kernel_gives_one_cluster_sorted_by_size():
    x, _ = clusters()
    assert len(mean_shift(x, 20.0)[1]) == 1
    uneven = torch.cat([x[:10] * 0.01 - 50, x * 0.01])
    assignments, _ = mean_shift(uneven, 1.0)
    assert assignments.tolist() == [1] * 10 + [0] * 200


def test_pca_equals_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 6, dtype=DOUBLE, generator=generator) @ torch.randn(6, 6, dtype=DOUBLE, generator=generator) + 5
    ours, oracle = PCA(6, 3).fit(x), decomposition.PCA(3).fit(x.numpy())
    signs = np.sign((ours.components.numpy() * oracle.components_.T).sum(0))
    np.testing.assert_allclose(ours.components.numpy() * signs, oracle.components_.T, atol=1e-9)
    np.testing.assert_allclose(ours.encode(x).numpy() * signs, oracle.transform(x.numpy()), atol=1e-9)
    np.testing.assert_allclose(ours.variances.numpy(), oracle.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(ours.variance_shares.numpy(), oracle.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(ours(x).numpy(), oracle.inverse_transform(oracle.transform(x.numpy())), atol=1e-9)
    assert (ours.components.gather(0, ours.components.abs().argmax(0, keepdim=True)) > 0).all()


def test_no_other_subspace_reconstructs_better():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(80, 5, dtype=DOUBLE, generator=generator) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2])
    best = (PCA(5, 2).fit(x)(x) - x).square().sum()
    centred = x - x.mean(0)
    for _ in range(50):
        basis, _ = torch.linalg.qr(torch.randn(5, 2, dtype=DOUBLE, generator=generator))
        assert (centred - centred @ basis @ basis.T).square().sum() > best


def test_bad_input_is_named():
    nan = torch.full((6, 2), math.nan)
    for action, message in [
        (lambda: kmeans(torch.zeros(2, 2), 3), "3 clusters need at least as many points.*got 2"),
        (lambda: kmeans(nan, 2), "6 of 6 points are not"),
        (lambda: mean_shift(torch.zeros(2, 2), 0.0), "bandwidth must be above 0"),
        (lambda: mean_shift(nan, 1.0), "finite"),
        (lambda: PCA(3, 4), r"latent_dim must be 1 ... 3"),
        (lambda: PCA(3, 2).fit(torch.zeros(1, 3)), "2 components need as many points, got 1"),
        (lambda: PCA(3, 2).fit(torch.zeros(4, 2)), r"x must be \(N, 3\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            action()
