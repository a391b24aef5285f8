"""Gated PixelCNN: it sees every earlier value in its reach, its probabilities sum to one, and its gates are gates."""

import math

import pytest
import torch

from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN, HorizontalConv2d, VerticalConv2d, gate
from course_utils.models.autoregressive.levels import sample_images, to_levels, to_unit
from course_utils.models.autoregressive.pixelcnn import PixelCNN
from tests.models.autoregressive.pixel_oracles import all_images, dependence, fits, sees

TINY = [((1, 2, 2), 2), ((3, 1, 2), 2), ((3, 2, 1), 2), ((1, 2, 2), 3)]


def wild(image_shape, num_levels=2, num_layers=2, hidden_dim=6, scale=2.5):
    """A model in float64 whose values hang on each other strongly."""
    model = GatedPixelCNN(image_shape, num_levels, hidden_dim, num_layers).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def in_reach(num_layers):
    """Offsets (up, right) that are seen: a whole rectangle above, and the row to the left."""
    reach = 3 + num_layers - 1
    return lambda up, right: (up == 0 and -reach <= right < 0) or (0 < up <= reach and abs(right) <= reach)


@pytest.mark.parametrize(("image_shape", "num_layers"), [((1, 8, 12), 3), ((1, 6, 9), 1), ((3, 5, 8), 2)])
def test_it_sees_all_earlier_values_in_reach_and_nothing_else(image_shape, num_layers):
    torch.manual_seed(1)
    model = wild(image_shape, num_layers=num_layers, scale=1.5, hidden_dim=12)
    x = torch.rand(4, *image_shape, dtype=torch.float64)
    assert torch.equal(dependence(model, x), sees(image_shape, in_reach(num_layers)))


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_the_convolutions_of_the_stacks_see_what_they_say(mask_type, kernel_size):
    torch.manual_seed(2)
    reach = kernel_size // 2
    for num_colors, conv in (
        (1, VerticalConv2d(mask_type, 1, 2, kernel_size)),
        (1, HorizontalConv2d(mask_type, 2, 3, kernel_size, 1)),
        (3, HorizontalConv2d(mask_type, 6, 3, kernel_size, 3)),
    ):
        size_in, size_out = conv.in_channels, conv.out_channels
        x = torch.randn(1, size_in, 6, 9, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(conv.double(), x)[0, :, :, :, 0]
        assert jacobian.shape == (size_out, 6, 9, size_in, 6, 9)
        for o in range(size_out):
            for c in range(size_in):
                color_out, color_in = o * num_colors // size_out, c * num_colors // size_in
                for i, j, i_in, j_in in torch.cartesian_prod(*[torch.arange(n) for n in (6, 9, 6, 9)]).tolist():
                    up, left = i - i_in, j - j_in
                    if isinstance(conv, VerticalConv2d):
                        due = (1 if mask_type == "A" else 0) <= up <= reach and abs(left) <= reach
                    elif left:
                        due = up == 0 and 0 < left <= reach
                    else:
                        due = up == 0 and (color_in < color_out or (mask_type == "B" and color_in == color_out))
                    assert (jacobian[o, i, j, c, i_in, j_in].item() != 0) == due


def test_the_gate_by_hand():
    x = torch.tensor([0.5, -1.0, 2.0, 0.0]).view(1, 4, 1, 1).double()
    tanh, sigmoid = torch.tanh(x).flatten(), torch.sigmoid(x).flatten()
    torch.testing.assert_close(gate(x).flatten(), torch.stack([tanh[0] * sigmoid[2], tanh[1] * sigmoid[3]]))
    # With two colours the halves lie within each colour's group.
    torch.testing.assert_close(gate(x, 2).flatten(), torch.stack([tanh[0] * sigmoid[1], tanh[2] * sigmoid[3]]))


@pytest.mark.parametrize(("image_shape", "num_levels"), TINY)
def test_probabilities_sum_to_one_and_samples_have_them(image_shape, num_levels):
    torch.manual_seed(3)
    model = wild(image_shape, num_levels)
    log_prob = model.log_prob(to_unit(all_images(image_shape, num_levels), num_levels, torch.float64)).detach()
    assert log_prob.exp().sum().item() == pytest.approx(1)
    assert log_prob.std() > 0.3
    samples = model.sample(20_000, torch.Generator().manual_seed(4))
    assert fits(to_levels(samples, num_levels), log_prob.exp(), num_levels)
    plain = sample_images(model, 20_000, image_shape, torch.Generator().manual_seed(5))
    assert fits(plain, log_prob.exp(), num_levels)


def test_every_parameter_matters():
    """But the gates of the last vertical layer, nothing is computed in vain; biases, links and residuals are wired."""
    torch.manual_seed(6)
    model = wild((3, 5, 5), num_layers=3)
    x = torch.randint(0, 2, (4, 3, 5, 5)).double()
    model.loss(x).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    # The horizontal stack is residual: with its outputs at zero, the first layer's features come through.
    with torch.no_grad():
        for layer in model.horizontal[1:]:
            layer.output.weight.zero_()
            layer.output.bias.zero_()
        first = model.horizontal[0](x, model.vertical(x)[0])
        due = model.output(first).unflatten(1, (3, 2)).transpose(1, 2)
        torch.testing.assert_close(model(x), due)


def test_save_and_load(tmp_path):
    torch.manual_seed(7)
    model, other = (GatedPixelCNN((1, 6, 6), hidden_dim=4, num_layers=2) for _ in range(2))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    x = torch.randint(0, 2, (3, 1, 6, 6)).float()
    assert torch.equal(model.log_prob(x), other.log_prob(x))


def test_it_learns_what_lies_in_the_blind_spot_of_a_pixelcnn():
    """The second row starts with what the first ends with, 4 to the right: a PixelCNN sees 3 there, at any depth."""
    torch.manual_seed(8)
    losses = {}
    for build in (PixelCNN, GatedPixelCNN):
        model = build((1, 2, 5), hidden_dim=8, num_layers=3)
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
        for _ in range(100):
            x = torch.zeros(32, 1, 2, 5)
            x[:, 0, 0, 4] = x[:, 0, 1, 0] = torch.randint(0, 2, (32,)).float()
            loss = model.loss(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[build] = loss.item() / math.log(2)
    assert losses[GatedPixelCNN] < 1.15
    assert losses[PixelCNN] > 1.85
