"""The widgets of the first lectures show what the models behind them say."""

import itertools
import re

import ipywidgets
import matplotlib

matplotlib.use("agg")
import pytest
import torch
from matplotlib.figure import Figure

from course_utils.models.basics.kmeans import kmeans_step
from course_utils.models.density.kde import kde_log_prob
from course_utils.models.density.mixture import GaussianMixture
from course_utils.widgets import density_explorer, kmeans_stepper, likelier_image, mixture_fitter

X = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
HELD_OUT = torch.randn(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
POINTS = torch.cat([torch.stack([X[:30], X[30:]], 1) * 0.3, torch.stack([X[30:], X[:30]], 1) * 0.3 + 3])


def controls_of(box):
    return {control.description: control for control in box.children[:-1]}


def numbers(text):
    return [float(found) for found in re.findall(r"-?\d+\.?\d*", text)]


def test_density_explorer_tells_likelihoods(drawn):
    controls = controls_of(density_explorer(X, HELD_OUT))
    controls["bandwidth"].value = 0.25
    title = drawn[-1][1].get_title()
    log_probs = [kde_log_prob(points[:, None], X[:, None], 0.25).mean().item() for points in (X, HELD_OUT)]
    assert numbers(title) == pytest.approx([0.25, *log_probs], abs=0.006)
    controls["bins"].value = 7
    histogram = drawn[-1][0]
    assert histogram.get_title().startswith("7 bins")
    (stairs,) = histogram.patches
    heights, edges, _ = stairs.get_data()
    assert len(heights) == 7
    assert (heights * (edges[1:] - edges[:-1])).sum() == pytest.approx(1)


def test_mixture_fitter_shows_em(drawn):
    controls = controls_of(mixture_fitter(POINTS))
    controls["components"].value = 2
    controls["step"].value = 6
    model = GaussianMixture(2, 2).double()
    model.start(POINTS, torch.Generator().manual_seed(0))
    for _ in range(6):
        model.step(POINTS)
    points, trace = drawn[-1]
    assert numbers(points.get_title()) == pytest.approx([6, model.log_prob(POINTS).mean().item()], abs=6e-4)
    assert sorted(e.center for e in points.patches[::2]) == [pytest.approx(c) for c in sorted(model.mu.tolist())]
    first = points.patches[0]
    assert (first.width / 2) ** 2 == pytest.approx(torch.linalg.eigvalsh(model.cov[0]).max().item())
    values = trace.lines[0].get_ydata()
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(values))


def test_kmeans_stepper_moves_points_and_centres_in_turn(drawn):
    controls = controls_of(kmeans_stepper(POINTS, 2))

    def shown(half_steps):
        controls["half-steps"].value = half_steps
        ax = drawn[-1][0]
        return [line.get_xydata()[0].tolist() for line in ax.lines], ax.collections[0].get_facecolors()

    centers, colors = shown(0)
    joined_centers, joined_colors = shown(1)
    assert joined_centers == centers
    assert (joined_colors != colors[0]).any(1).all()
    moved_centers, moved_colors = shown(2)
    assert (moved_colors == joined_colors).all()
    due = kmeans_step(POINTS, torch.tensor(centers, dtype=torch.float64))[1]
    torch.testing.assert_close(torch.tensor(moved_centers, dtype=torch.float64), due)


def test_likelier_image_tells_when_asked(drawn):
    images = torch.rand(3, 1, 4, 4)
    controls = controls_of(likelier_image(images, torch.tensor([-5.0, -90.0, -2.0]), ["one", "noise", "two"]))
    assert [ax.get_title() for ax in drawn[-1]] == ["one", "noise"]
    controls["tell me"].value = True
    assert "-5 nats: likelier" in drawn[-1][0].get_title()
    assert "-90 nats: less likely" in drawn[-1][1].get_title()
    controls["right"].value = 2
    assert "less likely" in drawn[-1][0].get_title()


def test_without_a_front_end_there_are_figures():
    assert len(density_explorer(X, HELD_OUT).axes) == 6
    assert [numbers(ax.get_title())[0] for ax in mixture_fitter(POINTS, 10).axes] == [0, 1, 5, 10]
    stepper = kmeans_stepper(POINTS)
    assert isinstance(stepper, Figure)
    assert stepper.axes[1].get_title() == "1: points join"
    shown = likelier_image(torch.rand(3, 1, 4, 4), torch.tensor([-5.0, -90.0, -2.0]), ["one", "noise", "two"])
    assert [ax.get_title().split("\n")[0] for ax in shown.axes] == ["two", "one", "noise"]
    assert not isinstance(shown, ipywidgets.Box)


def test_a_name_is_missing():
    with pytest.raises(ValueError, match="got 2, 2 and 1"):
        likelier_image(torch.rand(2, 1, 4, 4), torch.zeros(2), ["one"])
