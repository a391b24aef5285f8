"""Hinge loss by hand, and spectral norm against singular values."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models.adversarial.dcgan import DCDiscriminator
from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator
from course_utils.models.adversarial.sngan import (
    HingeGAN,
    hinge_discriminator_loss,
    hinge_generator_loss,
    with_spectral_norm,
)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_losses_and_their_gradients_by_hand():
    real = tensor([[3.0], [-150.0], [0.5], [150.0]]).requires_grad_()
    fake = tensor([0.5, -2.0, -0.25, 150.0, -150.0]).requires_grad_()
    loss = hinge_discriminator_loss(real, fake)
    # (0 + 151 + 1/2 + 0) / 4 + (3/2 + 0 + 3/4 + 151 + 0) / 5
    torch.testing.assert_close(loss, tensor(37.875 + 30.65))
    slopes = torch.autograd.grad(loss, (real, fake))
    torch.testing.assert_close(slopes[0], tensor([[0.0], [-0.25], [-0.25], [0.0]]))
    torch.testing.assert_close(slopes[1], tensor([0.2, 0.0, 0.2, 0.2, 0.0]))
    loss = hinge_generator_loss(fake)
    torch.testing.assert_close(loss, tensor(1.75 / 5))
    torch.testing.assert_close(torch.autograd.grad(loss, fake)[0], torch.full((5,), -0.2, dtype=torch.float64))


def test_the_best_scores_are_minus_one_and_one():
    """Lim & Ye 2017: where one density is the larger one, E max(0, 1 - s) p + max(0, 1 + s) q is least at s = +-1."""
    scores = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    for p, q, best in ((0.6, 0.4, 1.0), (0.1, 0.9, -1.0)):
        losses = torch.stack([p * hinge_discriminator_loss(s, tensor(-9.0)) for s in scores])
        losses += torch.stack([q * hinge_discriminator_loss(tensor(9.0), s) for s in scores])
        assert scores[losses.argmin()].item() == pytest.approx(best, abs=1e-9)


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 5, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(5, 3, 2), nn.Flatten(), nn.Linear(27, 4)]
    network = nn.Sequential(*layers).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 7
    return network


def images(num_images):
    return torch.randn(num_images, 2, 4, 4, dtype=torch.float64)


def test_weights_are_divided_by_their_largest_singular_value(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    normed = with_spectral_norm(network)
    for _ in range(300):  # a step of the power method each
        normed(images(1))
    for index in (0, 2, 4):
        weight = network[index].weight.detach()
        sigma = torch.linalg.svdvals(weight.flatten(1))[0]
        torch.testing.assert_close(normed[index].weight.detach(), weight / sigma)
        torch.testing.assert_close(normed[index].bias, network[index].bias)
    # The network that came in is as it was, and shares nothing with the new one.
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert not {id(p) for p in network.parameters()} & {id(p) for p in normed.parameters()}


def test_each_pass_in_training_is_one_step_of_the_power_method_and_none_in_eval(network):
    normed = with_spectral_norm(network[4:])
    weight = network[4].weight.detach()
    parametrization = normed[0].parametrizations.weight[0]
    with torch.no_grad():
        parametrization._v.copy_(F.normalize(torch.randn(27, dtype=torch.float64), dim=0))
    u = F.normalize(weight @ parametrization._v, dim=0)
    v = F.normalize(weight.T @ u, dim=0)
    x = torch.randn(3, 27, dtype=torch.float64)
    normed(x)
    normed.eval()
    for _ in range(2):
        torch.testing.assert_close(normed(x), x @ (weight / (u @ weight @ v)).T + network[4].bias)


def test_scale_of_the_weights_does_not_matter_and_an_mlp_is_1_lipschitz():
    torch.manual_seed(1)
    mlp = mlp_discriminator(3, 32, 2).double()
    normed = with_spectral_norm(mlp)
    with torch.no_grad():
        for index in (0, 2, 4):
            mlp[index].weight *= 10
    scaled = with_spectral_norm(mlp)
    a, b = 3 * torch.randn(2, 500, 3, dtype=torch.float64)
    for _ in range(200):
        normed(a)
        scaled(a)
    torch.testing.assert_close(normed(a), scaled(a), rtol=1e-6, atol=1e-6)
    stretch = (normed(a) - normed(b)).abs() / (a - b).norm(dim=1)
    assert 0.02 < stretch.max() <= 1 + 1e-6
    assert (mlp(a) - mlp(b)).abs().max() > 10 * (a - b).norm(dim=1).max()


def test_a_convolution_stretches_by_at_most_the_side_of_its_kernel():
    """Both bounds of the docstring, by the convolution's whole matrix; a kernel of ones reaches nearly 3."""
    for kernel, at_least in ((torch.ones(1, 1, 3, 3), 2.8), (torch.randn(4, 2, 3, 3), 1.0)):
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1, bias=False).double()
        with torch.no_grad():
            conv.weight.copy_(kernel)
        normed = with_spectral_norm(nn.Sequential(conv))
        basis = torch.eye(conv.in_channels * 144, dtype=torch.float64).view(-1, conv.in_channels, 12, 12)
        for _ in range(200):
            normed(basis[:1])
        assert at_least < torch.linalg.matrix_norm(normed(basis).flatten(1), 2) <= 3 + 1e-6


def test_normed_discriminator_of_images_sees_gradients_of_its_own_weights():
    normed = with_spectral_norm(DCDiscriminator((1, 8, 8), 4, norm=nn.Identity))
    normed(torch.randn(3, 1, 8, 8)).sum().backward()
    names = [name for name, parameter in normed.named_parameters() if parameter.grad is not None]
    assert sum(name.endswith("parametrizations.weight.original") for name in names) == 3


def test_the_model_uses_the_losses_and_takes_scores_as_they_are():
    model = HingeGAN(mlp_generator(3, 2, 8), mlp_discriminator(2, 8), 3).double()
    real = torch.randn(5, 2, dtype=torch.float64)
    torch.manual_seed(1)
    turn = model.discriminator_loss(real)
    torch.testing.assert_close(turn.loss, hinge_discriminator_loss(turn.logits_real, turn.logits_fake))
    torch.manual_seed(1)
    torch.testing.assert_close(model.generator_loss(real), hinge_generator_loss(turn.logits_fake))
    assert torch.equal(model.verdict(turn.logits_fake), turn.logits_fake)


def test_a_network_without_weights_is_an_error():
    with pytest.raises(ValueError, match="Sequential has no linear or convolutional layer"):
        with_spectral_norm(nn.Sequential(nn.ReLU()))
