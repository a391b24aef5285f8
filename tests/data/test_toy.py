"""Toy points: densities by quadrature, draws by their densities, curves by scikit-learn's and by their equations."""

import math

import pytest
import torch
from scipy import stats
from sklearn.datasets import make_moons, make_swiss_roll

from course_utils.data import toy

POINTS = (toy.ring_of_gaussians, toy.mixture_1d, toy.checkerboard, toy.two_moons, toy.swiss_roll, toy.spiral)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grid(num_dims, low=-6.0, high=6.0, num_points=600):
    """Midpoints of cells that fill [low, high]^D, (N, D), and the volume of a cell."""
    step = (high - low) / num_points
    axis = low + step * (torch.arange(num_points, dtype=torch.float64) + 0.5)
    return torch.cartesian_prod(*[axis] * num_dims).view(-1, num_dims), step**num_dims


DENSITIES = [
    (1, toy.mixture_1d_log_prob, toy.mixture_1d),
    (2, toy.checkerboard_log_prob, toy.checkerboard),
    (
        2,
        lambda x: toy.ring_log_prob(x, num_modes=5, radius=2.5, std=0.2),
        lambda n, generator: toy.ring_of_gaussians(n, num_modes=5, radius=2.5, std=0.2, generator=generator),
    ),
    (2, toy.ring_log_prob, toy.ring_of_gaussians),
]


@pytest.mark.parametrize(("num_dims", "log_prob", "draw"), DENSITIES, ids=["1d", "checkerboard", "five", "ring"])
def test_density_and_draws_agree(num_dims, log_prob, draw):
    """The density integrates to 1; draws have its moments and its entropy."""
    points, volume = grid(num_dims)
    weights = log_prob(points).exp() * volume
    assert weights.sum().item() == pytest.approx(1, abs=1e-6)
    num_samples = 20_000
    x = draw(num_samples, generator=seeded()).double()
    assert x.shape == (num_samples, num_dims)
    # The first moments, odd ones too, so that a mirrored or turned draw is seen.
    tests = [x.unbind(1), points.unbind(1)]
    for power in (1, 2, 3):
        for drawn, at in zip(*tests, strict=True):
            due = (weights * at**power).sum()
            sigma = ((weights * at ** (2 * power)).sum() - due**2).sqrt() / num_samples**0.5
            assert abs((drawn**power).mean() - due) < 5 * sigma
    value = log_prob(points).nan_to_num(neginf=0)
    due = (weights * value).sum()
    sigma = ((weights * value**2).sum() - due**2).clamp(min=0).sqrt() / num_samples**0.5
    found = log_prob(x).mean()
    assert abs(found - due) < 5 * sigma + 1e-9


def test_mixture_is_the_mixture_that_is_printed():
    """Kolmogorov and Smirnov's test against the sum of scipy's normal laws."""
    parts = list(zip(*(toy.MIXTURE_1D[name] for name in ("weights", "means", "stds")), strict=True))
    x = toy.mixture_1d(20_000, generator=seeded()).squeeze(1).double().numpy()
    assert stats.kstest(x, lambda t: sum(w * stats.norm.cdf(t, mean, std) for w, mean, std in parts)).pvalue > 1e-4
    at = torch.linspace(-4, 4, 9, dtype=torch.float64)
    due = [math.log(sum(w * stats.norm.pdf(t, mean, std) for w, mean, std in parts)) for t in at.tolist()]
    torch.testing.assert_close(toy.mixture_1d_log_prob(at.unsqueeze(1)), torch.tensor(due, dtype=torch.float64))


def test_ring_centers_lie_on_the_ring():
    centers = toy.ring_centers(4, radius=3.0)
    torch.testing.assert_close(centers, torch.tensor([[3.0, 0], [0, 3], [-3, 0], [0, -3]]), atol=1e-6, rtol=0)
    assert torch.equal(toy.ring_centers(1), torch.tensor([[2.0, 0.0]]))


def test_ring_modes_are_equally_likely_and_round():
    x, centers = toy.ring_of_gaussians(16_000, generator=seeded()), toy.ring_centers()
    mode = torch.cdist(x, centers).argmin(1)
    assert stats.chisquare(mode.bincount(minlength=8).numpy()).pvalue > 1e-4
    around = (x - centers[mode]).T.double()
    torch.testing.assert_close(around.cov(), 0.05**2 * torch.eye(2).double(), atol=0.05**2 * 0.06, rtol=0)


def test_checkerboard_squares():
    x = toy.checkerboard(16_000, generator=seeded())
    column, row = ((x + 4) / 2).floor().long().unbind(1)
    counts = (4 * row + column).bincount(minlength=16).view(4, 4)
    dark = (torch.arange(4).view(4, 1) + torch.arange(4)) % 2 == 0
    assert (counts[~dark] == 0).all()
    assert stats.chisquare(counts[dark].numpy()).pvalue > 1e-4
    inside = ((x + 4) / 2).frac()
    for axis in inside.unbind(1):
        assert stats.kstest(axis.numpy(), "uniform").pvalue > 1e-4
    at = torch.tensor([[-3.0, -3.0], [-1.0, -3.0], [1.0, 1.0], [5.0, 5.0], [-5.0, 3.0]])
    dark_density = -math.log(32)
    assert toy.checkerboard_log_prob(at).tolist() == pytest.approx(
        [dark_density, -math.inf, dark_density, -math.inf, -math.inf]
    )


@pytest.mark.parametrize("name", ["two_moons", "swiss_roll"])
def test_curves_are_those_of_scikit_learn(name):
    """Both are dense: every point of one set has one of the other close by."""
    if name == "two_moons":
        due = 2 * (torch.from_numpy(make_moons(4000, noise=0)[0]) - torch.tensor([0.5, 0.25]))
    else:
        due = torch.from_numpy(make_swiss_roll(4000, random_state=0)[0][:, [0, 2]]) / 4
    found = getattr(toy, name)(4000, std=0, generator=seeded()).double()
    distance = torch.cdist(found, due)
    assert distance.min(0).values.max() < 0.1
    assert distance.min(1).values.max() < 0.1
    # And as densely everywhere: the means agree.
    assert ((found.mean(0) - due.mean(0)).abs() < 5 * due.std(0) * (2 / 4000) ** 0.5).all()


def test_spiral_has_two_even_arms():
    x = toy.spiral(8000, std=0, generator=seeded()).double()
    angle = 3 * x.norm(dim=1)
    arm = torch.stack([angle.cos(), angle.sin()], dim=1) * angle.unsqueeze(1) / 3
    first, second = ((x - sign * arm).norm(dim=1) < 1e-4 for sign in (1, -1))
    assert (first | second).all()
    assert abs(first.sum().item() - 4000) < 5 * (8000 / 4) ** 0.5
    assert stats.kstest((angle / (3 * math.pi)).square().numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("draw", [toy.two_moons, toy.swiss_roll, toy.spiral])
def test_noise_has_its_standard_deviation(draw):
    clean, noisy = (draw(4000, std=std, generator=seeded()) for std in (0.0, 0.3))
    noise = (noisy - clean).double()
    torch.testing.assert_close(noise.T.cov(), 0.09 * torch.eye(2).double(), atol=0.09 * 0.12, rtol=0)
    assert (noise.mean(0).abs() < 5 * 0.3 / 4000**0.5).all()


@pytest.mark.parametrize("draw", POINTS)
def test_a_generator_repeats_itself_and_leaves_the_global_state(draw):
    state = torch.get_rng_state()
    first, again, other = draw(50, generator=seeded(1)), draw(50, generator=seeded(1)), draw(50, generator=seeded(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32
    with torch.random.fork_rng():
        assert not torch.equal(draw(50), draw(50))
    assert draw(2000, generator=seeded()).abs().max() < 4.5
    with pytest.raises(ValueError, match="num_samples must be positive, got 0"):
        draw(0)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="num_modes must be positive, got 0"):
        toy.ring_centers(0)
    with pytest.raises(ValueError, match=r"std must be positive, got -0\.1"):
        toy.ring_of_gaussians(5, std=-0.1)
    with pytest.raises(ValueError, match="std must be at least 0, got -1"):
        toy.spiral(5, std=-1)
    for log_prob, width in ((toy.ring_log_prob, 2), (toy.mixture_1d_log_prob, 1), (toy.checkerboard_log_prob, 2)):
        with pytest.raises(ValueError, match=rf"x must be \(N, {width}\), got \(5, 3\)"):
            log_prob(torch.zeros(5, 3))
