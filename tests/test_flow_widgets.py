"""The widget of a flow's layers shows where the layers put the noise."""

import itertools

import matplotlib

matplotlib.use("agg")
import pytest
import torch
from matplotlib.figure import Figure

from course_utils.models.flows.ffjord import FFJORD
from course_utils.models.flows.nice import NICE
from course_utils.models.flows.realnvp import RealNVPPoints
from course_utils.widgets import flow_layers
from course_utils.widgets.flow import layer_by_layer


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RealNVPPoints(2, hidden_dim=8, num_couplings=4).double()


def shown(ax):
    return torch.tensor(ax.collections[-1].get_offsets().tolist(), dtype=torch.float64)


def test_layers_lead_from_noise_to_samples(model):
    z = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    states = layer_by_layer(model, z)
    assert len(states) == 5
    assert torch.equal(states[0], z)
    torch.testing.assert_close(states[-1], model.inverse(z)[0].detach())
    for k, (before, after) in enumerate(itertools.pairwise(states)):
        assert (after != before).any(0).tolist() == [k % 2 == 1, k % 2 == 0]  # along one axis, in turn
        torch.testing.assert_close(model.network.layers[3 - k](after)[0].detach(), before)


def test_sliders_choose_the_layer_and_the_temperature(model, drawn):
    x = torch.zeros(10, 2)
    box = flow_layers(model, x, num_points=20, seed=3)
    controls = {control.description: control for control in box.children[:-1]}
    noise = torch.randn(20, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(shown(drawn[-1][0]), noise)
    assert controls["layers"].max == 4
    controls["layers"].value = 3
    torch.testing.assert_close(shown(drawn[-1][0]), layer_by_layer(model, noise)[3])
    controls["temperature"].value = 0.5
    torch.testing.assert_close(shown(drawn[-1][0]), layer_by_layer(model, 0.5 * noise)[3])
    assert drawn[-1][0].get_title() == "after 3 layers"


def test_without_a_front_end_there_are_moments_from_first_to_last(model):
    figure = flow_layers(model, num_points=20)
    assert isinstance(figure, Figure)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["noise", "after 1 layer", "after 2 layers", "after 3 layers", "after 4 layers"]
    noise = shown(figure.axes[0])
    torch.testing.assert_close(shown(figure.axes[-1]), layer_by_layer(model, noise)[-1])


@pytest.mark.parametrize(("make", "found"), [(lambda: NICE(3), "Chain of"), (lambda: FFJORD(2), "ContinuousFlow")])
def test_other_flows_are_refused(make, found):
    with pytest.raises(ValueError, match=f"must be a Chain of layers of points .* got a {found}"):
        flow_layers(make())
