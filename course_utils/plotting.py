"""Figures of the course: functions that take matplotlib axes, draw on them and return them (`ax=None` makes new ones).

    use_course_style()
    image_grid(images)                                  a batch of images, in reading order
    compare_rows({"original": x, "2-D": x_hat})         rows of images, column by column the same example
    latent_scatter(z, y)                                points of a latent plane, coloured by class
    latent_grid(decode)                                 what the decoder makes of a grid of latents
    loss_curve(history)                                 what `fit` returned

Images are (N, C, H, W) with C = 1 (grey) or 3 (colour), in [0, 1]; tensors of any device, or arrays.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image
from torch import Tensor, nn

# Okabe and Ito's colours for lines, a "safe" qualitative set for classes: colour-blind readers tell both apart.
LINE_COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
CLASS_COLORS = ["#88CCEE", "#CC6677", "#DDCC77", "#117733", "#332288", "#AA4499"]
CLASS_COLORS += ["#44AA99", "#999933", "#882255", "#661100", "#6699CC", "#888888"]
CLASS_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h"]

RANGE_TOLERANCE = 1e-3  # what rounding in half precision may add to an image in [0, 1]


def use_course_style(dpi: int = 80) -> None:
    """Set fonts and colours, and keep figures small in notebooks: `dpi` dots an inch, and PNGs of few colours."""
    plt.rcParams.update(
        {
            "figure.dpi": dpi,
            "savefig.dpi": dpi,
            "figure.figsize": (6.0, 3.2),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.labelsize": 10,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=LINE_COLORS),
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )
    if get_ipython() is not None:
        plt.switch_backend(matplotlib.get_backend())  # a notebook's backend, once loaded, sets a format of its own
        get_ipython().display_formatter.formatters["image/png"].for_type(Figure, small_png)


def image_grid(
    images: Tensor, ax: Axes | None = None, num_columns: int | None = None, titles: Sequence[object] | None = None
) -> Axes:
    """Draw images (N, C, H, W) in [0, 1] in reading order, with a title above each where `titles` are given.

    All images make one picture: pixel (r, c) of the image in row i, column j of the grid is centred at
    x = j (W + gap) + c, y = i (H + gap) + r. Without `num_columns` the grid is about as wide as high, at most 10.

    Raises:
        ValueError: for images of another shape or range, or a number of titles that is not N.
    """
    tiles = _as_tiles(images)
    if num_columns is None:
        num_columns = min(10, math.ceil(math.sqrt(len(tiles))))
    if num_columns < 1:
        raise ValueError(f"num_columns must be at least 1, got {num_columns}")
    if titles is not None and len(titles) != len(tiles):
        raise ValueError(f"there must be a title for each of the {len(tiles)} images, got {len(titles)}")
    num_columns = min(num_columns, len(tiles))
    height, width = tiles.shape[1:3]
    gap = _gap(height, width, titled=titles is not None)
    num_rows = math.ceil(len(tiles) / num_columns)
    ax = _axes(ax, num_columns * (width + gap), num_rows * (height + gap))
    ax.imshow(_mosaic(tiles, num_columns, gap), interpolation="nearest")
    ax.set_axis_off()
    for index, title in enumerate(titles if titles is not None else []):
        row, column = divmod(index, num_columns)
        x, y = column * (width + gap) + (width - 1) / 2, row * (height + gap) - 0.5
        ax.text(x, y, str(title), ha="center", va="bottom", fontsize="small")
    return ax


def compare_rows(rows: Mapping[str, Tensor], ax: Axes | None = None, titles: Sequence[object] | None = None) -> Axes:
    """Draw a row of images for each entry {label: images (N, C, H, W) in [0, 1]}, the label on its left.

    Column j shows image j of each row; `titles` stand above the columns.

    Raises:
        ValueError: there are no rows, or their shapes differ (grey and colour may stand side by side).
    """
    if not rows:
        raise ValueError("compare_rows needs at least one row of images, got none")
    tiles = {label: _as_tiles(images) for label, images in rows.items()}
    if len({row.shape for row in tiles.values()}) > 1:
        found = ", ".join(f"{label!r} {tuple(images.shape)}" for label, images in rows.items())
        raise ValueError(f"all rows must hold equally many images of one size, got {found}")
    num_columns, height, width = next(iter(tiles.values())).shape[:3]
    if titles is not None and len(titles) != num_columns:
        raise ValueError(f"there must be a title for each of the {num_columns} columns, got {len(titles)}")
    gap = _gap(height, width)
    ax = _axes(ax, num_columns * (width + gap), len(rows) * (height + gap))
    ax.imshow(_mosaic(np.concatenate(list(tiles.values())), num_columns, gap), interpolation="nearest")
    ax.set_yticks([row * (height + gap) + (height - 1) / 2 for row in range(len(rows))], list(rows))
    ax.set_xticks([])
    if titles is not None:
        ax.set_xticks([column * (width + gap) + (width - 1) / 2 for column in range(num_columns)], list(titles))
        ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def latent_scatter(
    z: Tensor, y: Tensor | None = None, ax: Axes | None = None, class_names: Sequence[object] | None = None
) -> Axes:
    """Draw latents z (N, 2) as points; with classes y (N,), colour and marker say the class, and its name stands at
    the median of its points, so that the figure can be read without colours.

    Raises:
        ValueError: for another shape of z or y, or fewer `class_names` than classes.
    """
    z = _as_array(z)
    if z.ndim != 2 or z.shape[1] != 2 or len(z) == 0:
        raise ValueError(f"latent_scatter draws z (N, 2), got {z.shape}: choose or project to two dimensions")
    ax = _axes(ax, 4, 4)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    if y is None:
        ax.scatter(*z.T, s=8, alpha=0.6, linewidths=0, color=LINE_COLORS[0])
        return ax
    y = _as_array(y)
    if y.shape != z.shape[:1] or not np.equal(np.mod(y, 1), 0).all() or y.min() < 0:
        raise ValueError(f"y must hold a class 0, 1, ... for each of the {len(z)} points, got {y.dtype} {y.shape}")
    classes = [int(label) for label in np.unique(y)]
    if class_names is not None and classes[-1] >= len(class_names):
        raise ValueError(f"class {classes[-1]} has no name among the {len(class_names)} class_names")
    for label in classes:
        color, marker = CLASS_COLORS[label % len(CLASS_COLORS)], CLASS_MARKERS[label % len(CLASS_MARKERS)]
        name = str(class_names[label] if class_names is not None else label)
        ax.scatter(*z[y == label].T, s=14, alpha=0.7, linewidths=0, color=color, marker=marker, label=name)
    for label, points in zip(classes, ax.collections[-len(classes) :], strict=True):
        outline = [withStroke(linewidth=3, foreground="white")]
        middle = np.median(z[y == label], axis=0)
        ax.text(*middle, points.get_label(), weight="bold", ha="center", va="center", path_effects=outline)
    return ax


def latent_grid(
    decode: Callable[[Tensor], Tensor],
    ax: Axes | None = None,
    extent: tuple[float, float, float, float] | None = None,
    num_per_side: int = 12,
) -> Axes:
    """Draw decode(z) over a grid of the latent plane: z_1 grows to the right, z_2 upwards.

    Args:
        decode: maps z (N, 2) to images (N, C, H, W) in [0, 1]; a module, its method, or any function.
        extent: (low z_1, high z_1, low z_2, high z_2) cut into equal cells, each with the image of its centre; the axes
            are then in units of z, and a scatter of latents may be drawn over it. Without it the grid takes points of
            equal mass under the prior N(0, I), its quantiles (Kingma & Welling 2013, figure 4).
        num_per_side: images along each side.

    Raises:
        ValueError: for an extent that does not grow, or a decoder that returns something else than images.
    """
    if num_per_side < 1:
        raise ValueError(f"num_per_side must be at least 1, got {num_per_side}")
    if extent is not None and not (len(extent) == 4 and extent[0] < extent[1] and extent[2] < extent[3]):
        raise ValueError(f"extent must be (low z_1, high z_1, low z_2, high z_2), got {tuple(extent)}")
    centers = (torch.arange(num_per_side, dtype=torch.float64) + 0.5) / num_per_side
    if extent is None:
        z_1 = z_2 = torch.special.ndtri(centers)
    else:
        z_1 = extent[0] + (extent[1] - extent[0]) * centers
        z_2 = extent[2] + (extent[3] - extent[2]) * centers
    rows, columns = torch.meshgrid(z_2.flip(0), z_1, indexing="ij")
    images = decode_images(decode, torch.stack([columns.flatten(), rows.flatten()], dim=1))
    ax = _axes(ax, 4, 4)
    picture = _mosaic(_as_tiles(images), num_per_side, gap=0)
    left, right, bottom, top = extent or (0, num_per_side, 0, num_per_side)
    ax.imshow(picture, interpolation="nearest", extent=(left, right, bottom, top), aspect="auto")
    # Lines between the images, since a gap of whole pixels would move the images off their z.
    ax.vlines(np.linspace(left, right, num_per_side + 1)[1:-1], bottom, top, color="white", linewidth=0.8)
    ax.hlines(np.linspace(bottom, top, num_per_side + 1)[1:-1], left, right, color="white", linewidth=0.8)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    if extent is None:
        ticks = torch.tensor([-1.5, -0.5, 0.0, 0.5, 1.5])
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_ticks(
                (num_per_side * torch.special.ndtr(ticks)).tolist(),
                [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks.tolist()],
            )
    return ax


def loss_curve(history, ax: Axes | None = None, label: str | None = None) -> Axes:
    """Draw the loss of each step, and over it the mean of each epoch, in the middle of the epoch.

    `history` is what `fit` returned, or a sequence of losses, one a step.

    Raises:
        ValueError: the history holds no loss.
    """
    losses = list(getattr(history, "loss", history))
    means = list(getattr(history, "epoch_loss", []))
    if not losses:
        raise ValueError("loss_curve needs at least one loss, got an empty history")
    ax = _axes(ax, 5, 3)
    (line,) = ax.plot(
        range(len(losses)), losses, linewidth=1, alpha=0.4 if means else 1, label=None if means else label
    )
    if means:
        steps = len(losses) / len(means)
        middles = [(epoch + 0.5) * steps - 0.5 for epoch in range(len(means))]
        ax.plot(middles, means, linewidth=2, color=line.get_color(), label=label)
    ax.set(xlabel="step", ylabel="loss")
    if label is not None:
        ax.legend()
    return ax


@torch.no_grad()
def decode_images(decode: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Return decode(z), with z moved to the device and dtype of the module that `decode` is or belongs to.

    Raises ValueError if what comes back is not one image for each row of z.
    """
    owner = getattr(decode, "__self__", decode)
    like = next(owner.parameters(), None) if isinstance(owner, nn.Module) else None
    z = z.to(like) if like is not None else z.to(torch.get_default_dtype())
    images = decode(z)
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != len(z):
        came = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"decode must map z {tuple(z.shape)} to images ({len(z)}, C, H, W), got {came}")
    return images


def _as_array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _as_tiles(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W), checked, as (N, H, W, 3)."""
    array = _as_array(images.float() if isinstance(images, Tensor) else images)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or len(array) == 0:
        raise ValueError(f"images must be (N, 1, H, W) or (N, 3, H, W), got {array.shape}")
    low, high = array.min(), array.max()
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise ValueError(f"images must lie in [0, 1], got values from {low:.4g} to {high:.4g}")
    colour = np.broadcast_to(array, (len(array), 3, *array.shape[2:]))
    return colour.transpose(0, 2, 3, 1).clip(0, 1)


def _mosaic(tiles: np.ndarray, num_columns: int, gap: int) -> np.ndarray:
    """Tiles (N, H, W, 3) in reading order on white, `gap` pixels apart."""
    num_rows = math.ceil(len(tiles) / num_columns)
    height, width = tiles.shape[1:3]
    picture = np.ones((num_rows * (height + gap), num_columns * (width + gap), 3), dtype=tiles.dtype)
    for index, tile in enumerate(tiles):
        top, left = (index // num_columns) * (height + gap), (index % num_columns) * (width + gap)
        picture[top : top + height, left : left + width] = tile
    return picture[: len(picture) - gap, : picture.shape[1] - gap]


def _gap(height: int, width: int, titled: bool = False) -> int:
    return max(1, round(0.35 * height)) if titled else max(1, round(0.08 * min(height, width)))


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The given axes, or new ones of this shape, about 6 inches wide at most."""
    if ax is not None:
        return ax
    scale = min(6.0 / width, 4.5 / height)
    return plt.subplots(figsize=(max(2.0, width * scale), max(1.2, height * scale)), layout="constrained")[1]


def small_png(figure: Figure, num_colors: int = 64) -> bytes:
    """Return the figure as a PNG of 33 greys and at most `num_colors` colours: a third of the bytes, for the same look.

    Greys have a palette of their own, so that grey images beside coloured curves take no tint.
    """
    rendered, reduced = io.BytesIO(), io.BytesIO()
    figure.savefig(rendered, format="png", dpi=figure.dpi, bbox_inches="tight")
    pixels = np.asarray(Image.open(rendered).convert("RGB"))
    is_grey = np.ptp(pixels, axis=2) < 12
    indices = np.round(pixels.mean(axis=2) * 32 / 255).astype(np.uint8)
    palette = np.repeat(np.round(np.arange(33) * 255 / 32).astype(np.uint8), 3).tobytes()
    if not is_grey.all():
        coloured = Image.fromarray(pixels[~is_grey][None]).quantize(
            num_colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        indices[~is_grey] = np.asarray(coloured)[0] + 33
        palette += bytes(coloured.getpalette())
    picture = Image.fromarray(indices)
    picture.putpalette(palette)
    picture.save(reduced, format="png", optimize=True)
    return reduced.getvalue()
