"""The importance-weighted bound against its definition, and IWAE against quadrature over a one-dimensional latent."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from course_utils.models.latent.iwae import IWAE, importance_weighted_bound
from course_utils.models.latent.vae import conv_vae, dense_vae


def small_iwae(num_samples=5):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    decoder = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 4), nn.Unflatten(1, (1, 2, 2)))
    iwae = IWAE(encoder, decoder, 1, num_samples=num_samples).double()
    with torch.no_grad():
        for parameter in iwae.parameters():
            parameter.normal_()
        encoder[-1].weight[1:] *= 0.1
        encoder[-1].bias[1:] = 0.8
    return iwae


def images():
    return torch.tensor([[1.0, 0, 1, 1], [0, 0, 1, 0], [1, 1, 0, 0]], dtype=torch.float64).view(3, 1, 2, 2)


def quadrature(iwae, x, num_points=400):
    """Points z (G,), log q(z | x) with the cell's volume, and log p(x, z) - log q(z | x), both (G, B)."""
    z = torch.linspace(-9, 9, num_points, dtype=torch.float64)
    log_joint = torch.distributions.Bernoulli(logits=iwae.decoder(z[:, None])[:, None]).log_prob(x).sum((2, 3, 4))
    log_joint = log_joint + Normal(0.0, 1.0).log_prob(z)[:, None]
    mu, logvar = iwae.encoder(x).T
    log_q = Normal(mu, torch.exp(logvar / 2)).log_prob(z[:, None])
    return log_q + math.log(z[1] - z[0]), log_joint - log_q


def test_bound_is_the_log_of_the_mean_weight():
    torch.manual_seed(1)
    log_weights = torch.randn(7, 3, dtype=torch.float64)
    torch.testing.assert_close(importance_weighted_bound(log_weights), log_weights.exp().mean(0).log())
    torch.testing.assert_close(importance_weighted_bound(log_weights[:1]), log_weights[0])
    same = torch.full((5, 2), -3.5, dtype=torch.float64)
    torch.testing.assert_close(importance_weighted_bound(same), same[0])


@pytest.mark.parametrize("offset", [-1e4, -1000.0, 1000.0, 1e4])
def test_bound_is_stable_far_out(offset):
    torch.manual_seed(2)
    log_weights = torch.randn(7, 3, dtype=torch.float64)
    due = importance_weighted_bound(log_weights) + offset
    torch.testing.assert_close(importance_weighted_bound(log_weights + offset), due)
    one_dominates = torch.tensor([[0.0], [-2000.0]], dtype=torch.float64)
    assert importance_weighted_bound(one_dominates).item() == pytest.approx(-math.log(2))


def test_bound_gradients_are_the_normalised_weights():
    torch.manual_seed(3)
    log_weights = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(importance_weighted_bound(log_weights).sum(), log_weights)
    torch.testing.assert_close(gradient, log_weights.softmax(0))


def test_bound_lies_between_mean_and_maximum():
    torch.manual_seed(4)
    log_weights = 3 * torch.randn(9, 50, dtype=torch.float64)
    bound = importance_weighted_bound(log_weights)
    assert (bound >= log_weights.mean(0)).all()
    assert (bound <= log_weights.amax(0)).all()


def test_one_sample_and_two_samples_against_quadrature():
    iwae, x = small_iwae(), images()
    log_q, log_weights = quadrature(iwae, x)
    q = log_q.exp()
    log_px = (log_q + log_weights).logsumexp(0)
    exact_1 = (q * log_weights).sum(0)
    pair = torch.logaddexp(log_weights[:, None], log_weights[None]) - math.log(2)
    exact_2 = torch.einsum("gb,hb,ghb->b", q, q, pair)
    assert (exact_1 < exact_2).all()
    assert (exact_2 < log_px).all()
    torch.manual_seed(5)
    repeats = 20_000
    for num_samples, exact in ((1, exact_1), (2, exact_2)):
        draws = iwae.bound(x.repeat(repeats, 1, 1, 1), num_samples).view(repeats, 3)
        assert ((draws.mean(0) - exact).abs() < 5 * draws.std(0) / repeats**0.5).all()
    torch.testing.assert_close(iwae.bound(x, 100_000), log_px, atol=0.05, rtol=0)


def test_loss_gradient_is_that_of_the_exact_two_sample_bound():
    iwae, x = small_iwae(num_samples=2), images()[:2]
    log_q, log_weights = quadrature(iwae, x)
    pair = torch.logaddexp(log_weights[:, None], log_weights[None]) - math.log(2)
    exact = torch.einsum("gb,hb,ghb->b", log_q.exp(), log_q.exp(), pair).mean()
    parameters = list(iwae.encoder.parameters()) + list(iwae.decoder.parameters())

    def flat_gradient(value):
        return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(value, parameters)])

    due = -flat_gradient(exact)
    torch.manual_seed(6)
    estimates = torch.stack([flat_gradient(iwae.loss(x.repeat(400, 1, 1, 1))) for _ in range(60)])
    sigma = estimates.std(0) / 60**0.5
    assert due.abs().max() > 0.1
    assert ((estimates.mean(0) - due).abs() < 5.5 * sigma + 1e-12).all()


def test_loss_uses_the_number_of_samples():
    iwae, x = small_iwae(num_samples=3), images()
    assert iwae.log_weights(x, 3).shape == (3, 3)
    for given, used in ((None, 3), (8, 8)):
        torch.manual_seed(7)
        due = -importance_weighted_bound(iwae.log_weights(x, used)).mean()
        torch.manual_seed(7)
        torch.testing.assert_close(iwae.loss(x, given), due)
    torch.manual_seed(8)
    bound = importance_weighted_bound(iwae.log_weights(x, 6))
    torch.manual_seed(8)
    torch.testing.assert_close(iwae.importance_log_prob(x, 6), bound)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("build", [dense_vae, conv_vae])
def test_builders_dtypes_and_loading(build, dtype):
    first, second = (build((1, 8, 8), 3, 8, model=IWAE, num_samples=4).to(dtype) for _ in range(2))
    second.load_state_dict(first.state_dict())
    assert first.num_samples == 4
    x = torch.rand(1, 1, 8, 8, dtype=dtype)
    values = []
    for model in (first, second):
        torch.manual_seed(9)
        values.append(model.loss(x))
    assert torch.equal(*values)
    assert values[0].shape == ()
    assert values[0].dtype == dtype


def test_errors_name_what_came():
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        importance_weighted_bound(torch.zeros(3))
    with pytest.raises(ValueError, match=r"got \(0, 3\)"):
        importance_weighted_bound(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="got 0"):
        small_iwae(num_samples=0)
    with pytest.raises(ValueError, match="got -2"):
        small_iwae().loss(images(), -2)
