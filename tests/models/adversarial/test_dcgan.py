"""DCGAN: one test for each of the five rules, the start of the weights, the sizes, and both networks written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator, plan
from course_utils.models.adversarial.gan import GAN

SIDES = [8, 16, 28, 32, 64]
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.Tanh)


def networks(side, num_channels=3):
    shape = (num_channels, side, side)
    return DCGenerator(shape, latent_dim=5, hidden_dim=4), DCDiscriminator(shape, hidden_dim=4)


def leaves(network):
    return [module for module in network.modules() if not list(module.children())]


def outputs(network, x):
    """The modules without children, in the order in which they run, each with what came out."""
    seen = []
    hooks = [leaf.register_forward_hook(lambda module, _, out: seen.append((module, out))) for leaf in leaves(network)]
    network(x)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("side", SIDES)
def test_rule_1_strides_change_the_sides_and_nothing_pools(side):
    generator, discriminator = networks(side)
    start, num_doublings = plan((3, side, side))
    made = [out.shape[-1] for module, out in outputs(generator, torch.randn(2, 5)) if "Conv" in type(module).__name__]
    assert made == [start * 2**i for i in range(num_doublings + 1)]
    assert made[-1] == side
    steps = outputs(discriminator, torch.randn(2, 3, side, side))
    halved = [out.shape[-1] for module, out in steps if isinstance(module, nn.Conv2d)]
    assert halved == [*[side // 2**i for i in range(1, num_doublings + 1)], 1]
    assert {type(m) for m in leaves(generator)} == {
        nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.Tanh, nn.Unflatten
    }  # fmt: skip
    assert {type(m) for m in leaves(discriminator)} == {nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU}


@pytest.mark.parametrize("side", SIDES)
def test_rule_2_batch_norm_everywhere_but_at_the_images(side):
    generator, discriminator = networks(side)
    kinds = [type(module) for module, _ in outputs(generator, torch.randn(2, 5))]
    places = [i for i, kind in enumerate(kinds) if kind is nn.ConvTranspose2d]
    assert all(kinds[i + 1] is nn.BatchNorm2d for i in places[:-1])
    assert kinds[places[-1] + 1] is nn.Tanh
    kinds = [type(module) for module, _ in outputs(discriminator, torch.randn(2, 3, side, side))]
    places = [i for i, kind in enumerate(kinds) if kind is nn.Conv2d]
    assert kinds[places[0] + 1] is nn.LeakyReLU
    assert all(kinds[i + 1] is nn.BatchNorm2d for i in places[1:-1])
    assert places[-1] == len(kinds) - 1


@pytest.mark.parametrize("side", SIDES)
def test_rule_3_no_hidden_layer_is_fully_connected(side):
    for network in networks(side):
        assert not any(isinstance(module, nn.Linear) for module in network.modules())
    discriminator = networks(side)[1]
    x = torch.randn(2, 3, side, side)
    discriminator(x)  # a start for the running statistics
    discriminator.eval()
    # A hidden value sees a part of the image only: a 4x4 patch in the first layer.
    x.requires_grad_()
    (first, *_) = [out for module, out in outputs(discriminator, x) if isinstance(module, nn.Conv2d)]
    (seen,) = torch.autograd.grad(first[0, 0, 1, 1], x)
    assert (seen[0].abs().sum(0) > 0).sum() == 16


@pytest.mark.parametrize("side", SIDES)
def test_rule_4_the_generator_has_relu_and_a_tanh_last(side):
    generator = networks(side)[0]
    steps = outputs(generator, torch.randn(4, 5))
    kinds = [type(module) for module, _ in steps if isinstance(module, ACTIVATIONS)]
    assert kinds == [nn.ReLU] * plan((3, side, side))[1] + [nn.Tanh]
    with torch.no_grad():
        generator.layers[-2].weight.zero_()
        generator.layers[-2].bias[:] = torch.tensor([9.0, -9.0, 0.5])
    assert generator(torch.randn(4, 5)).mean((0, 2, 3)).tolist() == pytest.approx([1, -1, math.tanh(0.5)], abs=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_rule_5_the_discriminator_has_leaky_relu_of_slope_a_fifth(side):
    steps = [module for module, _ in outputs(networks(side)[1], torch.randn(2, 3, side, side))]
    activations = [module for module in steps if isinstance(module, ACTIVATIONS)]
    assert len(activations) == plan((3, side, side))[1]
    for activation in activations:
        assert activation(torch.tensor([-2.0, 3.0])).tolist() == pytest.approx([-0.4, 3.0])


def test_widths_halve_towards_the_image():
    generator, discriminator = networks(64)
    assert [m.out_channels for m in leaves(generator) if isinstance(m, nn.ConvTranspose2d)] == [32, 16, 8, 4, 3]
    assert [m.out_channels for m in leaves(discriminator) if isinstance(m, nn.Conv2d)] == [4, 8, 16, 32, 1]


def test_weights_start_from_a_normal_of_two_hundredths():
    for network in (DCGenerator((3, 32, 32), 50, 16), DCDiscriminator((3, 32, 32), 16)):
        for module in leaves(network):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                weights, n = module.weight.detach().double() / 0.02, module.weight.numel()
                moments = torch.stack([weights.mean(), weights.pow(2).mean() - 1, weights.pow(4).mean() - 3])
                assert (moments.abs() < 4.5 * torch.tensor([1.0, 2.0, 96.0]).sqrt() / n**0.5).all()
                assert not module.bias.any()
            elif isinstance(module, nn.BatchNorm2d):
                assert (module.weight == 1).all()
                assert (module.bias == 0).all()


def grown(network):
    """The network with weights large enough that every term counts, in float64."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return network.double()


def batch_norm(x, layer):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(var + 1e-5) * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)


def test_generator_of_8x8_written_out():
    generator = grown(DCGenerator((2, 8, 8), latent_dim=5, hidden_dim=3))
    noise = torch.randn(4, 5, dtype=torch.float64)
    layers = generator.layers
    hidden = torch.einsum("bz,zchw->bchw", noise, layers[1].weight) + layers[1].bias.view(1, -1, 1, 1)
    hidden = batch_norm(hidden, layers[2]).clamp(min=0)
    hidden = F.conv_transpose2d(hidden, layers[4].weight, layers[4].bias, stride=2, padding=1)
    hidden = batch_norm(hidden, layers[5]).clamp(min=0)
    due = torch.tanh(F.conv_transpose2d(hidden, layers[7].weight, layers[7].bias, stride=2, padding=1))
    torch.testing.assert_close(generator(noise), due)


def test_discriminator_of_8x8_written_out():
    discriminator = grown(DCDiscriminator((2, 8, 8), hidden_dim=3))
    x = torch.randn(4, 2, 8, 8, dtype=torch.float64)
    first, _, second, norm, _ = discriminator.features
    hidden = F.conv2d(x, first.weight, first.bias, stride=2, padding=1)
    hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    hidden = batch_norm(F.conv2d(hidden, second.weight, second.bias, stride=2, padding=1), norm)
    hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    due = torch.einsum("bchw,chw->b", hidden, discriminator.head.weight[0]) + discriminator.head.bias
    torch.testing.assert_close(discriminator(x), due)
    assert discriminator(x[:2]).shape == (2,)


@pytest.mark.parametrize("side", SIDES)
def test_without_batch_norm_a_logit_depends_on_its_own_image_only_and_on_all_of_it(side):
    x = torch.randn(2, 1, side, side, dtype=torch.float64, requires_grad=True)
    alone = grown(DCDiscriminator((1, side, side), 2, norm=nn.Identity))
    (slopes,) = torch.autograd.grad(alone(x)[0], x)
    assert not slopes[1].any()
    assert (slopes[0] != 0).all()
    (slopes,) = torch.autograd.grad(grown(DCDiscriminator((1, side, side), 2))(x)[0], x)
    assert slopes[1].any()


def test_they_play_the_game():
    model = GAN(*networks(8, 1), latent_dim=5)
    real = torch.rand(6, 1, 8, 8) * 2 - 1
    assert model.discriminator_loss(real).logits_fake.shape == (6,)
    model.generator_loss(real).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.sample(3).shape == (3, 1, 8, 8)


def test_plan():
    due = {8: (2, 2), 12: (3, 2), 16: (4, 2), 20: (5, 2), 24: (6, 2), 28: (7, 2), 32: (4, 3), 56: (7, 3), 64: (4, 4)}
    assert {side: plan((1, side, side)) for side in due} == due


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 10, 10), (1, 16, 8), (1, 8, 16), (1, 36, 36), (1, 7, 7), (1, 0, 0)])
def test_other_sides_are_errors(shape):
    message = f"images must be square with a side like 8, 16, 28, 32 or 64, got {shape[1]}x{shape[2]}"
    for make in (DCGenerator, DCDiscriminator):
        with pytest.raises(ValueError, match=message):
            make(shape)


def test_images_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match=r"built for images \(1, 8, 8\), got x \(2, 1, 16, 16\)"):
        DCDiscriminator((1, 8, 8))(torch.randn(2, 1, 16, 16))
