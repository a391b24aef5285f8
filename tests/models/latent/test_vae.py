"""The VAE against quadrature over its latents, linear-Gaussian closed forms and torch.distributions, in float64."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_utils.models.density.gaussian import gaussian_log_prob
from course_utils.models.latent.likelihoods import Bernoulli, Categorical, Gaussian
from course_utils.models.latent.vae import (
    VAE,
    conv_vae,
    dense_vae,
    elbo,
    gaussian_kl,
    importance_log_prob,
    reparameterize,
)

PIXELS = 6


def small_vae(latent_dim, seed=0):
    """A VAE of six pixels with smooth networks and large random weights, whose posterior is far from its q.

    q is wider than the prior, so that importance weights are bounded and n sigma mean what they say.
    """
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 8), nn.Tanh(), nn.Linear(8, 2 * latent_dim))
    decoder = nn.Sequential(nn.Linear(latent_dim, 8), nn.Tanh(), nn.Linear(8, PIXELS), nn.Unflatten(1, (1, 2, 3)))
    vae = VAE(encoder, decoder, latent_dim).double()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.normal_(std=0.7)
        encoder[-1].weight[latent_dim:] *= 0.15
        encoder[-1].bias[latent_dim:] = 0.8
    return vae


def some_images(num_images=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (num_images, 1, 2, 3), generator=generator).double()


def latent_grid(latent_dim, num_points=161, limit=9.0):
    """Points (G, Z) and the log of the cell's volume: the trapezium rule, exact to many digits for Gaussian tails."""
    axis = torch.linspace(-limit, limit, num_points, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * latent_dim).view(-1, latent_dim)
    return z, latent_dim * math.log(axis[1] - axis[0])


def by_quadrature(vae, x):
    """For each image: log p(x), the ELBO and KL(q || posterior), (B,), from densities of torch.distributions."""
    z, log_cell = latent_grid(vae.latent_dim)
    logits = vae.decoder(z).unsqueeze(1)
    log_px_given_z = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum((2, 3, 4))
    log_joint = log_px_given_z + Normal(0.0, 1.0).log_prob(z).sum(1, keepdim=True)
    log_px = (log_joint + log_cell).logsumexp(0)
    mu, logvar = vae.encoder(x).chunk(2, dim=1)
    log_q = Normal(mu, torch.exp(0.5 * logvar)).log_prob(z.unsqueeze(1)).sum(-1)
    q = torch.exp(log_q + log_cell)
    bound = (q * (log_joint - log_q)).sum(0)
    gap = (q * (log_q - (log_joint - log_px))).sum(0)
    return log_px, bound, gap


def linear_gaussian(latent_dim=2, scale=0.4):
    """A VAE with x = W z + b + noise, columns of W orthogonal, and its exact posterior as the encoder."""
    torch.manual_seed(3)
    w = torch.linalg.qr(torch.randn(PIXELS, latent_dim, dtype=torch.float64))[0] * torch.tensor([1.5, 0.5])[:latent_dim]
    b = torch.rand(PIXELS, dtype=torch.float64)
    decoder = nn.Sequential(nn.Linear(latent_dim, PIXELS), nn.Unflatten(1, (1, 2, 3)))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 2 * latent_dim))
    vae = VAE(encoder, decoder, latent_dim, Gaussian(scale)).double()
    scale = vae.likelihood.log_scale.exp()
    variance = 1 / (1 + (w**2).sum(0) / scale**2)
    to_mu = variance[:, None] * w.T / scale**2
    with torch.no_grad():
        decoder[0].weight.copy_(w)
        decoder[0].bias.copy_(b)
        encoder[1].weight.copy_(torch.cat([to_mu, torch.zeros_like(to_mu)]))
        encoder[1].bias.copy_(torch.cat([-to_mu @ b, variance.log()]))
    marginal = MultivariateNormal(b, w @ w.T + scale**2 * torch.eye(PIXELS))
    return vae, marginal, w, variance, scale


# The pieces.


def test_reparameterize_has_the_right_moments():
    torch.manual_seed(0)
    mu = torch.tensor([-1.0, 0.0, 3.0], dtype=torch.float64).expand(100_000, 3)
    logvar = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64).expand(100_000, 3)
    z = reparameterize(mu, logvar)
    standardised = (z - mu) / torch.exp(logvar).sqrt()
    assert (standardised.mean(0).abs() < 5 / 100_000**0.5).all()
    assert ((standardised.var(0) - 1).abs() < 5 * (2 / 100_000) ** 0.5).all()
    correlation = torch.corrcoef(standardised.T) - torch.eye(3)
    assert (correlation.abs() < 5 / 100_000**0.5).all()
    assert (standardised.pow(3).mean(0).abs() < 5 * (15 / 100_000) ** 0.5).all()


def test_reparameterize_gradients_by_value():
    torch.manual_seed(1)
    mu = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    logvar = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    before = mu.detach().clone(), logvar.detach().clone()
    z = reparameterize(mu, logvar)
    dmu, dlogvar = torch.autograd.grad(z.sum(), (mu, logvar))
    torch.testing.assert_close(dmu, torch.ones_like(mu))
    torch.testing.assert_close(dlogvar, (z - mu) / 2)
    assert torch.equal(mu, before[0])
    assert torch.equal(logvar, before[1])


def test_reparameterize_is_mu_plus_sigma_times_the_noise_drawn():
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, -1.0]])
    torch.manual_seed(2)
    noise = torch.randn(1, 2)
    torch.manual_seed(2)
    torch.testing.assert_close(reparameterize(mu, logvar), mu + torch.exp(logvar).sqrt() * noise)


def test_reparameterize_is_fresh_each_call_and_repeats_under_a_seed():
    mu = logvar = torch.zeros(4, 2)
    torch.manual_seed(2)
    first, second = reparameterize(mu, logvar), reparameterize(mu, logvar)
    assert not torch.equal(first, second)
    torch.manual_seed(2)
    assert torch.equal(first, reparameterize(mu, logvar))


def test_gaussian_kl_against_torch_distributions_and_monte_carlo():
    torch.manual_seed(3)
    mu, logvar = 2 * torch.randn(2, 7, 4, dtype=torch.float64)
    q, p = Normal(mu, torch.exp(logvar / 2)), Normal(torch.zeros_like(mu), 1.0)
    kl = gaussian_kl(mu, logvar)
    assert kl.shape == (7,)
    torch.testing.assert_close(kl, kl_divergence(q, p).sum(1))
    z = reparameterize(mu.expand(50_000, 7, 4), logvar.expand(50_000, 7, 4))
    log_ratio = gaussian_log_prob(z, mu, logvar) - gaussian_log_prob(z, torch.zeros_like(mu), torch.zeros_like(mu))
    sigma = log_ratio.std(0) / 50_000**0.5
    assert ((log_ratio.mean(0) - kl).abs() < 5 * sigma).all()


def test_gaussian_kl_gradients_by_value():
    torch.manual_seed(4)
    mu, logvar = torch.randn(2, 3, 4, dtype=torch.float64).unbind()
    mu.requires_grad_()
    logvar.requires_grad_()
    dmu, dlogvar = torch.autograd.grad(gaussian_kl(mu, logvar).sum(), (mu, logvar))
    torch.testing.assert_close(dmu, mu)
    torch.testing.assert_close(dlogvar, (torch.exp(logvar) - 1) / 2)


def test_gaussian_kl_is_never_negative_near_the_prior_and_finite_far_out():
    logvar = torch.cat([torch.zeros(1), torch.logspace(-9, 0, 2000), -torch.logspace(-9, 0, 2000)]).unsqueeze(1)
    kl = gaussian_kl(torch.zeros_like(logvar), logvar)
    assert kl.min() >= 0
    assert kl[0] == 0
    far = gaussian_kl(torch.full((1, 2), 60.0, dtype=torch.float64), torch.full((1, 2), -50.0, dtype=torch.float64))
    assert far.item() == pytest.approx(3600 + 49)


def test_gaussian_log_prob_against_torch_distributions():
    torch.manual_seed(5)
    z, mu, logvar = torch.randn(3, 6, 4, dtype=torch.float64)
    due = Normal(mu, torch.exp(logvar / 2)).log_prob(z).sum(1)
    torch.testing.assert_close(gaussian_log_prob(z, mu, logvar), due)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_elbo_function_term_by_term(beta):
    torch.manual_seed(6)
    logits, x = torch.randn(5, 1, 2, 3, dtype=torch.float64), some_images(5)
    mu, logvar = torch.randn(2, 5, 3, dtype=torch.float64)
    log_px_given_z = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3))
    kl = kl_divergence(Normal(mu, torch.exp(logvar / 2)), Normal(torch.zeros_like(mu), 1.0)).sum(1)
    torch.testing.assert_close(elbo(logits, x, mu, logvar, beta), log_px_given_z - beta * kl)
    torch.testing.assert_close(elbo(logits, x, mu, logvar, torch.tensor(beta)), log_px_given_z - beta * kl)
    torch.testing.assert_close(elbo(logits, x, mu, logvar), log_px_given_z - kl)


# The bound, by quadrature.


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_elbo_is_below_log_px_by_kl_to_the_posterior(latent_dim):
    vae, x = small_vae(latent_dim), some_images()
    log_px, bound, gap = by_quadrature(vae, x)
    assert (gap > 0.01).all()
    num_draws = 20_000
    log_px_given_z, kl = vae.terms(x.repeat(num_draws, 1, 1, 1))
    draws = (log_px_given_z - kl).view(num_draws, len(x))
    sigma = draws.std(0) / num_draws**0.5
    assert ((draws.mean(0) - bound).abs() < 5 * sigma).all()
    assert ((log_px - draws.mean(0) - gap).abs() < 5 * sigma).all()
    assert (draws.mean(0) + 5 * sigma < log_px).all()
    torch.testing.assert_close(log_px - bound, gap, atol=1e-4, rtol=0)


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_elbo_gradient_is_that_of_the_quadrature(latent_dim):
    vae, x = small_vae(latent_dim), some_images(2)
    parameters = list(vae.encoder.parameters()) + list(vae.decoder.parameters())

    def flat_gradient(value):
        return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(value, parameters)])

    due = flat_gradient(by_quadrature(vae, x)[1].mean())
    estimates = torch.stack([flat_gradient(-vae.loss(x.repeat(500, 1, 1, 1))) for _ in range(60)])
    sigma = estimates.std(0) / len(estimates) ** 0.5
    assert due.abs().max() > 0.1
    assert ((estimates.mean(0) - due).abs() < 5.5 * sigma + 1e-12).all()
    assert (sigma < 0.05).all()


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_importance_weights_are_unbiased_for_px(latent_dim):
    vae, x = small_vae(latent_dim), some_images()
    log_px, _, _ = by_quadrature(vae, x)
    num_samples = 40_000
    ratio = torch.exp(vae.log_weights(x, num_samples) - log_px)
    assert ratio.shape == (num_samples, len(x))
    sigma = ratio.std(0) / num_samples**0.5
    assert ((ratio.mean(0) - 1).abs() < 5 * sigma).all()
    assert (sigma < 0.1).all()


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_importance_log_prob_rises_with_k_from_the_elbo_to_log_px(latent_dim):
    vae, x = small_vae(latent_dim), some_images(3)
    log_px, bound, _ = by_quadrature(vae, x)
    repeats = 4000
    previous, previous_sigma = None, None
    for num_samples in (1, 4, 16):
        draws = vae.importance_log_prob(x.repeat(repeats, 1, 1, 1), num_samples, chunk=8000).view(repeats, 3)
        estimate, sigma = draws.mean(0), draws.std(0) / repeats**0.5
        assert (estimate < log_px + 5 * sigma).all()
        if previous is None:
            assert ((estimate - bound).abs() < 5 * sigma).all()
        else:
            assert (estimate > previous - 5 * (sigma**2 + previous_sigma**2).sqrt()).all()
            assert estimate.sum() > previous.sum()
        previous, previous_sigma = estimate, sigma
    torch.testing.assert_close(vae.importance_log_prob(x, 50_000), log_px, atol=0.1, rtol=0)


@pytest.mark.parametrize(("num_samples", "chunk", "batch"), [(1, 1, 3), (7, 1, 2), (7, 4, 3), (10, 1000, 3), (5, 2, 5)])
def test_importance_log_prob_decodes_at_most_a_chunk_at_once(num_samples, chunk, batch):
    vae, marginal, *_ = linear_gaussian()
    x = torch.rand(batch, 1, 2, 3, dtype=torch.float64)
    sizes = []
    vae.decoder.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    estimate = vae.importance_log_prob(x, num_samples, chunk)
    assert max(sizes) <= chunk
    assert sum(sizes) == num_samples * batch
    assert not estimate.requires_grad
    # All weights are p(x) where q is the posterior, so a lost or doubled chunk shows.
    torch.testing.assert_close(estimate, marginal.log_prob(x.flatten(1)))


# A model whose marginal and posterior are Gaussian.


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_linear_gaussian_with_exact_posterior_has_weights_without_variance(latent_dim):
    vae, marginal, *_ = linear_gaussian(latent_dim)
    x = torch.rand(5, 1, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(vae.log_weights(x, 9), marginal.log_prob(x.flatten(1)).expand(9, 5))


def test_linear_gaussian_elbo_is_log_px_at_the_posterior_and_below_it_elsewhere():
    vae, marginal, w, variance, scale = linear_gaussian()
    x = torch.rand(3, 1, 2, 3, dtype=torch.float64)
    log_px = marginal.log_prob(x.flatten(1))
    draws = vae.elbo(x.repeat(40_000, 1, 1, 1)).view(-1, 3)
    sigma = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - log_px).abs() < 5 * sigma).all()
    # Without sampling: E_q log p(x | z) is its value at mu less the spread of W z.
    mu, logvar = vae.encode(x)
    spread = (w**2 * variance).sum() / (2 * scale**2)
    expected = vae.likelihood.log_prob(vae.decode(mu), x) - spread - gaussian_kl(mu, logvar)
    torch.testing.assert_close(expected, log_px)

    with torch.no_grad():
        vae.encoder[1].bias[:2] += 0.3
    draws = vae.elbo(x.repeat(40_000, 1, 1, 1)).view(-1, 3)
    gap = (0.3**2 / variance).sum() / 2
    assert ((draws.mean(0) - (log_px - gap)).abs() < 5 * draws.std(0) / len(draws) ** 0.5).all()


# The model.


def test_loss_is_the_negative_mean_of_the_terms():
    vae, x = small_vae(2), some_images()
    for beta in (0.0, 1.0, 3.0):
        torch.manual_seed(7)
        log_px_given_z, kl = vae.terms(x)
        torch.manual_seed(7)
        torch.testing.assert_close(vae.elbo(x, beta), log_px_given_z - beta * kl)
        torch.manual_seed(7)
        torch.testing.assert_close(vae.loss(x, beta), (beta * kl - log_px_given_z).mean())
    torch.manual_seed(7)
    torch.testing.assert_close(vae.loss(x), (kl - log_px_given_z).mean())
    torch.testing.assert_close(kl, gaussian_kl(*vae.encode(x)))


def test_encode_gives_mu_then_logvar():
    vae, x = small_vae(2), some_images()
    mu, logvar = vae.encode(x)
    assert torch.equal(torch.cat([mu, logvar], dim=1), vae.encoder(x))


def test_samples_have_the_moments_of_the_marginal():
    vae = small_vae(2)
    z, log_cell = latent_grid(2)
    prior = torch.exp(Normal(0.0, 1.0).log_prob(z).sum(1) + log_cell)
    p = vae.decoder(z).sigmoid().flatten(1)
    second = torch.einsum("g,gi,gj->ij", prior, p, p)
    second.diagonal().copy_(prior @ p)
    torch.manual_seed(8)
    x = vae.sample(40_000).flatten(1)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    sigma = (second * (1 - second) / len(x)).sqrt()
    assert ((x.T @ x / len(x) - second).abs() < 5 * sigma).all()
    independent = torch.outer(prior @ p, prior @ p)
    assert ((second - independent).abs() > 10 * sigma).any()


def test_reconstruction_is_the_mean_image_at_the_posterior_mean():
    vae, x = small_vae(2), some_images()
    x_hat = vae.reconstruct(x)
    torch.testing.assert_close(x_hat, vae.decoder(vae.encoder(x)[:, :2]).sigmoid())
    torch.testing.assert_close(vae.decode_mean(vae.encode(x)[0]), x_hat)
    assert not x_hat.requires_grad
    assert torch.equal(x_hat, vae.reconstruct(x))
    assert not vae.sample(2).requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("likelihood", [Bernoulli, Gaussian, lambda: Categorical(3)])
@pytest.mark.parametrize("build", [dense_vae, conv_vae])
@pytest.mark.parametrize("image_shape", [(1, 8, 8), (3, 12, 10)])
def test_all_methods_for_all_likelihoods(build, likelihood, image_shape, dtype):
    torch.manual_seed(9)
    vae = build(image_shape, latent_dim=3, hidden_dim=16, likelihood=likelihood()).to(dtype)
    x = torch.randint(0, 3, (1, *image_shape)).to(dtype) / 2
    for value in (vae.elbo(x), vae.importance_log_prob(x, 3), *vae.terms(x)):
        assert value.shape == (1,)
        assert value.dtype == dtype
        assert value.isfinite().all()
    for image, count in ((vae.reconstruct(x), 1), (vae.sample(2), 2)):
        assert image.shape == (count, *image_shape)
        assert image.dtype == dtype
        assert image.min() >= 0
        assert image.max() <= 1
    vae.loss(x).backward()
    trained = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trained)


@pytest.mark.parametrize("image_shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 28, 20), (2, 6, 4), (1, 64, 64)])
def test_conv_vae_sees_every_pixel_and_writes_every_pixel(image_shape):
    torch.manual_seed(10)
    vae = conv_vae(image_shape, latent_dim=4, hidden_dim=8).double()
    x = torch.rand(1, *image_shape, dtype=torch.float64, requires_grad=True)
    mu, _ = vae.encode(x)
    seen = sum(torch.autograd.grad(mu[0, i], x, retain_graph=True)[0].abs() for i in range(4))
    assert (seen > 0).all()
    z = torch.randn(2, 4, dtype=torch.float64)
    logits = vae.decode(z)
    assert ((logits[0] - logits[1]).abs() > 0).all()


@pytest.mark.parametrize("build", [dense_vae, conv_vae])
def test_at_the_start_q_is_near_the_prior_and_activations_keep_their_size(build):
    torch.manual_seed(11)
    vae = build((1, 28, 28), latent_dim=20)
    x = torch.rand(64, 1, 28, 28)
    mu, logvar = vae.encode(x)
    assert gaussian_kl(mu, logvar).mean() < 5
    assert vae.decode(torch.randn(64, 20)).std() < 0.3
    sizes = []
    for layer in vae.decoder.modules():
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda layer, args, out: sizes.append(out.std().item()))
    vae.decode(torch.randn(64, 20))
    assert all(0.7 < size < 2.5 for size in sizes[:-1])
    assert len(sizes) >= 3


def test_save_and_load(tmp_path):
    torch.manual_seed(12)
    vae = dense_vae((1, 8, 8), 3, 16, likelihood=Gaussian(0.3, learn_scale=True))
    other = dense_vae((1, 8, 8), 3, 16, likelihood=Gaussian(0.1, learn_scale=True))
    torch.save(vae.state_dict(), tmp_path / "vae.pt")
    other.load_state_dict(torch.load(tmp_path / "vae.pt", weights_only=True))
    x = torch.rand(4, 1, 8, 8)
    results = []
    for model in (vae, other):
        torch.manual_seed(13)
        results.append((model.elbo(x), model.sample(3), model.importance_log_prob(x, 5)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_training_on_digits_beats_independent_pixels():
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images).float().div(16).unsqueeze(1)
    train, test = images[:1500].gt(0.5).float(), images[1500:].gt(0.5).float()
    rate = ((train.sum(0) + 1) / (len(train) + 2)).expand_as(test)
    independent = torch.distributions.Bernoulli(rate).log_prob(test).sum((1, 2, 3)).mean()
    torch.manual_seed(14)
    vae = dense_vae((1, 8, 8), latent_dim=8, hidden_dim=64)
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    for _ in range(40):
        for index in torch.randperm(len(train)).split(100):
            loss = vae.loss(train[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        assert vae.elbo(test).mean() > independent + 3
    assert vae.importance_log_prob(test, 50).mean() > vae.elbo(test).mean()


def test_errors_name_what_came():
    vae, x = small_vae(2), some_images()
    with pytest.raises(ValueError, match=r"mu \(2, 3\), logvar \(2, 1\)"):
        reparameterize(torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"mu \(3,\), logvar \(2, 3\)"):
        gaussian_kl(torch.zeros(3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"\[0, 1\], got values from 0 to 255"):
        vae.elbo(x * 255)
    with pytest.raises(ValueError, match=r"\[0, 1\], got values from -1 to 1"):
        vae.elbo(2 * x - 1)
    with pytest.raises(ValueError, match="nan"):
        vae.elbo(x * torch.nan)
    with pytest.raises(ValueError, match=r"z must be \(B, 2\), got \(4, 3\)"):
        vae.decode(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"encoder must return \(4, 6\), got \(4, 4\)"):
        VAE(vae.encoder, vae.decoder, 3).elbo(x)
    with pytest.raises(ValueError, match=r"logits \(4, 1, 2, 3\), x \(4, 6\)"):
        vae.elbo(x.flatten(1))
    for bad in (0, -3):
        for call in (vae.sample, lambda n: vae.log_weights(x, n), lambda n: vae.importance_log_prob(x, n)):
            with pytest.raises(ValueError, match=str(bad)):
                call(bad)
    with pytest.raises(ValueError, match="0"):
        importance_log_prob(vae.log_weights, 3, 0, x)
    with pytest.raises(ValueError, match=r"\(1, 8, 8\), got x \(2, 1, 8, 6\)"):
        dense_vae((1, 8, 8), 2, 8).elbo(torch.zeros(2, 1, 8, 6))
    with pytest.raises(ValueError, match="even sides, got 7x8"):
        conv_vae((1, 7, 8))
