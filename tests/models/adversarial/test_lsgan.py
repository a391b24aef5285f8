"""Least-squares GAN: its losses by hand, and its best discriminator and value by quadrature."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from course_utils.models.adversarial.gan import optimal_discriminator
from course_utils.models.adversarial.lsgan import LSGAN, ls_discriminator_loss, ls_generator_loss
from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_losses_and_their_gradients_by_hand():
    real = tensor([[3.0], [-150.0]]).requires_grad_()
    fake = tensor([0.5, -2.0, 1.0, 150.0]).requires_grad_()
    loss = ls_discriminator_loss(real, fake)
    # 1/2 (4 + 22,801) / 2 + 1/2 (1/4 + 4 + 1 + 22,500) / 4
    torch.testing.assert_close(loss, tensor(5701.25 + 2813.15625))
    slopes = torch.autograd.grad(loss, (real, fake))
    torch.testing.assert_close(slopes[0], tensor([[1.0], [-75.5]]))
    torch.testing.assert_close(slopes[1], tensor([0.125, -0.5, 0.25, 37.5]))
    loss = ls_generator_loss(fake)
    # 1/2 (1/4 + 9 + 0 + 22,201) / 4
    torch.testing.assert_close(loss, tensor(2776.28125))
    torch.testing.assert_close(torch.autograd.grad(loss, fake)[0], tensor([-0.125, -0.75, 0.0, 37.25]))


def test_best_discriminator_and_its_value():
    """A network is trained to convergence at equal quantiles; its loss is half the integral of p q / (p + q)."""
    data, fixed = Normal(tensor(-0.6), tensor(0.7)), Normal(tensor(0.8), tensor(1.1))
    levels = ((torch.arange(2000, dtype=torch.float64) + 0.5) / 2000)[:, None]
    real, fake = data.icdf(levels), fixed.icdf(levels)
    # Least squares on fixed features (bumps) has its optimum in closed form: the normal equations.
    centers = torch.linspace(-5, 6, 45, dtype=torch.float64)

    def bumps(x):
        return torch.exp(-0.5 * ((x - centers) / 0.35) ** 2)

    head = nn.Parameter(torch.zeros(45, 1, dtype=torch.float64))

    def loss():
        return ls_discriminator_loss(bumps(real) @ head, bumps(fake) @ head)

    gram = sum(bumps(x).T @ bumps(x) / len(x) for x in (real, fake)) + 1e-9 * torch.eye(45, dtype=torch.float64)
    with torch.no_grad():
        head.copy_(torch.linalg.solve(gram, bumps(real).mean(0)[:, None]))
    assert torch.autograd.grad(loss(), head)[0].abs().max() < 1e-6  # nothing is left to gain
    x = torch.linspace(-2, 3, 101, dtype=torch.float64)[:, None]
    due = optimal_discriminator(data.log_prob(x), fixed.log_prob(x))
    torch.testing.assert_close(bumps(x) @ head.detach(), due, rtol=0, atol=0.01)
    grid = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    p, q = data.log_prob(grid).exp(), fixed.log_prob(grid).exp()
    value = 0.5 * torch.trapezoid(torch.where(p + q > 1e-200, p * q / (p + q), 0.0), grid)
    assert loss().item() == pytest.approx(value.item(), abs=1e-3)


def test_equal_distributions_are_worth_a_quarter():
    half = torch.full((7,), 0.5, dtype=torch.float64)
    assert ls_discriminator_loss(half, half).item() == 0.25


def test_the_model_uses_the_losses_and_takes_scores_as_they_are():
    model = LSGAN(mlp_generator(3, 2, 8), mlp_discriminator(2, 8), 3).double()
    real = torch.randn(5, 2, dtype=torch.float64)
    torch.manual_seed(1)
    turn = model.discriminator_loss(real)
    torch.testing.assert_close(turn.loss, ls_discriminator_loss(turn.logits_real, turn.logits_fake))
    torch.manual_seed(1)
    torch.testing.assert_close(model.generator_loss(real), ls_generator_loss(turn.logits_fake))
    assert torch.equal(model.verdict(turn.logits_fake), turn.logits_fake)
