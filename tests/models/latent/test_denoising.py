"""Denoising autoencoders against the best possible denoiser of Gaussian data, which is known."""

import math

import pytest
import torch

from course_utils.data import load
from course_utils.models.latent.autoencoder import Autoencoder, ConvAutoencoder, LinearAutoencoder
from course_utils.models.latent.denoising import Denoiser, DenoisingAutoencoder, MaskingAutoencoder
from course_utils.training import fit


class Identity(torch.nn.Module):
    def forward(self, x):
        return x


def gaussian_images(num: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of 1x2x3 pixels from N(mean, covariance), six standard deviations inside [0, 1]."""
    root = torch.randn(6, 6, dtype=torch.float64)
    covariance = root @ root.T + 0.1 * torch.eye(6, dtype=torch.float64)
    covariance *= 0.08**2 / covariance.diagonal().max()
    mean = torch.full((6,), 0.5, dtype=torch.float64)
    x = torch.distributions.MultivariateNormal(mean, covariance).sample((num,)).view(num, 1, 2, 3)
    return x, mean, covariance


def linear_map(autoencoder: LinearAutoencoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrix and offset of x_hat = A x_noisy + b."""
    down, up = autoencoder.encoder[1], autoencoder.decoder[0]
    return (up.weight @ down.weight).detach(), (up.weight @ down.bias + up.bias).detach()


def set_linear_map(autoencoder: LinearAutoencoder, matrix: torch.Tensor, offset: torch.Tensor) -> None:
    down, up = autoencoder.encoder[1], autoencoder.decoder[0]
    with torch.no_grad():
        down.weight.copy_(torch.eye(len(offset)))
        down.bias.zero_()
        up.weight.copy_(matrix)
        up.bias.copy_(offset)


def shrinkage(mean, covariance, noise_scale):
    """E[x | x_noisy] of Gaussian data, an affine map: the noisy data are N(mean, covariance + noise_scale^2 I)."""
    noisy = covariance + noise_scale**2 * torch.eye(len(mean), dtype=mean.dtype)
    matrix = covariance @ torch.linalg.inv(noisy)
    return matrix, mean - matrix @ mean


def test_the_shrinkage_is_tweedies_formula():
    _, mean, covariance = gaussian_images(1)
    matrix, offset = shrinkage(mean, covariance, 0.1)
    x_noisy = torch.randn(6, dtype=torch.float64, requires_grad=True)
    noisy = torch.distributions.MultivariateNormal(mean, covariance + 0.01 * torch.eye(6, dtype=torch.float64))
    (score,) = torch.autograd.grad(noisy.log_prob(x_noisy), x_noisy)
    torch.testing.assert_close(matrix @ x_noisy.detach() + offset, x_noisy.detach() + 0.01 * score)


def test_training_finds_the_best_linear_denoiser():
    noise_scale = 0.1
    x, _, _ = gaussian_images(2000)
    flat = x.flatten(1)
    # The minimiser over these very images: their own mean and covariance.
    matrix, offset = shrinkage(flat.mean(0), torch.cov(flat.T, correction=0), noise_scale)
    autoencoder = LinearAutoencoder((1, 2, 3), latent_dim=6).double()
    model = DenoisingAutoencoder(autoencoder, noise_scale)
    fit(model, x, epochs=2000, batch_size=2000, lr=0.03, cosine=True, precision="64-true", device="cpu")
    learnt_matrix, learnt_offset = linear_map(autoencoder)
    assert (learnt_matrix - matrix).abs().max() < 0.05
    assert (learnt_offset - offset).abs().max() < 0.05
    # The test is sharp: neither copying nor another noise scale comes near.
    assert (torch.eye(6) - matrix).abs().max() > 0.3
    assert (shrinkage(flat.mean(0), torch.cov(flat.T), 2 * noise_scale)[0] - matrix).abs().max() > 0.2


@pytest.mark.parametrize("noise_scale", [0.05, 0.3])
def test_the_loss_of_the_best_denoiser_is_the_posterior_variance(noise_scale):
    x, mean, covariance = gaussian_images(200_000)
    autoencoder = LinearAutoencoder((1, 2, 3), latent_dim=6).double()
    matrix, offset = shrinkage(mean, covariance, noise_scale)
    set_linear_map(autoencoder, matrix, offset)
    model = DenoisingAutoencoder(autoencoder, noise_scale)
    expected = (covariance - matrix @ covariance).trace()
    # A sum of squares of Gaussians with this covariance has variance 2 ||.||_F^2.
    sigma = math.sqrt(2) * (covariance - matrix @ covariance).norm() / math.sqrt(len(x))
    assert abs(model.loss(x).item() - expected) < 5 * sigma

    # At the optimum the gradient vanishes, within the noise of its own estimate.
    for other, is_best in [(matrix, True), (matrix + 0.1 * torch.eye(6), False), (matrix - 0.1 * torch.eye(6), False)]:
        set_linear_map(autoencoder, other, offset + (matrix - other) @ mean)
        gradients = []
        for part in x.split(2000):
            model.zero_grad()
            model.loss(part).backward()
            gradients.append(autoencoder.decoder[0].weight.grad.diagonal().clone())
        gradients = torch.stack(gradients)
        z_scores = gradients.mean(0) / (gradients.std(0) / math.sqrt(len(gradients)))
        assert (z_scores.abs().max() < 5.5) == is_best


def test_gaussian_corruption_has_the_noise_scale_and_fresh_draws():
    model = DenoisingAutoencoder(Identity(), noise_scale=0.2)
    x = torch.rand(400, 1, 10, 10, dtype=torch.float64)
    noise = model.corrupt(x) - x
    num = noise.numel()
    assert abs(noise.mean()) < 5 * 0.2 / math.sqrt(num)
    assert abs(noise.std() - 0.2) < 5 * 0.2 / math.sqrt(2 * num)
    assert abs((noise**4).mean() / 0.2**4 - 3) < 5 * math.sqrt(96 / num)
    second = model.corrupt(x) - x
    assert abs((noise * second).mean()) < 5 * 0.2**2 / math.sqrt(num)
    # neighbours and images are independent
    assert abs((noise[..., 1:] * noise[..., :-1]).mean()) < 5 * 0.2**2 / math.sqrt(0.9 * num)
    assert abs((noise[1:] * noise[:-1]).mean()) < 5 * 0.2**2 / math.sqrt(num * 399 / 400)


@pytest.mark.parametrize("mask_fraction", [0.2, 0.7])
def test_masking_loses_whole_places_at_the_given_rate(mask_fraction):
    model = MaskingAutoencoder(Identity(), mask_fraction)
    x = 0.1 + 0.9 * torch.rand(300, 3, 8, 8, dtype=torch.float64)
    corrupted = model.corrupt(x)
    lost = corrupted == 0
    assert torch.equal(corrupted[~lost], x[~lost])
    assert torch.equal(lost, lost[:, :1].expand_as(lost))
    num = 300 * 64
    sigma = math.sqrt(mask_fraction * (1 - mask_fraction) / num)
    assert abs(lost[:, 0].double().mean() - mask_fraction) < 5 * sigma
    assert not torch.equal(corrupted, model.corrupt(x))


def test_the_loss_compares_with_the_clean_image():
    """A network that copies pays for the noise: D noise_scale^2 on average; with noise as the target it would pay 0."""
    x = torch.rand(2000, 1, 8, 8, dtype=torch.float64)
    loss = DenoisingAutoencoder(Identity(), 0.3).loss(x).item()
    expected = 64 * 0.09
    assert abs(loss - expected) < 5 * math.sqrt(2 * 64 / 2000) * 0.09
    assert DenoisingAutoencoder(Identity(), 0.3).anomaly_score(x).abs().max() == 0

    masked = MaskingAutoencoder(Identity(), 0.5).loss(x).item()
    squares = (x**2).flatten(1).sum(1)
    sigma = 0.5 * math.sqrt((x**4).flatten(1).sum(1).mean() / 2000)
    assert abs(masked - 0.5 * squares.mean()) < 5 * sigma


def test_it_denoises_digits_it_has_not_seen():
    data = load("digits")
    model = DenoisingAutoencoder(Autoencoder((1, 8, 8), latent_dim=32, hidden_dim=128), noise_scale=0.3)
    fit(model, data.train.x, epochs=60, batch_size=128, lr=2e-3, device="cpu")
    x = data.test.x
    x_noisy = model.corrupt(x)
    before = ((x_noisy.clamp(0, 1) - x) ** 2).flatten(1).sum(1).mean()
    after = ((model.reconstruct(x_noisy) - x) ** 2).flatten(1).sum(1).mean()
    assert after < 0.6 * before
    # what is no digit stands out
    strange = torch.rand(300, 1, 8, 8)
    assert model.anomaly_score(strange).quantile(0.05) > model.anomaly_score(x).quantile(0.95)


def test_the_wrapped_networks_are_used_and_clipped():
    model = DenoisingAutoencoder(LinearAutoencoder((3, 8, 12), 4).double(), 0.3)
    x_noisy = 5 * torch.randn(6, 3, 8, 12, dtype=torch.float64)
    torch.testing.assert_close(model(x_noisy), model.autoencoder(x_noisy))
    torch.testing.assert_close(model.reconstruct(x_noisy), model(x_noisy).detach().clamp(0, 1))
    torch.testing.assert_close(model.anomaly_score(x_noisy), ((model(x_noisy) - x_noisy) ** 2).detach().sum((1, 2, 3)))
    assert not model.reconstruct(x_noisy).requires_grad
    assert not model.anomaly_score(x_noisy).requires_grad


@pytest.mark.parametrize("model", [DenoisingAutoencoder, MaskingAutoencoder])
@pytest.mark.parametrize("image_shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (3, 8, 12)])
def test_any_autoencoder_learns_from_a_spoilt_image(model, image_shape):
    for autoencoder in (Autoencoder(image_shape, 8, 16), ConvAutoencoder(image_shape, 8, 4)):
        denoiser = model(autoencoder, 0.4)
        x = torch.rand(4, *image_shape)
        before = x.clone()
        denoiser.loss(x).backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in denoiser.parameters())
        assert torch.equal(x, before)
        assert denoiser.corrupt(x).shape == x.shape
        assert denoiser.reconstruct(x).shape == x.shape


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"noise_scale must be above 0, got -0\.1"):
        DenoisingAutoencoder(Identity(), -0.1)
    with pytest.raises(ValueError, match="noise_scale must be above 0, got nan"):
        DenoisingAutoencoder(Identity(), float("nan"))
    for mask_fraction in (0, 1, 1.5):
        with pytest.raises(ValueError, match=f"mask_fraction must lie between 0 and 1, got {mask_fraction}"):
            MaskingAutoencoder(Identity(), mask_fraction)
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\], got values from -1 to 1"):
        DenoisingAutoencoder(Identity()).loss(torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2))
    with pytest.raises(NotImplementedError):
        Denoiser(Identity()).corrupt(torch.zeros(1))
