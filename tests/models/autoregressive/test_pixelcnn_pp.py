"""PixelCNN++: causal by Jacobian, normalised by enumeration, draws with the probabilities of log_prob, in float64."""

import pytest
import torch
import torch.nn.functional as F

from course_utils.models.autoregressive.logistics import split_mixture
from course_utils.models.autoregressive.pixelcnn_pp import (
    GatedResidual,
    PixelCNNPlusPlus,
    concat_elu,
    down_right_shifted,
    down_shifted,
)
from tests.models.autoregressive.pixel_oracles import chi_square_is_likely, unit_images


def random_model(*args, seed=0, std=0.3, **settings):
    torch.manual_seed(seed)
    model = PixelCNNPlusPlus(*args, **{"hidden_dim": 4, "num_blocks": 1, "num_components": 2, **settings}).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    return model.eval()


@pytest.mark.parametrize("conv", [down_shifted, down_right_shifted])
@pytest.mark.parametrize("stride", [1, 2])
def test_shifted_convolutions(conv, stride):
    """Output (i, j) is a sum over a window whose last row is stride i, centred at column stride j or ending there."""
    layer = conv(2, 3, stride=stride).double()
    weight, bias = layer[1].weight, layer[1].bias
    x = torch.randn(1, 2, 4, 6, dtype=torch.float64)
    out = layer(x)
    assert out.shape == (1, 3, 4 // stride, 6 // stride)
    for i in range(4 // stride):
        for j in range(6 // stride):
            expected = bias.clone()
            for u in (0, 1):
                for v in range(weight.shape[3]):
                    row, column = stride * i + u - 1, stride * j + v - 1
                    if row >= 0 and 0 <= column < 6:
                        expected = expected + weight[:, :, u, v] @ x[0, :, row, column]
            torch.testing.assert_close(out[0, :, i, j], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("extra_channels", [0, 5])
def test_gated_residual_is_its_formula(extra_channels):
    layer = GatedResidual(down_shifted, 3, extra_channels, 0.5).double().eval()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    extra = [torch.randn(2, size, 4, 4, dtype=torch.float64) for size in (2, 3)] if extra_channels else []

    def both_signs(x):
        return torch.cat([F.elu(x), F.elu(-x)], dim=1)

    middle = layer.first(both_signs(x))
    if extra:
        middle = middle + F.conv2d(both_signs(torch.cat(extra, 1)), layer.from_extra.weight, layer.from_extra.bias)
    out = layer.second(both_signs(middle))
    torch.testing.assert_close(layer(x, *extra), x + out[:, :3] * torch.sigmoid(out[:, 3:]), rtol=0, atol=1e-13)
    layer.train()
    assert not torch.equal(layer(x, *extra), layer(x, *extra))
    torch.testing.assert_close(concat_elu(x), both_signs(x))


@pytest.mark.parametrize(
    ("image_shape", "settings"),
    [
        ((1, 4, 5), {"num_resolutions": 1}),
        ((1, 4, 6), {"num_resolutions": 2}),
        ((3, 4, 4), {"num_resolutions": 3}),
        ((1, 8, 8), {"num_resolutions": 3, "num_blocks": 2}),
    ],
)
def test_sees_exactly_the_pixels_before(image_shape, settings):
    model = random_model(image_shape, **settings)
    channels, height, width = image_shape
    num_pixels = height * width
    total = 0
    for image in torch.rand(3, *image_shape, dtype=torch.float64):
        # Copy d of the image is differentiated at pixel d, along a random direction of its params.
        x = image.expand(num_pixels, *image_shape).clone().requires_grad_()
        params = model(x).flatten(2).permute(0, 2, 1).diagonal().T
        (derivative,) = torch.autograd.grad((params @ torch.randn(params.shape[1], dtype=x.dtype)).sum(), x)
        total = total + derivative.flatten(2).abs()
    before = torch.ones(num_pixels, num_pixels, dtype=torch.bool).tril(-1)
    for c in range(channels):
        assert torch.equal(total[:, c] > 0, before)


def test_every_parameter_takes_part():
    """No stream, resolution or short-cut may be left out: each parameter changes the likelihood."""
    model = random_model((3, 8, 8), 256, num_blocks=2)
    model.loss(torch.randint(256, (4, 3, 8, 8)).double() / 255).backward()
    without = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize(
    ("image_shape", "num_levels", "num_resolutions"), [((1, 2, 2), 2, 2), ((1, 2, 2), 4, 2), ((3, 1, 2), 3, 1)]
)
def test_sums_to_one(image_shape, num_levels, num_resolutions):
    model = random_model(image_shape, num_levels, num_resolutions=num_resolutions, std=0.4)
    with torch.no_grad():
        log_prob = model.log_prob(unit_images(num_levels, *image_shape))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert log_prob.std() > 0.3


def test_binary_images_have_bernoulli_pixels():
    model = random_model((1, 4, 4), num_resolutions=2, num_components=1)
    x = torch.randint(2, (3, 1, 4, 4)).double()
    with torch.no_grad():
        _, mu, log_scale, _ = split_mixture(model(x), 1)
        logits = (mu / log_scale.exp()).squeeze(2)
        expected = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
        torch.testing.assert_close(model.log_prob(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("image_shape", "num_resolutions"), [((1, 2, 2), 2), ((2, 1, 2), 1)])
def test_draws_have_the_probabilities_of_log_prob(image_shape, num_resolutions):
    model = random_model(image_shape, 2, num_resolutions=num_resolutions, seed=1)
    num_draws = 10_000
    x = model.sample(num_draws, torch.Generator().manual_seed(2))
    index = (x.flatten(1) * 2 ** torch.arange(3, -1, -1)).sum(1).long()
    with torch.no_grad():
        expected = num_draws * model.log_prob(unit_images(2, *image_shape)).exp()
    assert chi_square_is_likely(torch.bincount(index, minlength=16).double(), expected)


def test_completions_have_the_conditional_probabilities():
    model = random_model((1, 2, 2), 3, num_resolutions=2, seed=3)
    num_draws = 10_000
    known = torch.tensor([[True, True], [False, False]])
    x = torch.tensor([[1.0, 0.5], [7.0, 7.0]], dtype=torch.float64).repeat(num_draws, 1, 1, 1)
    before = x.clone()
    drawn = model.complete(x, known, torch.Generator().manual_seed(4))
    assert torch.equal(x, before)
    assert torch.equal(drawn[:, :, 0], x[:, :, 0])
    images = unit_images(3, 1, 2, 2)
    images = images[(images[:, 0, 0] == torch.tensor([1.0, 0.5])).all(1)]
    with torch.no_grad():
        expected = num_draws * model.log_prob(images).softmax(0)
    index = (2 * drawn[:, 0, 1] * torch.tensor([3, 1])).sum(1).round().long()
    assert chi_square_is_likely(torch.bincount(index, minlength=9).double(), expected)


def test_each_image_has_its_own_known_pixels():
    model = random_model((3, 4, 4), 256, num_resolutions=2)
    x = torch.randint(256, (5, 3, 4, 4)).double() / 255
    known = torch.rand(5, 1, 4, 4) < 0.5
    first, second = (model.complete(x, known, torch.Generator().manual_seed(seed)) for seed in (5, 6))
    everywhere = known.expand_as(x)
    assert torch.equal(first[everywhere], x[everywhere])
    assert not torch.equal(first, second)
    assert torch.equal(first, model.complete(torch.where(known, x, 1 - x), known, torch.Generator().manual_seed(5)))
    model.log_prob(first)  # draws are levels


def test_dropout_rests_while_drawing():
    model = random_model((1, 4, 4), num_resolutions=2, dropout=0.9)
    x, known = torch.zeros(20, 1, 4, 4).double(), torch.zeros(4, 4, dtype=torch.bool)
    expected = model.complete(x, known, torch.Generator().manual_seed(7))
    model.train()
    assert torch.equal(model.complete(x, known, torch.Generator().manual_seed(7)), expected)
    assert model.training
    assert not torch.equal(model.log_prob(x), model.log_prob(x))


def test_generator_leaves_the_global_one_alone():
    model = random_model((1, 2, 2), num_resolutions=1)
    state = torch.get_rng_state()
    model.sample(3, torch.Generator().manual_seed(8))
    assert torch.equal(torch.get_rng_state(), state)
    model.sample(3)
    assert not torch.equal(torch.get_rng_state(), state)


def test_training_beats_independent_pixels():
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images).float().div(16).unsqueeze(1).gt(0.5).float()
    train, test = images[:1200], images[1500:]
    rate = ((train.sum(0) + 1) / (len(train) + 2)).expand_as(test)
    independent = torch.distributions.Bernoulli(rate).log_prob(test).sum((1, 2, 3)).mean()
    torch.manual_seed(9)
    model = PixelCNNPlusPlus((1, 8, 8), hidden_dim=8, num_blocks=1, num_resolutions=2, num_components=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for index in torch.randperm(len(train)).split(30):
        loss = model.loss(train[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        assert model.log_prob(test).mean() > independent + 1


def test_errors_name_what_came():
    model = PixelCNNPlusPlus((1, 4, 4), hidden_dim=4, num_blocks=1)
    with pytest.raises(ValueError, match=r"\(B, 1, 4, 4\), got \(2, 1, 4, 5\)"):
        model(torch.zeros(2, 1, 4, 5))
    with pytest.raises(ValueError, match=r"0\.3"):
        model.log_prob(torch.full((2, 1, 4, 4), 0.3))
    with pytest.raises(ValueError, match="multiples of 4, got 6x8"):
        PixelCNNPlusPlus((1, 6, 8))
    with pytest.raises(ValueError, match="at least 1, got 4, 0, 3, 5"):
        PixelCNNPlusPlus((1, 4, 4), hidden_dim=4, num_blocks=0)
    with pytest.raises(ValueError, match="num_levels must be at least 2, got 1"):
        PixelCNNPlusPlus((1, 4, 4), 1)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        model.sample(0)
    with pytest.raises(ValueError, match="known must be boolean"):
        model.complete(torch.zeros(2, 1, 4, 4), torch.zeros(4, 4))
