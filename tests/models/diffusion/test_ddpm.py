"""Diffusion: the schedule against iterated steps, the bound against closed forms, samplers against known laws."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from course_utils.models.diffusion.ddpm import DDPM, _log_mass
from course_utils.models.diffusion.schedule import Schedule, cosine_alpha_bars
from course_utils.models.diffusion.unet import TimeUNet, time_features
from course_utils.training import fit

DOUBLE = torch.float64


def times(value, count):
    return torch.full((count,), value)


def test_noise_in_one_go_equals_noise_step_by_step():
    schedule = Schedule(30)
    x = torch.tensor([0.8, -0.3, 0.1], dtype=DOUBLE)
    generator = torch.Generator().manual_seed(0)
    walked = x.expand(40_000, 3)
    for step in range(1, 21):
        alpha = schedule.alphas[step]
        noise = torch.randn(walked.shape, dtype=DOUBLE, generator=generator)
        walked = alpha.sqrt() * walked + (1 - alpha).sqrt() * noise
    mean, deviation = schedule.alpha_bars[20].sqrt() * x, (1 - schedule.alpha_bars[20]).sqrt()
    assert ((walked.mean(0) - mean).abs() < 5 * deviation / math.sqrt(40_000)).all()
    torch.testing.assert_close(walked.std(0), deviation.expand(3), rtol=0.02, atol=0)
    at_once = schedule.add_noise(x.expand(40_000, 3), times(20, 40_000), torch.randn(40_000, 3, dtype=DOUBLE))
    assert stats.ks_2samp(at_once[:, 0].numpy(), walked[:, 0].numpy()).pvalue > 1e-4


def test_cosine_schedule():
    alpha_bars = cosine_alpha_bars(100)
    assert alpha_bars[0] == 1
    assert (alpha_bars[1:] < alpha_bars[:-1]).all()
    assert alpha_bars[-1] < 1e-4
    expected = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert alpha_bars[50].item() == pytest.approx(expected)
    assert (1 - alpha_bars[1:] / alpha_bars[:-1]).max() <= 0.999 + 1e-12


@pytest.mark.parametrize("t", [1, 2, 17, 30])
def test_posterior_is_bayes_rule(t):
    """log q(x_t-1 | x_t, x_0) is quadratic: its mean and variance by conditioning the joint Gaussian."""
    schedule = Schedule(30)
    before, alpha = schedule.alpha_bars[t - 1], schedule.alphas[t]
    x_0, x_t = torch.tensor([0.4], dtype=DOUBLE), torch.tensor([-0.7], dtype=DOUBLE)
    prior_mean, prior_var = before.sqrt() * x_0, 1 - before
    gain = prior_var * alpha.sqrt() / (alpha * prior_var + 1 - alpha)
    mean = prior_mean + gain * (x_t - alpha.sqrt() * prior_mean)
    variance = prior_var - gain * alpha.sqrt() * prior_var
    ours = schedule.posterior(x_t, x_0, torch.tensor([t]))
    torch.testing.assert_close(ours[0], mean)
    torch.testing.assert_close(ours[1], variance.view(1), atol=1e-12, rtol=1e-7)


def test_denoising_undoes_noise():
    schedule = Schedule(30)
    x, noise = torch.randn(2, 3, dtype=DOUBLE), torch.randn(2, 3, dtype=DOUBLE)
    t = torch.tensor([3, 29])
    torch.testing.assert_close(schedule.denoised(schedule.add_noise(x, t, noise), t, noise), x)
    with pytest.raises(ValueError, match=r"0 ... 30, got 3 to 31"):
        schedule.add_noise(x, torch.tensor([3, 31]), noise)


class ExactNoise(nn.Module):
    """The best network for data N(0, s^2): E[noise | x_t], by conditioning the joint Gaussian."""

    def __init__(self, schedule, s):
        super().__init__()
        self.schedule, self.s = schedule, s
        self.anchor = nn.Parameter(torch.zeros((), dtype=DOUBLE))

    def forward(self, x, t):
        alpha_bar = self.schedule.at(self.schedule.alpha_bars, t, x)
        return (1 - alpha_bar).sqrt() / (alpha_bar * self.s**2 + 1 - alpha_bar) * x


def gaussian_model(num_steps, s=0.25):
    """A diffusion model whose network knows the answer. s is small, so that the cut at [-1, 1] does not matter."""
    model = DDPM(nn.Identity(), (1, 1, 1), num_steps, num_levels=64).double()
    model.network = ExactNoise(model.schedule, s)
    return model


def test_samples_of_the_exact_network_have_the_law_of_the_data():
    model = gaussian_model(200)
    drawn = model.sample(20_000, torch.Generator().manual_seed(0)).flatten()
    # The posterior's variance leaves out what x_0 is uncertain: 200 steps leave a small deficit.
    assert drawn.std().item() == pytest.approx(0.25, rel=0.05)
    assert abs(drawn.mean().item()) < 5 * 0.25 / math.sqrt(20_000)
    assert stats.kstest(drawn.numpy() / drawn.std().item(), "norm").pvalue > 1e-4


def test_ddim_is_a_map_from_noise_that_gets_the_law_right():
    model = gaussian_model(200)
    drawn = model.sample_ddim(20_000, 100, torch.Generator().manual_seed(0)).flatten()
    again = model.sample_ddim(20_000, 100, torch.Generator().manual_seed(0)).flatten()
    assert torch.equal(drawn, again)
    noise = torch.randn(20_000, 1, 1, 1, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).flatten()
    ratio = drawn[noise.abs() > 0.1] / noise[noise.abs() > 0.1]
    assert ratio.std() < 1e-2  # for Gaussian data the map is a scaling
    assert ratio.mean().item() == pytest.approx(0.25, rel=0.08)


def test_bound_is_below_the_likelihood_and_near_it_for_the_exact_network():
    model = gaussian_model(400)
    generator = torch.Generator().manual_seed(0)
    levels = ((0.25 * torch.randn(3000, dtype=DOUBLE, generator=generator) + 1) / 2 * 63).round().clamp(0, 63)
    x = (2 * levels / 63 - 1).view(-1, 1, 1, 1)
    exact = _log_mass((x - 1 / 63) / 0.25, (x + 1 / 63) / 0.25).mean().item()
    with torch.no_grad():
        bounds = model.elbo(x)
    error = bounds.std().item() / math.sqrt(3000)
    print(f"bound {bounds.mean():.3f} +- {error:.3f} nats, exact {exact:.3f}")
    assert bounds.mean() < exact + 4 * error
    # What remains is the price of the first steps, where the posterior's variance leaves out that x_0 is uncertain.
    assert bounds.mean() > exact - 0.8


def test_terms_by_hand():
    """Two steps: reconstruction, one KL of two Gaussians of equal variance, and the prior's KL in closed form."""
    model = DDPM(nn.Identity(), (1, 1, 1), 2, num_levels=4).double()
    model.network = ExactNoise(model.schedule, 0.5)
    x = torch.full((50_000, 1, 1, 1), 1 / 3, dtype=DOUBLE)
    with torch.no_grad():
        terms = model.bound_terms(x).mean(0)
    schedule = model.schedule
    last = schedule.alpha_bars[2]
    prior = torch.distributions.kl_divergence(
        torch.distributions.Normal(last.sqrt() / 3, (1 - last).sqrt()), torch.distributions.Normal(0.0, 1.0)
    )
    assert terms[2].item() == pytest.approx(prior.item())
    # Step 2: E of the squared distance of the means, over x_2, by quadrature; guesses are cut at [-1, 1].
    z = torch.linspace(-8, 8, 20_001, dtype=DOUBLE)
    weights = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    x_2 = last.sqrt() / 3 + (1 - last).sqrt() * z
    guess = (last.sqrt() * 0.25 / (last * 0.25 + 1 - last) * x_2).clamp(-1, 1)
    before, alpha = schedule.alpha_bars[1], schedule.alphas[2]
    factor = before.sqrt() * (1 - alpha) / (1 - last)
    variance = (1 - before) / (1 - last) * (1 - alpha)
    kl = (weights * (factor * (1 / 3 - guess)) ** 2).sum() / (2 * variance)
    assert terms[1].item() == pytest.approx(kl.item(), rel=0.05)
    x_1 = before.sqrt() / 3 + (1 - before).sqrt() * z
    mean = (before.sqrt() * 0.25 / (before * 0.25 + 1 - before) * x_1).clamp(-1, 1)
    law = torch.distributions.Normal(mean, (1 - schedule.alphas[1]).sqrt())
    mass = law.cdf(torch.tensor(2 / 3)) - law.cdf(torch.tensor(0.0))
    assert terms[0].item() == pytest.approx(-(weights * mass.log()).sum().item(), rel=0.03)


def test_log_mass_is_exact_in_the_tails():
    lower = torch.tensor([-1.0, -40.0, 39.0, -torch.inf, 3.0, -1e-9], dtype=DOUBLE)
    upper = torch.tensor([0.5, -39.0, 40.0, -5.0, torch.inf, 1e-9], dtype=DOUBLE)
    ours = _log_mass(lower, upper)
    plain = torch.tensor(stats.norm.cdf(upper[0]) - stats.norm.cdf(lower[0])).log()
    assert ours[0].item() == pytest.approx(plain.item())
    assert ours[1].item() == pytest.approx(stats.norm.logcdf(-39.0), rel=1e-9)
    assert ours[2].item() == pytest.approx(ours[1].item())
    assert ours[3].item() == pytest.approx(stats.norm.logcdf(-5.0))
    assert ours[4].item() == pytest.approx(stats.norm.logsf(3.0))
    assert ours[5].item() == pytest.approx(math.log(2e-9 / math.sqrt(2 * math.pi)), rel=1e-4)


def test_loss_is_the_mean_squared_error_of_the_noise():
    model = DDPM(nn.Identity(), (1, 2, 2), 10).double()
    seen = {}

    class Zero(nn.Module):
        def forward(self, x_t, t):
            seen["t"] = t
            return torch.zeros_like(x_t)

    model.network = Zero()
    loss = model.loss(torch.zeros(5000, 1, 2, 2, dtype=DOUBLE))
    assert loss.item() == pytest.approx(1, abs=5 * math.sqrt(2 / 20_000))
    counts = torch.bincount(seen["t"], minlength=11)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:].numpy()).pvalue > 1e-4


def test_network_knows_the_time_and_keeps_the_shape():
    network = TimeUNet(1, hidden_dim=8, num_levels=3).double()
    x = torch.randn(2, 1, 8, 4, dtype=DOUBLE, requires_grad=True)
    early, late = network(x, torch.tensor([1, 1])), network(x, torch.tensor([90, 90]))
    assert early.shape == x.shape
    assert not torch.allclose(early, late)
    (gradient,) = torch.autograd.grad(early[0].sum(), x)
    assert gradient[1].abs().max() == 0  # no example sees another
    features = time_features(torch.tensor([0, 7]), 6)
    torch.testing.assert_close(features[0], torch.tensor([0.0, 0, 0, 1, 1, 1]))
    torch.testing.assert_close(features[1, 0], torch.tensor(7.0).sin())


class Repeated(nn.Module):
    """A network of the wrong number of channels, which broadcasting would hide."""

    def forward(self, x_t, t):
        return x_t.repeat(1, 3, 1, 1)


@pytest.mark.training
def test_a_trained_model_draws_both_kinds_of_image_as_often_as_the_data(training_seeds):
    """Bright left (70 %) or bright right half: every sample is one of the two, in about these proportions."""
    left = torch.tensor([1.0, 1, -1, -1]).expand(1, 4, 4) * 0.75
    data = torch.cat([left.expand(700, 1, 4, 4), -left.expand(300, 1, 4, 4)])
    shares, errors = [], []
    for seed in training_seeds:
        torch.manual_seed(seed)
        model = DDPM(TimeUNet(1, 8), (1, 4, 4), 20)
        fit(model, data, epochs=40, batch_size=100, lr=5e-3, cosine=True, seed=seed, device="cpu")
        drawn = model.sample(1000)
        is_left = drawn[:, 0, :, :2].mean((1, 2)) > 0
        nearer = torch.where(is_left.view(-1, 1, 1, 1), left, -left)
        shares.append(is_left.double().mean().item())
        errors.append((drawn - nearer).square().mean().sqrt().item())
    print(f"seeds {list(training_seeds)}: share of left {shares}, root mean squared distance to the nearer {errors}")
    # Over five seeds the shares have mean 0.68 and standard deviation 0.03, half of it from drawing 1,000.
    assert all(0.6 < share < 0.8 for share in shares)
    assert all(0 < error < 0.1 for error in errors)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            lambda: DDPM(nn.Identity(), (1, 4, 4)).loss(torch.zeros(2, 1, 4, 5)),
            r"images \(1, 4, 4\), got x \(2, 1, 4, 5",
        ),
        (lambda: DDPM(nn.Identity(), (1, 1, 1)).loss(torch.full((2, 1, 1, 1), 2.0)), r"\[-1, 1\], got values from 2"),
        (lambda: gaussian_model(10).sample_ddim(2, 11), r"num_steps must be 1 ... 10, got 11"),
        (lambda: gaussian_model(10).sample(0), "num_samples must be at least 1"),
        (lambda: gaussian_model(10).sample_ddim(2, 0), r"num_steps must be 1 ... 10, got 0"),
        (lambda: DDPM(nn.Identity(), (1, 1, 1), num_steps=0), "num_steps must be at least 1, got 0"),
        (lambda: DDPM(nn.Identity(), (1, 1, 1), num_levels=1), "num_levels must be at least 2, got 1"),
        (
            lambda: gaussian_model(10).elbo(torch.full((2, 1, 1, 1), 0.01, dtype=DOUBLE)),
            r"levels -1, -1 \+ 2/63, ..., 1",
        ),
        (
            lambda: DDPM(Repeated(), (1, 4, 4)).loss(torch.zeros(2, 1, 4, 4)),
            r"noise \(2, 1, 4, 4\) like x_t, got \(2, 3, 4, 4\)",
        ),
        (lambda: TimeUNet(1, hidden_dim=12), "multiple of 8"),
        (lambda: TimeUNet(1, hidden_dim=0), "multiple of 8"),
        (lambda: TimeUNet(1, 8, num_levels=0), "num_levels must be at least 1, got 1 and 0"),
        (
            lambda: TimeUNet(1, 8)(torch.zeros(1, 3, 4, 4), torch.tensor([1])),
            r"images \(B, 1, H, W\), got x \(1, 3, 4, 4",
        ),
        (lambda: TimeUNet(1, 8)(torch.zeros(2, 1, 4, 4), torch.tensor([1])), r"each of 2 images was due, got t \(1,\)"),
        (lambda: TimeUNet(1, 8)(torch.zeros(1, 1, 5, 4), torch.tensor([1])), "multiples of 2, got 5x4"),
        (lambda: Schedule(0), "num_steps must be at least 1, got 0"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
