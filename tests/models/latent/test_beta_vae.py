"""The schedule point by point, and the losses of the beta-VAE from the terms of the plain VAE."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from course_utils.models.latent.beta_vae import BetaVAE, beta_schedule
from course_utils.models.latent.likelihoods import Gaussian
from course_utils.models.latent.vae import conv_vae, dense_vae


def beta_vae(**settings):
    torch.manual_seed(0)
    return dense_vae((1, 4, 4), latent_dim=3, hidden_dim=16, model=BetaVAE, **settings).double()


def seeded_terms(vae, x):
    torch.manual_seed(1)
    terms = vae.terms(x)
    torch.manual_seed(1)
    return terms


def test_schedule_is_linear_then_constant():
    assert [beta_schedule(step, 4) for step in range(7)] == [0, 0.25, 0.5, 0.75, 1, 1, 1]
    assert [beta_schedule(step, 10, 4.0) for step in (0, 1, 5, 10, 1000)] == [0, 0.4, 2, 4, 4]
    assert beta_schedule(3, 10, 0.0) == 0
    assert beta_schedule(0, 1) == 0
    assert float(beta_schedule(torch.tensor(5), torch.tensor(10), torch.tensor(3.0))) == 1.5


@pytest.mark.parametrize(("step", "warmup_steps", "named"), [(3, 0, "got 0"), (3, -5, "got -5"), (-1, 5, "got -1")])
def test_schedule_errors(step, warmup_steps, named):
    with pytest.raises(ValueError, match=named):
        beta_schedule(step, warmup_steps)


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_loss_weighs_the_kl_by_beta_and_elbo_stays_the_bound(beta):
    vae, x = beta_vae(beta=beta), torch.rand(5, 1, 4, 4, dtype=torch.float64)
    log_px_given_z, kl = seeded_terms(vae, x)
    torch.testing.assert_close(vae.loss(x), (beta * kl - log_px_given_z).mean())
    seeded_terms(vae, x)
    torch.testing.assert_close(vae.loss(x, beta=2.5), (2.5 * kl - log_px_given_z).mean())
    seeded_terms(vae, x)
    torch.testing.assert_close(vae.loss(x, beta=0.0), -log_px_given_z.mean())
    seeded_terms(vae, x)
    torch.testing.assert_close(vae.elbo(x), log_px_given_z - kl)


def test_default_beta_is_four():
    assert beta_vae().beta == 4.0
    with pytest.raises(ValueError, match="got -1"):
        beta_vae(beta=-1)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_capacity_loss_is_the_distance_of_the_kl_from_the_capacity(factor):
    vae, x = beta_vae(), torch.rand(5, 1, 4, 4, dtype=torch.float64)
    log_px_given_z, kl = seeded_terms(vae, x)
    capacity = factor * kl.mean().item()
    due = -log_px_given_z.mean() + 30 * sum(abs(value - capacity) for value in kl.tolist()) / 5
    torch.testing.assert_close(vae.capacity_loss(x, capacity, gamma=30), due)
    seeded_terms(vae, x)
    torch.testing.assert_close(vae.capacity_loss(x, 0.0, gamma=2.0), (2 * kl - log_px_given_z).mean())


def test_capacity_holds_the_kl_where_it_was_told():
    torch.manual_seed(2)
    x = torch.bernoulli(torch.full((256, 1, 4, 4), 0.5))
    vae = dense_vae((1, 4, 4), latent_dim=3, hidden_dim=32, model=BetaVAE)
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    for _ in range(400):
        loss = vae.capacity_loss(x, 2.0, gamma=20.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert vae.terms(x)[1].mean().item() == pytest.approx(2.0, abs=0.4)


def test_kl_per_latent_against_torch_distributions():
    vae, x = beta_vae(), torch.rand(5, 1, 4, 4, dtype=torch.float64)
    mu, logvar = vae.encode(x)
    due = kl_divergence(Normal(mu, torch.exp(logvar / 2)), Normal(torch.zeros_like(mu), 1.0))
    torch.testing.assert_close(vae.kl_per_latent(x), due)
    torch.testing.assert_close(vae.kl_per_latent(x).sum(1), vae.terms(x)[1])


def test_larger_beta_spends_fewer_nats_on_the_latents():
    torch.manual_seed(3)
    factors = torch.rand(512, 2, 1, 1) > 0.5
    x = torch.cat([factors[:, :1].float().expand(-1, 1, 2, 4), factors[:, 1:].float().expand(-1, 1, 2, 4)], dim=2)
    spent = []
    for beta in (0.1, 1.0, 30.0):
        torch.manual_seed(4)
        vae = dense_vae((1, 4, 4), latent_dim=3, hidden_dim=32, model=BetaVAE, beta=beta)
        optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
        for _ in range(250):
            loss = vae.loss(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        spent.append(vae.terms(x)[1].mean().item())
    assert spent[0] > spent[1] + 0.5
    assert spent[1] > 1
    assert spent[2] < 0.1


def test_builders_pass_likelihood_and_beta_on_and_weights_load():
    first = conv_vae((1, 8, 8), 3, 8, Gaussian(0.2), BetaVAE, beta=7.0)
    second = conv_vae((1, 8, 8), 3, 8, Gaussian(0.5), BetaVAE, beta=7.0)
    second.load_state_dict(first.state_dict())
    x = torch.rand(1, 1, 8, 8)
    torch.manual_seed(5)
    value = first.loss(x)
    torch.manual_seed(5)
    assert torch.equal(value, second.loss(x))
    assert first.beta == 7.0
    assert value.shape == ()
