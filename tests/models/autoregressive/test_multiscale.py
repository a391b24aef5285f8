"""Multi-scale PixelRNN: its order by Jacobian, normalised by enumeration, draws as log_prob says, in float64."""

import pytest
import torch

from course_utils.models.autoregressive.levels import pixel_log_prob, to_levels
from course_utils.models.autoregressive.multiscale import MultiScalePixelRNN
from course_utils.models.autoregressive.row_lstm import RowLSTM
from tests.models.autoregressive.pixel_oracles import chi_square_is_likely, seen_values, unit_images


def random_model(*args, seed=0, **settings):
    torch.manual_seed(seed)
    model = MultiScalePixelRNN(*args, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


@pytest.mark.parametrize(("channels", "factor"), [(1, 2), (1, 4), (3, 2)])
def test_sees_exactly_what_is_drawn_before(channels, factor):
    """The order is that of x_s, then of the rest; in it, nothing later is seen and all else is."""
    side = 4
    model = random_model((channels, side, side), 2, hidden_dim=6 * channels, factor=factor)
    seen = seen_values(model).view(side * side, channels, side * side, channels)
    in_grid = torch.zeros(side, side, dtype=torch.bool)
    in_grid[::factor, ::factor] = True
    order = torch.cat([in_grid.flatten().nonzero(), (~in_grid).flatten().nonzero()]).flatten()
    seen = seen[order][:, :, order].reshape(side * side * channels, side * side * channels)
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


@pytest.mark.parametrize(
    ("image_shape", "num_levels", "settings"),
    [
        ((1, 2, 2), 4, {}),
        ((1, 2, 4), 2, {"layer": RowLSTM}),
        ((1, 3, 3), 2, {"factor": 3}),
        ((2, 2, 2), 2, {"num_layers": 2}),
    ],
)
def test_sums_to_one(image_shape, num_levels, settings):
    model = random_model(image_shape, num_levels, hidden_dim=4, **settings)
    with torch.no_grad():
        log_prob = model.log_prob(unit_images(num_levels, *image_shape))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert log_prob.std() > 0.3


def test_log_prob_has_two_parts():
    """log p(x_s), which is what a sum over the other pixels leaves, and log p(x | x_s)."""
    model = random_model((1, 4, 4), hidden_dim=4)
    x = torch.randint(2, (3, 1, 4, 4)).double()
    x_small = x[:, :, ::2, ::2]
    with torch.no_grad():
        large = model.large_logits(x).log_softmax(1).gather(1, to_levels(x, 2).unsqueeze(1)).squeeze(1)
        large[:, :, ::2, ::2] = 0
        small = pixel_log_prob(model.small(x_small), to_levels(x_small, 2))
        torch.testing.assert_close(model.log_prob(x), small + large.sum((1, 2, 3)), rtol=0, atol=1e-12)
    model = random_model((1, 2, 4), hidden_dim=4)
    images = unit_images(2, 1, 2, 4)
    with torch.no_grad():
        probabilities = model.log_prob(images).exp()
        for corner in unit_images(2, 1, 1, 2):
            total = probabilities[(images[:, :, ::2, ::2] == corner).all((1, 2, 3))].sum()
            assert total.item() == pytest.approx(model.small.log_prob(corner[None]).exp().item(), abs=1e-12)


def test_draws_have_the_probabilities_of_log_prob():
    model = random_model((1, 2, 2), hidden_dim=4, seed=1)
    num_draws = 10_000
    x = model.sample(num_draws, torch.Generator().manual_seed(2))
    index = (x.flatten(1) * 2 ** torch.arange(3, -1, -1)).sum(1).long()
    with torch.no_grad():
        expected = num_draws * model.log_prob(unit_images(2, 1, 2, 2)).exp()
    assert chi_square_is_likely(torch.bincount(index, minlength=16).double(), expected)


def test_completions_have_the_conditional_probabilities():
    model = random_model((1, 2, 4), hidden_dim=4, seed=3)
    num_draws = 10_000
    # Known: x_s, the first in the order, at (0, 0) and (0, 2), and after them (0, 1).
    known = torch.tensor([[True, True, True, False], [False, False, False, False]])
    x = torch.full((num_draws, 1, 2, 4), 7.0, dtype=torch.float64)
    x[..., 0, :3] = torch.tensor([1.0, 0.0, 0.0])
    before = x.clone()
    drawn = model.complete(x, known, torch.Generator().manual_seed(4))
    assert torch.equal(x, before)
    assert torch.equal(drawn[..., known], x[..., known])
    images = unit_images(2, 1, 2, 4)
    images = images[(images[..., known] == x[0, ..., known]).all((1, 2))]
    with torch.no_grad():
        expected = num_draws * model.log_prob(images).softmax(0)
    index = (drawn[..., ~known].flatten(1) * 2 ** torch.arange(4, -1, -1)).sum(1).long()
    assert chi_square_is_likely(torch.bincount(index, minlength=32).double(), expected)


def test_each_image_has_its_own_known_pixels():
    model = random_model((3, 4, 4), 4, hidden_dim=3)
    x = torch.randint(4, (5, 3, 4, 4)).double() / 3
    known = torch.rand(5, 1, 4, 4) < 0.5
    first, second = (model.complete(x, known, torch.Generator().manual_seed(seed)) for seed in (5, 6))
    assert torch.equal(first[known.expand_as(x)], x[known.expand_as(x)])
    assert not torch.equal(first, second)
    assert torch.equal(first, model.complete(torch.where(known, x, 1 - x), known, torch.Generator().manual_seed(5)))


def test_errors_name_what_came():
    with pytest.raises(ValueError, match="divide 5 and 4, got 2"):
        MultiScalePixelRNN((1, 5, 4))
    with pytest.raises(ValueError, match="at least 2 and divide 4 and 4, got 1"):
        MultiScalePixelRNN((1, 4, 4), factor=1)
    model = MultiScalePixelRNN((1, 4, 4), hidden_dim=2)
    with pytest.raises(ValueError, match=r"\(B, 1, 4, 4\), got \(2, 1, 8, 8\)"):
        model.complete(torch.zeros(2, 1, 8, 8), torch.zeros(8, 8, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(B, 1, 4, 4\), got \(2, 1, 4, 6\)"):
        model(torch.zeros(2, 1, 4, 6))
    with pytest.raises(ValueError, match="known must be boolean"):
        model.complete(torch.zeros(2, 1, 4, 4), torch.zeros(4, 4))
