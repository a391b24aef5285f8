"""Each likelihood against enumeration, integration and torch.distributions, in float64."""

import itertools
import math

import pytest
import torch

from course_utils.models.latent.likelihoods import Bernoulli, Categorical, Gaussian, bernoulli_log_prob

SHAPE = (1, 2, 2)


def all_images(num_levels):
    """Every image of SHAPE on the levels 0 ... 1, (V^4, 1, 2, 2), float64."""
    values = [v / (num_levels - 1) for v in range(num_levels)]
    return torch.tensor(list(itertools.product(values, repeat=4)), dtype=torch.float64).view(-1, *SHAPE)


def discrete(name):
    torch.manual_seed(0)
    if name == "bernoulli":
        return Bernoulli(), torch.randn(1, *SHAPE, dtype=torch.float64), all_images(2)
    return Categorical(3), torch.randn(1, 3, *SHAPE, dtype=torch.float64), all_images(3)


@pytest.mark.parametrize("name", ["bernoulli", "categorical"])
def test_probabilities_of_all_images_sum_to_one(name):
    likelihood, params, images = discrete(name)
    log_prob = likelihood.log_prob(params.expand(len(images), *params.shape[1:]), images)
    assert log_prob.shape == (len(images),)
    assert log_prob.logsumexp(0).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["bernoulli", "categorical"])
def test_mean_is_the_enumerated_expectation(name):
    likelihood, params, images = discrete(name)
    prob = likelihood.log_prob(params.expand(len(images), *params.shape[1:]), images).exp()
    torch.testing.assert_close(likelihood.mean(params)[0], torch.einsum("n,nchw->chw", prob, images))


@pytest.mark.parametrize("name", ["bernoulli", "categorical"])
def test_samples_have_the_enumerated_frequencies(name):
    likelihood, params, images = discrete(name)
    num_samples = 40_000
    prob = likelihood.log_prob(params.expand(len(images), *params.shape[1:]), images).exp()
    draws = likelihood.sample(params.expand(num_samples, *params.shape[1:]))
    matches = (draws.flatten(1)[:, None] - images.flatten(1)).abs().amax(-1) < 1e-9
    assert matches.sum(1).eq(1).all()
    frequency = matches.double().mean(0)
    sigma = (prob * (1 - prob) / num_samples).sqrt()
    assert ((frequency - prob).abs() < 5 * sigma + 1 / num_samples).all()


def test_bernoulli_agrees_with_torch_distributions_and_gives_exact_gradients():
    torch.manual_seed(1)
    logits = (3 * torch.randn(5, 2, 3, 4, dtype=torch.float64)).requires_grad_()
    x = torch.bernoulli(torch.rand(5, 2, 3, 4, dtype=torch.float64))
    due = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(Bernoulli().log_prob(logits, x), due)
    torch.testing.assert_close(bernoulli_log_prob(logits, x), due)
    (gradient,) = torch.autograd.grad(bernoulli_log_prob(logits, x).sum(), logits)
    torch.testing.assert_close(gradient, x - logits.sigmoid())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bernoulli_is_exact_far_out(dtype):
    logits = torch.tensor([[1000.0], [1000.0], [-1000.0], [-1000.0], [-40.0]], dtype=dtype, requires_grad=True)
    x = torch.tensor([[1.0], [0.0], [1.0], [0.0], [0.0]], dtype=dtype)
    log_prob = bernoulli_log_prob(logits, x)
    due = torch.tensor([0.0, -1000.0, -1000.0, 0.0, -math.exp(-40)], dtype=dtype)
    torch.testing.assert_close(log_prob, due, rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(log_prob.sum(), logits)
    torch.testing.assert_close(
        gradient, torch.tensor([[0.0], [-1.0], [1.0], [0.0], [-math.exp(-40)]], dtype=dtype), rtol=0, atol=1e-12
    )


def test_bernoulli_of_grey_is_the_cross_entropy():
    logits, x = torch.tensor([[0.7, -1.2]], dtype=torch.float64), torch.tensor([[0.3, 0.9]], dtype=torch.float64)
    p = logits.sigmoid()
    torch.testing.assert_close(bernoulli_log_prob(logits, x), (x * p.log() + (1 - x) * (1 - p).log()).sum(1))


def test_gaussian_integrates_to_one_and_agrees_with_torch_distributions():
    gaussian = Gaussian(0.3).double()
    params = torch.tensor([[[[0.2, 0.8]]]], dtype=torch.float64)
    axis = torch.linspace(-3, 4, 701, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).view(-1, 1, 1, 2)
    log_prob = gaussian.log_prob(params.expand(len(grid), 1, 1, 2), grid)
    assert (log_prob.exp().sum() * (axis[1] - axis[0]) ** 2).item() == pytest.approx(1, abs=1e-7)

    torch.manual_seed(2)
    params, x = torch.randn(2, 6, 3, 4, 5, dtype=torch.float64).unbind()
    due = torch.distributions.Normal(params, gaussian.log_scale.exp()).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(gaussian.log_prob(params, x), due)


def test_gaussian_scale_is_best_at_the_root_mean_squared_error():
    torch.manual_seed(3)
    params, x = torch.rand(2, 50, 1, 4, 4, dtype=torch.float64).unbind()
    rms = (x - params).square().mean().sqrt().item()
    for factor, sign in [(0.8, 1), (1.0, 0), (1.25, -1)]:
        gaussian = Gaussian(factor * rms, learn_scale=True).double()
        gaussian.log_scale.data.fill_(math.log(factor * rms))
        (slope,) = torch.autograd.grad(gaussian.log_prob(params, x).mean(), gaussian.log_scale)
        assert slope.item() == pytest.approx(16 * (1 / factor**2 - 1), abs=1e-9)
        assert math.copysign(1, slope) == sign or sign == 0
    assert not Gaussian(0.1).log_scale.requires_grad


def test_gaussian_mean_and_samples():
    torch.manual_seed(4)
    gaussian, params = Gaussian(0.05).double(), torch.tensor([[0.3, 0.6, 1.5, -0.4]], dtype=torch.float64)
    torch.testing.assert_close(gaussian.mean(params), torch.tensor([[0.3, 0.6, 1.0, 0.0]], dtype=torch.float64))
    draws = gaussian.sample(params.expand(20_000, 4))
    assert draws.min() >= 0
    assert draws.max() <= 1
    torch.testing.assert_close(draws.mean(0)[:2], params[0, :2], atol=5 * 0.05 / 20_000**0.5, rtol=0)
    torch.testing.assert_close(draws.std(0)[:2], params.new_full((2,), 0.05), atol=5 * 0.05 / 40_000**0.5, rtol=0)


def test_categorical_agrees_with_torch_distributions_in_value_and_gradient():
    torch.manual_seed(5)
    params = (2 * torch.randn(4, 5, 3, 2, 6, dtype=torch.float64)).requires_grad_()
    levels = torch.randint(0, 5, (4, 3, 2, 6))
    due = torch.distributions.Categorical(logits=params.movedim(1, -1)).log_prob(levels).sum((1, 2, 3))
    log_prob = Categorical(5).log_prob(params, levels.double() / 4)
    torch.testing.assert_close(log_prob, due)
    gradient, gradient_due = (
        torch.autograd.grad(value.sum(), params, retain_graph=True)[0] for value in (log_prob, due)
    )
    torch.testing.assert_close(gradient, gradient_due)


def test_categorical_far_out_and_256_levels_in_float32():
    params = torch.zeros(1, 2, 1)
    params[0, 1] = 1000.0
    assert Categorical(2).log_prob(params, torch.tensor([[0.0]])).item() == -1000
    assert Categorical(2).log_prob(params, torch.tensor([[1.0]])).item() == 0
    x = torch.arange(256).view(1, 256) / 255
    params = 1000 * torch.eye(256)[None]
    assert Categorical().log_prob(params, x).item() == 0
    torch.testing.assert_close(Categorical().mean(params), x)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(0.2), Categorical(3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_dtypes_ranges_and_unchanged_arguments(likelihood, dtype):
    torch.manual_seed(6)
    likelihood = likelihood.to(dtype)
    assert likelihood.params_shape(3, 4, 6) == ((3, 4, 6) if likelihood.num_params == 1 else (3, 3, 4, 6))
    params = 5 * torch.randn(1, *likelihood.params_shape(3, 4, 6), dtype=dtype)
    x = torch.randint(0, 3, (1, 3, 4, 6)).to(dtype) / 2
    before = params.clone(), x.clone()
    assert likelihood.log_prob(params, x).shape == (1,)
    for image in (likelihood.mean(params), likelihood.sample(params)):
        assert image.shape == x.shape
        assert image.dtype == dtype
        assert image.min() >= 0
        assert image.max() <= 1
    assert torch.equal(params, before[0])
    assert torch.equal(x, before[1])
    torch.manual_seed(7)
    first = likelihood.sample(params)
    torch.manual_seed(7)
    assert torch.equal(first, likelihood.sample(params))


def test_errors_name_what_came():
    with pytest.raises(ValueError, match=r"logits \(2, 3\), x \(2, 4\)"):
        bernoulli_log_prob(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"params \(2, 3\), x \(2, 1\)"):
        Gaussian().log_prob(torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"\(2, 4, 3\) for x \(2, 3\), got \(2, 5, 3\)"):
        Categorical(4).log_prob(torch.zeros(2, 5, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"3 levels.*got values from 0\.3"):
        Categorical(3).log_prob(torch.zeros(1, 3, 1), torch.tensor([[0.3]]))
    with pytest.raises(ValueError, match="levels"):
        Categorical(3).log_prob(torch.zeros(1, 3, 1), torch.tensor([[1.5]]))
    with pytest.raises(ValueError, match=r"got -0\.1"):
        Gaussian(-0.1)
    with pytest.raises(ValueError, match="got 1"):
        Categorical(1)
