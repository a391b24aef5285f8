"""pix2pix and CycleGAN: losses by hand, who gets which gradient, receptive fields by gradients, the pool, the cycle."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.cyclegan import (
    CycleGAN,
    ImagePool,
    ResidualBlock,
    ResidualGenerator,
    cycle_consistency_loss,
)
from course_utils.models.adversarial.patchgan import PATCH_LAYERS, PatchDiscriminator, receptive_field
from course_utils.models.adversarial.pix2pix import Pix2Pix, UNetGenerator, pix2pix_generator_loss
from course_utils.receptive_field import receptive_field as measured_field

DOUBLE = torch.float64


def images(*shape, seed=0):
    return 2 * torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed)) - 1


# Patches


@pytest.mark.parametrize("patch", sorted(PATCH_LAYERS))
def test_one_logit_sees_a_patch_of_the_stated_side(patch):
    """Measured from gradients, with the norms taken out, whose statistics see the whole image."""
    assert receptive_field(PATCH_LAYERS[patch]) == patch
    judge = PatchDiscriminator(1, patch, hidden_dim=2).double()
    judge.layers = nn.Sequential(*[layer for layer in judge.layers if not isinstance(layer, nn.InstanceNorm2d)])
    middle = judge(images(1, 1, 120, 120)).shape[-1] // 2
    field = measured_field(judge, (1, 120, 120), (middle, middle))[0]
    rows, columns = field.sum(1).nonzero().flatten(), field.sum(0).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == patch
    assert columns[-1] - columns[0] + 1 == patch


def test_receptive_field_of_two_layers_by_hand():
    assert receptive_field([(3, 1)]) == 3
    assert receptive_field([(3, 2), (3, 1)]) == 7
    assert receptive_field([(3, 1), (3, 2)]) == 5


# pix2pix


def test_generator_loss_by_hand():
    logits, fake, target = torch.tensor([[0.5], [-2.0]], dtype=DOUBLE), images(2, 1, 2, 2), images(2, 1, 2, 2, seed=1)
    expected = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)) + 7 * (fake - target).abs().mean()
    assert pix2pix_generator_loss(logits, fake, target, 7.0).item() == pytest.approx(expected.item())


def test_each_player_gets_its_own_gradients():
    model = Pix2Pix(UNetGenerator(1, 1, 4, 2), PatchDiscriminator(2, 16, 4)).double()
    source, target = images(2, 1, 16, 16), images(2, 1, 16, 16, seed=1)
    turn = model.discriminator_loss(source, target)
    turn.loss.backward()
    assert all(parameter.grad is None for parameter in model.generator.parameters())
    assert all(parameter.grad is not None for parameter in model.discriminator.parameters())
    expected = F.binary_cross_entropy_with_logits(turn.logits_real, torch.ones_like(turn.logits_real))
    expected = expected + F.binary_cross_entropy_with_logits(turn.logits_fake, torch.zeros_like(turn.logits_fake))
    torch.testing.assert_close(turn.loss, expected)


def test_judge_sees_the_source_too():
    model = Pix2Pix(UNetGenerator(1, 1, 4, 2), PatchDiscriminator(2, 16, 4)).double()
    target = images(1, 1, 16, 16)
    other = model.discriminate(images(1, 1, 16, 16, seed=2), target)
    assert not torch.allclose(model.discriminate(images(1, 1, 16, 16, seed=1), target), other)


def test_dropout_is_the_noise_also_after_training():
    generator = UNetGenerator(1, 1, 4, 3).double().eval()
    x = images(1, 1, 16, 16)
    assert not torch.allclose(generator(x), generator(x))
    still = UNetGenerator(1, 1, 4, 3, dropout=0.0).double()
    assert torch.equal(still(x), still(x))


def test_skips_hand_across_what_the_bottom_cannot_hold():
    """Silencing the middle leaves a U-Net an image of its source; an encoder-decoder has nothing left."""
    x, other = images(1, 1, 16, 16), images(1, 1, 16, 16, seed=1)
    for skips in (True, False):
        generator = UNetGenerator(1, 1, 4, 3, dropout=0.0, skips=skips).double()
        generator.down[-1].register_forward_hook(lambda _, __, out: torch.zeros_like(out))
        assert torch.allclose(generator(x), generator(other)) is not skips


# CycleGAN


def test_cycle_loss_by_hand():
    s, s2, t, t2 = (images(2, 1, 2, 3, seed=k) for k in range(4))
    expected = 3 * ((s - s2).abs().mean() + (t - t2).abs().mean())
    assert cycle_consistency_loss(s, s2, t, t2, 3.0).item() == pytest.approx(expected.item())


def tiny_cyclegan(**settings):
    networks = [nn.Conv2d(1, 1, 1) for _ in range(4)]
    return CycleGAN(*networks, image_shape=(1, 4, 4), **settings).double()


def test_losses_by_hand():
    model = tiny_cyclegan(cycle_weight=5.0, identity_weight=2.0, pool_size=0)
    s, t = images(2, 1, 4, 4), images(3, 1, 4, 4, seed=1)
    g, f = model.generator["to_target"], model.generator["to_source"]
    d_t, d_s = model.discriminator["target"], model.discriminator["source"]
    expected = 0.5 * ((d_t(g(s)) - 1) ** 2).mean() + 0.5 * ((d_s(f(t)) - 1) ** 2).mean()
    expected = expected + 5 * ((f(g(s)) - s).abs().mean() + (g(f(t)) - t).abs().mean())
    expected = expected + 2 * ((g(t) - t).abs().mean() + (f(s) - s).abs().mean())
    torch.testing.assert_close(model.generator_loss(s, t), expected)
    turn = model.discriminator_loss(s, t)
    expected = 0.5 * ((d_t(t) - 1) ** 2).mean() + 0.5 * (d_t(g(s)) ** 2).mean()
    expected = expected + 0.5 * ((d_s(s) - 1) ** 2).mean() + 0.5 * (d_s(f(t)) ** 2).mean()
    torch.testing.assert_close(turn.loss, expected)
    turn.loss.backward()
    assert all(parameter.grad is None for parameter in model.generator.parameters())


def test_pool_hands_on_half_old_images_and_forgets_nothing():
    pool = ImagePool((1, 1, 1), size=10)
    first = torch.arange(10.0).view(10, 1, 1, 1)
    assert torch.equal(pool.exchange(first), first)
    fakes = torch.arange(10.0, 4010.0).view(-1, 1, 1, 1)
    handed_on = pool.exchange(fakes).flatten()
    is_new = handed_on == fakes.flatten()
    assert abs(is_new.double().mean().item() - 0.5) < 5 * 0.5 / 4000**0.5
    everything = torch.cat([first.flatten(), fakes.flatten()]).sort().values
    left = torch.cat([first.flatten()[:0], handed_on, pool.images.flatten()]).sort().values
    assert torch.equal(left, everything)
    assert torch.equal(ImagePool((1, 1, 1), size=0).exchange(fakes), fakes)


def test_residual_block_starts_from_its_input_and_generator_keeps_the_shape():
    block = ResidualBlock(3).double()
    with torch.no_grad():
        block.layers[-1].weight.zero_()
    x = images(1, 3, 8, 8)
    torch.testing.assert_close(block(x), x)
    assert ResidualGenerator(3, 4, 1)(torch.rand(1, 3, 8, 12)).shape == (1, 3, 8, 12)


@pytest.mark.training
def test_dropping_the_cycle_loss_forgets_the_source(training_seeds, claim):
    """Two domains of one law, unpaired: only the cycle ties an image to its own source."""
    lost = {}
    for weight in (10.0, 0.0):
        found = []
        for seed in training_seeds:
            torch.manual_seed(seed)
            source, target = torch.randn(2, 1024, 2, 1, 1).mul(0.3).clamp(-1, 1)

            def mapper():
                return nn.Sequential(nn.Conv2d(2, 32, 1), nn.ReLU(), nn.Conv2d(32, 2, 1), nn.Tanh())

            def judge():
                return nn.Sequential(nn.Conv2d(2, 32, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 1))

            model = CycleGAN(mapper(), mapper(), judge(), judge(), (2, 1, 1), cycle_weight=weight, identity_weight=0.0)
            fit_adversarial(model, (source, target), epochs=15, batch_size=64, lr=2e-3, seed=seed)
            with torch.no_grad():
                found.append((model.to_source(model.to_target(source)) - source).abs().mean().item())
        lost[weight] = found
    claim("distance after there and back with the cycle", lost[10.0], 0.0, 0.1)
    claim("distance after there and back without", lost[0.0], 0.2, 0.7)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: receptive_field([]), "at least one layer"),
        (lambda: receptive_field([(4, 0)]), "positive kernel size and stride"),
        (lambda: PatchDiscriminator(3, 50), "patch must be one of 1, 16, 34, 70, got 50"),
        (lambda: UNetGenerator(1, 1, 4, 3)(torch.zeros(1, 1, 12, 16)), "multiples of 8, got 12x16"),
        (lambda: ResidualGenerator(1)(torch.zeros(1, 1, 6, 8)), "multiples of 4, got 6x8"),
        (lambda: pix2pix_generator_loss(torch.zeros(1), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3)), "one shape"),
        (lambda: Pix2Pix(nn.Identity(), nn.Identity(), -1.0), "l1_weight must be at least 0, got -1"),
        (
            lambda: Pix2Pix(nn.Identity(), nn.Identity()).generator_loss(
                torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 4, 4)
            ),
            "the targets are",
        ),
        (
            lambda: cycle_consistency_loss(*(torch.zeros(1, 1, 2, k) for k in (2, 3, 2, 2))),
            "source is .* what came back",
        ),
        (lambda: tiny_cyclegan(cycle_weight=-1.0), "weights must be at least 0"),
        (lambda: tiny_cyclegan().discriminator_loss(images(1, 1, 4, 4), images(1, 1, 4, 6)), "domain are"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
