"""The game of Goodfellow et al.: losses against mpmath, its optimum by quadrature, and who moves whom."""

import copy
import math

import mpmath
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from course_utils.models.adversarial.gan import (
    GAN,
    SaturatingGAN,
    discriminator_loss,
    discriminator_step,
    generator_loss,
    generator_step,
    optimal_discriminator,
    saturating_generator_loss,
)
from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator

LOGITS = [-150.0, -40.0, -3.0, -0.7, 0.0, 1.3, 5.0, 60.0, 150.0]


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def exact(function, logits):
    """The mean of function(D, 1 - D) over the logits, and its gradient in each, to 200 digits; D = sigmoid(logit)."""
    with mpmath.workdps(200):

        def term(logit):
            d = 1 / (1 + mpmath.exp(-logit))
            return function(d, 1 - d)

        value = mpmath.fsum(term(mpmath.mpf(logit)) for logit in logits) / len(logits)
        slopes = [float(mpmath.diff(term, mpmath.mpf(logit)) / len(logits)) for logit in logits]
    return float(value), slopes


# torch's softplus is a straight line beyond 20, off by 2e-9.
CLOSE = {"rtol": 1e-8, "atol": 0.0}


@pytest.mark.parametrize(
    ("loss", "function"),
    [
        (generator_loss, lambda d, rest: -mpmath.log(d)),
        (saturating_generator_loss, lambda d, rest: mpmath.log(rest)),
        (lambda logits: discriminator_loss(logits, tensor([[-900.0]])), lambda d, rest: -mpmath.log(d)),
        (lambda logits: discriminator_loss(tensor([[900.0]]), logits), lambda d, rest: -mpmath.log(rest)),
    ],
    ids=["generator", "saturating", "discriminator-real", "discriminator-fake"],
)
def test_losses_and_their_gradients(loss, function):
    for logits in [LOGITS, *[[logit] for logit in LOGITS]]:
        values = tensor(logits).requires_grad_()
        value, slopes = exact(function, logits)
        result = loss(values)
        assert result.shape == ()
        torch.testing.assert_close(result, tensor(value), **CLOSE)
        torch.testing.assert_close(torch.autograd.grad(result, values)[0], tensor(slopes), **CLOSE)


def test_discriminator_loss_takes_means_of_batches_of_any_size_and_shape():
    real, fake = torch.randn(3, 1, 2, 2, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    on_real = -torch.log(torch.sigmoid(real)).sum() / 12
    on_fake = -torch.log(1 - torch.sigmoid(fake)).sum() / 5
    torch.testing.assert_close(discriminator_loss(real, fake), on_real + on_fake)


def test_the_two_generator_losses_pull_the_same_way_with_slopes_one_minus_d_and_d():
    logits = tensor(LOGITS).requires_grad_()
    (plain,) = torch.autograd.grad(generator_loss(logits), logits)
    (saturating,) = torch.autograd.grad(saturating_generator_loss(logits), logits)
    torch.testing.assert_close(plain, -torch.sigmoid(-logits) / 9, **CLOSE)
    torch.testing.assert_close(saturating, -torch.sigmoid(logits) / 9, **CLOSE)


# Quadrature on a fixed grid; both densities are below 1e-30 at its ends.
GRID = torch.linspace(-16, 16, 6401, dtype=torch.float64)


def integral(values):
    return torch.trapezoid(values, GRID)


def log_mixture(x):
    logs = torch.stack([Normal(-1.0, 0.7).log_prob(x) + math.log(0.4), Normal(1.5, 0.5).log_prob(x) + math.log(0.6)])
    return logs.logsumexp(0)


def jensen_shannon(log_p, log_q):
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * integral(log_p.exp() * (log_p - log_m)) + 0.5 * integral(log_q.exp() * (log_q - log_m))


def log_gaussian(mu, scale):
    return Normal(mu, scale).log_prob(GRID)


def gradients_against_the_best_discriminator(loss, mu, scale, log_data=log_mixture):
    """Gradient of the loss in mu and scale of G(z) = mu + scale z, D* held fixed; z at 4,000 equal quantiles."""
    z = Normal(tensor(0.0), tensor(1.0)).icdf((torch.arange(4000, dtype=torch.float64) + 0.5) / 4000)
    fake = mu + scale * z
    fixed = Normal(mu.detach(), scale.detach())
    return torch.stack(torch.autograd.grad(loss(log_data(fake) - fixed.log_prob(fake)), (mu, scale)))


def test_against_the_best_discriminator_the_minimax_loss_descends_jensen_shannon():
    """Goodfellow et al. 2014, theorem 1: its gradient is that of 2 JS."""
    mu, scale = tensor(0.3).requires_grad_(), tensor(0.9).requires_grad_()
    found = gradients_against_the_best_discriminator(saturating_generator_loss, mu, scale)
    js = jensen_shannon(log_mixture(GRID), log_gaussian(mu, scale))
    due = torch.stack(torch.autograd.grad(2 * js, (mu, scale)))
    torch.testing.assert_close(found, due, rtol=5e-3, atol=1e-3)


def test_against_the_best_discriminator_the_non_saturating_loss_descends_reverse_kl_less_jensen_shannon():
    """Arjovsky & Bottou 2017 (arXiv 1701.04862), theorem 2.5: its gradient is that of KL(p_G || p_data) - 2 JS."""
    mu, scale = tensor(0.3).requires_grad_(), tensor(0.9).requires_grad_()
    found = gradients_against_the_best_discriminator(generator_loss, mu, scale)
    log_q = log_gaussian(mu, scale)
    kl = integral(log_q.exp() * (log_q - log_mixture(GRID)))
    due = torch.stack(torch.autograd.grad(kl - 2 * jensen_shannon(log_mixture(GRID), log_q), (mu, scale)))
    torch.testing.assert_close(found, due, rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize("loss", [generator_loss, saturating_generator_loss])
def test_both_generator_losses_rest_where_the_two_distributions_agree(loss):
    data = Normal(tensor(0.3), tensor(0.9))
    for mu, scale, rests in ((0.3, 0.9, True), (0.5, 0.9, False), (0.3, 0.7, False)):
        mu, scale = tensor(mu).requires_grad_(), tensor(scale).requires_grad_()
        gradient = gradients_against_the_best_discriminator(loss, mu, scale, data.log_prob)
        assert (gradient.abs().max() < 1e-12) == rests
        if not rests:  # a step downhill leads towards the data
            away = torch.stack([mu - 0.3, scale - 0.9]).detach()
            assert (gradient * away).sum() > 0


def value_of_the_game(jensen_shannon):
    """The value of the game against D*, in nats (theorem 1)."""
    return 2 * jensen_shannon - 2 * math.log(2)


def test_optimal_discriminator_and_value_of_the_game_by_quadrature():
    log_p, log_q = log_mixture(GRID), log_gaussian(0.3, 0.9)
    p, q = log_p.exp(), log_q.exp()
    d = optimal_discriminator(log_p, log_q)
    seen = p + q > 1e-200
    torch.testing.assert_close(d[seen], (p / (p + q))[seen])
    inner = (GRID > -6) & (GRID < 6)
    value = torch.where(inner, p * torch.log(d) + q * torch.log1p(-d), 0.0)
    assert integral(value).item() == pytest.approx(value_of_the_game(jensen_shannon(log_p, log_q).item()), abs=1e-8)
    far = optimal_discriminator(tensor([-1e4, -1e4, -9e3]), tensor([-1e4, -9e3, -1e4]))
    torch.testing.assert_close(far, tensor([0.5, 0.0, 1.0]))


def minimise(network, loss, max_iter):
    optimizer = torch.optim.LBFGS(
        network.parameters(), max_iter=max_iter, history_size=30, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return loss().item()


def test_trained_discriminator_reaches_the_best_one_in_1d():
    """A small network, to convergence, against a fixed generator; the value of its game is 2 JS - 2 log 2."""
    data, fixed = Normal(tensor(-0.6), tensor(0.7)), Normal(tensor(0.8), tensor(1.1))
    levels = ((torch.arange(2000, dtype=torch.float64) + 0.5) / 2000)[:, None]
    real, fake = data.icdf(levels), fixed.icdf(levels)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    loss = minimise(network, lambda: discriminator_loss(network(real), network(fake)), 200)
    x = torch.linspace(-2, 3, 101, dtype=torch.float64)[:, None]
    found = torch.sigmoid(network(x))
    torch.testing.assert_close(found, optimal_discriminator(data.log_prob(x), fixed.log_prob(x)), rtol=0, atol=0.01)
    js = jensen_shannon(data.log_prob(GRID), fixed.log_prob(GRID)).item()
    assert -loss == pytest.approx(value_of_the_game(js), abs=1e-3)


class Quadratic(nn.Module):
    """A logit of second degree in (B, 2), which holds the best discriminator of two Gaussians exactly."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(6, dtype=torch.float64))

    def forward(self, x):
        a, b = x.T
        return torch.stack([torch.ones_like(a), a, b, a * a, a * b, b * b], dim=1) @ self.weights


def test_trained_discriminator_reaches_the_best_one_in_2d():
    data = MultivariateNormal(tensor([0.5, -0.5]), tensor([[1.0, 0.3], [0.3, 0.6]]))
    fixed = MultivariateNormal(tensor([-0.4, 0.2]), tensor([[0.8, -0.2], [-0.2, 1.2]]))
    levels = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    z = torch.cartesian_prod(*[Normal(tensor(0.0), tensor(1.0)).icdf(levels)] * 2)
    real, fake = (law.mean + z @ law.scale_tril.T for law in (data, fixed))
    network = Quadratic()
    minimise(network, lambda: discriminator_loss(network(real), network(fake)), 200)
    side = torch.linspace(-1.5, 1.5, 21, dtype=torch.float64)
    x = torch.cartesian_prod(side, side)
    found = torch.sigmoid(network(x))
    torch.testing.assert_close(found, optimal_discriminator(data.log_prob(x), fixed.log_prob(x)), rtol=0, atol=0.015)


@pytest.fixture
def gan():
    torch.manual_seed(0)
    return GAN(mlp_generator(3, 2, 8), mlp_discriminator(2, 8), latent_dim=3).double()


@pytest.fixture
def real():
    return torch.randn(5, 2, dtype=torch.float64)


def test_turns_are_the_losses_of_as_many_fakes_as_there_are_real_examples(gan, real):
    torch.manual_seed(1)
    turn = gan.discriminator_loss(real)
    torch.manual_seed(1)
    fake = gan.generator(torch.randn(5, 3, dtype=torch.float64))
    torch.testing.assert_close(turn.logits_real, gan.discriminator(real))
    torch.testing.assert_close(turn.logits_fake, gan.discriminator(fake))
    torch.testing.assert_close(turn.loss, discriminator_loss(turn.logits_real, turn.logits_fake))
    torch.manual_seed(1)
    torch.testing.assert_close(gan.generator_loss(real), generator_loss(turn.logits_fake))
    torch.manual_seed(1)
    saturating = SaturatingGAN(gan.generator, gan.discriminator, 3)
    torch.testing.assert_close(saturating.generator_loss(real), saturating_generator_loss(turn.logits_fake))
    torch.testing.assert_close(gan.verdict(turn.logits_real), 1 / (1 + torch.exp(-turn.logits_real)))


def test_each_side_has_its_own_parameters_and_the_discriminators_turn_spares_the_generator(gan, real):
    assert list(map(id, gan.generator_parameters())) == list(map(id, gan.generator.parameters()))
    assert list(map(id, gan.discriminator_parameters())) == list(map(id, gan.discriminator.parameters()))
    gan.discriminator_loss(real).loss.backward()
    assert all(parameter.grad is None for parameter in gan.generator_parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in gan.discriminator_parameters())
    gan.generator_loss(real).backward(inputs=list(gan.generator_parameters()))
    assert all(parameter.grad.abs().sum() > 0 for parameter in gan.generator_parameters())


def check_step(mover, rest, step, loss):
    """Two steps of SGD must be plain gradient descent of `mover`; `rest` keeps its values, gradients and flags."""
    plain = copy.deepcopy(mover)
    for parameter in rest.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before = copy.deepcopy(rest.state_dict())
    optimizer = torch.optim.SGD(mover.parameters(), lr=0.1)
    for _ in range(2):
        value = step(optimizer)
        due = loss(plain)
        assert not value.requires_grad
        torch.testing.assert_close(value, due.detach())
        parameters = list(plain.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(parameters, torch.autograd.grad(due, parameters), strict=True):
                parameter -= 0.1 * gradient
    for parameter, due in zip(mover.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, due)
    for name, parameter in rest.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad
        assert torch.equal(parameter.grad, torch.full_like(parameter, 7.0))


def test_discriminator_step(gan, real):
    generator, discriminator, noise = gan.generator, gan.discriminator, gan.noise(7)
    check_step(
        discriminator,
        generator,
        lambda optimizer: discriminator_step(generator, discriminator, optimizer, real, noise),
        lambda plain: discriminator_loss(plain(real), plain(generator(noise))),
    )


def test_generator_step(gan):
    generator, discriminator, noise = gan.generator, gan.discriminator, gan.noise(7)
    check_step(
        generator,
        discriminator,
        lambda optimizer: generator_step(generator, discriminator, optimizer, noise),
        lambda plain: generator_loss(discriminator(plain(noise))),
    )


def test_noise_is_standard_normal(gan):
    noise = gan.noise(4000)
    assert noise.shape == (4000, 3)
    assert noise.dtype == torch.float64
    moments = torch.stack([noise.mean(), noise.square().mean() - 1, noise.pow(4).mean() - 3])
    deviations = tensor([1.0, math.sqrt(2), math.sqrt(96)]) / math.sqrt(noise.numel())
    assert (moments.abs() < 4.5 * deviations).all()
    correlations = noise.T @ noise / 4000 - torch.eye(3)
    assert correlations.abs().max() < 4.5 * math.sqrt(2 / 4000)


def test_samples_follow_their_generator_and_leave_the_global_state(gan):
    state = torch.get_rng_state()
    samples = gan.sample(6, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), state)
    noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(samples, gan.generator(noise))
    torch.testing.assert_close(gan.generate(noise), gan.generator(noise))
    assert gan.generate(noise).requires_grad
    assert not samples.requires_grad
    assert not torch.equal(gan.sample(6), gan.sample(6))


def test_the_average_moves_by_one_minus_decay_and_is_what_samples_come_from(gan):
    gan.generator.append(nn.BatchNorm1d(2, dtype=torch.float64))
    gan.keep_average(0.9)
    gan.averaged.update_parameters(gan.generator)  # the first one copies
    names = ["0.weight", "2.bias", "5.running_mean"]
    first = {name: gan.generator.state_dict()[name].clone() for name in names}
    with torch.no_grad():
        for name in names:
            gan.generator.state_dict()[name] += 1.0
    gan.averaged.update_parameters(gan.generator)
    for name in names:
        torch.testing.assert_close(gan.averaged.module.state_dict()[name], first[name] + 0.1)
    noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    gan.eval()
    samples = gan.sample(6, torch.Generator().manual_seed(3))
    torch.testing.assert_close(samples, gan.averaged.module(noise))
    assert not torch.allclose(samples, gan.generator(noise))
    assert {id(p) for p in gan.generator_parameters()}.isdisjoint(id(p) for p in gan.averaged.parameters())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda gan: GAN(gan.generator, gan.discriminator, 0), "latent_dim must be at least 1, got 0"),
        (lambda gan: gan.generate(torch.randn(4, 2)), r"noise must be \(B, 3\), got \(4, 2\)"),
        (lambda gan: gan.generate(torch.randn(3)), r"noise must be \(B, 3\), got \(3,\)"),
        (lambda gan: gan.sample(0), "num_samples must be at least 1, got 0"),
        (lambda gan: gan.keep_average(1.0), r"decay must be in \[0, 1\), got 1.0"),
        (lambda gan: gan.keep_average(-0.1), r"decay must be in \[0, 1\), got -0.1"),
        (lambda gan: gan.discriminator_loss(torch.randn(4, 3).double()), r"makes \(2,\), but an example is \(3,\)"),
        (lambda gan: mlp_generator(3, 2, num_layers=0), "num_layers must be at least 1, got 0"),
    ],
)
def test_errors_name_what_came(gan, make, message):
    with pytest.raises(ValueError, match=message):
        make(gan)


def test_mlps_are_linear_layers_with_relu_and_leaky_relu():
    generator, discriminator = mlp_generator(3, 2, 8).double(), mlp_discriminator(2, 8, 1).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    hidden = x
    for layer in (generator[0], generator[2]):
        hidden = (hidden @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(generator(x), hidden @ generator[4].weight.T + generator[4].bias)
    hidden = x[:, :2] @ discriminator[0].weight.T + discriminator[0].bias
    hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    torch.testing.assert_close(discriminator(x[:, :2]), hidden @ discriminator[2].weight[0] + discriminator[2].bias)
    assert discriminator(x[:1, :2]).shape == (1,)
