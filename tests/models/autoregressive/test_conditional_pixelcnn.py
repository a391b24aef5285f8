"""Conditional PixelCNN: p(x | h) sums to one for each h, and h reaches every pixel through every layer."""

import pytest
import torch

from course_utils.models.autoregressive.conditional_pixelcnn import ConditionalPixelCNN
from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from course_utils.models.autoregressive.levels import to_levels, to_unit
from tests.models.autoregressive.pixel_oracles import all_images, dependence, fits, sees
from tests.models.autoregressive.test_gated_pixelcnn import in_reach


def wild(image_shape, condition_dim, num_levels=2, num_layers=2, hidden_dim=6, scale=2.5):
    """A model in float64 whose values hang on each other and on h strongly."""
    model = ConditionalPixelCNN(image_shape, condition_dim, num_levels, hidden_dim, num_layers).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


@pytest.mark.parametrize(("image_shape", "num_levels"), [((1, 2, 2), 2), ((3, 1, 2), 2)])
def test_each_label_has_a_distribution_of_its_own_and_samples_have_it(image_shape, num_levels):
    torch.manual_seed(1)
    model = wild(image_shape, 3, num_levels, scale=3)
    images = all_images(image_shape, num_levels)
    x = to_unit(images, num_levels, torch.float64)
    probabilities = []
    for label in range(3):
        y = torch.full((len(x),), label)
        log_prob = model.log_prob(x, y).detach()
        assert log_prob.exp().sum().item() == pytest.approx(1)
        assert model.loss(x, y).item() == pytest.approx(-log_prob.mean().item())
        probabilities.append(log_prob.exp())
        samples = to_levels(model.sample(10_000, torch.full((10_000,), label), torch.Generator().manual_seed(2)), 2)
        assert fits(samples, probabilities[label], num_levels)
        assert label == 0 or not fits(samples, probabilities[label - 1], num_levels)


def test_labels_are_one_hot_embeddings_and_each_image_has_its_own():
    torch.manual_seed(3)
    model = wild((1, 3, 4), 5)
    x, y = torch.randint(0, 2, (6, 1, 3, 4)).double(), torch.tensor([4, 0, 1, 3, 2, 2])
    one_hot = torch.zeros(6, 5, dtype=torch.float64)
    one_hot[torch.arange(6), y] = 1
    torch.testing.assert_close(model(x, y), model(x, one_hot))
    log_prob = torch.cat([model.log_prob(x[n : n + 1], y[n : n + 1]) for n in range(6)])
    torch.testing.assert_close(model.log_prob(x, y), log_prob)
    samples = model.sample(4, torch.randn(4, 5).double(), torch.Generator().manual_seed(1))
    assert samples.shape == (4, 1, 3, 4)


def test_h_moves_every_logit_through_every_layer_and_earlier_values_only_are_seen():
    torch.manual_seed(4)
    model = wild((1, 4, 6), 3, num_layers=3, hidden_dim=12, scale=1.5)
    x, h = torch.rand(4, 1, 4, 6, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    for logit in model(x, h).sum((0, 1)).flatten():
        (gradient,) = torch.autograd.grad(logit, h, retain_graph=True)
        assert gradient.ne(0).any(0).all()
    assert torch.equal(dependence(lambda x: model(x, h), x), sees((1, 4, 6), in_reach(3)))
    # Of the vertical stack's layers the last passes on what it has before its gate, so its bias has no use.
    model.loss(x.round(), h).backward()
    used = model.condition.weight.grad.abs().sum(1).view(6, 24).gt(0).any(1)
    assert used.tolist() == [True, True, False, True, True, True]


def test_without_influence_of_h_it_is_a_gated_pixelcnn():
    torch.manual_seed(5)
    model = wild((1, 4, 4), 3)
    plain = GatedPixelCNN((1, 4, 4), 2, 6, 2).double()
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if name != "condition.weight"})
    x = torch.randint(0, 2, (5, 1, 4, 4)).double()
    torch.testing.assert_close(model(x, torch.zeros(5, 3).double()), plain(x))
    assert not torch.allclose(model(x, torch.ones(5, 3).double()), plain(x))


def test_errors_name_what_came():
    model, x = ConditionalPixelCNN((1, 3, 3), 4, hidden_dim=2, num_layers=1), torch.zeros(2, 1, 3, 3)
    with pytest.raises(ValueError, match="labels must go from 0 to 3, got 0 to 4"):
        model(x, torch.tensor([0, 4]))
    with pytest.raises(ValueError, match=r"labels \(2,\), int64, or embeddings \(2, 4\), got torch.float32 \(2, 3\)"):
        model.log_prob(x, torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"got torch.int64 \(3,\)"):
        model.sample(2, torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"got torch.float32 \(2,\)"):
        model.loss(x, torch.zeros(2))
