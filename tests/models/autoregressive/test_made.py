"""MADE: its masks against their definition, its model against enumeration and the Jacobian, for any number of masks."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli

from course_utils.models.autoregressive.made import MADE, draw_degrees, made_masks
from tests.models.autoregressive.pixel_oracles import assert_frequencies, unit_images

SHAPE = (1, 2, 3)
SETTINGS = [
    {},
    {"order": [3, 0, 5, 1, 4, 2]},
    {"num_masks": 3},
    {"num_masks": 3, "direct": True},
    {"num_masks": 4, "order_agnostic": True},
    {"hidden_dims": (30,), "num_masks": 2, "order_agnostic": True, "direct": True},
]


def random_model(hidden_dims=(60, 80), **settings):
    """Wide enough that every path that the masks allow is there."""
    model = MADE(SHAPE, hidden_dims, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


# The masks.


def test_made_masks_against_the_definition():
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        widths = [int(torch.randint(1, 6, (), generator=generator)) for _ in range(2 + seed % 4)]
        degrees = [torch.randint(-3, 6, (width,), generator=generator) for width in widths]
        masks = made_masks(degrees)
        assert len(masks) == len(degrees) - 1
        for layer, mask in enumerate(masks):
            assert mask.shape == (widths[layer + 1], widths[layer])
            for k, j in itertools.product(range(widths[layer + 1]), range(widths[layer])):
                after, before = int(degrees[layer + 1][k]), int(degrees[layer][j])
                assert bool(mask[k, j]) == (after > before if layer == len(masks) - 1 else after >= before)


def test_made_masks_of_a_small_network_by_hand():
    degrees = [torch.tensor([1, 2, 3]), torch.tensor([1, 2]), torch.tensor([1, 2, 3])]
    first, last = made_masks(degrees)
    assert first.int().tolist() == [[1, 0, 0], [1, 1, 0]]
    assert last.int().tolist() == [[0, 0], [1, 0], [1, 1]]
    extreme = torch.tensor([-(2**63), 2**63 - 1])
    assert made_masks([extreme, extreme])[0].int().tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("num_dims", [1, 2, 7])
def test_drawn_degrees_lie_where_units_see_something_and_are_seen(num_dims):
    order = torch.randperm(num_dims)
    degrees = draw_degrees(order, (200, 300))
    assert degrees[0][order].tolist() == list(range(1, num_dims + 1))
    assert torch.equal(degrees[-1], degrees[0])
    for before, after in itertools.pairwise(degrees[:-1]):
        assert set(after.tolist()) == set(range(min(int(before.min()), num_dims - 1), max(num_dims, 1)))


@pytest.mark.parametrize("bad", [[1, 2], torch.ones(2), torch.ones(2, 2).long(), torch.ones((), dtype=torch.int64)])
def test_degrees_that_are_no_int64_vectors_are_named(bad):
    good = torch.tensor([1, 2])
    with pytest.raises(ValueError, match=r"must be an int64 vector, got .* for layer 1"):
        made_masks([good, bad, good])


def test_a_single_degree_vector_makes_no_mask():
    with pytest.raises(ValueError, match="got 1 vectors"):
        made_masks([torch.tensor([1, 2])])


# The model.


@pytest.mark.parametrize("settings", SETTINGS)
def test_each_pixel_sees_all_pixels_before_it_and_no_other_under_every_mask(settings):
    model = random_model(**settings)
    for k in range(model.num_masks):
        when = model.degrees(k)[0]
        seen = torch.zeros(6, 6, dtype=torch.bool)
        for x in unit_images(2, *SHAPE)[::7].unsqueeze(1):  # a ReLU that is off at one image is on at another
            seen |= torch.autograd.functional.jacobian(lambda x: model(x, k), x).view(6, 6) != 0  # noqa: B023
        assert torch.equal(seen, when[:, None] > when)
    if "order" in settings:
        assert model.degrees(0)[0].argsort().tolist() == settings["order"]
    elif "order_agnostic" not in settings:
        assert when.tolist() == [1, 2, 3, 4, 5, 6]


def test_order_agnostic_masks_differ_in_their_orders_and_others_in_their_hidden_degrees():
    model = random_model(num_masks=6, order_agnostic=True)
    assert len({tuple(model.degrees(k)[0].tolist()) for k in range(6)}) > 3
    model = random_model(num_masks=6)
    assert len({tuple(model.degrees(k)[0].tolist()) for k in range(6)}) == 1
    assert len({tuple(model.degrees(k)[1].tolist()) for k in range(6)}) == 6


@pytest.mark.parametrize("settings", SETTINGS)
def test_probabilities_sum_to_one(settings):
    total = random_model(**settings).log_prob(unit_images(2, *SHAPE)).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("settings", SETTINGS)
def test_log_prob_is_that_of_the_mixture_and_loss_that_of_one_mask(settings):
    model, x = random_model(**settings), unit_images(2, *SHAPE)[5:20]
    each = torch.stack([Bernoulli(logits=model(x, k)).log_prob(x).sum((1, 2, 3)) for k in range(model.num_masks)])
    torch.testing.assert_close(model.log_prob(x).exp(), each.exp().mean(0))
    losses = torch.stack([model.loss(x) for _ in range(60)])
    masks = (losses[:, None] + each.mean(1)).abs() < 1e-9
    assert (masks.sum(1) == 1).all()
    assert (masks.sum(0) > 0).all(), "every mask must have its turn"


def test_a_layer_is_a_masked_matrix_and_a_relu():
    model, x = random_model(direct=True), unit_images(2, *SHAPE)
    degrees = [degree.tolist() for degree in model.degrees(0)]
    h = x.flatten(1)
    for number, layer in enumerate(model.layers):
        last = number == len(model.layers) - 1
        weight = layer.weight.detach().clone()
        for k, j in itertools.product(*map(range, weight.shape)):
            after, before = degrees[number + 1][k], degrees[number][j]
            if after < before or (last and after == before):
                weight[k, j] = 0
        h = h @ weight.T + layer.bias
        if not last:
            h = h.clamp(min=0)
    h = h + x.flatten(1) @ model.direct.weight.tril(-1).T
    torch.testing.assert_close(model(x).flatten(1), h)


@pytest.mark.parametrize("settings", SETTINGS)
def test_samples_have_the_frequencies_of_the_model(settings):
    model, num_samples = random_model(**settings), 30_000
    x = model.sample(num_samples, torch.Generator().manual_seed(1))
    assert_frequencies(x, model.log_prob(unit_images(2, *SHAPE)).exp().detach(), at_least=8)


def test_each_sample_has_a_mask_of_its_own():
    """Two masks made to say black and white: samples of one call must hold both, and nothing between."""
    model = MADE(SHAPE, (2,), num_masks=2).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.layers[0].bias.fill_(1.0)
        model.layers[1].weight.fill_(40.0)
        model.layers[1].bias.fill_(-20.0)
        model.degrees_1[0], model.degrees_1[1] = 0, 6  # hidden units that all outputs see, and that none sees
    x = model.sample(400, torch.Generator().manual_seed(2)).flatten(1)
    assert ((x == x[:, :1]).all(1)).all()
    assert abs(x[:, 0].sum().item() - 200) < 5 * 100**0.5


def test_a_generator_decides_the_samples_and_leaves_the_global_one():
    model = random_model(num_masks=3)
    before = torch.get_rng_state()
    first = model.sample(8, torch.Generator().manual_seed(3))
    assert torch.equal(first, model.sample(8, torch.Generator().manual_seed(3)))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.dtype == torch.float64
    assert not first.requires_grad


@pytest.mark.parametrize("settings", [{"num_masks": 9}, {"num_masks": 9, "order_agnostic": True, "direct": True}])
def test_calls_with_many_masks_leave_weights_and_images_as_they_were(settings):
    model, x = random_model(**settings), unit_images(2, *SHAPE)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept, due = x.clone(), model.log_prob(x)
    for _ in range(12):
        model.loss(x).backward()
    model.sample(3)
    assert torch.equal(model.log_prob(x), due)
    assert torch.equal(x, kept)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_a_saved_model_keeps_its_masks():
    torch.manual_seed(5)
    model, x = random_model(num_masks=4, order_agnostic=True), unit_images(2, *SHAPE)
    other = random_model(num_masks=4, order_agnostic=True)
    assert not torch.allclose(other.log_prob(x), model.log_prob(x))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))


def test_what_does_not_fit_is_named():
    model = random_model(num_masks=2)
    grey = torch.full((2, *SHAPE), 0.5, dtype=torch.float64)
    for call in (model.log_prob, model.loss):
        with pytest.raises(ValueError, match=r"zeros and ones, got other values between 0\.5 and 0\.5"):
            call(grey)
    with pytest.raises(ValueError, match=r"images \(1, 2, 3\), got x \(2, 6\)"):
        model(grey.flatten(1))
    for k in (-1, 2):
        with pytest.raises(ValueError, match=f"k must be from 0 to 1, got {k}"):
            model(grey, k)
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        model.sample(0)
    with pytest.raises(ValueError, match="give no order"):
        MADE(SHAPE, order=[5, 4, 3, 2, 1, 0], order_agnostic=True)
    with pytest.raises(ValueError, match=r"an order must hold each of 0 \.\.\. 5 once"):
        MADE(SHAPE, order=[0, 1])
    for settings in ({"num_masks": 0}, {"hidden_dims": ()}, {"hidden_dims": (5, 0)}):
        with pytest.raises(ValueError, match="MADE needs masks and hidden units"):
            MADE(SHAPE, **settings)
