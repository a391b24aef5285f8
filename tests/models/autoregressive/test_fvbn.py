"""The fully visible belief network against enumeration, the Jacobian and the exact optimum of a small problem."""

import pytest
import torch
from torch.distributions import Bernoulli

from course_utils.models.autoregressive.fvbn import FullyVisibleBeliefNetwork
from tests.models.autoregressive.pixel_oracles import assert_frequencies, unit_images

SHAPE = (1, 2, 3)
ORDERS = [None, [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]]


def random_model(order=None, shape=SHAPE):
    model = FullyVisibleBeliefNetwork(shape, order).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=1.5)
    return model


@pytest.mark.parametrize("order", ORDERS)
def test_each_pixel_sees_all_pixels_before_it_and_no_other(order):
    model = random_model(order)
    jacobian = torch.autograd.functional.jacobian(model, unit_images(2, *SHAPE)[37:38]).view(6, 6)
    when = {pixel: step for step, pixel in enumerate(order or range(6))}
    due = torch.tensor([[when[j] < when[i] for j in range(6)] for i in range(6)])
    assert torch.equal(jacobian != 0, due)


@pytest.mark.parametrize("order", ORDERS)
def test_probabilities_sum_to_one(order):
    total = random_model(order).log_prob(unit_images(2, *SHAPE)).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("order", ORDERS)
def test_log_prob_is_the_sum_of_logistic_regressions(order):
    model, x = random_model(order), unit_images(2, *SHAPE)
    flat, due = x.flatten(1), 0
    for step, i in enumerate(order or range(6)):
        earlier = list(order or range(6))[:step]
        logit = model.bias[i] + flat[:, earlier] @ model.weight[i, earlier]
        due = due + Bernoulli(logits=logit).log_prob(flat[:, i])
    torch.testing.assert_close(model.log_prob(x), due)
    torch.testing.assert_close(model.loss(x), -due.mean())


def test_fitted_to_a_distribution_it_has_the_exact_optimum():
    """Among distributions that the model can be, maximum likelihood of p itself is the entropy of p."""
    truth, x = random_model([1, 2, 0, 3], (1, 2, 2)), unit_images(2, 1, 2, 2)
    log_p = truth.log_prob(x).detach()
    entropy = -(log_p.exp() * log_p).sum()
    model = FullyVisibleBeliefNetwork((1, 2, 2), [1, 2, 0, 3]).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        cross_entropy = -(log_p.exp() * model.log_prob(x)).sum()
        cross_entropy.backward()
        return cross_entropy

    optimizer.step(closure)
    torch.testing.assert_close(closure(), entropy, atol=1e-8, rtol=0)
    seen = model.mask.bool()
    torch.testing.assert_close(model.weight[seen], truth.weight[seen], atol=1e-3, rtol=0)
    torch.testing.assert_close(model.bias, truth.bias, atol=1e-3, rtol=0)
    assert (model.weight[~seen] == 0).all(), "weights that the mask hides must get no gradient"


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
    assert first.shape == (8, *SHAPE)
    assert first.dtype == torch.float64
    assert not first.requires_grad
    torch.manual_seed(3)
    assert torch.equal(first, model.sample(8))


def test_calls_leave_weights_and_images_as_they_were():
    model, x = random_model(), unit_images(2, *SHAPE)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = x.clone()
    for _ in range(8):
        model.loss(x).backward()
        model.sample(2)
    assert torch.equal(x, kept)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_what_does_not_fit_is_named():
    model = random_model()
    grey = torch.full((2, *SHAPE), 0.5, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"zeros and ones, got other values between 0\.5 and 0\.5"):
        model.log_prob(grey)
    with pytest.raises(ValueError, match="zeros and ones"):
        model.loss(torch.full_like(grey, float("nan")))
    with pytest.raises(ValueError, match=r"images \(1, 2, 3\), got x \(2, 1, 3, 2\)"):
        model(grey.view(2, 1, 3, 2))
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        model.sample(0)
    for order in ([0, 1, 2], [0, 0, 1, 2, 3, 4], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1, 2, 3, 4, 5, 6]):
        with pytest.raises(ValueError, match=r"an order must hold each of 0 \.\.\. 5 once"):
            FullyVisibleBeliefNetwork(SHAPE, order)
