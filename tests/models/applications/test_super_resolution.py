"""Super-resolution: PSNR against torchmetrics, the order of sub-pixels, the projection against least squares."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio

from course_utils.models.adversarial.patchgan import PatchDiscriminator
from course_utils.models.applications.super_resolution import (
    ResidualBlock,
    SubPixelGenerator,
    SuperResolutionGAN,
    downsample,
    make_consistent,
    psnr,
    upsample,
)
from course_utils.training import fit

DOUBLE = torch.float64


def images(*shape, seed=0):
    return torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_downsample_is_the_mean_of_each_square():
    x = images(2, 3, 4, 6)
    low = downsample(x, 2)
    assert low.shape == (2, 3, 2, 3)
    for i in range(2):
        for j in range(3):
            due = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((2, 3))
            torch.testing.assert_close(low[:, :, i, j], due)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolation_is_exact_on_what_it_should_be(mode):
    """Away from the border a plane comes back at the centres of the new pixels."""
    rows, columns = torch.meshgrid(*[torch.arange(8, dtype=DOUBLE)] * 2, indexing="ij")
    high_rows, high_columns = ((g.repeat_interleave(2, 0).repeat_interleave(2, 1)) for g in (rows, columns))
    offset = torch.tensor([-0.25, 0.25], dtype=DOUBLE).repeat(8)
    due = 2 * (high_rows + offset[:, None]) - 3 * (high_columns + offset)
    up = upsample((2 * rows - 3 * columns)[None, None], 2, mode)[0, 0]
    torch.testing.assert_close(up[4:-4, 4:-4], due[4:-4, 4:-4])
    nearest = upsample(images(1, 1, 3, 4), 3, "nearest")
    torch.testing.assert_close(nearest[0, 0, 3:6, 6:9], images(1, 1, 3, 4)[0, 0, 1, 2].expand(3, 3))


@pytest.mark.parametrize("max_value", [1.0, 2.0])
def test_psnr_against_torchmetrics(max_value):
    x, x_hat = images(4, 3, 5, 6), images(4, 3, 5, 6, seed=1)
    found = psnr(x_hat, x, max_value)
    for b in range(4):
        due = peak_signal_noise_ratio(x_hat[b], x[b], data_range=max_value)
        assert found[b].item() == pytest.approx(due.item())


def test_psnr_in_closed_form():
    x = torch.zeros(2, 1, 2, 2, dtype=DOUBLE)
    found = psnr(x + torch.tensor([0.1, 0.0], dtype=DOUBLE).view(2, 1, 1, 1), x)
    assert found[0].item() == pytest.approx(20.0)
    assert found[1] == math.inf


def test_consistent_image_is_the_nearest_one_that_averages_to_the_low():
    """Among all solutions of A x = low, the one of least distance, by the pseudo-inverse of A."""
    x, low = images(1, 1, 4, 6), images(1, 1, 2, 3, seed=1)
    basis = torch.eye(24, dtype=DOUBLE).view(24, 1, 4, 6)
    averaging = downsample(basis, 2).flatten(1).T
    due = x.flatten() + torch.linalg.pinv(averaging) @ (low.flatten() - averaging @ x.flatten())
    found = make_consistent(x, low)
    torch.testing.assert_close(found.flatten(), due)
    torch.testing.assert_close(downsample(found, 2), low)
    torch.testing.assert_close(make_consistent(found, low), found)


def test_generator_starts_as_bilinear_enlargement():
    low = images(2, 3, 4, 5)
    generator = SubPixelGenerator(3, 3, 8, 1).double()
    torch.testing.assert_close(generator(low), upsample(low, 3, "bilinear"))


def test_last_channels_are_dealt_out_as_pixels():
    """Shi et al. 2016, equation 4: output (c, r i + a, r j + b) is channel c r^2 + r a + b of the network at (i, j)."""
    low = images(2, 2, 3, 4)
    generator = SubPixelGenerator(2, 2, 8, 1).double()
    nn.init.normal_(generator.layers[-2].weight)
    nn.init.normal_(generator.layers[-2].bias)
    channels = generator.layers[:-1](low)
    added = generator(low) - upsample(low, 2, "bilinear")
    for c in range(2):
        for a in range(2):
            for b in range(2):
                torch.testing.assert_close(added[:, c, a::2, b::2], channels[:, 4 * c + 2 * a + b])


def test_residual_block_adds_two_convolutions():
    block, x = ResidualBlock(3).double(), images(1, 3, 5, 5)
    first, second = block.layers[0], block.layers[2]
    hidden = F.conv2d(x, first.weight, first.bias, padding=1).clamp(min=0)
    torch.testing.assert_close(block(x), x + F.conv2d(hidden, second.weight, second.bias, padding=1))


def test_loss_is_the_mean_squared_error():
    low, high = images(2, 1, 3, 3), images(2, 1, 6, 6, seed=1)
    loss = SubPixelGenerator(1, 2, 4, 1).double().loss(low, high)
    torch.testing.assert_close(loss, ((upsample(low, 2, "bilinear") - high) ** 2).mean())


def test_discriminator_sees_the_few_pixels_as_squares():
    judge = PatchDiscriminator(2, 16, 4)
    gan = SuperResolutionGAN(SubPixelGenerator(1, 4, 4, 1), judge, l1_weight=3.0).double()
    low, high = images(2, 1, 4, 4), images(2, 1, 16, 16, seed=1)
    squares = low.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(gan.discriminate(low, high), judge(torch.cat([squares, high], 1)))
    fake = upsample(low, 4, "bilinear")
    logits = gan.discriminate(low, fake)
    due = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)) + 3 * (fake - high).abs().mean()
    torch.testing.assert_close(gan.generator_loss(low, high), due)


def bars(num_images, seed):
    """Images of a few bright bars with sharp edges, which no linear interpolation brings back."""
    generator = torch.Generator().manual_seed(seed)
    lit = torch.rand(num_images, 1, 16, generator=generator).gt(0.5).float()
    return lit.repeat_interleave(2, 2).roll(1, 2)[:, :, None].expand(-1, -1, 16, -1)[..., :16].contiguous()


@pytest.mark.training
def test_learned_enlargement_beats_bicubic_on_images_it_never_saw(training_seeds):
    gains = []
    for seed in training_seeds:
        torch.manual_seed(seed)
        high, held_out = bars(256, seed), bars(64, 1000 + seed)
        net = SubPixelGenerator(1, 2, 16, 1)
        fit(net, (downsample(high, 2), high), epochs=12, batch_size=32, lr=3e-3, cosine=True, seed=seed, device="cpu")
        low = downsample(held_out, 2)
        with torch.no_grad():
            learned = psnr(net(low), held_out).mean()
        gains.append((learned - psnr(upsample(low, 2), held_out).mean()).item())
    print(f"gain over bicubic in dB, seeds {list(training_seeds)}: {gains}")
    assert min(gains) > 4.0
    assert max(gains) < 15.0


LOW, HIGH = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: downsample(HIGH, 3), "multiples of 3, got 4x4"),
        (lambda: make_consistent(torch.zeros(1, 1, 4, 6), LOW), "is no enlargement"),
        (lambda: make_consistent(LOW, HIGH), "is no enlargement"),
        (lambda: psnr(LOW, HIGH), "must have one shape"),
        (lambda: psnr(LOW, LOW, 0.0), "max_value must be above 0, got 0"),
        (lambda: SubPixelGenerator(1, 1), "factor must be at least 2, got 1"),
        (lambda: SubPixelGenerator(1, 4).loss(LOW, HIGH), r"become \(1, 1, 8, 8\), but high is \(1, 1, 4, 4\)"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
