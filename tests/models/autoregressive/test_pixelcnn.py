"""PixelCNN: what it sees and does not see, its probabilities by enumeration, its samples by a chi-square test."""

import pytest
import torch

from course_utils.models.autoregressive.levels import pixel_log_prob, sample_images, to_levels, to_unit
from course_utils.models.autoregressive.pixelcnn import PixelCNN, ResidualBlock
from tests.models.autoregressive.pixel_oracles import all_images, dependence, fits, sees, values_in_order

TINY = [((1, 2, 2), 2), ((3, 1, 2), 2), ((1, 1, 3), 3)]


def wild(image_shape, num_levels=2, num_layers=1, hidden_dim=6, scale=2.5):
    """A PixelCNN in float64 whose values hang on each other strongly."""
    model = PixelCNN(image_shape, num_levels, hidden_dim, num_layers).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def in_reach(num_layers):
    """Offsets (up, right) that a PixelCNN sees: the first layer reaches 3, each block one more; but up to the right,
    a step to the right past the first layer's costs a step up."""

    def visible(up, right):
        if up == 0:
            return -(3 + num_layers) <= right < 0
        return 0 < up <= 3 + num_layers and -(3 + num_layers) <= right <= min(up + 2, 3 + num_layers)

    return visible


@pytest.mark.parametrize(("image_shape", "num_layers"), [((1, 8, 12), 2), ((1, 9, 9), 0), ((3, 5, 7), 1)])
def test_it_sees_all_earlier_values_in_reach_but_the_blind_spot_and_nothing_else(image_shape, num_layers):
    torch.manual_seed(1)
    model = wild(image_shape, num_layers=num_layers, scale=1.5, hidden_dim=12)
    x = torch.rand(6, *image_shape, dtype=torch.float64)
    assert torch.equal(dependence(model, x), sees(image_shape, in_reach(num_layers)))


def test_the_blind_spot_is_there_at_any_depth():
    """Two to the right of the reach of a 7x7 kernel, one row up: in no model is it seen."""
    torch.manual_seed(2)
    for num_layers in (1, 8):
        model = wild((1, 4, 12), num_layers=num_layers, scale=1.5)
        x = torch.rand(6, 1, 4, 12, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(model(x)[:, 0, 0, 3, 4].sum(), x)
        seen = gradient[:, 0].ne(0).any(0)
        assert seen[2, :8].all()
        assert not seen[2, 8:].any()
        assert not seen[1, 9:].any()


@pytest.mark.parametrize(("image_shape", "num_levels"), TINY)
def test_probabilities_sum_to_one_and_are_products_of_conditionals(image_shape, num_levels):
    torch.manual_seed(3)
    model = wild(image_shape, num_levels)
    images = all_images(image_shape, num_levels)
    x = to_unit(images, num_levels, torch.float64)
    log_prob = model.log_prob(x)
    assert log_prob.exp().sum().item() == pytest.approx(1)
    assert log_prob.std() > 0.5
    # The conditional of each value as sampling computes it: from an image in which no later value is known.
    total = torch.zeros(len(images), dtype=torch.float64)
    for place, (c, i, j) in enumerate(values_in_order(image_shape)):
        so_far = torch.zeros_like(x)
        for earlier in values_in_order(image_shape)[:place]:
            so_far[(slice(None), *earlier)] = x[(slice(None), *earlier)]
        conditional = torch.distributions.Categorical(logits=model(so_far)[:, :, c, i, j])
        total += conditional.log_prob(images[:, c, i, j])
    torch.testing.assert_close(log_prob, total)
    torch.testing.assert_close(model.loss(x), -total.mean())


@pytest.mark.parametrize(("image_shape", "num_levels"), TINY)
def test_samples_have_the_enumerated_probabilities(image_shape, num_levels):
    torch.manual_seed(4)
    model = wild(image_shape, num_levels)
    images = all_images(image_shape, num_levels)
    probabilities = model.log_prob(to_unit(images, num_levels, torch.float64)).exp().detach()
    samples = model.sample(20_000, torch.Generator().manual_seed(5))
    assert samples.dtype == torch.float64
    assert not samples.requires_grad
    assert fits(to_levels(samples, num_levels), probabilities, num_levels)
    plain = sample_images(model, 20_000, image_shape, torch.Generator().manual_seed(6))
    assert fits(plain, probabilities, num_levels)


def test_completions_have_the_conditional_probabilities():
    torch.manual_seed(7)
    model = wild((1, 2, 2), scale=4)
    images = all_images((1, 2, 2), 2)
    probabilities = model.log_prob(to_unit(images, 2, torch.float64)).exp().detach()
    known = torch.tensor([[True, True], [False, False]])
    top = torch.tensor([[1, 0]])
    agrees = (images[:, 0, :1] == top).all((1, 2))
    x = torch.zeros(20_000, 1, 2, 2, dtype=torch.float64)
    x[:, 0, :1] = top
    completed = to_levels(model.complete(x, known, torch.Generator().manual_seed(8)), 2)
    conditional = torch.where(agrees, probabilities, 0) / probabilities[agrees].sum()
    assert (completed[:, 0, :1] == top).all()
    assert fits(completed, conditional, 2)


@pytest.mark.parametrize(("image_shape", "num_levels"), [((1, 5, 4), 4), ((3, 4, 4), 5)])
def test_logits_stand_at_their_level_and_colour(image_shape, num_levels):
    """A bias of the last layer moves one level of one colour, and that everywhere."""
    torch.manual_seed(9)
    model = PixelCNN(image_shape, num_levels, hidden_dim=6, num_layers=1)
    x = to_unit(torch.randint(0, num_levels, (2, *image_shape)), num_levels)
    before = model(x)
    assert before.shape == (2, num_levels, *image_shape)
    for c in range(image_shape[0]):
        for level in range(num_levels):
            with torch.no_grad():
                model.output[-1].bias[c * num_levels + level] += 1
            moved = (model(x) - before).detach()
            due = torch.zeros_like(moved)
            due[:, level, c] = 1
            torch.testing.assert_close(moved, due)
            with torch.no_grad():
                model.output[-1].bias[c * num_levels + level] -= 1
    torch.testing.assert_close(model.log_prob(x), pixel_log_prob(before, to_levels(x, num_levels)))


def test_blocks_add_to_what_comes_in():
    torch.manual_seed(12)
    block = ResidualBlock(4, 1).double()
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    branch = block.layers(x).detach()
    assert branch.abs().max() > 0.01
    torch.testing.assert_close(block(x), x + branch)


def test_save_and_load(tmp_path):
    torch.manual_seed(10)
    model, other = (PixelCNN((1, 6, 6), hidden_dim=4, num_layers=2) for _ in range(2))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    x = torch.randint(0, 2, (3, 1, 6, 6)).float()
    assert torch.equal(model.log_prob(x), other.log_prob(x))
    samples = [m.sample(5, torch.Generator().manual_seed(1)) for m in (model, other)]
    assert torch.equal(*samples)


def test_it_learns_stripes():
    """Each image has rows that copy the first row or its inverse: log 2 for each of the 5 free bits and 3 rows."""
    torch.manual_seed(11)
    model = PixelCNN((1, 4, 5), hidden_dim=8, num_layers=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        first, flips = torch.randint(0, 2, (32, 1, 1, 5)), torch.randint(0, 2, (32, 1, 3, 1))
        x = torch.cat([first, first ^ flips], dim=2).float()
        loss = model.loss(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    entropy = 8 * torch.tensor(2.0).log()
    assert entropy - 0.3 < loss < entropy + 0.5
    rows = model.sample(200)[:, 0]
    follows = (rows[:, 1:] == rows[:, :1]).all(2) | (rows[:, 1:] != rows[:, :1]).all(2)
    assert follows.float().mean() > 0.9


def test_errors_name_what_came():
    model = PixelCNN((1, 4, 4), hidden_dim=4, num_layers=1)
    with pytest.raises(ValueError, match=r"levels k / 1 in \[0, 1\], got 0.5"):
        model.log_prob(torch.full((1, 1, 4, 4), 0.5))
    with pytest.raises(ValueError, match="num_colors = 3, got 3 and 8"):
        PixelCNN((3, 4, 4), hidden_dim=4)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        model.sample(0)
    with pytest.raises(ValueError, match=r"known must be boolean, \(4, 4\) or \(2, 1, 4, 4\), got torch.bool \(4, 3\)"):
        model.complete(torch.zeros(2, 1, 4, 4), torch.zeros(4, 3, dtype=torch.bool))


@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (1, 5, 5)])
def test_images_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"x must be \(B, 1, 5, 5\), got"):
        PixelCNN((1, 5, 5), hidden_dim=4, num_layers=1).log_prob(torch.zeros(shape))
