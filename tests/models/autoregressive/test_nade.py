"""NADE against a loop over its equations, automatic differentiation of that loop, enumeration and the Jacobian."""

import pytest
import torch
from torch.distributions import Bernoulli

from course_utils.models.autoregressive.nade import NADE, SharedHiddenLayers
from tests.models.autoregressive.pixel_oracles import assert_frequencies, unit_images

SHAPE = (1, 2, 3)
ORDERS = [None, [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]]


def random_model(order=None, shape=SHAPE):
    model = NADE(shape, hidden_dim=4, order=order).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=1.5)
    return model


def by_the_equations(model, x):
    """log p(x) with a hidden layer computed from scratch for every pixel: equations 1 and 2 of the paper of 2016."""
    flat, total = x.flatten(1), 0
    order = model.order.tolist()
    for t, i in enumerate(order):
        hidden = torch.sigmoid(model.c + flat[:, order[:t]] @ model.w[:t])
        total = total + Bernoulli(logits=model.b[t] + hidden @ model.v[t]).log_prob(flat[:, i])
    return total


@pytest.mark.parametrize("order", ORDERS)
def test_log_prob_and_its_gradients_are_those_of_the_equations(order):
    model, x = random_model(order), unit_images(2, *SHAPE)[::3]
    parameters = list(model.parameters())
    due = by_the_equations(model, x)
    torch.testing.assert_close(model.log_prob(x), due)
    torch.testing.assert_close(model.loss(x), -due.mean())
    gradients = torch.autograd.grad(model.loss(x), parameters)
    for gradient, gradient_due in zip(gradients, torch.autograd.grad(-due.mean(), parameters), strict=True):
        torch.testing.assert_close(gradient, gradient_due)
        assert (gradient_due.abs() > 1e-9).any()


def test_the_hand_written_gradient_passes_gradcheck_for_any_input():
    x, w, v, c = (torch.randn(*shape, dtype=torch.float64) for shape in [(5, 3), (5, 4), (5, 4), (4,)])
    inputs = [tensor.requires_grad_() for tensor in (x, w, v, c)]
    assert torch.autograd.gradcheck(SharedHiddenLayers.apply, inputs)


def test_the_way_back_loses_little_precision_over_a_whole_image_of_mnist():
    """Undoing 784 steps in float32 must give the hidden layers of the way there."""
    model = NADE((1, 28, 28), hidden_dim=20)
    x = (torch.rand(4, 1, 28, 28) < 0.3).float()
    gradients = torch.autograd.grad(model.loss(x), list(model.parameters()))
    model, x = model.double(), x.double()
    for gradient, due in zip(gradients, torch.autograd.grad(model.loss(x), list(model.parameters())), strict=True):
        assert (gradient - due).abs().max() < 1e-4 * due.abs().max()


@pytest.mark.parametrize("order", ORDERS)
def test_each_pixel_sees_all_pixels_before_it_and_no_other(order):
    jacobian = torch.autograd.functional.jacobian(random_model(order), unit_images(2, *SHAPE)[37:38]).view(6, 6)
    when = {pixel: step for step, pixel in enumerate(order or range(6))}
    due = torch.tensor([[when[j] < when[i] for j in range(6)] for i in range(6)])
    assert torch.equal(jacobian != 0, due)


@pytest.mark.parametrize("order", ORDERS)
def test_probabilities_sum_to_one(order):
    total = random_model(order).log_prob(unit_images(2, *SHAPE)).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("order", ORDERS)
def test_samples_have_the_frequencies_of_the_model(order):
    model, num_samples = random_model(order), 40_000
    x = model.sample(num_samples, torch.Generator().manual_seed(1))
    assert_frequencies(x, model.log_prob(unit_images(2, *SHAPE)).exp().detach(), at_least=10)


def test_a_generator_decides_the_samples_and_leaves_the_global_one():
    model = random_model()
    before = torch.get_rng_state()
    first = model.sample(8, torch.Generator().manual_seed(3))
    assert torch.equal(first, model.sample(8, torch.Generator().manual_seed(3)))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.dtype == torch.float64
    assert not first.requires_grad


def test_calls_leave_weights_and_images_as_they_were():
    model, x = random_model(), unit_images(2, *SHAPE)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = x.clone()
    for _ in range(3):
        model.zero_grad()
        loss = model.loss(x)
        loss.backward(retain_graph=True)
        first = [parameter.grad.clone() for parameter in model.parameters()]
        model.zero_grad()
        loss.backward()  # a second way back over the same graph finds what the first one found
        for parameter, due in zip(model.parameters(), first, strict=True):
            torch.testing.assert_close(parameter.grad, due, atol=1e-13, rtol=1e-13)
        model.sample(2)
    assert torch.equal(x, kept)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_it_learns_a_distribution_that_pixels_on_their_own_cannot_be():
    """Two images that differ in every pixel, one bit in all: log 2 nats instead of 6 log 2."""
    model = NADE(SHAPE, hidden_dim=8).double()
    x = torch.stack([torch.zeros(SHAPE), torch.ones(SHAPE)]).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss = model.loss(x)
        loss.backward()
        optimizer.step()
    assert 0.6931 < loss.item() < 0.70


def test_what_does_not_fit_is_named():
    model = random_model()
    grey = torch.full((2, *SHAPE), 0.5, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"zeros and ones, got other values between 0\.5 and 0\.5"):
        model.log_prob(grey)
    with pytest.raises(ValueError, match=r"images \(1, 2, 3\), got x \(2, 6\)"):
        model(grey.flatten(1))
    with pytest.raises(ValueError, match="num_samples must be at least 1, got -1"):
        model.sample(-1)
    with pytest.raises(ValueError, match="hidden_dim must be at least 1, got 0"):
        NADE(SHAPE, hidden_dim=0)
    with pytest.raises(ValueError, match=r"an order must hold each of 0 \.\.\. 5 once, got \[0, 0, 1, 2, 3, 4\]"):
        NADE(SHAPE, order=[0, 0, 1, 2, 3, 4])
