"""StyleGAN: AdaIN's statistics, which layer a style and a noise act on, mixing, and what the mapping sees."""

import pytest
import torch

from course_utils.models.adversarial.dcgan import DCDiscriminator
from course_utils.models.adversarial.gan import discriminator_loss
from course_utils.models.adversarial.stylegan import (
    MappingNetwork,
    StyledLayer,
    StyleGAN,
    StyleGenerator,
    adain,
    mix_styles,
    r1_penalty,
    truncate,
)

DOUBLE = torch.float64


def generator():
    model = StyleGenerator((1, 16, 16), latent_dim=5, style_dim=6, hidden_dim=8).double()
    with torch.no_grad():  # noise starts without influence
        for layer in model.layers:
            layer.noise_scale.fill_(0.3)
    return model


def test_adain_gives_each_channel_the_statistics_of_the_style():
    x = 3 + 2 * torch.randn(3, 4, 5, 7, dtype=DOUBLE)
    scale, bias = torch.randn(3, 4, dtype=DOUBLE), torch.randn(3, 4, dtype=DOUBLE)
    y = adain(x, scale, bias)
    torch.testing.assert_close(y.mean((2, 3)), bias)
    torch.testing.assert_close(y.std((2, 3), correction=0), scale.abs(), rtol=1e-4, atol=0)
    by_hand = (x[1, 2] - x[1, 2].mean()) / torch.sqrt(x[1, 2].var(correction=0) + 1e-5) * scale[1, 2] + bias[1, 2]
    torch.testing.assert_close(y[1, 2], by_hand)
    torch.testing.assert_close(adain(5 * x + 100, scale, bias), y, rtol=1e-3, atol=1e-4)  # what x had, is gone


def test_mixed_styles_come_from_where_they_should():
    w_a, w_b = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    assert mix_styles(w_a, w_b, 1)[0, :, 0].tolist() == [0, 1, 1, 1]
    assert torch.equal(mix_styles(w_a, w_b, 0), w_b)
    assert torch.equal(mix_styles(w_a, w_b, 4), w_a)


def test_truncation_moves_styles_toward_the_mean_style():
    model = generator()
    styles, mean = model.styles(torch.randn(3, 5, dtype=DOUBLE)), torch.randn(6, dtype=DOUBLE)
    assert torch.equal(truncate(styles, mean, 0.0), mean.expand(3, 6, 6))
    torch.testing.assert_close(truncate(styles, mean, 1.0), styles)
    torch.testing.assert_close(truncate(styles, mean, 0.25), 0.75 * mean + 0.25 * styles)
    torch.testing.assert_close(truncate(styles[:, 2], mean, -1.0), 2 * mean - styles[:, 2])


def test_the_mean_style_is_the_mean_of_w():
    model = generator()
    mean = model.mean_style(40_000, torch.Generator().manual_seed(1))
    w = model.mapping(torch.randn(40_000, 5, dtype=DOUBLE))
    error = w.std(0) / 200  # of each mean
    assert ((mean - w.mean(0)).abs() < 5 * 2**0.5 * error).all()
    assert (mean.abs() > 5 * error).any()
    assert not mean.requires_grad


class Quadratic(torch.nn.Module):
    """D(x) = sum of weight x^2 + x, whose gradient is 2 weight x + 1."""

    def __init__(self, weight=0.5):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight, dtype=DOUBLE))

    def forward(self, x):
        return (self.weight * x.square() + x).flatten(1).sum(1)


def test_r1_is_half_the_mean_squared_gradient_and_trains_the_discriminator():
    real, judge = torch.randn(7, 1, 3, 3, dtype=DOUBLE), Quadratic()
    penalty = r1_penalty(judge, real)
    expected = 0.5 * (2 * judge.weight * real + 1).square().flatten(1).sum(1).mean()
    torch.testing.assert_close(penalty, expected)
    gradients = (torch.autograd.grad(value, judge.weight)[0] for value in (penalty, expected))
    torch.testing.assert_close(*gradients)
    assert not real.requires_grad


def test_the_discriminators_turn_holds_gamma_r1_of_a_quarter_of_the_batch_and_leaves_the_generator_alone():
    real = torch.rand(6, 1, 16, 16, dtype=DOUBLE) * 2 - 1
    model = StyleGAN(generator(), Quadratic(), 5, penalty_weight=3.0)
    turn = model.discriminator_loss(real)
    game = discriminator_loss(turn.logits_real, turn.logits_fake)
    torch.testing.assert_close(turn.logits_real, model.discriminator(real))
    gradient = 2 * model.discriminator.weight * real[:2] + 1  # two of six: a quarter, rounded up
    torch.testing.assert_close(turn.loss, game + 3.0 / 2 * gradient.square().flatten(1).sum(1).mean())
    turn.loss.backward()
    assert model.discriminator.weight.grad is not None
    assert all(parameter.grad is None for parameter in model.generator.parameters())
    model.penalty_weight = 0.0
    turn = model.discriminator_loss(real)
    game = discriminator_loss(turn.logits_real, turn.logits_fake)
    torch.testing.assert_close(turn.loss, game)


def test_mapping_sees_directions_only():
    mapping = MappingNetwork(4, 3).double()
    z = torch.randn(5, 4, dtype=DOUBLE)
    torch.testing.assert_close(mapping(7 * z), mapping(z))
    assert not torch.allclose(mapping(-z), mapping(z))


def test_a_layer_is_convolution_noise_and_style():
    layer = StyledLayer(2, 3, 4).double()
    with torch.no_grad():
        layer.noise_scale.copy_(torch.tensor([0.0, 1.0, -2.0]))
    x, w, noise = (torch.randn(*shape, dtype=DOUBLE) for shape in ((2, 2, 4, 4), (2, 4), (2, 1, 4, 4)))
    before = layer.convolution(x) + torch.tensor([0.0, 1.0, -2.0]).double()[:, None, None] * noise
    scale, bias = (w @ layer.style.weight.T + layer.style.bias).split(3, dim=1)
    expected = adain(torch.where(before > 0, before, 0.2 * before), scale, bias)
    torch.testing.assert_close(layer(x, w, noise), expected)


def test_images_depend_on_every_style_and_noise():
    model = generator()
    styles = model.styles(torch.randn(2, 5, dtype=DOUBLE)).clone().requires_grad_()
    noises = [noise.requires_grad_() for noise in model.noises(2)]
    image = model.synthesize(styles, noises)
    assert image.shape == (2, 1, 16, 16)
    weights = torch.randn_like(image[0])
    gradients = torch.autograd.grad((image[0] * weights).sum(), [styles, *noises])
    assert (gradients[0][0].abs().sum(1) > 0).all()
    assert gradients[0][1].abs().max() == 0  # no example sees another
    assert all(gradient[0].abs().sum() > 0 for gradient in gradients[1:])
    assert [noise.shape[-1] for noise in noises] == [4, 4, 8, 8, 16, 16]


def test_early_noise_is_coarse_and_late_noise_fine():
    """A pixel of the last noise changes its neighbourhood and, through AdaIN's statistics, the rest a little."""
    model = generator()
    styles = model.styles(torch.randn(1, 5, dtype=DOUBLE))
    noises = model.noises(1)
    reference = model.synthesize(styles, noises)

    def share_near(layer):
        side = model.side(layer)
        changed = [noise.clone() for noise in noises]
        changed[layer][0, 0, side // 2, side // 2] += 1
        change = (model.synthesize(styles, changed) - reference).abs()[0, 0]
        return (change[6:11, 6:11].sum() / change.sum()).item()

    shares = [share_near(layer) for layer in (0, 2, 5)]  # a tenth of the pixels are near
    print(f"share of the change near the middle, layers 0, 2 and 5: {shares}")
    assert shares == sorted(shares)
    assert shares[2] > 2 * shares[0]


def test_same_styles_and_noises_give_the_same_image_and_fresh_noise_another():
    model = generator()
    styles, noises = model.styles(torch.randn(1, 5, dtype=DOUBLE)), model.noises(1)
    assert torch.equal(model.synthesize(styles, noises), model.synthesize(styles, noises))
    assert not torch.equal(model.synthesize(styles), model.synthesize(styles))


@pytest.mark.parametrize("turn", ["generator_loss", "discriminator_loss"])
def test_mixing_takes_place_in_both_turns_as_often_as_asked(turn):
    """A discriminator that met no mixed fakes would leave the generator free to make any nonsense of them."""
    model = StyleGAN(generator(), DCDiscriminator((1, 16, 16), 4, torch.nn.Identity).double(), 5, mixing=1.0)
    seen = []
    synthesize = model.generator.synthesize
    model.generator.synthesize = lambda styles, noises=None: seen.append(styles) or synthesize(styles, noises)
    real = torch.rand(3, 1, 16, 16, dtype=DOUBLE) * 2 - 1
    getattr(model, turn)(real)
    layers = seen[-1]
    assert not torch.equal(layers[:, 0], layers[:, -1])
    changes = sum(not torch.equal(layers[:, k], layers[:, k + 1]) for k in range(5))
    assert changes == 1
    model.mixing = 0.0
    getattr(model, turn)(real)
    assert torch.equal(seen[-1][:, 0], seen[-1][:, -1])
    model.mixing = 0.3
    seen.clear()
    for _ in range(200):
        getattr(model, turn)(real)
    mixed = sum(not torch.equal(styles[:, 0], styles[:, -1]) for styles in seen)
    assert abs(mixed - 60) < 5 * (200 * 0.3 * 0.7) ** 0.5


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: StyleGenerator((1, 12, 12)), "side of 8, 16, 32 ..., got 12x12"),
        (lambda: StyleGenerator((1, 8, 16)), "got 8x16"),
        (lambda: mix_styles(torch.zeros(1, 4, 2), torch.zeros(1, 4, 2), 5), r"0 ... 4, the number of layers, got 5"),
        (lambda: mix_styles(torch.zeros(1, 4, 2), torch.zeros(1, 3, 2), 1), r"one shape"),
        (lambda: adain(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4), torch.zeros(2, 3)), r"got \(2, 3, 4, 4\), \(2, 4\)"),
        (lambda: generator().synthesize(torch.zeros(1, 5, 6).double()), r"styles must be \(B, 6, W\)"),
        (lambda: StyleGAN(generator(), torch.nn.Identity(), 5, mixing=1.5), "mixing must be in"),
        (
            lambda: StyleGAN(generator(), torch.nn.Identity(), 5, penalty_weight=-1.0),
            "penalty_weight must be at least 0",
        ),
        (lambda: truncate(torch.zeros(2, 6, 4), torch.zeros(6), 0.5), r"must be \(4,\), got \(6,\)"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
