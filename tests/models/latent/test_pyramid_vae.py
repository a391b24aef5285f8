"""Pyramid VAE: an exact pyramid, and a density of the whole image that quadrature and a multivariate normal confirm."""

import math
from itertools import pairwise

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from course_utils.models.latent.pyramid_vae import (
    DetailVAE,
    PyramidVAE,
    build_pyramid,
    collapse_pyramid,
    downsample,
    remove_block_mean,
    upsample,
)
from course_utils.training import fit

# An orthonormal basis of a 2x2 block: its mean (doubled), then the three directions of detail.
HAAR = 0.5 * torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64)


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def roughen(model, seed=1, scale=0.5):
    """Move the weights away from their small start, so that each network matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "log_scale" not in name:
                parameter += scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return model


def test_downsample_and_upsample_by_hand():
    x = torch.tensor([[1.0, 3.0, 0.0, 0.0], [5.0, 7.0, 0.0, 8.0]])[None, None]
    torch.testing.assert_close(downsample(x), torch.tensor([[4.0, 2.0]])[None, None])
    due = torch.tensor([[4.0, 4.0, 2.0, 2.0], [4.0, 4.0, 2.0, 2.0]])[None, None]
    torch.testing.assert_close(upsample(downsample(x)), due)


def test_pyramid_is_exact_and_details_sum_to_zero():
    x = images(3, 2, 8, 12)
    for num_levels in (1, 2, 3):
        pyramid = build_pyramid(x, num_levels)
        assert [tuple(level.shape[-2:]) for level in pyramid] == [
            (8 // 2**k, 12 // 2**k) for k in [num_levels - 1, *reversed(range(num_levels - 1))]
        ]
        torch.testing.assert_close(collapse_pyramid(pyramid), x, rtol=0, atol=1e-14)
        for detail in pyramid[1:]:
            torch.testing.assert_close(downsample(detail), torch.zeros_like(downsample(detail)), rtol=0, atol=1e-15)
    torch.testing.assert_close(build_pyramid(x, 3)[0][..., 0, 0], x[..., :4, :4].mean((-1, -2)))


def test_remove_block_mean_is_the_orthogonal_projection():
    detail = images(4, 1, 2, 2) - 0.5
    coordinates = detail.reshape(4, 4) @ HAAR.T
    coordinates[:, 0] = 0
    torch.testing.assert_close(remove_block_mean(detail).reshape(4, 4), coordinates @ HAAR)


def test_detail_log_prob_is_a_gaussian_on_the_free_coordinates():
    vae = DetailVAE((1, 2, 2), 2, 8, 1).double()
    mean, detail = remove_block_mean(images(5, 1, 2, 2)), remove_block_mean(images(5, 1, 2, 2, seed=1))
    free, free_mean = detail.reshape(5, 4) @ HAAR[1:].T, mean.reshape(5, 4) @ HAAR[1:].T
    due = Normal(free_mean, vae.log_scale.exp()).log_prob(free).sum(1)
    torch.testing.assert_close(vae.log_prob(mean, detail), due)


def without_latents(num_levels, side, num_channels=1):
    """A pyramid whose decoders ignore z and whose encoders return the prior: the bound is log p(x) itself."""
    torch.manual_seed(2)
    model = PyramidVAE((num_channels, side, side), num_levels, latent_dim=2, hidden_dim=8).double()
    with torch.no_grad():
        for vae in [model.coarse, *model.details]:
            for network in (vae.encoder, vae.decoder):
                for parameter in network.parameters():
                    parameter.zero_()
        for value, vae in zip((-1.1, -2.0, -0.4), [model.coarse.likelihood, *model.details], strict=False):
            vae.log_scale.fill_(value)
    return model


def covariance(model):
    """Of x without latents: the coarse noise spread over its pixels, and each detail's noise less its block's mean."""
    _, side, _ = model.image_shape
    basis = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    total, up = torch.zeros(side * side, side * side, dtype=torch.float64), lambda image: image
    for vae in reversed(model.details):
        maps = up(remove_block_mean(torch.eye(len(basis), dtype=torch.float64).reshape(basis.shape))).flatten(1)
        total += vae.log_scale.exp() ** 2 * maps.T @ maps
        half = basis.shape[-1] // 2
        basis = torch.eye(half * half, dtype=torch.float64).reshape(-1, 1, half, half)
        up = lambda image, finer=up: finer(upsample(image))  # noqa: E731
    maps = up(basis).flatten(1)
    return total + model.coarse.likelihood.log_scale.exp() ** 2 * maps.T @ maps


@pytest.mark.parametrize(("num_levels", "side"), [(2, 2), (2, 4), (3, 4)])
def test_bound_is_the_density_of_the_whole_image(num_levels, side):
    model = without_latents(num_levels, side)
    x = images(6, 1, side, side)
    density = MultivariateNormal(torch.zeros(side * side, dtype=torch.float64), covariance(model))
    torch.testing.assert_close(model.elbo(x), density.log_prob(x.flatten(1)))
    assert model.elbo_per_level(x).shape == (6, num_levels)


def test_two_channels_are_two_images_when_nothing_joins_them():
    two, one = without_latents(2, 4, num_channels=2), without_latents(2, 4)
    x = images(3, 2, 4, 4)
    torch.testing.assert_close(two.elbo(x), one.elbo(x[:, :1]) + one.elbo(x[:, 1:]))


def log_joint_on_grid(log_prob, decode, grid):
    """log p(observed | z) p(z) on a grid of z, for one example."""
    return log_prob(decode(grid)) + Normal(0.0, 1.0).log_prob(grid.squeeze(1))


def test_mean_bound_is_log_p_less_the_two_divergences():
    """With one latent per level, quadrature gives log p(x) and KL(q || posterior) of each level exactly."""
    torch.manual_seed(3)
    model = roughen(PyramidVAE((1, 2, 2), 2, latent_dim=1, hidden_dim=8).double(), scale=0.3)
    x = images(1, 1, 2, 2, seed=4)
    coarse, detail = build_pyramid(x, 2)
    base, vae = upsample(coarse), model.details[0]
    grid = torch.linspace(-12, 12, 20001, dtype=torch.float64).unsqueeze(1)
    step = math.log(24 / 20000)
    many = lambda tensor: tensor.expand(len(grid), -1, -1, -1)  # noqa: E731
    with torch.no_grad():
        joints = [
            log_joint_on_grid(lambda p: model.coarse.likelihood.log_prob(p, many(coarse)), model.coarse.decode, grid),
            log_joint_on_grid(lambda p: vae.log_prob(p, many(detail)), lambda z: vae.decode(z, many(base)), grid),
        ]
        posteriors = [model.coarse.encode(coarse), vae.encode(detail, base)]
        due = []
        for joint, (mu, logvar) in zip(joints, posteriors, strict=True):
            log_p = torch.logsumexp(joint, 0) + step
            log_q = Normal(mu[0], (0.5 * logvar[0]).exp()).log_prob(grid).squeeze(1)
            gap = ((log_q - (joint - log_p)) * log_q.exp()).sum() * math.exp(step)
            assert gap > 1e-3
            due.append(log_p - gap)
        torch.manual_seed(5)
        draws = model.elbo_per_level(x.expand(40_000, -1, -1, -1))
    draws[:, 1] += math.log(2)  # the level's own bound, without the factor of the change of basis
    for level in range(2):
        sigma = draws[:, level].std() / math.sqrt(len(draws))
        assert abs(draws[:, level].mean() - due[level]) < 5 * sigma


def test_finer_draws_agree_with_the_coarser_ones():
    torch.manual_seed(6)
    model = roughen(PyramidVAE((2, 8, 8), 3, latent_dim=2, hidden_dim=8).double())
    for noise in (True, False):
        levels = model.sample_levels(4, noise)
        assert [tuple(level.shape) for level in levels] == [(4, 2, 2, 2), (4, 2, 4, 4), (4, 2, 8, 8)]
        for coarse, fine in pairwise(levels):
            torch.testing.assert_close(downsample(fine), coarse)
    sample = model.sample(4)
    assert sample.shape == (4, 2, 8, 8)
    assert 0 <= sample.min() <= sample.max() <= 1


def test_draws_have_the_covariance_of_the_density():
    model = without_latents(3, 4)
    torch.manual_seed(7)
    draws = model.sample_levels(40_000)[-1].flatten(1)
    due = covariance(model)
    found = draws.T @ draws / len(draws)
    sigma = ((due.diagonal()[:, None] * due.diagonal() + due**2) / len(draws)).sqrt()
    assert ((found - due).abs() < 5 * sigma).all()
    assert torch.equal(model.sample(3, noise=False), torch.zeros(3, 1, 4, 4, dtype=torch.float64))


def test_mean_draws_come_from_the_decoders():
    torch.manual_seed(8)
    model = roughen(PyramidVAE((1, 4, 4), 2, latent_dim=2, hidden_dim=8).double())
    torch.manual_seed(9)
    coarse, fine = model.sample_levels(3, noise=False)
    torch.manual_seed(9)
    z = torch.randn(3, 2, dtype=torch.float64)
    mean = model.coarse.decode(z)
    torch.testing.assert_close(coarse, mean)
    torch.randn_like(mean)  # drawn for the noise that is left out
    base = upsample(mean)
    torch.testing.assert_close(fine, base + model.details[0].decode(torch.randn_like(z), base))


def test_each_level_is_given_the_true_coarser_image():
    torch.manual_seed(10)
    model = roughen(PyramidVAE((1, 8, 8), 3, latent_dim=2, hidden_dim=8).double(), scale=0.2)
    x = images(3, 1, 8, 8)
    scales = [downsample(downsample(x)), downsample(x), x]
    torch.manual_seed(11)
    bounds = model.elbo_per_level(x)
    torch.manual_seed(11)
    torch.testing.assert_close(bounds[:, 0], model.coarse.elbo(scales[0]))
    expected = model.coarse.reconstruct(scales[0])
    for level, vae in enumerate(model.details, start=1):
        base, detail = upsample(scales[level - 1]), scales[level] - upsample(scales[level - 1])
        due = vae.elbo(detail, base) - math.log(2) * scales[level - 1][0].numel()
        torch.testing.assert_close(bounds[:, level], due)
        expected = upsample(expected) + vae.decode(vae.encode(detail, base)[0], base)
    torch.testing.assert_close(model.reconstruct(x), expected.clamp(0, 1))


def test_training_raises_the_bound_and_brings_the_image_back():
    generator = torch.Generator().manual_seed(11)
    corner = torch.randint(0, 3, (256,), generator=generator)
    x = torch.zeros(256, 1, 4, 4)
    for value in range(3):
        x[corner == value, :, value : value + 2, value : value + 2] = 1.0
    torch.manual_seed(12)
    model = PyramidVAE((1, 4, 4), 2, latent_dim=2, hidden_dim=32)
    history = fit(model, x, epochs=40, batch_size=64, lr=5e-3)
    assert history.epoch_loss[-1] < history.epoch_loss[0] - 10
    assert ((model.reconstruct(x) - x) ** 2).flatten(1).sum(1).mean() < 0.5


def test_errors_name_what_came():
    with pytest.raises(ValueError, match="even sides, got 3x4"):
        downsample(torch.zeros(1, 1, 3, 4))
    with pytest.raises(ValueError, match="even sides, got 4x3"):
        downsample(torch.zeros(1, 1, 4, 3))
    with pytest.raises(ValueError, match=r"3 levels .* sides that 4 divides, got 8x6"):
        PyramidVAE((1, 8, 6), 3)
    with pytest.raises(ValueError, match=r"1 levels \(2 at least\)"):
        PyramidVAE((1, 8, 8), 1)
    model = PyramidVAE((1, 4, 4), 2, latent_dim=2, hidden_dim=8)
    with pytest.raises(ValueError, match=r"images \(1, 4, 4\), got x \(2, 1, 8, 8\)"):
        model.elbo(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        model.elbo(torch.full((2, 1, 4, 4), 2.0))
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        model.sample(0)
