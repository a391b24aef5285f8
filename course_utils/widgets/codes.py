"""Controls over the codes of a generator: buttons for a class, a slider for each continuous code."""

from collections.abc import Callable, Sequence

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting import compare_rows, image_grid
from course_utils.widgets.figure import interactive_figure

MAX_BUTTONS = 12  # classes that fit in a row of buttons; more stand in a drop-down menu
NUM_STEPS = 7  # of each code in the figure without a front end


def code_sliders(
    generate: Callable[[Tensor, Tensor], Tensor],
    names: Sequence[str],
    classes: Sequence[object],
    limits: tuple[float, float] = (-1.0, 1.0),
) -> ipywidgets.Box | Figure:
    """Return controls for a class and for each continuous code, and the image that `generate` makes of them.

    The class is the categorical code of an InfoGAN, or the label of a conditional GAN, whose noise variables may stand
    as the continuous codes. Beside the image stand those of all classes with the same codes: what stays is what the
    codes say. Without a front end the figure shows a row for each class, and for each code a block of columns in which
    it goes from low to high, the others in the middle.

    Args:
        generate: maps classes (N,), from 0, and codes (N, K) to images (N, C, H, W) in [0, 1]. Other noise is its own
            affair: fixed, so that only the codes change the image.
        names: of the K continuous codes; there may be none.
        classes: what stands on the buttons, one for each class.
        limits: the ends of all sliders.

    Raises:
        ValueError: there are no classes, two names are alike, limits do not grow, or `generate` returns something else
            than an image for each class.
    """
    low, high = limits
    if len(classes) == 0:
        raise ValueError("code_sliders needs at least one class, got none")
    if len({*names, "class"}) != len(names) + 1:
        raise ValueError(f'names must differ from each other and from "class", got {list(names)}')
    if not low < high:
        raise ValueError(f"limits must be (low, high) with low below high, got {limits}")
    labels = [str(name) for name in classes]
    middle = (low + high) / 2

    @torch.no_grad()
    def images_of(y: Tensor, codes: Tensor) -> Tensor:
        images = generate(y, codes)
        if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != len(y):
            came = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ValueError(f"generate must return images ({len(y)}, C, H, W), got {came}")
        return images

    def draw(figure: Figure, **values: float) -> None:
        chosen = values["class"]
        codes = torch.tensor([[values[name] for name in names]]).expand(len(classes), -1)
        images = images_of(torch.arange(len(classes)), codes)
        one, every = figure.subplots(1, 2, width_ratios=[1, 2])
        image_grid(images[chosen : chosen + 1], one, titles=[labels[chosen]])
        image_grid(images, every, num_columns=min(5, len(classes)), titles=labels)

    def draw_static(figure: Figure) -> None:
        steps = torch.linspace(low, high, NUM_STEPS) if names else torch.tensor([middle])
        blocks = figure.subplots(1, max(1, len(names)), squeeze=False)[0]
        for index, ax in enumerate(blocks):
            codes = torch.full((len(steps), len(names)), middle)
            if names:
                codes[:, index] = steps
                ax.set_title(names[index])
            rows = {label: images_of(torch.full((len(steps),), number), codes) for number, label in enumerate(labels)}
            compare_rows(rows, ax, titles=["low", *[""] * (NUM_STEPS - 2), "high"] if names else None)

    if len(classes) <= MAX_BUTTONS:
        buttons = ipywidgets.ToggleButtons(
            options=[(label, number) for number, label in enumerate(labels)],
            description="class",
            style={"button_width": "auto"},
        )
    else:
        buttons = ipywidgets.Dropdown(
            options=[(label, number) for number, label in enumerate(labels)], description="class"
        )
    controls = {"class": buttons}
    for name in names:
        controls[name] = ipywidgets.FloatSlider(
            value=middle, min=low, max=high, step=(high - low) / 100, description=name, continuous_update=True
        )
    width = min(7.2, 3.4 * max(1, len(names)))
    return interactive_figure(draw, controls, draw_static, figsize=(max(4.0, width), max(2.4, 0.38 * len(classes))))
