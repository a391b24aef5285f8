"""Cached sampling gives the images of plain sampling, and a pixel costs the same in images of any size."""

import pytest
import torch
from torch import nn

from course_utils.models.autoregressive import fast_sampling
from course_utils.models.autoregressive.conditional_pixelcnn import ConditionalPixelCNN
from course_utils.models.autoregressive.fast_sampling import cached, complete_cached
from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from course_utils.models.autoregressive.levels import PixelModel, complete_images, sample_images, to_levels, to_unit
from course_utils.models.autoregressive.masked import MaskedConv2d
from course_utils.models.autoregressive.pixelcnn import PixelCNN

MODELS = [PixelCNN, GatedPixelCNN]
SHAPES = [
    ((1, 9, 7), 2),
    ((1, 5, 12), 4),
    ((3, 6, 5), 3),
    ((1, 1, 6), 2),
    ((1, 6, 1), 2),
    ((3, 1, 1), 2),
    ((1, 1, 1), 5),
]


def wild(build, *arguments, hidden_dim=6, num_layers=3, scale=2.0, **settings):
    model = build(*arguments, hidden_dim=hidden_dim, num_layers=num_layers, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize(("image_shape", "num_levels"), SHAPES)
def test_the_same_images_for_the_same_seed(build, image_shape, num_levels):
    torch.manual_seed(1)
    model = wild(build, image_shape, num_levels)
    state = torch.get_rng_state()
    fast = model.sample(7, seeded(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(to_levels(fast, num_levels), sample_images(model, 7, image_shape, seeded(2)))
    assert not torch.equal(fast, model.sample(7, seeded(3))) or fast[0].numel() == 1
    torch.manual_seed(2)
    assert torch.equal(model.sample(7), fast)


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("image_shape", [(1, 7, 6), (3, 5, 5)])
def test_the_same_logits_at_every_value(build, image_shape):
    """Sharper than equal images: rounding is all that may differ."""
    torch.manual_seed(4)
    model = wild(build, image_shape, 3)
    x = to_unit(torch.randint(0, 3, (4, *image_shape)), 3, torch.float64)
    with torch.no_grad():
        due = model(x)
        network, cursor = cached(model, x)
        for cursor.i in range(image_shape[1]):
            for cursor.j in range(image_shape[2]):
                logits = network(x)
                assert logits.shape == (4, 3, image_shape[0], 1, 1)
                torch.testing.assert_close(logits[..., 0, 0], due[..., cursor.i, cursor.j], atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize(("image_shape", "num_levels"), [((1, 6, 7), 2), ((3, 5, 4), 3)])
def test_the_same_completions(build, image_shape, num_levels):
    torch.manual_seed(5)
    model = wild(build, image_shape, num_levels)
    x = to_unit(torch.randint(0, num_levels, (6, *image_shape)), num_levels, torch.float64)
    top = torch.zeros(image_shape[1:], dtype=torch.bool)
    top[: image_shape[1] // 2] = True
    for known in (top, ~top, torch.rand(6, 1, *image_shape[1:]) < 0.5, torch.ones_like(top)):
        before = x.clone()
        fast = model.complete(x, known, seeded(6))
        assert torch.equal(fast, complete_images(model, x, known, seeded(6)))
        assert torch.equal(torch.where(known, fast, 0), torch.where(known, x, 0))
        assert torch.equal(x, before)
        assert torch.equal(model.complete(torch.where(known, x, torch.nan), known, seeded(6)), fast)


def test_conditional_models_draw_each_image_for_its_own_h():
    torch.manual_seed(7)
    model = wild(ConditionalPixelCNN, (1, 6, 5), 4)
    y = torch.tensor([0, 3, 1, 1, 2])
    for h in (y, torch.randn(5, 4, dtype=torch.float64)):
        plain = sample_images(lambda x, h=h: model(x.double(), h), 5, (1, 6, 5), seeded(8))
        assert torch.equal(to_levels(model.sample(5, h, seeded(8)), 2), plain)
        known = torch.rand(5, 1, 6, 5) < 0.4
        x = torch.randint(0, 2, (5, 1, 6, 5)).double()
        plain = complete_images(lambda x, h=h: model(x, h), x, known, seeded(9))
        assert torch.equal(model.complete(x, known, h, seeded(9)), plain)


@pytest.mark.slow
@pytest.mark.parametrize("build", MODELS)
def test_the_same_images_of_28x28_in_float32(build):
    torch.manual_seed(10)
    model = build((1, 28, 28), hidden_dim=4, num_layers=2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    samples = model.sample(4, seeded(11))
    assert samples.dtype == torch.float32
    assert torch.equal(to_levels(samples, 2), sample_images(model, 4, (1, 28, 28), seeded(11)))


@pytest.mark.parametrize("build", MODELS)
def test_after_training_too(build):
    torch.manual_seed(12)
    model = build((1, 6, 6), hidden_dim=6, num_layers=2)
    x = torch.randint(0, 2, (16, 1, 6, 1)).float().expand(16, 1, 6, 6)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.loss(x)
        loss.backward()
        optimizer.step()
    assert loss < 36 * 0.6
    first = model.sample(8, seeded(13))
    assert torch.equal(to_levels(first, 2), sample_images(model, 8, (1, 6, 6), seeded(13)))
    # Sampling leaves no trace in the model, what is drawn can be learned from, and what changes in the model shows.
    assert model.training
    model.loss(first).backward()
    assert torch.equal(model.sample(8, seeded(13)), first)
    with torch.no_grad():
        model.output[-1].bias += torch.tensor([0.0, 20.0])
    assert model.sample(8, seeded(13)).min() == 1


@pytest.mark.parametrize("build", MODELS)
def test_the_work_for_a_pixel_does_not_grow_with_the_image(build, monkeypatch):
    """Multiplications of all linear maps, counted."""
    counts = []
    linear = fast_sampling.F.linear

    def counted(x, weight, bias):
        counts.append(x.numel() * len(weight))
        return linear(x, weight, bias)

    per_pixel = {}
    for size in (4, 8, 16):
        model = build((1, size, size), hidden_dim=2, num_layers=2)
        with monkeypatch.context() as patch:
            patch.setattr(fast_sampling.F, "linear", counted)
            counts.clear()
            model.sample(1)
        per_pixel[size] = sum(counts) / size**2
    assert per_pixel[4] == per_pixel[8] == per_pixel[16]


def test_a_model_of_ones_own_joins_without_a_word():
    class Own(PixelModel):
        def __init__(self):
            super().__init__((1, 6, 6), 3)
            self.layers = nn.Sequential(
                MaskedConv2d("A", 1, 8, 5), nn.Dropout(0.5), nn.ELU(), MaskedConv2d("B", 8, 3, 5, bias=False)
            )

        def forward(self, x):
            return self.layers(2 * x - 1).unsqueeze(2)

    torch.manual_seed(14)
    model = Own().double()
    blank, nothing = torch.zeros(9, 1, 6, 6, dtype=torch.float64), torch.zeros(6, 6, dtype=torch.bool)
    fast = complete_cached(model, blank, nothing, seeded(15))
    assert fast.std() > 0.3
    assert torch.equal(fast, model.sample(9, seeded(15)))


def test_errors_name_what_came():
    x, nothing = torch.zeros(2, 1, 6, 6), torch.zeros(6, 6, dtype=torch.bool)
    for conv in (
        nn.Conv2d(1, 1, 3, stride=2),
        nn.Conv2d(1, 1, 3, padding="same"),
        MaskedConv2d("A", 1, 1, 3, dilation=2),
    ):
        with pytest.raises(ValueError, match=r"stride 1, dilation 1, one group, padding in numbers, got .*Conv2d"):
            complete_cached(nn.Sequential(conv), x, nothing)
    with pytest.raises(ValueError, match="sees rows below"):
        complete_cached(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1)), x, nothing)
    with pytest.raises(ValueError, match=r"known must be boolean, \(6, 6\)"):
        complete_cached(PixelCNN((1, 6, 6), hidden_dim=2), x, nothing[:5])
    with pytest.raises(ValueError, match="at least 1, got -2"):
        GatedPixelCNN((1, 6, 6), hidden_dim=2).sample(-2)
