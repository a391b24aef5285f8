"""The conditional VAE against quadrature of log p(x | y), and both networks' dependence on y."""

import math

import pytest
import torch
from torch.distributions import Normal

from course_utils.models.latent.cvae import ConditionalVAE, condition_on_label
from course_utils.models.latent.likelihoods import Bernoulli, Categorical, Gaussian

IMAGE_SHAPE = (1, 2, 3)
CLASSES = 3


def small_cvae(seed=0):
    torch.manual_seed(seed)
    cvae = ConditionalVAE(IMAGE_SHAPE, CLASSES, latent_dim=1, hidden_dim=8, num_layers=1).double()
    with torch.no_grad():
        for parameter in cvae.parameters():
            parameter.normal_(std=0.7)
        cvae.encoder[-1].weight[1:] *= 0.1
        cvae.encoder[-1].bias[1:] = 0.8
    return cvae


def batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 2, (1, *IMAGE_SHAPE), generator=generator).double()
    return x.expand(CLASSES, *IMAGE_SHAPE), torch.arange(CLASSES)


def by_quadrature(cvae, x, y):
    """log p(x | y) and the ELBO of each row, (B,), with the one-hot codes written out by hand."""
    z = torch.linspace(-25, 25, 10_001, dtype=torch.float64)
    log_px, bound = [], []
    for image, label in zip(x, y, strict=True):
        one_hot = torch.eye(CLASSES, dtype=torch.float64)[label]
        logits = cvae.decoder(torch.cat([z[:, None], one_hot.expand(len(z), CLASSES)], dim=1))
        log_joint = torch.distributions.Bernoulli(logits=logits).log_prob(image).sum((1, 2, 3))
        log_joint = log_joint + Normal(0.0, 1.0).log_prob(z) + math.log(z[1] - z[0])
        mu, logvar = cvae.encoder(torch.cat([image.flatten(), one_hot])[None])[0]
        log_q = Normal(mu, torch.exp(logvar / 2)).log_prob(z) + math.log(z[1] - z[0])
        log_px.append(log_joint.logsumexp(0))
        bound.append((log_q.exp() * (log_joint - log_q)).sum())
    return torch.stack(log_px), torch.stack(bound)


def test_condition_on_label_joins_one_hot_labels():
    z = torch.tensor([[0.5, -2.0], [1.0, 3.0]])
    due = torch.tensor([[0.5, -2.0, 0, 0, 1], [1.0, 3.0, 1, 0, 0]])
    assert torch.equal(condition_on_label(z, torch.tensor([2, 0]), 3), due)
    double = condition_on_label(z.double(), torch.tensor([2, 0]), 3)
    assert double.dtype == torch.float64
    assert condition_on_label(z[:1], torch.tensor([1]), 4).shape == (1, 6)


def test_condition_on_label_passes_gradients_to_z():
    z = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(4, 5, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((weights * condition_on_label(z, torch.tensor([0, 1, 2, 1]), 3)).sum(), z)
    torch.testing.assert_close(gradient, weights[:, :2])


@pytest.mark.parametrize(
    ("y", "named"),
    [
        (torch.tensor([0, 3]), "0 ... 2, got 3"),
        (torch.tensor([-1, 0]), "0 ... 2, got -1"),
        (torch.tensor([0, 1, 2]), r"int64 \(3,\)"),
        (torch.tensor([[0], [1]]), r"int64 \(2, 1\)"),
        (torch.tensor([0.0, 1.0]), r"float32 \(2,\)"),
    ],
)
def test_condition_on_label_errors(y, named):
    with pytest.raises(ValueError, match=named):
        condition_on_label(torch.zeros(2, 4), y, 3)


def test_elbo_agrees_with_quadrature_and_lies_below_log_px_given_y():
    cvae, (x, y) = small_cvae(), batch()
    log_px, bound = by_quadrature(cvae, x, y)
    assert (log_px.diff().abs() > 0.05).all()
    torch.manual_seed(2)
    repeats = 20_000
    draws = cvae.elbo(x.repeat(repeats, 1, 1, 1), y.repeat(repeats)).view(repeats, CLASSES)
    sigma = draws.std(0) / repeats**0.5
    assert ((draws.mean(0) - bound).abs() < 5 * sigma).all()
    assert (draws.mean(0) + 5 * sigma < log_px).all()


def test_importance_weights_are_unbiased_for_px_given_y():
    cvae, (x, y) = small_cvae(), batch()
    log_px, _ = by_quadrature(cvae, x, y)
    torch.manual_seed(3)
    ratio = torch.exp(cvae.log_weights(x, y, 40_000) - log_px)
    sigma = ratio.std(0) / 200
    assert ((ratio.mean(0) - 1).abs() < 5 * sigma).all()
    assert (sigma < 0.05).all()
    torch.testing.assert_close(cvae.importance_log_prob(x, y, 40_000, chunk=2000), log_px, atol=0.05, rtol=0)
    assert cvae.importance_log_prob(x, y, 7, chunk=2).shape == (CLASSES,)


def test_encoder_and_decoder_both_use_the_label():
    cvae, (x, y) = small_cvae(), batch()
    mu, logvar = cvae.encode(x, y)
    params = cvae.decode(torch.zeros(CLASSES, 1, dtype=torch.float64), y)
    for out in (mu, logvar, params.flatten(1)):
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert ((out[i] - out[j]).abs() > 1e-4).any()


def test_loss_is_the_negative_mean_of_the_terms():
    cvae, (x, y) = small_cvae(), batch()
    for settings, beta in (({}, 1.0), ({"beta": 0.0}, 0.0), ({"beta": 3.0}, 3.0)):
        torch.manual_seed(4)
        log_px_given_zy, kl = cvae.terms(x, y)
        torch.manual_seed(4)
        torch.testing.assert_close(cvae.loss(x, y, **settings), (beta * kl - log_px_given_zy).mean())


def test_samples_have_the_mean_of_their_class():
    cvae = small_cvae()
    z = torch.linspace(-9, 9, 2001, dtype=torch.float64)
    prior = Normal(0.0, 1.0).log_prob(z).exp() * (z[1] - z[0])
    means = torch.stack(
        [
            torch.einsum("g,gchw->chw", prior, cvae.decode_mean(z[:, None], torch.full((2001,), k)))
            for k in range(CLASSES)
        ]
    )
    torch.manual_seed(5)
    per_class = 10_000
    draws = cvae.sample(CLASSES * per_class, torch.arange(CLASSES).repeat(per_class)).view(per_class, CLASSES, -1)
    sigma = (means * (1 - means) / per_class).sqrt().flatten(1)
    assert ((draws.mean(0) - means.flatten(1)).abs() < 5 * sigma).all()
    assert ((means[0] - means[1]).flatten().abs() > 10 * sigma[0]).any()
    one_class = cvae.sample(per_class, 2).flatten(1)
    assert ((one_class.mean(0) - means[2].flatten()).abs() < 5 * sigma[2]).all()


def test_reconstruction_is_the_mean_image_at_the_posterior_mean():
    cvae, (x, y) = small_cvae(), batch()
    x_hat = cvae.reconstruct(x, y)
    torch.testing.assert_close(x_hat, cvae.decode(cvae.encode(x, y)[0], y).sigmoid())
    assert not x_hat.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("likelihood", [Bernoulli, lambda: Gaussian(0.2, learn_scale=True), lambda: Categorical(3)])
def test_likelihoods_dtypes_and_loading(likelihood, dtype):
    first, second = (ConditionalVAE((3, 4, 2), 5, 3, 16, likelihood=likelihood()).to(dtype) for _ in range(2))
    second.load_state_dict(first.state_dict())
    x, y = torch.randint(0, 3, (1, 3, 4, 2)).to(dtype) / 2, torch.tensor([4])
    results = []
    for model in (first, second):
        torch.manual_seed(6)
        results.append((model.elbo(x, y), model.sample(1, y), model.reconstruct(x, y)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert results[0][0].dtype == dtype
    assert results[0][1].shape == x.shape
    first.loss(x, y).backward()
    assert all(parameter.grad is not None for parameter in first.parameters())


def test_errors_name_what_came():
    cvae, (x, y) = small_cvae(), batch()
    with pytest.raises(ValueError, match="got 3"):
        cvae.elbo(x, y + 1)
    with pytest.raises(ValueError, match="got 3"):
        cvae.sample(2, 3)
    with pytest.raises(ValueError, match=r"got 2 and \(3,\)"):
        cvae.sample(2, y)
    with pytest.raises(ValueError, match="got 0"):
        cvae.sample(0, 1)
    with pytest.raises(ValueError, match="got 0"):
        cvae.log_weights(x, y, 0)
    with pytest.raises(ValueError, match="got values from 0 to 2"):
        cvae.elbo(2 * x, y)
    with pytest.raises(ValueError, match=r"\(1, 2, 3\), got x \(3, 6\)"):
        cvae.elbo(x.flatten(1), y)
    with pytest.raises(ValueError, match=r"z must be \(B, 1\), got \(3, 2\)"):
        cvae.decode(torch.zeros(3, 2), y)
