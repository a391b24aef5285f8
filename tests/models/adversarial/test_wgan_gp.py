"""Wasserstein GAN with gradient penalty: analytic critics, finite differences, and distances known in closed form."""

import pytest
import torch
from scipy.stats import kstest
from torch import nn

from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator
from course_utils.models.adversarial.wgan_gp import WGANGP, critic_generator_loss, critic_loss, gradient_penalty


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def images(num_images, seed):
    return torch.randn(num_images, 2, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Recorded(nn.Module):
    """A critic that keeps the points that it was asked about."""

    def __init__(self, critic):
        super().__init__()
        self.critic = critic

    def forward(self, x):
        self.points = x.detach().clone()
        return self.critic(x)


def conv_critic():
    torch.manual_seed(5)
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(48, 1)]
    critic = nn.Sequential(*layers).double()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter *= 3
    return critic


def slope_norms(critic, points, step=1e-5):
    """The norm of the critic's gradient at each point, by central differences."""
    slopes = torch.zeros_like(points)
    with torch.no_grad():
        for index in range(points[0].numel()):
            shift = torch.zeros_like(points).flatten(1)
            shift[:, index] = step
            shift = shift.view_as(points)
            slopes.flatten(1)[:, index] = (critic(points + shift) - critic(points - shift)).view(-1) / (2 * step)
    return slopes.flatten(1).square().sum(1).sqrt()


def test_penalty_of_a_network_by_finite_differences():
    critic = Recorded(conv_critic())
    penalty = gradient_penalty(critic, images(6, 1), images(6, 2))
    norms = slope_norms(critic.critic, critic.points)
    assert norms.std() > 0.1 * norms.mean()  # else a norm over the batch would pass
    torch.testing.assert_close(penalty, ((norms - 1) ** 2).mean(), rtol=1e-7, atol=0)


def test_gradient_of_the_penalty_by_finite_differences():
    critic, real, fake = conv_critic(), images(4, 1), images(4, 2)

    def penalty():
        torch.manual_seed(6)
        return gradient_penalty(critic, real, fake)

    slopes = torch.autograd.grad(penalty(), critic.parameters(), allow_unused=True, materialize_grads=True)
    assert all(parameter.grad is None for parameter in critic.parameters())
    for parameter, slope in zip(critic.parameters(), slopes, strict=True):
        flat = parameter.detach().view(-1)  # the same memory
        for index in range(0, flat.numel(), 5):
            start = flat[index].item()
            values = []
            for side in (1, -1):
                flat[index] = start + side * 1e-5
                values.append(penalty().item())
            flat[index] = start
            assert slope.flatten()[index].item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_points_lie_on_the_segments_with_one_uniform_alpha_for_each_example():
    real, fake = images(3000, 1), images(3000, 2)
    critic = Recorded(lambda x: x.square().sum((1, 2, 3)))
    gradient_penalty(critic, real, fake)
    alpha = (critic.points - fake) / (real - fake)
    steady = (real - fake).abs() > 0.1  # where the division keeps its digits
    first = torch.stack([a[s][0] for a, s in zip(alpha, steady, strict=True)])
    assert (alpha - first.view(-1, 1, 1, 1))[steady].abs().max() < 1e-12
    assert kstest(first.numpy(), "uniform").pvalue > 1e-4
    previous = critic.points
    gradient_penalty(critic, real, fake)
    assert not torch.equal(critic.points, previous)


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_linear_critic(shape):
    """(|w| - 1)^2, and 2 (|w| - 1) w / |w| as its gradient, wherever the points lie."""
    w = (images(1, 3)[0] * 2).requires_grad_()
    penalty = gradient_penalty(lambda x: (w * x).sum((1, 2, 3)).view(shape) + 4, images(5, 1), images(5, 2))
    norm = w.detach().square().sum().sqrt()
    torch.testing.assert_close(penalty.detach(), (norm - 1) ** 2)
    torch.testing.assert_close(torch.autograd.grad(penalty, w)[0], 2 * (norm - 1) * w.detach() / norm)


def test_quadratic_critic_has_a_slope_for_each_example():
    """f(x) = 1/2 sum a x^2 has the gradient a u; the gradient of the penalty in a follows from it."""
    a = images(1, 3)[0].requires_grad_()
    critic = Recorded(lambda x: 0.5 * (a * x**2).sum((1, 2, 3)))
    penalty = gradient_penalty(critic, images(5, 1), images(5, 2))
    slopes = a * critic.points
    due = ((slopes.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
    torch.testing.assert_close(penalty, due)
    torch.testing.assert_close(torch.autograd.grad(penalty, a)[0], torch.autograd.grad(due, a)[0])


def test_mean_over_alpha_in_closed_form():
    """From 0 to 2 with f(x) = x^2 the slope is 4 alpha: the mean of (4 alpha - 1)^2 is 7/3, of its square 12.2."""
    real, fake = torch.full((20_000, 1), 2.0, dtype=torch.float64), torch.zeros(20_000, 1, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: (x**2).sum(1), real, fake).item()
    deviation = (61 / 5 - (7 / 3) ** 2) ** 0.5 / 20_000**0.5
    assert abs(penalty - 7 / 3) < 4.5 * deviation


def test_flat_critic_is_penalised_with_a_finite_gradient():
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda x: x @ w, torch.randn(4, 3).double(), torch.randn(4, 3).double())
    assert penalty.item() == 1.0
    assert torch.autograd.grad(penalty, w)[0].isfinite().all()


def test_a_map_of_scores_is_summed():
    torch.manual_seed(5)
    patches = nn.Conv2d(2, 1, 2).double()
    torch.manual_seed(6)
    penalty = gradient_penalty(patches, images(5, 1), images(5, 2))
    torch.manual_seed(6)
    torch.testing.assert_close(
        penalty, gradient_penalty(lambda x: patches(x).sum((1, 2, 3)), images(5, 1), images(5, 2))
    )


def test_unequal_batches_are_paired_as_far_as_they_go_and_stay_as_they_were():
    critic, real, fake = Recorded(lambda x: x.square().sum((1, 2, 3))), images(3, 1), images(5, 2).requires_grad_()
    before = fake.detach().clone()
    for first, second in ((real, fake), (fake, real)):
        penalty = gradient_penalty(critic, first, second)
        assert len(critic.points) == 3
        torch.testing.assert_close(penalty, ((2 * critic.points.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean())
        between = (critic.points - fake[:3].detach()) * (real - critic.points)
        assert (between >= -1e-15).all()
    assert torch.equal(fake, before)
    assert not real.requires_grad


def test_losses_are_differences_of_means_and_the_verdict_is_the_score():
    real, fake = tensor([[150.0], [2.0]]), tensor([1.0, 2.0, -150.0])
    assert critic_loss(real, fake).item() == pytest.approx(-49 - 76)
    assert critic_generator_loss(fake).item() == pytest.approx(49)


def test_the_critics_turn_adds_the_weighted_penalty():
    """A linear critic's penalty does not depend on alpha, so the whole turn is known."""
    critic = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    real = torch.randn(5, 2, dtype=torch.float64)
    for kwargs, weight in (({}, 10.0), ({"penalty_weight": 0.7}, 0.7)):
        model = WGANGP(mlp_generator(3, 2, 8), critic, 3, **kwargs).double()
        torch.manual_seed(1)
        turn = model.discriminator_loss(real)
        torch.manual_seed(1)
        fake = model.generate(model.noise(5)).detach()
        w, b = critic[0].weight[0], critic[0].bias
        norm = w.square().sum().sqrt()
        torch.testing.assert_close(turn.logits_real, real @ w + b)
        torch.testing.assert_close(turn.logits_fake, fake @ w + b)
        torch.testing.assert_close(turn.loss, w @ (fake.mean(0) - real.mean(0)) + weight * (norm - 1) ** 2)
        turn.loss.backward()
        assert all(parameter.grad is None for parameter in model.generator_parameters())
        assert critic[0].weight.grad.abs().sum() > 0
        torch.manual_seed(1)
        torch.testing.assert_close(model.generator_loss(real), -(fake @ w + b).mean())
        assert torch.equal(model.verdict(turn.logits_fake), turn.logits_fake)


def estimate(real, fake, weight, steps=400):
    """Train a critic on two fixed clouds with the losses of the model; return E f(real) - E f(fake)."""
    torch.manual_seed(0)
    critic = mlp_discriminator(real.shape[1], 32, 1).double()
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.0, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = critic_loss(critic(real), critic(fake)) + weight * gradient_penalty(critic, real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return -critic_loss(critic(real), critic(fake)).item()


@pytest.mark.parametrize("weight", [2.0, 10.0])
def test_critic_measures_the_distance_of_two_points(weight):
    """W = 1.5; a slope s gains W s - weight (s - 1)^2, so that the best is s = 1 + W / (2 weight)."""
    real, fake = tensor([[0.9, 1.2]]).repeat(64, 1), torch.zeros(64, 2, dtype=torch.float64)
    assert estimate(real, fake, weight) == pytest.approx(1.5 * (1 + 1.5 / (2 * weight)), rel=0.01)


def test_critic_measures_the_shift_of_a_gaussian():
    """Shifted by v, a distribution is |v| away in Wasserstein-1, up to the surplus W^2 / (2 weight) of the penalty.

    One cloud is the other one moved, so that |v| is their exact distance, in float64, without sampling error.
    """
    cloud = torch.randn(256, 2, dtype=torch.float64)
    found = estimate(cloud + tensor([1.2, -1.6]), cloud, weight=10.0)
    assert found == pytest.approx(2.0 * (1 + 2.0 / 20), rel=0.03)


def test_errors_name_what_came():
    with pytest.raises(ValueError, match=r"makes \(3,\), but an example is \(2,\)"):
        gradient_penalty(lambda x: x.sum(1), torch.randn(4, 2), torch.randn(4, 3))
    with pytest.raises(ValueError, match="penalty_weight must be at least 0, got -1"):
        WGANGP(nn.Linear(1, 1), nn.Linear(1, 1), 1, penalty_weight=-1)
    model = WGANGP(mlp_generator(3, 2, 8), mlp_discriminator(3, 8), 3)
    with pytest.raises(ValueError, match=r"makes \(2,\), but an example is \(3,\)"):
        model.discriminator_loss(torch.randn(4, 3))
