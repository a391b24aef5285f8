"""The hierarchical VAE against two-dimensional quadrature over one latent variable in each of two layers."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from course_utils.models.latent.hvae import HierarchicalVAE, gaussian_kl_between, gaussian_product
from course_utils.models.latent.likelihoods import Bernoulli, Categorical, Gaussian
from course_utils.models.latent.vae import gaussian_kl


def small_hvae(latent_dims=(1, 1), seed=0):
    torch.manual_seed(seed)
    hvae = HierarchicalVAE((1, 2, 3), latent_dims, hidden_dim=8).double()
    with torch.no_grad():
        for parameter in hvae.parameters():
            parameter.normal_(std=0.6)
        for evidence in hvae.evidence:
            half = len(evidence[0].bias) // 2
            evidence[0].weight[half:] *= 0.1
            evidence[0].bias[half:] = 1.0
        for prior in hvae.priors:
            # Widths that stay well above the cell of the grid, wherever z_2 is.
            half = len(prior[-1].bias) // 2
            prior[-1].weight[half:] *= 0.1
    return hvae


def images(num_images=3):
    return torch.randint(0, 2, (num_images, 1, 2, 3), generator=torch.Generator().manual_seed(1)).double()


def by_quadrature(hvae, x, num_points=801):
    """For each image: log p(x), the ELBO, the KL of both layers (z_1, z_2) in expectation: (B,), (B,), (B, 2)."""
    axis = torch.linspace(-20, 20, num_points, dtype=torch.float64)
    cell = (axis[1] - axis[0]).item()
    z1, z2 = axis[:, None], axis[None, :]
    mu_p, logvar_p = hvae.priors[0](axis[:, None]).T
    log_p1 = Normal(mu_p, torch.exp(logvar_p / 2)).log_prob(z1)
    log_p2 = Normal(0.0, 1.0).log_prob(z2)
    results = []
    for image in x:
        log_px_given_z = (
            torch.distributions.Bernoulli(logits=hvae.decoder(axis[:, None])).log_prob(image).sum((1, 2, 3))
        )
        log_joint = log_px_given_z[:, None] + log_p1 + log_p2
        log_px = log_joint.flatten().logsumexp(0) + 2 * math.log(cell)

        hidden = hvae.features[0](image.flatten()[None])
        (mu_1, logvar_1), (mu_2, logvar_2) = hvae.evidence[0](hidden)[0], hvae.evidence[1](hvae.features[1](hidden))[0]
        log_q2 = Normal(mu_2, torch.exp(logvar_2 / 2)).log_prob(z2)
        # q(z_1 | z_2, x) as the product of evidence and prior, normalised on the grid.
        log_q1 = Normal(mu_1, torch.exp(logvar_1 / 2)).log_prob(z1) + log_p1
        log_q1 = log_q1 - log_q1.logsumexp(0, keepdim=True) - math.log(cell)
        q2 = log_q2.exp() * cell
        q = log_q1.exp() * cell * q2
        kl_1 = (q * (log_q1 - log_p1)).sum()
        kl_2 = (q2 * (log_q2 - log_p2)).sum()
        results.append((log_px, (q * (log_joint - log_q1 - log_q2)).sum(), torch.stack([kl_1, kl_2])))
    return tuple(torch.stack(values) for values in zip(*results, strict=True))


def test_gaussian_kl_between_against_torch_distributions():
    torch.manual_seed(0)
    mu_q, logvar_q, mu_p, logvar_p = torch.randn(4, 6, 3, dtype=torch.float64)
    due = kl_divergence(Normal(mu_q, torch.exp(logvar_q / 2)), Normal(mu_p, torch.exp(logvar_p / 2))).sum(1)
    torch.testing.assert_close(gaussian_kl_between(mu_q, logvar_q, mu_p, logvar_p), due)
    zeros = torch.zeros_like(mu_q)
    torch.testing.assert_close(gaussian_kl_between(mu_q, logvar_q, zeros, zeros), gaussian_kl(mu_q, logvar_q))
    assert gaussian_kl_between(mu_q, logvar_q, mu_q, logvar_q).abs().max() == 0


def test_gaussian_product_is_proportional_to_the_product_of_densities():
    torch.manual_seed(1)
    mu_a, logvar_a, mu_b, logvar_b = torch.randn(4, 5, 1, dtype=torch.float64)
    mu, logvar = gaussian_product(mu_a, logvar_a, mu_b, logvar_b)
    z = torch.linspace(-4, 4, 50, dtype=torch.float64)
    product = sum(Normal(m, torch.exp(v / 2)).log_prob(z) for m, v in ((mu_a, logvar_a), (mu_b, logvar_b)))
    log_ratio = product - Normal(mu, torch.exp(logvar / 2)).log_prob(z)
    torch.testing.assert_close(log_ratio, log_ratio[:, :1].expand_as(log_ratio))


def test_elbo_and_kl_per_layer_agree_with_quadrature():
    hvae, x = small_hvae(), images()
    log_px, bound, kls = by_quadrature(hvae, x)
    torch.manual_seed(2)
    repeats = 20_000
    repeated = x.repeat(repeats, 1, 1, 1)
    draws = hvae.elbo(repeated).view(repeats, 3)
    sigma = draws.std(0) / repeats**0.5
    assert ((draws.mean(0) - bound).abs() < 5 * sigma).all()
    assert (draws.mean(0) + 5 * sigma < log_px).all()
    layers = hvae.kl_per_layer(repeated)
    assert (layers >= 0).all()
    layers = layers.view(repeats, 3, 2)
    assert ((layers.mean(0) - kls).abs() < 5 * layers.std(0) / repeats**0.5 + 1e-6).all()
    assert (kls > 0.01).all()


def test_elbo_gradient_is_that_of_the_quadrature():
    hvae, x = small_hvae(), images(2)
    parameters = list(hvae.parameters())

    def flat_gradient(value):
        return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(value, parameters)])

    due = flat_gradient(by_quadrature(hvae, x)[1].mean())
    torch.manual_seed(3)
    estimates = torch.stack([flat_gradient(-hvae.loss(x.repeat(400, 1, 1, 1))) for _ in range(60)])
    sigma = estimates.std(0) / 60**0.5
    assert due.abs().max() > 0.1
    assert ((estimates.mean(0) - due).abs() < 5.5 * sigma + 1e-6).all()


def test_importance_weights_are_unbiased_for_px():
    hvae, x = small_hvae(), images()
    log_px, bound, _ = by_quadrature(hvae, x)
    torch.manual_seed(4)
    log_weights = hvae.log_weights(x, 40_000)
    assert ((log_weights.mean(0) - bound).abs() < 5 * log_weights.std(0) / 200).all()
    ratio = torch.exp(log_weights - log_px)
    sigma = ratio.std(0) / 200
    assert ((ratio.mean(0) - 1).abs() < 5 * sigma).all()
    assert (sigma < 0.05).all()
    torch.testing.assert_close(hvae.importance_log_prob(x, 20_000, chunk=4000), log_px, atol=0.1, rtol=0)
    assert hvae.importance_log_prob(x, 7, chunk=2).shape == (3,)


@pytest.mark.parametrize("latent_dims", [(2,), (1, 2), (3, 2, 1)])
def test_terms_loss_and_layers_fit_together(latent_dims):
    hvae, x = small_hvae(latent_dims), images()
    for settings, beta in (({}, 1.0), ({"beta": 0.0}, 0.0), ({"beta": 3.0}, 3.0)):
        torch.manual_seed(5)
        log_px_given_z, kl = hvae.terms(x)
        torch.manual_seed(5)
        torch.testing.assert_close(hvae.loss(x, **settings), (beta * kl - log_px_given_z).mean())
    torch.manual_seed(5)
    layers = hvae.kl_per_layer(x)
    assert layers.shape == (3, len(latent_dims))
    torch.testing.assert_close(layers.sum(1), kl)
    torch.testing.assert_close(layers[:, -1], gaussian_kl(*hvae.encode(x)[-1]))
    draws, _, _ = hvae.infer(hvae.encode(x))
    assert [z.shape for z in draws] == [(3, dim) for dim in latent_dims]


def test_samples_have_the_moments_of_the_marginal():
    hvae = small_hvae()
    axis = torch.linspace(-20, 20, 1601, dtype=torch.float64)
    mu_p, logvar_p = hvae.prior(0, axis[:, None])
    step = axis[1] - axis[0]
    p_z1_given_z2 = Normal(mu_p, torch.exp(logvar_p / 2)).log_prob(axis).exp() * step
    p_z1 = Normal(0.0, 1.0).log_prob(axis).exp() * step @ p_z1_given_z2
    p = hvae.decoder(axis[:, None]).sigmoid().flatten(1)
    second = torch.einsum("g,gi,gj->ij", p_z1, p, p)
    second.diagonal().copy_(p_z1 @ p)
    torch.manual_seed(6)
    x = hvae.sample(40_000).flatten(1)
    sigma = (second * (1 - second) / len(x)).sqrt()
    assert ((x.T @ x / len(x) - second).abs() < 5 * sigma).all()

    z_top = 1.5
    near = (axis - z_top).abs().argmin()
    due = p_z1_given_z2[near] @ p
    means = hvae.descend(torch.full((20_000, 1), axis[near].item(), dtype=torch.float64)).flatten(1)
    assert ((means.mean(0) - due).abs() < 5 * means.std(0) / 20_000**0.5).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("likelihood", [Bernoulli, lambda: Gaussian(0.2, learn_scale=True), lambda: Categorical(3)])
def test_likelihoods_dtypes_and_loading(likelihood, dtype):
    first, second = (HierarchicalVAE((3, 4, 2), (4, 3, 2), 16, 2, likelihood()).to(dtype) for _ in range(2))
    second.load_state_dict(first.state_dict())
    x = torch.randint(0, 3, (1, 3, 4, 2)).to(dtype) / 2
    results = []
    for model in (first, second):
        torch.manual_seed(7)
        results.append((model.elbo(x), model.sample(2), model.reconstruct(x)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    bound, draws, x_hat = results[0]
    assert bound.dtype == draws.dtype == x_hat.dtype == dtype
    assert draws.shape == (2, 3, 4, 2)
    assert x_hat.shape == x.shape
    first.loss(x).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in first.parameters())


def test_training_beats_independent_pixels_from_a_start_where_no_layer_is_silent():
    torch.manual_seed(8)
    group = torch.randint(0, 4, (1000,))
    prototypes = torch.bernoulli(torch.full((4, 1, 4, 4), 0.5), generator=torch.Generator().manual_seed(9))
    x = torch.bernoulli(prototypes[group] * 0.8 + 0.1)
    hvae = HierarchicalVAE((1, 4, 4), (4, 2), hidden_dim=32)
    assert hvae.kl_per_layer(x).mean(0).min() > 0.5  # a layer that starts silent tends to stay so
    optimizer = torch.optim.Adam(hvae.parameters(), lr=3e-3)
    for step in range(400):
        loss = hvae.loss(x[torch.randint(0, 1000, (200,))], beta=min(1.0, step / 200))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    independent = torch.distributions.Bernoulli(x.mean(0)).log_prob(x).sum((1, 2, 3)).mean()
    assert hvae.elbo(x).mean() > independent + 0.5
    assert hvae.kl_per_layer(x).sum(1).mean() > 0.5


def test_errors_name_what_came():
    hvae, x = small_hvae(), images()
    with pytest.raises(ValueError, match=r"\(1, 2, 3\), got x \(3, 6\)"):
        hvae.elbo(x.flatten(1))
    with pytest.raises(ValueError, match="got values from 0 to 2"):
        hvae.elbo(2 * x)
    with pytest.raises(ValueError, match="got 0"):
        hvae.sample(0)
    with pytest.raises(ValueError, match="got -1"):
        hvae.log_weights(x, -1)
    with pytest.raises(ValueError, match=r"z must be \(B, 1\), got \(3, 2\)"):
        hvae.descend(torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"got \(\)"):
        HierarchicalVAE((1, 2, 3), ())
    with pytest.raises(ValueError, match=r"got \(4, 0\)"):
        HierarchicalVAE((1, 2, 3), (4, 0))
