"""Widgets of the autoregressive lectures: masks and what they let a pixel see, and sampling pixel by pixel."""

from collections.abc import Callable

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from course_utils.models.autoregressive.levels import sample_images, to_unit
from course_utils.models.autoregressive.masked import MaskedConv2d
from course_utils.receptive_field import receptive_field
from course_utils.widgets import figure as front_end
from course_utils.widgets.figure import interactive_figure

OPEN = "#f2c48d"  # of pixels that are not drawn yet
SIDE = 15  # of the image in which the receptive field is shown
COLORS = ("R", "G", "B")


def mask_explorer() -> ipywidgets.Box | Figure:
    """Return controls for the masks of a stack of masked convolutions, above the first mask and what a pixel then sees.

    The first layer has the type chosen, all others type B. The receptive field is measured from the gradients of the
    stack, whose weights are all one. Without a front end the figure shows one, three and six layers of 3x3.
    """
    controls = {
        "mask_type": ipywidgets.ToggleButtons(options=["A", "B"], description="first mask"),
        "kernel_size": ipywidgets.SelectionSlider(options=[3, 5, 7], description="size"),
        "num_colors": ipywidgets.ToggleButtons(options=[1, 3], description="colours"),
        "num_layers": ipywidgets.IntSlider(value=3, min=1, max=8, description="layers"),
    }

    def draw(figure: Figure, mask_type: str, kernel_size: int, num_colors: int, num_layers: int) -> None:
        shown = [None, *range(num_colors)]  # the mask, then the field of each colour
        for ax, color in zip(figure.subplots(1, len(shown)), shown, strict=True):
            if color is None:
                _draw_mask(ax, mask_type, kernel_size, num_colors)
            else:
                _draw_field(ax, mask_type, kernel_size, num_colors, num_layers, color)

    def draw_static(figure: Figure) -> None:
        depths = (1, 3, 6)
        first, *fields = figure.subplots(1, 1 + len(depths))
        _draw_mask(first, "A", 3, 1)
        for ax, num_layers in zip(fields, depths, strict=True):
            _draw_field(ax, "A", 3, 1, num_layers, 0)
            ax.set_title(f"{num_layers} layer{'s' if num_layers > 1 else ''}")

    return interactive_figure(draw, controls, draw_static, figsize=(7.6, 2.4))


def _draw_mask(ax: Axes, mask_type: str, kernel_size: int, num_colors: int) -> None:
    """The kernel with the taps that are open; at the centre of colours, which colour sees which."""
    mask = MaskedConv2d(mask_type, num_colors, num_colors, kernel_size, num_colors=num_colors).mask
    centre = kernel_size // 2
    ax.imshow(mask.float().mean((0, 1)).numpy(), cmap="Blues", vmin=0, vmax=1.4)
    ax.set_title(f"mask {mask_type}")
    _draw_grid(ax, kernel_size)
    if num_colors == 1:
        label = "1" if mask[0, 0, centre, centre] else "0"
    else:
        label = "\n".join(
            f"{COLORS[out]}: {''.join(COLORS[i] for i in range(3) if mask[out, i, centre, centre]) or '-'}"
            for out in range(3)
        )
    ax.text(centre, centre, label, ha="center", va="center", fontsize=6 if num_colors == 3 else 10)


def _draw_field(ax: Axes, mask_type: str, kernel_size: int, num_colors: int, num_layers: int, color: int) -> None:
    """Which pixels the centre pixel's output of one colour depends on: each in the mixture of the colours it sees."""
    network = _stack(mask_type, kernel_size, num_colors, num_layers)
    centre = SIDE // 2
    seen = receptive_field(network, (num_colors, SIDE, SIDE), (centre, centre), color, num_inputs=1) > 0
    picture = torch.ones(SIDE, SIDE, 3)
    if num_colors == 1:
        picture[seen[0]] = torch.tensor(to_rgb("tab:blue"))
    else:
        anything = seen.any(0)
        picture[anything] = 0.15 + 0.75 * seen.permute(1, 2, 0)[anything].float()
    ax.imshow(picture.numpy())
    _draw_grid(ax, SIDE)
    ax.plot(centre, centre, marker="x", color="black", markersize=5)
    ax.set_title("seen by x" if num_colors == 1 else f"seen by {COLORS[color]} at x")


def _draw_grid(ax: Axes, side: int) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(torch.arange(side + 1).sub(0.5).tolist(), [""] * (side + 1))
    ax.tick_params(length=0)
    ax.grid(visible=True, color="0.8", linewidth=0.5)


def _stack(mask_type: str, kernel_size: int, num_colors: int, num_layers: int) -> nn.Sequential:
    """Masked convolutions without nonlinearities, with weights of one that keep sums small."""
    layers = [
        MaskedConv2d(mask_type if n == 0 else "B", num_colors, num_colors, kernel_size, num_colors=num_colors)
        for n in range(num_layers)
    ]
    for layer in layers:
        nn.init.constant_(layer.weight, 1 / kernel_size**2)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers).double()


def pixel_sampler(
    model: Callable[[Tensor], Tensor], image_shape: tuple[int, int, int], num_levels: int = 2
) -> ipywidgets.Box | Figure:
    """Return a slider over the steps of sampling: the image so far, and the probabilities of the next pixel.

    Since an image of N pixels is drawn with N calls of the model, but one call gives all its conditionals afterwards,
    moving the slider costs nothing. Without a front end the figure shows six steps.

    Args:
        model: maps x (B, C, H, W), levels / (V - 1), to logits (B, V, C, H, W), causal in raster order.
        image_shape: (C, H, W) with C = 1 or 3.

    Raises:
        ValueError: another number of channels.
    """
    num_channels, height, width = image_shape
    if num_channels not in (1, 3):
        raise ValueError(f"an image of 1 or 3 channels was due, got {num_channels}")
    drawn: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def image_and_logits(seed: int) -> tuple[Tensor, Tensor]:
        if seed not in drawn:
            levels = sample_images(model, 1, image_shape, generator=torch.Generator().manual_seed(seed))
            drawn[seed] = levels[0], model(to_unit(levels, num_levels))[0]
        return drawn[seed]

    def draw_image(ax: Axes, step: int, seed: int) -> None:
        levels, _ = image_and_logits(seed)
        done = (torch.arange(height * width) < step).view(height, width)
        picture = to_unit(levels, num_levels, torch.float32).expand(3, -1, -1).clone()
        picture[:, ~done] = torch.tensor(to_rgb(OPEN)).view(3, 1)
        ax.imshow(picture.permute(1, 2, 0).numpy())
        ax.set(xticks=[], yticks=[], title=f"{step} of {height * width} pixels")

    def draw(figure: Figure, step: int, seed: int) -> None:
        left, right = figure.subplots(1, 2)
        draw_image(left, step, seed)
        levels, logits = image_and_logits(seed)
        row, column = divmod(min(step, height * width - 1), width)
        left.plot(column, row, marker="s", markersize=4, markerfacecolor="none", markeredgecolor="tab:red")
        for c in range(num_channels):
            color = "0.3" if num_channels == 1 else ("tab:red", "tab:green", "tab:blue")[c]
            edges = torch.arange(num_levels + 1).sub(0.5).tolist()
            odds = logits[:, c, row, column].softmax(0).tolist()
            right.stairs(odds, edges, color=color, fill=num_channels == 1, alpha=0.8)
            right.axvline(levels[c, row, column].item(), color=color, linestyle="--")
        right.set(xlabel="level (dashed: drawn)", ylabel="probability", ylim=(0, 1))
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.set_title(f"row {row}, column {column}")

    def draw_static(figure: Figure) -> None:
        steps = [round(height * width * n / 5) for n in range(6)]
        for ax, step in zip(figure.subplots(1, len(steps)), steps, strict=True):
            draw_image(ax, step, seed=0)

    step = ipywidgets.IntSlider(value=height * width // 2, min=0, max=height * width, description="pixels")
    controls = {"step": step, "seed": ipywidgets.IntSlider(value=0, min=0, max=9, description="seed")}
    box = interactive_figure(draw, controls, draw_static, figsize=(7.6, 2.9 if front_end.has_front_end() else 1.7))
    if isinstance(box, ipywidgets.Box):
        play = ipywidgets.Play(min=0, max=height * width, interval=100)
        ipywidgets.jslink((play, "value"), (step, "value"))
        box.children = (play, *box.children)
    return box
