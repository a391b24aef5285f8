"""A widget's sliders change the picture; without a front end there is a figure instead."""

import io

import ipywidgets
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_utils.widgets import beta_slider, has_front_end, interactive_figure, latent, latent_explorer
from course_utils.widgets import figure as front_end


@pytest.fixture
def _front_end(monkeypatch):
    monkeypatch.setattr(front_end, "has_front_end", lambda: True)


def decode(z):
    """An image that shows its latents: column i is z_i, from [-4, 4] to [0, 1]."""
    return ((z + 4) / 8).view(len(z), 1, 1, -1).expand(-1, 1, 2, -1).clamp(0, 1)


def sliders_and_picture(box):
    *sliders, picture = box.children
    return {slider.description: slider for slider in sliders}, picture


class Recorder:
    """A drawing that remembers what it was asked for."""

    def __init__(self):
        self.calls = []

    def __call__(self, figure, **values):
        self.calls.append(values)
        assert not figure.axes
        figure.subplots().plot([0, 1], [0, values["beta"]])


def controls():
    return {"beta": ipywidgets.FloatSlider(value=1.0, min=0, max=4), "steps": ipywidgets.IntSlider(value=3)}


@pytest.mark.usefixtures("_front_end")
def test_a_changed_control_draws_again():
    draw, given = Recorder(), controls()
    box = interactive_figure(draw, given)
    *shown, picture = box.children
    assert shown == list(given.values())
    first = picture.value
    given["beta"].value = 2.5
    assert picture.value != first
    given["steps"].value = 7
    given["beta"].value = 1.0
    given["steps"].value = 3
    assert picture.value == first
    assert draw.calls[:3] == [{"beta": 1.0, "steps": 3}, {"beta": 2.5, "steps": 3}, {"beta": 2.5, "steps": 7}]
    assert plt.imread(io.BytesIO(picture.value)).shape[2] == 4


def test_without_a_front_end_there_is_one_figure():
    draw = Recorder()
    figure = interactive_figure(draw, controls(), figsize=(4, 2))
    assert isinstance(figure, Figure)
    assert tuple(figure.get_size_inches()) == (4, 2)
    assert draw.calls == [{"beta": 1.0, "steps": 3}]
    assert list(figure.axes[0].lines[0].get_ydata()) == [0, 1.0]

    other = interactive_figure(draw, controls(), draw_static=lambda figure: figure.suptitle("static"))
    assert other.get_suptitle() == "static"
    assert len(draw.calls) == 1
    assert not plt.get_fignums()


def test_a_front_end_is_a_kernel_that_is_not_told_to_be_static(monkeypatch):
    class Shell:
        kernel = None

    shell = Shell()
    monkeypatch.delenv("COURSE_STATIC", raising=False)
    assert not has_front_end()
    monkeypatch.setattr(front_end, "get_ipython", lambda: shell)
    assert not has_front_end()
    shell.kernel = object()
    assert has_front_end()
    monkeypatch.setenv("COURSE_STATIC", "1")
    assert not has_front_end()


@pytest.mark.usefixtures("_front_end")
def test_latent_explorer_decodes_where_its_sliders_stand(monkeypatch):
    asked = []
    monkeypatch.setattr(latent, "image_grid", lambda images, ax, **_: asked.append((images, ax)))
    z = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, 5.0]])
    box = latent_explorer(decode, z, torch.tensor([0, 1, 1]))
    sliders, picture = sliders_and_picture(box)
    assert list(sliders) == ["z_1", "z_2"]
    assert (sliders["z_1"].min, sliders["z_1"].max) == pytest.approx((-2.4, 2.4))
    assert (sliders["z_2"].min, sliders["z_2"].max) == pytest.approx((-0.5, 5.5))
    torch.testing.assert_close(asked[-1][0], decode(torch.tensor([[0.0, 2.0]])))
    before = picture.value
    sliders["z_2"].value = 4.0
    sliders["z_1"].value = -1.0
    torch.testing.assert_close(asked[-1][0], decode(torch.tensor([[-1.0, 4.0]])))
    assert picture.value != before

    plane, _ = asked[-1][1].figure.axes
    (cross,) = plane.lines
    np.testing.assert_allclose(cross.get_xydata(), [[-1.0, 4.0]])
    points = np.concatenate([part.get_offsets() for part in plane.collections])
    np.testing.assert_allclose(points, z.numpy())
    assert plane.get_xlim() == pytest.approx((-2.4, 2.4))
    assert plane.get_ylim() == pytest.approx((-0.5, 5.5))
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("$z_1$", "$z_2$")


@pytest.mark.usefixtures("_front_end")
def test_the_picture_shows_the_decoded_image():
    box = latent_explorer(lambda z: z[:, :1].view(-1, 1, 1, 1).clamp(0, 1).expand(-1, 1, 8, 8), limits=(0, 1))
    sliders, picture = sliders_and_picture(box)
    for value in (0.2, 0.8):
        sliders["z_1"].value = value
        right_half = plt.imread(io.BytesIO(picture.value))[:, 330:, :3]
        shade = np.isclose(right_half, value, atol=1 / 250).all(2)
        assert shade.mean() > 0.3


@pytest.mark.usefixtures("_front_end")
def test_latent_explorer_of_three_latents_has_three_sliders(monkeypatch):
    asked = []
    monkeypatch.setattr(latent, "image_grid", lambda images, ax, **_: asked.append(images))
    sliders, _ = sliders_and_picture(latent_explorer(decode, latent_dim=3, limits=(-1, 1)))
    assert list(sliders) == ["z_1", "z_2", "z_3"]
    sliders["z_3"].value = 0.5
    torch.testing.assert_close(asked[-1], decode(torch.tensor([[0.0, 0.0, 0.5]])))


def test_latent_explorer_without_a_front_end_shows_plane_and_grid():
    z = torch.randn(50, 2) * torch.tensor([1.0, 0.3])
    figure = latent_explorer(decode, z, torch.arange(50) % 5)
    plane, grid = figure.axes
    assert len(plane.collections) == 5
    left, right, bottom, top = grid.images[0].get_extent()
    np.testing.assert_allclose((left, right), plane.get_xlim())
    np.testing.assert_allclose((bottom, top), plane.get_ylim())
    picture = grid.images[0].get_array()[..., 0] * 8 - 4
    num_per_side = len(picture) // 2
    step = (right - left) / num_per_side
    np.testing.assert_allclose(picture[0, 0::2], left + step * (np.arange(num_per_side) + 0.5), atol=1e-5)
    assert picture[0, 1] > picture[-1, 1]


def test_latent_explorer_without_a_front_end_walks_along_each_of_many_latents():
    z = torch.tensor([[0.0, 1.0, -2.0], [2.0, 3.0, 2.0]])
    figure = latent_explorer(decode, z, latent_dim=3)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$z_1$", "$z_2$", "$z_3$"]
    picture = ax.images[0].get_array()[..., 0] * 8 - 4
    gap = (picture.shape[0] - 3 * 2) // 2
    first_row = picture[0].reshape(-1)
    first, last = first_row[:3], first_row[-3:]
    np.testing.assert_allclose(first, [-0.2, 2.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(last, [2.2, 2.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(picture[2 * (2 + gap), -3:], [1.0, 2.0, 2.4], atol=1e-5)
    assert [label.get_text() for label in ax.get_xticklabels()][:: len(ax.get_xticks()) - 1] == ["low", "high"]


def test_latent_explorer_names_what_does_not_fit():
    with pytest.raises(ValueError, match=r"z must be \(N, 2\), the latents of N images, got \(4, 3\)"):
        latent_explorer(decode, torch.randn(4, 3))
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got 0"):
        latent_explorer(decode, latent_dim=0)
    with pytest.raises(ValueError, match=r"limits must be \(low, high\).*got \(1, 1\)"):
        latent_explorer(decode, limits=(1, 1))
    with pytest.raises(ValueError, match="decode must map"):
        latent_explorer(lambda z: z)


class ShowsBeta(torch.nn.Module):
    """Stands in for a VAE trained at one beta: latents are beta times the image's, and its images are grey by beta."""

    latent_dim = 3

    def __init__(self, beta):
        super().__init__()
        self.beta = beta

    def encode(self, x):
        mu = torch.stack([0 * x.mean((1, 2, 3)), self.beta * x[:, 0, 0, 0], x[:, 0, 0, 1]], dim=1)
        return mu, torch.zeros_like(mu)

    def decode_mean(self, z):
        return torch.full((len(z), 1, 2, 2), self.beta / 4)

    def reconstruct(self, x):
        return x * self.beta / 4


def beta_models():
    return {beta: ShowsBeta(beta) for beta in (4.0, 0.5, 2.0)}


@pytest.mark.usefixtures("_front_end")
def test_dragging_beta_shows_the_model_of_that_beta(monkeypatch):
    x = torch.rand(12, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    rows, planes = [], []
    monkeypatch.setattr(latent, "compare_rows", lambda given, ax: rows.append(given))
    monkeypatch.setattr(latent, "latent_scatter", lambda z, y, ax: planes.append((z, y)))
    sliders, picture = sliders_and_picture(beta_slider(beta_models(), x, torch.arange(12)))
    assert [value for _, value in sliders["beta"].options] == [0.5, 2.0, 4.0]
    pictures = {}
    for beta in (4.0, 0.5, 2.0):
        sliders["beta"].value = beta
        pictures[beta] = picture.value
        torch.testing.assert_close(rows[-1]["images"], x[:8])
        torch.testing.assert_close(rows[-1]["reconstructed"], x[:8] * beta / 4)
        torch.testing.assert_close(rows[-1]["new"], torch.full((8, 1, 2, 2), beta / 4))
        z, y = planes[-1]
        used = {1: beta * x[:, 0, 0, 0], 2: x[:, 0, 0, 1]}
        order = sorted(used, key=lambda index: -used[index].square().mean())
        torch.testing.assert_close(z, torch.stack([used[index] for index in order], dim=1))
        assert torch.equal(y, torch.arange(12))
    assert len(set(pictures.values())) == 3


def test_beta_slider_without_a_front_end_shows_every_beta():
    x = torch.rand(12, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    figure = beta_slider(beta_models(), x)
    planes, images = figure.axes[:3], figure.axes[3:]
    assert [ax.get_title() for ax in planes] == [rf"$\beta$ = {beta}" for beta in ("0.5", "2", "4")]
    for ax, beta in zip(images, (0.5, 2.0, 4.0), strict=True):
        assert np.asarray(ax.images[0].get_array())[0, 0] == pytest.approx(beta / 4)
    with pytest.raises(ValueError, match="got 0 models and 12 images"):
        beta_slider({}, x)
