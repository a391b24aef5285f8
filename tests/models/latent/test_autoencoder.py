"""Autoencoders against PCA, closed-form gradients and finite images."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from course_utils.data import load
from course_utils.models.latent.autoencoder import (
    Autoencoder,
    ConvAutoencoder,
    ImageAutoencoder,
    LinearAutoencoder,
    reconstruction_loss,
)
from course_utils.training import fit

IMAGE_SHAPES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (1, 12, 20), (3, 8, 4)]


def random_images(num: int, shape: tuple[int, ...], dtype=torch.float64) -> torch.Tensor:
    return torch.rand(num, *shape, dtype=dtype)


# reconstruction_loss


@pytest.mark.parametrize("shape", [(1, 3), (5, 7), (2, 1, 8, 8), (3, 3, 4, 6)])
def test_loss_is_the_squared_distance_of_each_example(shape):
    x_hat, x = torch.randn(2, *shape, dtype=torch.float64)
    expected = [np.linalg.norm((a - b).numpy().ravel()) ** 2 for a, b in zip(x_hat, x, strict=True)]
    np.testing.assert_allclose(reconstruction_loss(x_hat, x), expected)


def test_loss_gradient_is_twice_the_difference():
    x_hat, x = torch.randn(2, 4, 3, 5, 6, dtype=torch.float64)
    x_hat.requires_grad_()
    x.requires_grad_()
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    grad_x_hat, grad_x = torch.autograd.grad((weights * reconstruction_loss(x_hat, x)).sum(), [x_hat, x])
    expected = 2 * weights.view(4, 1, 1, 1) * (x_hat - x).detach()
    torch.testing.assert_close(grad_x_hat, expected)
    torch.testing.assert_close(grad_x, -expected)


def test_loss_and_gradient_are_zero_at_equality():
    x = random_images(3, (1, 8, 8))
    x_hat = x.clone().requires_grad_()
    loss = reconstruction_loss(x_hat, x)
    assert torch.equal(loss, torch.zeros(3, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss.sum(), x_hat)
    assert torch.equal(gradient, torch.zeros_like(x))


def test_loss_names_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"x_hat \(4, 1, 8, 8\), x \(4, 8, 8\)"):
        reconstruction_loss(torch.zeros(4, 1, 8, 8), torch.zeros(4, 8, 8))
    with pytest.raises(ValueError, match=r"a batch axis and at least one more, got \(4,\)"):
        reconstruction_loss(torch.zeros(4), torch.zeros(4))


# The models


def all_models(image_shape, latent_dim=3):
    return [
        Autoencoder(image_shape, latent_dim, hidden_dim=16),
        Autoencoder(image_shape, latent_dim, hidden_dim=16, num_layers=1),
        ConvAutoencoder(image_shape, latent_dim, hidden_dim=4),
        LinearAutoencoder(image_shape, latent_dim),
    ]


@pytest.mark.parametrize("image_shape", IMAGE_SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_model_on_every_shape(image_shape, dtype):
    x = random_images(2, image_shape, dtype)
    for model in all_models(image_shape):
        model = model.to(dtype)
        z, x_hat = model.encode(x), model(x)
        assert z.shape == (2, 3)
        assert x_hat.shape == x.shape
        assert x_hat.dtype == z.dtype == dtype
        torch.testing.assert_close(x_hat, model.decode(z))
        # a batch is its examples one by one
        torch.testing.assert_close(x_hat[:1], model(x[:1]))
        torch.testing.assert_close(model.loss(x), ((x_hat - x) ** 2).sum() / 2)
        torch.testing.assert_close(model.anomaly_score(x), ((x_hat - x) ** 2).sum((1, 2, 3)))
        assert not model.anomaly_score(x).requires_grad


def test_every_parameter_learns():
    x = random_images(8, (3, 8, 8))
    for model in all_models((3, 8, 8), latent_dim=6):
        model = model.double()
        model.loss(x).backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_all_of_the_image_reaches_the_latents_and_all_latents_the_image():
    x = random_images(1, (2, 8, 12))
    for model in all_models((2, 8, 12), latent_dim=5):
        model = model.double()
        encoding = torch.autograd.functional.jacobian(model.encode, x)
        assert encoding.shape == (1, 5, 1, 2, 8, 12)
        assert (encoding.abs().sum((0, 1, 2)) > 0).all()
        decoding = torch.autograd.functional.jacobian(model.decode, model.encode(x).detach())
        assert (decoding.abs().sum((0, 4)) > 0).all()


def test_num_layers_counts_hidden_layers():
    linear = [
        layer for layer in Autoencoder((1, 8, 8), 2, 16, num_layers=3).modules() if isinstance(layer, torch.nn.Linear)
    ]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    assert widths == [(64, 16), (16, 16), (16, 16), (16, 2), (2, 16), (16, 16), (16, 16), (16, 64)]


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_images_come_back_in_the_unit_range(scale):
    for model in all_models((1, 8, 8)):
        model = model.double()
        z = scale * torch.randn(20, 3, dtype=torch.float64)
        x = random_images(20, (1, 8, 8)) * scale
        for image in [model.reconstruct(x)] + ([] if isinstance(model, LinearAutoencoder) else [model.decode(z)]):
            assert image.min() >= 0
            assert image.max() <= 1


def test_reconstruct_clips_what_forward_gives():
    model = LinearAutoencoder((1, 8, 8), 3).double()
    x = 20 * torch.randn(10, 1, 8, 8, dtype=torch.float64)
    assert model(x).min() < 0 < 1 < model(x).max()
    torch.testing.assert_close(model.reconstruct(x), model(x).detach().clamp(0, 1))
    assert not model.reconstruct(x).requires_grad


def test_arguments_and_random_state_stay_as_they_were():
    model, x = Autoencoder((1, 8, 8)), torch.rand(4, 1, 8, 8)
    before, state = x.clone(), torch.get_rng_state()
    assert torch.equal(model(x), model(x))
    assert torch.equal(model.loss(x), model.loss(x))
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_saved_weights_give_the_same_images():
    x = torch.rand(4, 1, 8, 8)
    for first, second in zip(all_models((1, 8, 8)), all_models((1, 8, 8)), strict=True):
        assert not torch.equal(first(x), second(x))
        second.load_state_dict(first.state_dict())
        assert torch.equal(first(x), second(x))


def test_linear_autoencoder_reaches_pca_and_no_less():
    """The best rank-Z reconstruction leaves the discarded eigenvalues of the covariance (Eckart & Young 1936)."""
    x = load("digits").train.x[:400].double()
    flat = x.flatten(1).numpy()
    pca = PCA().fit(flat)
    for latent_dim in (2, 5):
        # explained_variance_ divides by N - 1
        optimum = pca.explained_variance_[latent_dim:].sum() * (len(flat) - 1) / len(flat)
        model = LinearAutoencoder((1, 8, 8), latent_dim).double()
        fit(model, x, epochs=1500, batch_size=len(x), lr=0.03, cosine=True, precision="64-true", device="cpu")
        assert optimum * (1 - 1e-9) <= model.loss(x).item() <= optimum * 1.01

    # The images are PCA's too; loosely, since the fifth and sixth eigenvalues are close.
    components = pca.components_[:5]
    expected = pca.mean_ + (flat - pca.mean_) @ components.T @ components
    distance = ((model(x).detach().flatten(1).numpy() - expected) ** 2).sum(1).mean()
    assert distance < 0.05 * optimum


def test_hidden_layers_beat_pca_on_digits():
    x = load("digits").train.x[:400].double()
    flat = x.flatten(1).numpy()
    optimum = PCA().fit(flat).explained_variance_[2:].sum() * (len(flat) - 1) / len(flat)
    for model in (Autoencoder((1, 8, 8), 2, hidden_dim=64), ConvAutoencoder((1, 8, 8), 2, hidden_dim=16)):
        model = model.double()
        fit(model, x, epochs=50, batch_size=50, lr=3e-3, precision="64-true", device="cpu")
        assert model.loss(x).item() < 0.9 * optimum


def test_any_two_networks_make_an_autoencoder():
    encoder, decoder = torch.nn.Flatten(), torch.nn.Unflatten(1, (1, 3, 5))
    model = ImageAutoencoder(encoder, decoder, (1, 3, 5), latent_dim=15)
    x = torch.rand(4, 1, 3, 5)
    assert torch.equal(model(x), x)
    assert model.loss(x).item() == 0


# Bad input


def test_models_name_what_does_not_fit():
    for model in all_models((1, 8, 12)):
        with pytest.raises(ValueError, match=r"built for images \(1, 8, 12\), got x \(4, 1, 12, 8\)"):
            model.loss(torch.rand(4, 1, 12, 8))
        with pytest.raises(ValueError, match=r"z must be \(B, 3\), got \(4, 2\)"):
            model.decode(torch.rand(4, 2))
        with pytest.raises(ValueError, match=r"z must be \(B, 3\), got \(3,\)"):
            model.decode(torch.rand(3))
        with pytest.raises(ValueError, match=r"x must lie in \[0, 1\], got values from 0 to 255"):
            model.loss(torch.tensor([0.0, 255.0]).repeat(48).view(1, 1, 8, 12))


@pytest.mark.parametrize("image_shape", [(1, 7, 8), (1, 8, 6), (3, 30, 30)])
def test_convolutions_name_sides_that_are_no_multiples_of_four(image_shape):
    with pytest.raises(ValueError, match=f"multiples of 4, got {image_shape[1]}x{image_shape[2]}"):
        ConvAutoencoder(image_shape)


@pytest.mark.parametrize("setting", ["latent_dim", "hidden_dim", "num_layers"])
def test_counts_below_one_are_named(setting):
    with pytest.raises(ValueError, match=f"{setting} must be at least 1, got 0"):
        Autoencoder((1, 8, 8), **{setting: 0})
    if setting != "num_layers":
        with pytest.raises(ValueError, match=f"{setting} must be at least 1, got 0"):
            ConvAutoencoder((1, 8, 8), **{setting: 0})
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got -1"):
        LinearAutoencoder((1, 8, 8), latent_dim=-1)
