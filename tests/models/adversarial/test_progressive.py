"""Progressive growing: networks against functional code, fading in closed form, numpy's statistics, exact resume."""

import math
import os
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils.adversarial_training import fit_adversarial
from course_utils.loops import load_checkpoint
from course_utils.models.adversarial.progressive import (
    EqualizedConv2d,
    ProgressiveGAN,
    fit_progressive,
    growth,
    pixel_norm,
    with_minibatch_std,
)


def small(kind=ProgressiveGAN, side=16, **options):
    """Three stages, 4 to 16, by default; biases are not 0, as in a trained network."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = kind((2, side, side), latent_dim=3, hidden_dim=4, **options).double()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_(0, 0.3)
    return model


def images(num_images=6, side=16, seed=1):
    return torch.rand(num_images, 2, side, side, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def noise(num_samples=6, seed=3):
    return torch.randn(num_samples, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_pixel_norm_is_numpys():
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64)
    expected = x.numpy() / np.sqrt((x.numpy() ** 2).mean(1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(pixel_norm(x), expected, rtol=1e-12)
    torch.testing.assert_close(
        pixel_norm(x).square().mean(1), torch.ones(3, 4, 2, dtype=torch.float64), rtol=1e-6, atol=0
    )
    assert torch.equal(pixel_norm(torch.zeros(1, 2, 1, 1)), torch.zeros(1, 2, 1, 1))


def test_minibatch_std_is_numpys():
    x = torch.randn(5, 3, 4, 2, dtype=torch.float64) * torch.arange(1, 4)[:, None, None]
    out = with_minibatch_std(x)
    expected = np.sqrt(x.numpy().var(0) + 1e-8).mean()
    assert torch.equal(out[:, :3], x)
    np.testing.assert_allclose(out[:, 3], np.full((5, 4, 2), expected), rtol=1e-12)
    # A batch of one image over and over has none, and a finite gradient.
    same = x[:1].expand(5, -1, -1, -1).clone().requires_grad_()
    alike = with_minibatch_std(same)[:, 3]
    assert alike.max().item() == pytest.approx(1e-4)
    alike.sum().backward()
    assert torch.isfinite(same.grad).all()


def test_equalised_convolution_is_a_plain_one_of_scaled_weights():
    layer = EqualizedConv2d(6, 5, 3, padding=1).double()
    plain = torch.nn.Conv2d(6, 5, 3, padding=1).double()
    with torch.no_grad():
        layer.bias.normal_()
        plain.weight.copy_(layer.weight * math.sqrt(2 / 54))
        plain.bias.copy_(layer.bias)
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(layer(x), plain(x), rtol=1e-12, atol=1e-13)
    # He's initialisation, from stored weights N(0, 1): the estimate of a variance has standard error sqrt(2 / n).
    weights = EqualizedConv2d(60, 70, 3).weight
    assert weights.mean().abs() < 5 / math.sqrt(weights.numel())
    assert abs(weights.var() - 1) < 5 * math.sqrt(2 / weights.numel())
    # Adam's first step has the length lr for each stored weight, whatever the layer's fan-in: relative to what it has
    # of the standard deviation, all layers move alike.
    for in_dim in (2, 50):
        layer = EqualizedConv2d(in_dim, 3, 3)
        before = (layer.weight * layer.scale).detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(torch.randn(4, in_dim, 5, 5)).square().sum().backward()
        optimizer.step()
        moved = (layer.weight * layer.scale - before).abs() / math.sqrt(2 / (9 * in_dim))
        torch.testing.assert_close(moved, torch.full_like(moved, 0.01), rtol=1e-2, atol=0)


def convolved(layer, x, padding=1, gain=2**0.5):
    """An equalised convolution, from its parameters alone."""
    fan_in = layer.weight[0].numel()
    return F.conv2d(x, layer.weight * (gain / math.sqrt(fan_in)), layer.bias, padding=padding)


def active(layer, x, padding=1):
    x = convolved(layer.convolution, x, padding)
    return torch.where(x > 0, x, 0.2 * x)


def normed(x):
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


def doubled(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def halved(x):
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def test_generator_by_hand():
    generator, z = small().generator, noise()
    x = normed(z)[:, :, None, None]
    x = normed(active(generator.start[0], x, 3))
    features = [normed(active(generator.start[1], x))]
    for block in generator.blocks:
        x = doubled(features[-1])
        for layer in block:
            x = normed(active(layer, x))
        features.append(x)
    pictures = [
        torch.tanh(convolved(layer, x, 0, gain=1.0)) for layer, x in zip(generator.to_image, features, strict=True)
    ]
    torch.testing.assert_close(generator(z, 0, 1.0), pictures[0], rtol=1e-10, atol=1e-12)
    for stage in (1, 2):
        expected = 0.7 * doubled(pictures[stage - 1]) + 0.3 * pictures[stage]
        torch.testing.assert_close(generator(z, stage, 0.3), expected, rtol=1e-10, atol=1e-12)


def test_discriminator_by_hand():
    discriminator, x = small().discriminator, images()
    half = halved(x)
    new = active(discriminator.from_image[2], x, 0)
    for layer in list(discriminator.blocks[1])[:2]:
        new = active(layer, new)
    features = 0.6 * active(discriminator.from_image[1], half, 0) + 0.4 * halved(new)
    for layer in list(discriminator.blocks[0])[:2]:
        features = active(layer, features)
    features = halved(features)
    deviation = (features.var(0, correction=0) + 1e-8).sqrt().mean()
    features = torch.cat([features, deviation * torch.ones_like(features[:, :1])], dim=1)
    features = active(discriminator.end[1], active(discriminator.end[0], features), 0)
    expected = convolved(discriminator.end[2], features, 0, gain=1.0).view(6)
    torch.testing.assert_close(discriminator(x, 2, 0.4), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_stage_fades_in_from_the_one_before(stage):
    """At alpha = 0 both networks are the smaller ones, at 1 they have no more to do with the old ends."""
    model, z, x = small(side=32), noise(), images(side=4 * 2**stage)
    with torch.no_grad():
        ends = [model.generator(z, stage, alpha) for alpha in (0.0, 1.0)]
        assert torch.equal(ends[0], doubled(model.generator(z, stage - 1, 1.0)))
        between = model.generator(z, stage, 0.3)
        torch.testing.assert_close(between, 0.7 * ends[0] + 0.3 * ends[1], rtol=1e-12, atol=1e-14)
        assert torch.equal(model.discriminator(x, stage, 0.0), model.discriminator(F.avg_pool2d(x, 2), stage - 1, 1.0))
        score = model.discriminator(x, stage, 1.0)
        for old in (model.generator.to_image[stage - 1], model.discriminator.from_image[stage - 1]):
            for parameter in old.parameters():
                parameter += 1.0
        assert torch.equal(model.generator(z, stage, 1.0), ends[1])
        assert not torch.equal(model.generator(z, stage, 0.3), between)
        assert torch.equal(model.discriminator(x, stage, 1.0), score)


def test_real_images_are_averaged_and_blended():
    model, x = small(), images()
    array = x.numpy()
    by_two = array.reshape(6, 2, 8, 2, 8, 2).mean((3, 5))
    by_four = array.reshape(6, 2, 4, 4, 4, 4).mean((3, 5))
    np.testing.assert_allclose(model.at_stage(x), by_four, rtol=1e-12, atol=1e-15)
    for stage, here, before in ((1, by_two, by_four), (2, array, by_two)):
        model.grow()
        assert (model.stage.item(), model.alpha.item()) == (stage, 0.0)
        model.set_stage(stage, 0.25)
        expected = 0.75 * np.kron(before, np.ones((2, 2))) + 0.25 * here
        np.testing.assert_allclose(model.at_stage(x), expected, rtol=1e-12, atol=1e-15)


def test_losses_by_hand():
    model, real = small(penalty_weight=7.0, drift_weight=0.5), images()
    model.set_stage(1, 0.25)
    torch.manual_seed(11)
    turn = model.discriminator_loss(real)
    gradients = torch.autograd.grad(turn.loss, list(model.parameters()), allow_unused=True)
    wanting = [n for (n, _), g in zip(model.named_parameters(), gradients, strict=True) if g is not None]
    assert {name.split(".")[0] for name in wanting} == {"discriminator"}
    torch.manual_seed(11)
    z = torch.randn(6, 3, dtype=torch.float64)
    mixture = torch.rand(6, 1, 1, 1, dtype=torch.float64)
    x, fake = model.at_stage(real), model.generator(z, 1, 0.25).detach()
    score = [model.discriminator(each, 1, 0.25) for each in (x, fake)]
    points = (mixture * x + (1 - mixture) * fake).requires_grad_()
    slope = torch.autograd.grad(model.discriminator(points, 1, 0.25).sum(), points)[0]
    norm = slope.square().sum((1, 2, 3)).sqrt()
    expected = score[1].mean() - score[0].mean() + 7 * (norm - 1).square().mean() + 0.5 * score[0].square().mean()
    torch.testing.assert_close(turn.loss, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(turn.logits_real, score[0])
    torch.testing.assert_close(turn.logits_fake, score[1])

    torch.manual_seed(12)
    loss = model.generator_loss(real)
    torch.manual_seed(12)
    z = torch.randn(6, 3, dtype=torch.float64)
    torch.testing.assert_close(loss, -model.discriminator(model.generator(z, 1, 0.25), 1, 0.25).mean())
    assert torch.autograd.grad(loss, model.generator.to_image[0].weight)[0].abs().sum() > 0


def test_samples_are_of_the_stage_and_by_the_average():
    model = small()
    model.keep_average(0.5)
    with torch.no_grad():
        model.generator.start[0].convolution.weight.mul_(-1)
    model.set_stage(2, 0.3)
    fakes = model.sample(5, torch.Generator().manual_seed(4))
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert not fakes.requires_grad
    torch.testing.assert_close(fakes, model.averaged.module(z, 2, 0.3))
    assert not torch.allclose(fakes, model.generate(z))
    assert fakes.abs().max() <= 1


def test_growth_is_linear_and_then_stands():
    """Four epochs a stage, three quarters of them fading; nothing comes before the first stage."""
    expected = [(0, 1.0)] * 4 + [(1, 1 / 6), (1, 1 / 2), (1, 5 / 6), (1, 1.0), (2, 1 / 6)]
    found = [growth(epoch, 4, 0.75) for epoch in range(9)]
    assert [stage for stage, _ in found] == [stage for stage, _ in expected]
    assert [alpha for _, alpha in found] == pytest.approx([alpha for _, alpha in expected])
    assert [growth(epoch, 2, 0.0)[1] for epoch in range(6)] == [1.0] * 6


class Watched(ProgressiveGAN):
    """Remembers where each of its turns took place; dies in one if it is told to."""

    dies_at = None

    def discriminator_loss(self, real):
        self.places = [*getattr(self, "places", []), (self.stage.item(), round(self.alpha.item(), 6))]
        if len(self.places) == self.dies_at:
            os.kill(os.getpid(), signal.SIGINT)  # what Ctrl-C sends
        return super().discriminator_loss(real)


SETTINGS = {"stage_epochs": 2, "fade": 1.0, "batch_size": 4, "ema_decay": 0.9, "device": "cpu"}


@pytest.mark.parametrize("dies_at", [4, 5, 9])  # in the middle of the first stage, at its end, in a fade
def test_training_grows_and_resumes_bit_for_bit(tmp_path, dies_at):
    x, at_epoch = images(8), []
    whole, dying, resumed = small(Watched), small(Watched), small(Watched)
    whole.set_stage(1, 0.5)  # training begins with the first stage all the same
    uninterrupted = fit_progressive(
        whole, x, on_epoch=lambda model, epoch: at_epoch.append((epoch, *model.places[-1])), **SETTINGS
    )
    places = [(0, 1.0), (0, 1.0), (1, 0.25), (1, 0.75), (2, 0.25), (2, 0.75)]
    assert whole.places == [place for place in places for _ in range(2)]
    assert at_epoch == [(epoch, *place) for epoch, place in enumerate(places)]
    assert (whole.stage.item(), whole.alpha.item()) == (2, 0.75)

    path = tmp_path / "run.ckpt"
    dying.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        fit_progressive(dying, x, checkpoint=path, **SETTINGS)
    assert load_checkpoint(path)["step"] == dies_at
    history = fit_progressive(resumed, x, checkpoint=path, **SETTINGS)
    assert history.generator_loss == uninterrupted.generator_loss
    for (name, value), expected in zip(resumed.state_dict().items(), whole.state_dict().values(), strict=True):
        assert torch.equal(value, expected), name


def test_layers_ahead_wait_and_the_average_reaches_later_stages():
    model, start = small(), small()
    fit_adversarial(model, images(8), epochs=1, batch_size=4, device="cpu")
    changed = {
        name for name, parameter in model.named_parameters() if not torch.equal(parameter, start.get_parameter(name))
    }
    first = ("generator.start", "generator.to_image.0", "discriminator.from_image.0", "discriminator.end")
    assert changed == {name for name, _ in model.named_parameters() if name.startswith(first)}
    model.set_stage(2, 0.5)
    fit_adversarial(model, images(8), epochs=1, batch_size=4, ema_decay=0.0, device="cpu")
    z = noise()
    torch.testing.assert_close(model.averaged(z, 2, 0.5), model.generate(z), rtol=1e-12, atol=1e-14)


def test_bad_arguments_are_named():
    for shape in ((1, 8, 4), (1, 12, 12), (1, 2, 2), (1, 0, 0)):
        with pytest.raises(ValueError, match=rf"side of 4, 8, 16, 32, ..., got {shape[1]}x{shape[2]}"):
            ProgressiveGAN(shape)
    model = small(side=8)
    model.grow()
    with pytest.raises(ValueError, match=r"stage must be in 0 ... 1 and alpha in \[0, 1\], got 2 and 0.0"):
        model.grow()
    with pytest.raises(ValueError, match=r"got 1 and 1\.5"):
        model.set_stage(1, 1.5)
    with pytest.raises(ValueError, match=r"built for images \(2, 8, 8\), got x \(6, 2, 16, 16\)"):
        model.discriminator_loss(images())
    with pytest.raises(ValueError, match=r"noise must be \(B, 3\), got \(2, 4\)"):
        model.generate(torch.zeros(2, 4))
    for options in ({"stage_epochs": 0}, {"stage_epochs": 1, "fade": 1.5}):
        with pytest.raises(ValueError, match=r"stage_epochs must be at least 1 and fade in \[0, 1\]"):
            fit_progressive(model, images(side=8), **options)
