"""Cached sampling of PixelCNN++ against plain sampling with the same random numbers, in float64."""

import pytest
import torch
from torch import nn

from course_utils.models.autoregressive.fast_pixelcnn_pp import complete_cached
from course_utils.models.autoregressive.pixelcnn_pp import PixelCNNPlusPlus


def random_model(*args, std=0.3, **settings):
    torch.manual_seed(0)
    model = PixelCNNPlusPlus(*args, **{"hidden_dim": 4, "num_blocks": 1, "num_components": 2, **settings}).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    return model


@pytest.mark.parametrize(
    ("image_shape", "num_levels", "settings"),
    [
        ((1, 3, 5), 2, {"num_resolutions": 1, "num_blocks": 2}),
        ((1, 4, 2), 2, {"num_resolutions": 2}),
        ((1, 8, 8), 256, {"num_resolutions": 3}),
        ((3, 4, 4), 256, {"num_resolutions": 3, "num_blocks": 2}),
        ((1, 12, 4), 16, {"num_resolutions": 3}),
    ],
)
def test_same_images_as_the_plain_way(image_shape, num_levels, settings):
    model = random_model(image_shape, num_levels, **settings)
    x = torch.randint(num_levels, (6, *image_shape)).double() / (num_levels - 1)
    nothing = torch.zeros(image_shape[1:], dtype=torch.bool)
    some = torch.rand(6, 1, *image_shape[1:]) < 0.5
    half = nothing.clone()
    half[: image_shape[1] // 2] = True
    for known in (nothing, some, half):
        plain, fast = (
            complete(x, known, torch.Generator().manual_seed(1))
            for complete in (model.complete_plainly, lambda *args: complete_cached(model, *args))
        )
        assert torch.equal(fast, plain)
    assert plain.std() > 0.1


def test_the_model_stays_as_it_was():
    model = random_model((1, 4, 4), num_resolutions=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.full((2, 1, 4, 4), 7.0).double()
    complete_cached(model, x, torch.zeros(4, 4, dtype=torch.bool))
    assert (x == 7).all()
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_convolutions_compute_each_place_once():
    """Multiplications grow with the number of pixels, where those of the plain way grow with its square."""
    counts = []
    forward = nn.Conv2d._conv_forward

    def counted(self, x, weight, bias):
        out = forward(self, x, weight, bias)
        counts.append(out.numel())
        return out

    totals = []
    for side in (4, 8):
        model = random_model((1, side, side), num_resolutions=2)
        counts.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nn.Conv2d, "_conv_forward", counted)
            complete_cached(model, torch.zeros(1, 1, side, side).double(), torch.zeros(side, side, dtype=torch.bool))
        totals.append(sum(counts))
    assert totals[1] < 4.3 * totals[0]


def test_errors_name_what_came():
    model = random_model((1, 4, 4), num_resolutions=1)
    with pytest.raises(ValueError, match=r"\(B, 1, 4, 4\), got \(2, 1, 4, 5\)"):
        complete_cached(model, torch.zeros(2, 1, 4, 5), torch.zeros(4, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="known must be boolean"):
        complete_cached(model, torch.zeros(2, 1, 4, 4).double(), torch.zeros(4, 4))
