"""PixelRNN: causal by Jacobian, normalised by enumeration, draws with the probabilities of log_prob, in float64."""

import pytest
import torch
from scipy import stats

from course_utils.models.autoregressive.diagonal_lstm import DiagonalBiLSTM
from course_utils.models.autoregressive.pixelrnn import PixelRNN
from course_utils.models.autoregressive.row_lstm import RowLSTM
from tests.models.autoregressive.pixel_oracles import seen_values, unit_images

LAYERS = pytest.mark.parametrize("layer", [RowLSTM, DiagonalBiLSTM])


def random_model(*args, seed=0, std=0.4, **settings):
    """A model with large random weights, whose pixels depend strongly on those before."""
    torch.manual_seed(seed)
    model = PixelRNN(*args, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    return model


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_diagonal_bilstm_sees_what_is_earlier_but_for_the_end_of_the_row_above(channels):
    height, width = 3, 7
    model = random_model((channels, height, width), 3, hidden_dim=6 * channels, num_layers=2)
    expected = torch.ones(height * width, channels, height * width, channels, dtype=torch.bool)
    expected = expected.reshape(height * width * channels, -1).tril(-1).view_as(expected)
    for row in range(1, height):
        for column in range(width - 4):  # from farther right, the 7 x 7 convolution reaches it
            expected[row * width + column, :, row * width - 1, -1] = False
    assert torch.equal(seen_values(model), expected.reshape(height * width * channels, -1))


def test_row_lstm_sees_exactly_the_triangles_of_its_layers():
    height, width, num_layers = 3, 12, 2
    model = random_model((1, height, width), layer=RowLSTM, hidden_dim=6, num_layers=num_layers)
    seen = seen_values(model)
    row, column = torch.arange(height * width) // width, torch.arange(height * width) % width
    up, right = row[:, None] - row, column - column[:, None]
    first = (up >= 0) & (up <= 3) & (right.abs() <= 3) & ((up > 0) | (right < 0))
    triangle = (up >= 0) & (right >= -(up + 1)) & (right <= up)
    reach = first.double()
    for _ in range(num_layers):
        reach = triangle.double() @ reach
    assert torch.equal(seen, reach > 0)
    # Unlike the Diagonal BiLSTM, it misses earlier pixels: here the far end of the first row.
    assert not seen[width, width - 1]


@pytest.mark.parametrize("channels", [2, 3])
def test_row_lstm_in_color_sees_nothing_later(channels):
    model = random_model((channels, 3, 3), 2, RowLSTM, hidden_dim=4 * channels, num_layers=2)
    seen = seen_values(model)
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))  # on 3 x 3, triangles cover all


@LAYERS
@pytest.mark.parametrize(("image_shape", "num_levels"), [((1, 2, 2), 2), ((1, 2, 2), 4), ((3, 1, 2), 3)])
def test_sums_to_one(layer, image_shape, num_levels):
    model = random_model(image_shape, num_levels, layer, hidden_dim=2 * image_shape[0], num_layers=2)
    with torch.no_grad():
        log_prob = model.log_prob(unit_images(num_levels, *image_shape))
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert log_prob.std() > 0.3


@LAYERS
@pytest.mark.parametrize("image_shape", [(1, 2, 2), (2, 1, 2)])
def test_draws_have_the_probabilities_of_log_prob(layer, image_shape):
    model = random_model(image_shape, 2, layer, hidden_dim=4, num_layers=1, seed=1)
    num_draws = 10_000
    x = model.sample(num_draws, torch.Generator().manual_seed(2))
    assert x.shape == (num_draws, *image_shape)
    index = (x.flatten(1) * 2 ** torch.arange(3, -1, -1)).sum(1).long()
    counts = torch.bincount(index, minlength=16).double()
    with torch.no_grad():
        expected = num_draws * model.log_prob(unit_images(2, *image_shape)).exp()
    assert expected.min() > 5
    assert 1e-4 < stats.chi2.sf(((counts - expected) ** 2 / expected).sum().item(), 15) < 1 - 1e-4


@LAYERS
def test_completions_have_the_conditional_probabilities(layer):
    model = random_model((1, 2, 2), 2, layer, hidden_dim=4, seed=3)
    known = torch.tensor([[True, True], [False, False]])
    num_draws = 10_000
    x = torch.tensor([[1.0, 0.0], [7.0, 7.0]], dtype=torch.float64).expand(num_draws, 1, 2, 2)
    drawn = model.complete(x, known, torch.Generator().manual_seed(4))
    assert torch.equal(drawn[:, :, 0], x[:, :, 0])
    images = unit_images(2, 1, 2, 2)
    images = images[(images[:, 0, 0] == torch.tensor([1.0, 0.0])).all(1)]
    with torch.no_grad():
        expected = num_draws * model.log_prob(images).softmax(0)
    index = (drawn[:, 0, 1] * torch.tensor([2, 1])).sum(1).long()
    counts = torch.bincount(index, minlength=4).double()
    assert 1e-4 < stats.chi2.sf(((counts - expected) ** 2 / expected).sum().item(), 3) < 1 - 1e-4


@LAYERS
def test_features_pass_the_layers_by(layer):
    """With upsamplings of zero, only the residual connection is left."""
    model = random_model((1, 3, 3), layer=layer, hidden_dim=2, num_layers=3)
    x = torch.rand(2, 1, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        for upsampling in model.upsamplings:
            upsampling.weight.zero_()
            upsampling.bias.zero_()
        expected = model.head(model.first(x)).unflatten(1, (1, 2)).transpose(1, 2)
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-14)


def test_gate_biases_reach_their_layers():
    model = random_model((1, 3, 3), hidden_dim=2, num_layers=2)
    x = torch.rand(2, 1, 3, 3, dtype=torch.float64)
    biases = [torch.randn(layer.gate_channels, dtype=torch.float64) for layer in model.layers]
    with torch.no_grad():
        got = model(x, [bias[None, :, None, None].expand(2, -1, 3, 3) for bias in biases])
        for layer, bias in zip(model.layers, biases, strict=True):
            layer.input_to_state.bias += bias
        torch.testing.assert_close(model(x), got, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="shorter"):
        model(x, [torch.zeros(2, 16, 3, 3)])


@LAYERS
def test_training_beats_independent_pixels(layer):
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images).float().div(16).unsqueeze(1).gt(0.5).float()
    train, test = images[:1200], images[1500:]
    rate = ((train.sum(0) + 1) / (len(train) + 2)).expand_as(test)
    independent = torch.distributions.Bernoulli(rate).log_prob(test).sum((1, 2, 3)).mean()
    torch.manual_seed(5)
    model = PixelRNN((1, 8, 8), layer=layer, hidden_dim=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for index in torch.randperm(len(train)).split(30):
        loss = model.loss(train[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert model.log_prob(test).mean() > independent + 1


def test_save_and_load(tmp_path):
    model, other = (random_model((3, 3, 3), 4, hidden_dim=6, seed=seed) for seed in (6, 7))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    x = torch.randint(4, (2, 3, 3, 3)) / 3.0
    with torch.no_grad():
        assert torch.equal(model.double()(x.double()), other(x.double()))


def test_errors_name_what_came():
    model = PixelRNN((1, 4, 4), hidden_dim=4)
    with pytest.raises(ValueError, match=r"\(B, 1, 4, 4\), got \(2, 1, 4, 5\)"):
        model(torch.zeros(2, 1, 4, 5))
    with pytest.raises(ValueError, match=r"0\.5"):
        model.log_prob(torch.full((2, 1, 4, 4), 0.5))
    with pytest.raises(ValueError, match="multiple of the 3 channels, got 32"):
        PixelRNN((3, 4, 4))
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        PixelRNN((1, 4, 4), num_layers=0)
    with pytest.raises(ValueError, match="num_levels must be at least 2, got 1"):
        PixelRNN((1, 4, 4), num_levels=1)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        model.sample(0)
