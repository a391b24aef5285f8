"""The discretised logistic against mpmath, integration and enumeration; mixtures against sums and counts of draws."""

import math

import mpmath
import pytest
import torch
from scipy import stats

from course_utils.models.autoregressive.logistics import (
    discretized_logistic_log_prob,
    mixture_log_prob,
    num_mixture_params,
    sample_mixture,
    split_mixture,
)


def levels(num_levels, dtype=torch.float64):
    return 2 * torch.arange(num_levels, dtype=dtype) / (num_levels - 1) - 1


def exact_log_prob(x, mu, log_scale, num_levels):
    """log P(x) with 400 digits, by the difference that the equation writes."""
    with mpmath.workdps(400):
        x, mu, half = mpmath.mpf(x), mpmath.mpf(mu), mpmath.mpf(1) / (num_levels - 1)
        scale = mpmath.exp(mpmath.mpf(log_scale))

        def cdf(value):
            return 1 / (1 + mpmath.exp(-(value - mu) / scale))

        upper = mpmath.mpf(1) if x > 1 - half else cdf(x + half)
        lower = mpmath.mpf(0) if x < -1 + half else cdf(x - half)
        return float(mpmath.log(upper - lower))


@pytest.mark.parametrize("num_levels", [2, 3, 8, 256])
def test_against_400_digits(num_levels):
    # At log-scale -5 the farthest level is 440 scales away, where 1 - sigmoid is far below 1e-16.
    for mu in (-1.3, -0.2, 0.0, 0.71, 2.5):
        for log_scale in (-5.0, -1.0, 0.5, 6.0, 20.0):
            for x in [*levels(num_levels)[:: max(1, num_levels // 5)].tolist(), 1.0]:
                exact = exact_log_prob(x, mu, log_scale, num_levels)
                for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 3e-6)):
                    got = discretized_logistic_log_prob(
                        *(torch.tensor(v, dtype=dtype) for v in (x, mu, log_scale)), num_levels
                    )
                    # A rounding of x or mu counts 1 / scale times.
                    assert got.dtype == dtype
                    assert abs(got.item() - exact) < tolerance * (1 + abs(exact) + math.exp(-log_scale))


def test_bins_integrate_the_density():
    mu, log_scale = 0.3, -1.7
    density = stats.logistic(loc=mu, scale=math.exp(log_scale))
    x = levels(9)
    got = discretized_logistic_log_prob(x, torch.tensor(mu).double(), torch.tensor(log_scale).double(), 9).exp()
    edges = [-math.inf, *[value + 1 / 8 for value in x[:-1].tolist()], math.inf]
    for probability, low, high in zip(got.tolist(), edges[:-1], edges[1:], strict=True):
        grid = torch.linspace(max(low, -12), min(high, 12), 20001, dtype=torch.float64)
        assert probability == pytest.approx(torch.trapezoid(torch.tensor(density.pdf(grid)), grid).item(), abs=1e-6)


@pytest.mark.parametrize("num_levels", [2, 5, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_to_one(num_levels, dtype):
    torch.manual_seed(0)
    mu = (3 * torch.rand(50, 1) - 1.5).to(dtype)
    log_scale = (10 * torch.rand(50, 1) - 7).to(dtype)
    log_prob = discretized_logistic_log_prob(levels(num_levels, dtype), mu, log_scale, num_levels)
    assert log_prob.max() <= 0
    torch.testing.assert_close(
        log_prob.logsumexp(1), torch.zeros(50, dtype=dtype), rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-3
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_far_out(dtype):
    x = levels(256, dtype)
    for value in (-1e4, 1e4, 0.5):
        for log_value in (-40.0, -7.0, 0.0, 40.0, 80.0):
            mu = torch.full((256,), value, dtype=dtype, requires_grad=True)
            log_scale = torch.full((256,), log_value, dtype=dtype, requires_grad=True)
            log_prob = discretized_logistic_log_prob(x, mu, log_scale)
            log_prob.sum().backward()
            assert log_prob.isfinite().all()
            assert mu.grad.isfinite().all()
            assert log_scale.grad.isfinite().all()


def test_gradient():
    torch.manual_seed(1)
    x = levels(8).repeat(4)
    mu = torch.randn(32, dtype=torch.float64, requires_grad=True)
    # Both sides of the switch to the series for narrow bins.
    log_scale = torch.linspace(-3, 6, 32, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, s: discretized_logistic_log_prob(x, m, s, 8), (mu, log_scale))


def test_series_meets_formula():
    switch = math.log(2 / 7) + 5
    log_scale = torch.tensor([switch - 1e-9, switch + 1e-9], dtype=torch.float64)
    below, above = discretized_logistic_log_prob(torch.tensor(1 / 7).double(), torch.tensor(0.0).double(), log_scale, 8)
    assert abs(below - above) < 1e-8


def colour_mixture(batch=3, components=2, channels=3, seed=0):
    torch.manual_seed(seed)
    return 1.5 * torch.randn(batch, num_mixture_params(channels, components), 1, 1, dtype=torch.float64)


def all_pixels(channels, num_levels):
    return torch.cartesian_prod(*[levels(num_levels)] * channels).reshape(-1, channels, 1, 1)


def test_number_of_params():
    assert num_mixture_params(1, 10) == 30
    assert num_mixture_params(3, 10) == 100
    assert [tuple(part.shape) for part in split_mixture(colour_mixture(), 3)] == [
        (3, 2, 1, 1),
        (3, 2, 3, 1, 1),
        (3, 2, 3, 1, 1),
        (3, 2, 3, 1, 1),
    ]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_mixture_sums_to_one(channels):
    params, pixels = colour_mixture(channels=channels), all_pixels(channels, 4)
    for row in params:
        log_prob = mixture_log_prob(row.expand(len(pixels), *row.shape), pixels, 4)
        assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_mixture_against_a_loop():
    """Equation 3 of the paper: green's mean is linear in red, blue's in red and green."""
    params = colour_mixture(batch=5, components=3, seed=2)
    x = levels(6)[torch.randint(6, (5, 3, 1, 1))]
    log_weights, mu, log_scale, coefficients = (part.squeeze() for part in split_mixture(params, 3))
    for n in range(5):
        r, g, b = x[n].flatten().tolist()
        total = 0.0
        for k in range(3):
            alpha, beta, gamma = coefficients[n, k].tolist()
            m, s = mu[n, k].tolist(), log_scale[n, k].tolist()
            total += math.exp(
                log_weights[n, k].item()
                + exact_log_prob(r, m[0], s[0], 6)
                + exact_log_prob(g, m[1] + alpha * r, s[1], 6)
                + exact_log_prob(b, m[2] + beta * r + gamma * g, s[2], 6)
            )
        assert mixture_log_prob(params, x, 6)[n].item() == pytest.approx(math.log(total), abs=1e-11)


def test_split_bounds():
    params = torch.full((1, 20, 1, 1), -50.0)
    log_weights, _, log_scale, coefficients = split_mixture(params, 3)
    assert log_weights.exp().sum() == 1
    assert (log_scale == -7).all()
    assert (coefficients == -1).all()


@pytest.mark.parametrize(("channels", "num_levels"), [(1, 2), (1, 7), (3, 3)])
def test_draws_have_the_probabilities_of_log_prob(channels, num_levels):
    params, pixels = colour_mixture(batch=1, channels=channels, seed=3), all_pixels(channels, num_levels)
    expected = mixture_log_prob(params.expand(len(pixels), -1, -1, -1), pixels, num_levels).exp().flatten()
    num_draws = 40_000
    uniform = torch.rand(num_draws, 1 + channels, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    drawn = sample_mixture(params.expand(num_draws, -1, -1, -1), uniform, num_levels)
    place = ((drawn.flatten(1) + 1) / 2 * (num_levels - 1)).round().long()
    index = (place * num_levels ** torch.arange(channels - 1, -1, -1)).sum(1)
    torch.testing.assert_close(drawn, pixels[index], rtol=0, atol=1e-12)
    counts = torch.bincount(index, minlength=len(pixels)).double()
    common = expected * num_draws > 5
    chi_square = ((counts - expected * num_draws) ** 2 / (expected * num_draws))[common].sum().item()
    # Two-sided: draws that fit too well are not independent.
    assert 1e-4 < stats.chi2.sf(chi_square, int(common.sum()) - 1) < 1 - 1e-4
    assert counts[~common].sum() < 60


def test_extreme_uniforms_give_edge_levels():
    params = colour_mixture(batch=2, channels=1, seed=5)
    uniform = torch.stack([torch.zeros(2, 1, 1), torch.ones(2, 1, 1)]).double()
    assert sample_mixture(params, uniform, 4).flatten().tolist() == [-1, 1]


def test_errors_name_what_came():
    zero = torch.tensor(0.0)
    with pytest.raises(ValueError, match=r"levels -1, -1 \+ 2/255, \.\.\., 1, got values from 0 to 255"):
        discretized_logistic_log_prob(torch.tensor([0.0, 255.0]), zero, zero)
    with pytest.raises(ValueError, match=r"got values from 0\.5 to 0\.5"):
        discretized_logistic_log_prob(torch.tensor([0.5]), zero, zero, 3)
    with pytest.raises(ValueError, match="nan"):
        discretized_logistic_log_prob(torch.tensor([torch.nan]), zero, zero, 3)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        discretized_logistic_log_prob(zero, zero, zero, 1)
    with pytest.raises(ValueError, match=r"\(B, 10 K, H, W\), got \(2, 9, 1, 1\)"):
        split_mixture(torch.zeros(2, 9, 1, 1), 3)
    with pytest.raises(ValueError, match=r"got \(2, 10, 1, 1\), \(3, 3, 1, 1\)"):
        mixture_log_prob(torch.zeros(2, 10, 1, 1), torch.zeros(3, 3, 1, 1), 3)
    with pytest.raises(ValueError, match=r"got \(3, 4, 1, 1\) and \(2, 10, 1, 1\)"):
        sample_mixture(torch.zeros(2, 10, 1, 1), torch.zeros(3, 4, 1, 1))
