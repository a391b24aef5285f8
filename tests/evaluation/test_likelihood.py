"""Evaluation against closed forms: a linear-Gaussian model whose likelihood is known."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from course_utils import evaluation
from course_utils.models.latent.likelihoods import Gaussian
from course_utils.models.latent.vae import VAE


def test_bits_per_dim_of_a_uniform_image():
    """256 equally likely levels are 8 bits, whatever the size."""
    nll = torch.tensor([12, 12], dtype=torch.float64) * math.log(256)
    torch.testing.assert_close(evaluation.bits_per_dim(nll, 12), torch.full((2,), 8.0, dtype=torch.float64))
    assert evaluation.bits_per_dim(784 * math.log(2), 784) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="num_dims must be at least 1, got 0"):
        evaluation.bits_per_dim(1.0, 0)


def test_estimate_mean_over_uneven_batches():
    x = torch.arange(7, dtype=torch.float64)
    y = 2 * x
    result = evaluation.estimate_mean(lambda x, y: x + y, x, y, batch_size=3)
    assert result.mean == pytest.approx((3 * x).mean().item())
    assert result.standard_error == pytest.approx((3 * x).std().item() / math.sqrt(7))
    assert result.num_examples == 7
    assert str(result) == f"9.00 +- {result.standard_error:.2f} nats"
    assert evaluation.estimate_mean(lambda x: x.square(), x.clone().requires_grad_()).mean == 13.0
    with pytest.raises(ValueError, match="no examples"):
        evaluation.estimate_mean(lambda x: x, x[:0])
    with pytest.raises(ValueError, match=r"one number for each of 7 examples was due, but the shape is \(\)"):
        evaluation.estimate_mean(lambda x: x.sum(), x)


def test_bounds_bracket_the_likelihood_of_a_linear_gaussian_model():
    """p(x) = N(0, W W' + s I) exactly; the ELBO of a poor q lies well below, and K = 200 closes most of the gap."""
    torch.manual_seed(0)
    num_dims, latent_dim, scale = 4, 2, 0.5
    weight = torch.randn(num_dims, latent_dim, dtype=torch.float64)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(num_dims, 2 * latent_dim)).double()
    nn.init.zeros_(encoder[1].weight)
    nn.init.zeros_(encoder[1].bias)  # q is the prior
    decoder = nn.Sequential(nn.Linear(latent_dim, num_dims, bias=False), nn.Unflatten(1, (1, 2, 2))).double()
    with torch.no_grad():
        decoder[0].weight.copy_(0.1 * weight)
    model = VAE(encoder, decoder, latent_dim, Gaussian(scale=scale)).double()
    covariance = 0.01 * weight @ weight.T + scale**2 * torch.eye(num_dims, dtype=torch.float64)
    x = torch.rand(2000, 1, 2, 2, dtype=torch.float64)
    exact = (
        MultivariateNormal(torch.zeros(num_dims, dtype=torch.float64), covariance).log_prob(x.flatten(1)).mean().item()
    )
    elbo = evaluation.evaluate_elbo(model, x)
    bound = evaluation.evaluate_importance_weighted(model, x, num_samples=200)
    assert elbo.mean < bound.mean - 0.01
    assert abs(bound.mean - exact) < 0.01
    assert elbo.mean < exact
