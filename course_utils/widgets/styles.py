"""A slider over the layer at which a StyleGAN changes from one image's styles to another's."""

from collections.abc import Callable

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.models.adversarial.stylegan import mix_styles
from course_utils.plotting import compare_rows, decode_images
from course_utils.widgets.figure import interactive_figure


def style_mixer(
    synthesize: Callable[[Tensor], Tensor], styles_a: Tensor, styles_b: Tensor, crossover: int | None = None
) -> ipywidgets.Box | Figure:
    """Return a slider for the crossover, and images that have A's styles in the layers before it and B's from it on.

    Without a front end the figure shows all crossovers, a row for each pair: from 0, which is B, to L, which is A.

    Args:
        synthesize: maps styles (N, L, W) to images (N, C, H, W) in [0, 1]. Noise is its own affair: fixed, so that
            only the styles change the image.
        styles_a, styles_b: the styles of N pairs, (N, L, W) each.
        crossover: where the slider stands at first; without it, half way.

    Raises:
        ValueError: unequal shapes, a crossover outside 0 ... L, or `synthesize` returns something else than an image
            for each pair.
    """
    middle = styles_a.shape[1] // 2 if crossover is None else crossover
    mix_styles(styles_a, styles_b, middle)  # names what does not fit
    num_layers = styles_a.shape[1]

    def images(k: int) -> Tensor:
        return decode_images(synthesize, mix_styles(styles_a, styles_b, k))

    def draw(figure: Figure, crossover: int) -> None:
        mixed = f"layers 0 ... {crossover - 1} of A,\nthe rest of B" if 0 < crossover < num_layers else "all of one"
        rows = {"A": images(num_layers), mixed: images(crossover), "B": images(0)}
        compare_rows(rows, figure.subplots())

    def draw_static(figure: Figure) -> None:
        steps = [images(k) for k in range(num_layers + 1)]
        rows = {f"pair {index + 1}": torch.stack(row) for index, row in enumerate(zip(*steps, strict=True))}
        titles = ["0: B", *range(1, num_layers), f"{num_layers}: A"]
        compare_rows(rows, figure.subplots(), titles=titles).set_title("crossover", fontsize="medium")

    slider = ipywidgets.IntSlider(value=middle, min=0, max=num_layers, description="crossover")
    height = 0.75 * len(styles_a)
    return interactive_figure(draw, {"crossover": slider}, draw_static, figsize=(5.6, max(1.8, height)))
