"""What is drawn is the data: every pixel and point where it belongs."""

import io

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from course_utils.plotting import (
    CLASS_COLORS,
    CLASS_MARKERS,
    compare_rows,
    decode_images,
    image_grid,
    latent_grid,
    latent_scatter,
    loss_curve,
    small_png,
    use_course_style,
)
from course_utils.training import History


@pytest.fixture(autouse=True)
def _close_figures():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def picture_of(ax) -> np.ndarray:
    (image,) = ax.images
    return np.asarray(image.get_array())


def drawn_images(ax, num: int, num_columns: int, height: int, width: int) -> torch.Tensor:
    """Reads the tiles back from the picture: the gap follows from its size."""
    picture = picture_of(ax)
    gap = (picture.shape[1] - num_columns * width) // max(1, num_columns - 1)
    if num_columns == 1:
        num_rows = num
        gap = (picture.shape[0] - num_rows * height) // max(1, num_rows - 1)
    tiles = []
    for index in range(num):
        top, left = (index // num_columns) * (height + gap), (index % num_columns) * (width + gap)
        tiles.append(picture[top : top + height, left : left + width])
    return torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("image_shape", [(1, 8, 8), (3, 8, 8), (1, 5, 9), (3, 9, 5)])
@pytest.mark.parametrize(("num", "num_columns"), [(7, 3), (6, 6), (4, 1), (1, 5)])
def test_image_grid_places_every_pixel(image_shape, num, num_columns):
    images = torch.rand(num, *image_shape)
    ax = image_grid(images, num_columns=num_columns)
    shown = drawn_images(ax, num, min(num, num_columns), *image_shape[1:])
    torch.testing.assert_close(shown, images.expand(-1, 3, -1, -1))


def test_image_grid_leaves_gaps_and_missing_places_white():
    picture = picture_of(image_grid(torch.zeros(3, 1, 8, 8), num_columns=2))
    assert picture.shape == (17, 17, 3)
    black = picture.sum(2) == 0
    assert black.sum() == 3 * 64
    assert (picture[~black] == 1).all()
    assert not black[8].any()
    assert not black[:, 8].any()
    assert not black[9:, 9:].any()


def test_image_grid_by_default_is_about_square():
    assert picture_of(image_grid(torch.rand(16, 1, 8, 8))).shape[:2] == (35, 35)
    wide = picture_of(image_grid(torch.rand(200, 1, 8, 8)))
    assert wide.shape[1] == 10 * 8 + 9


def test_titles_stand_above_their_images():
    ax = image_grid(torch.rand(5, 1, 8, 8), num_columns=3, titles=["a", "b", "c", 3, 4])
    step = 8 + round(0.35 * 8)
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c", "3", "4"]
    assert [text.get_position() for text in ax.texts] == [
        (column * step + 3.5, row * step - 0.5) for row, column in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    ]
    assert all(text.get_va() == "bottom" for text in ax.texts)
    assert not ax.axison


def test_axes_are_taken_and_returned():
    _, ax = plt.subplots()
    x, z = torch.rand(4, 1, 8, 8), torch.randn(4, 2)
    assert image_grid(x, ax) is ax
    assert compare_rows({"x": x}, ax) is ax
    assert latent_scatter(z, None, ax) is ax
    assert latent_grid(lambda z: torch.zeros(len(z), 1, 2, 2), ax) is ax
    assert loss_curve([1.0, 2.0], ax) is ax
    assert len(plt.get_fignums()) == 1


def test_arguments_are_unchanged_and_gradients_do_not_matter():
    x = torch.rand(4, 1, 8, 8, requires_grad=True)
    before = x.detach().clone()
    image_grid(x)
    image_grid(x.to(torch.bfloat16))
    image_grid(before.numpy())
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (4, 2, 8, 8), (4, 8, 8, 3), (0, 1, 8, 8)])
def test_image_grid_names_a_wrong_shape(shape):
    with pytest.raises(
        ValueError, match=r"images must be \(N, 1, H, W\).*" + str(tuple(shape)).replace("(", r"\(")[:-1]
    ):
        image_grid(torch.zeros(shape))


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, float("nan"), float("inf")])
def test_image_grid_names_a_wrong_range(value):
    images = torch.zeros(2, 1, 4, 4)
    images[1, 0, 2, 2] = value
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\], got values from"):
        image_grid(images)


def test_rounding_beyond_the_range_is_clipped():
    picture = picture_of(image_grid(torch.tensor([-5e-4, 1 + 5e-4]).view(1, 1, 1, 2)))
    assert picture.min() == 0
    assert picture.max() == 1


def test_image_grid_names_wrong_counts():
    with pytest.raises(ValueError, match="a title for each of the 4 images, got 3"):
        image_grid(torch.rand(4, 1, 8, 8), titles="abc")
    with pytest.raises(ValueError, match="num_columns must be at least 1, got 0"):
        image_grid(torch.rand(4, 1, 8, 8), num_columns=0)


def test_compare_rows_places_rows_and_labels():
    grey, colour = torch.rand(5, 1, 6, 8), torch.rand(5, 3, 6, 8)
    ax = compare_rows({"original": grey, "2-D": colour}, titles=list("abcde"))
    shown = drawn_images(ax, 10, 5, 6, 8)
    torch.testing.assert_close(shown[:5], grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(shown[5:], colour)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "2-D"]
    np.testing.assert_allclose(ax.get_yticks(), [2.5, 9.5])
    assert [label.get_text() for label in ax.get_xticklabels()] == list("abcde")
    np.testing.assert_allclose(ax.get_xticks(), [3.5 + 9 * column for column in range(5)])


def test_compare_rows_names_what_does_not_fit():
    x = torch.rand(5, 1, 8, 8)
    with pytest.raises(ValueError, match=r"'x' \(5, 1, 8, 8\), 'x_hat' \(4, 1, 8, 8\)"):
        compare_rows({"x": x, "x_hat": x[:4]})
    with pytest.raises(ValueError, match="at least one row"):
        compare_rows({})
    with pytest.raises(ValueError, match="a title for each of the 5 columns, got 2"):
        compare_rows({"x": x}, titles=["a", "b"])


def test_latent_scatter_puts_every_point_in_its_class():
    z = torch.randn(60, 2, dtype=torch.float64)
    y = torch.arange(60) % 3 + 1
    ax = latent_scatter(z, y, class_names=["zero", "one", "two", "three"])
    assert [points.get_label() for points in ax.collections] == ["one", "two", "three"]
    for label, points, text in zip([1, 2, 3], ax.collections, ax.texts, strict=True):
        np.testing.assert_array_equal(points.get_offsets(), z[y == label].numpy())
        np.testing.assert_allclose(points.get_facecolor()[0][:3], to_rgb(CLASS_COLORS[label]))
        np.testing.assert_allclose(text.get_position(), np.median(z[y == label].numpy(), axis=0))
        assert text.get_text() == points.get_label()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")


def test_latent_scatter_without_classes():
    z = torch.randn(20, 2)
    ax = latent_scatter(z)
    (points,) = ax.collections
    np.testing.assert_array_equal(points.get_offsets(), z.numpy())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")


def test_classes_are_told_apart_by_colour_and_by_marker():
    assert len(set(CLASS_COLORS)) == len(CLASS_COLORS) == len(CLASS_MARKERS) == len(set(CLASS_MARKERS)) >= 10


def test_latent_scatter_names_what_does_not_fit():
    z = torch.randn(6, 2)
    with pytest.raises(ValueError, match=r"z \(N, 2\), got \(6, 3\)"):
        latent_scatter(torch.randn(6, 3))
    for y in (torch.zeros(5), torch.full((6,), 0.5), torch.full((6,), -1)):
        with pytest.raises(ValueError, match="for each of the 6 points"):
            latent_scatter(z, y)
    with pytest.raises(ValueError, match="class 2 has no name among the 2 class_names"):
        latent_scatter(z, torch.full((6,), 2), class_names=["a", "b"])


def coordinates_as_pixels(z):
    """An image of two pixels that show z_1 and z_2, from [-4, 4] to [0, 1]."""
    return ((z + 4) / 8).view(len(z), 1, 1, 2)


def test_latent_grid_decodes_the_centre_of_each_cell():
    ax = latent_grid(coordinates_as_pixels, extent=(-2, 4, -1, 1), num_per_side=4)
    z = torch.from_numpy(picture_of(ax)[..., 0]).view(4, 4, 2) * 8 - 4
    torch.testing.assert_close(z[0, :, 0], torch.tensor([-1.25, 0.25, 1.75, 3.25]))
    torch.testing.assert_close(z[:, 0, 1], torch.tensor([0.75, 0.25, -0.25, -0.75]))
    torch.testing.assert_close(z[3, :, 0], z[0, :, 0])
    assert tuple(ax.images[0].get_extent()) == (-2, 4, -1, 1)
    assert ax.images[0].origin == "upper"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")


def test_latent_grid_by_default_takes_quantiles_of_the_prior():
    ax = latent_grid(coordinates_as_pixels, num_per_side=5)
    z = torch.from_numpy(picture_of(ax)[..., 0]).view(5, 5, 2) * 8 - 4
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))
    torch.testing.assert_close(z[2, :, 0], quantiles, atol=1e-5, rtol=0)
    torch.testing.assert_close(z[:, 2, 1], quantiles.flip(0), atol=1e-5, rtol=0)
    labels = [float(label.get_text().replace("\u2212", "-")) for label in ax.get_xticklabels()]
    positions = torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(labels)) * 5
    np.testing.assert_allclose(ax.get_xticks(), positions, atol=1e-5)
    np.testing.assert_allclose(ax.get_yticks(), positions, atol=1e-5)


def test_latent_grid_names_what_does_not_fit():
    for extent in [(1, 1, 0, 1), (0, 1, 1, 0), (0, 1)]:
        with pytest.raises(ValueError, match="extent must be"):
            latent_grid(coordinates_as_pixels, extent=extent)
    with pytest.raises(ValueError, match="num_per_side must be at least 1, got 0"):
        latent_grid(coordinates_as_pixels, num_per_side=0)
    with pytest.raises(ValueError, match=r"decode must map z \(4, 2\) to images \(4, C, H, W\), got \(4, 2\)"):
        latent_grid(lambda z: z, num_per_side=2)


def test_decode_images_follows_the_dtype_of_the_module():
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Unflatten(1, (1, 2, 2))).double()
    z = torch.randn(3, 2)
    expected = decoder(z.double())
    assert torch.equal(decode_images(decoder, z), expected)
    assert torch.equal(decode_images(decoder.forward, z), expected)
    assert decode_images(coordinates_as_pixels, z.double()).dtype == torch.float32
    assert not decode_images(decoder, z).requires_grad
    with pytest.raises(ValueError, match="got tuple"):
        decode_images(lambda z: (z, z), z)


def test_loss_curve_draws_steps_and_epochs():
    history = History(loss=[6.0, 4.0, 3.0, 1.0], epoch_loss=[5.0, 2.0])
    ax = loss_curve(history, label="2-D")
    steps, epochs = ax.lines
    assert list(steps.get_ydata()) == history.loss
    assert list(steps.get_xdata()) == [0, 1, 2, 3]
    assert list(epochs.get_ydata()) == history.epoch_loss
    assert list(epochs.get_xdata()) == [0.5, 2.5]
    assert steps.get_color() == epochs.get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2-D"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    loss_curve([3.0, 2.0], ax, label="other")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2-D", "other"]
    with pytest.raises(ValueError, match="empty history"):
        loss_curve(History())


def test_course_style_keeps_figures_small():
    use_course_style()
    assert plt.rcParams["figure.dpi"] <= 100
    assert plt.rcParams["image.interpolation"] == "nearest"


def test_small_png_is_smaller_and_looks_the_same():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 10
    ax = latent_scatter(torch.randn(300, 2, generator=generator), y)
    full = io.BytesIO()
    ax.figure.savefig(full, format="png", dpi=ax.figure.dpi, bbox_inches="tight")
    small = small_png(ax.figure)
    assert len(small) < 0.6 * len(full.getvalue())
    as_drawn, reduced = plt.imread(io.BytesIO(full.getvalue()))[..., :3], plt.imread(io.BytesIO(small))[..., :3]
    assert as_drawn.shape == reduced.shape
    assert np.abs(as_drawn - reduced).mean() < 0.01


def test_small_png_gives_greys_no_tint():
    _, (left, right) = plt.subplots(1, 2)
    latent_scatter(torch.randn(200, 2), torch.arange(200) % 10, left)
    image_grid(torch.linspace(0, 1, 64).view(1, 1, 8, 8), right)
    full = io.BytesIO()
    left.figure.savefig(full, format="png", dpi=left.figure.dpi, bbox_inches="tight")
    as_drawn = plt.imread(io.BytesIO(full.getvalue()))[..., :3]
    reduced = plt.imread(io.BytesIO(small_png(left.figure)))[..., :3]
    grey = np.ptp(as_drawn, axis=2) == 0
    assert grey.mean() > 0.5
    assert np.ptp(reduced[grey], axis=1).max() == 0
    np.testing.assert_allclose(reduced[grey], as_drawn[grey], atol=0.5 / 32 + 2 / 255)
    assert (reduced[as_drawn.min(2) == 1] == 1).all()
    assert np.abs(reduced[~grey] - as_drawn[~grey]).mean() < 0.03


def test_notebooks_show_small_pngs(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    from course_utils import plotting

    shell = InteractiveShell()
    monkeypatch.setattr(plotting, "get_ipython", lambda: shell)
    use_course_style()
    figure = plt.figure()
    shown, _ = shell.display_formatter.format(figure)
    assert shown["image/png"] == small_png(figure)
