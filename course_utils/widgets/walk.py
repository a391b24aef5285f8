"""A walk through latent space: a slider between two latents of any generator, along a line or along the sphere."""

from collections.abc import Callable

import ipywidgets
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.models.adversarial.latent_space import interpolate_spherical, interpolate_straight
from course_utils.plotting import decode_images, image_grid
from course_utils.widgets.figure import interactive_figure

PATHS = {"straight": interpolate_straight, "on the sphere": interpolate_spherical}


def latent_walk(
    generate: Callable[[Tensor], Tensor], z_a: Tensor, z_b: Tensor, num_steps: int = 9
) -> ipywidgets.Box | Figure:
    """Return a slider from one latent to another, and the image that `generate` makes on the way.

    Without a front end, the figure shows `num_steps` images of each path, one row straight and one on the sphere.

    Args:
        generate: maps z (N, Z) to images (N, C, H, W) in [0, 1].
        z_a, z_b: the ends, (Z,) each.

    Raises:
        ValueError: the ends are not two vectors of one length, or there are fewer than two steps.
    """
    if z_a.ndim != 1 or z_a.shape != z_b.shape:
        raise ValueError(f"z_a and z_b must be (Z,) alike, got {tuple(z_a.shape)} and {tuple(z_b.shape)}")
    if num_steps < 2:
        raise ValueError(f"a walk has at least 2 steps, got {num_steps}")

    def draw(figure: Figure, step: int, path: str) -> None:
        z = PATHS[path](z_a, z_b, 101)[[0, step, 100]]
        image_grid(decode_images(generate, z), figure.subplots(), 3, titles=["from", f"{step} %", "to"])

    def draw_static(figure: Figure) -> None:
        for ax, (name, path) in zip(figure.subplots(len(PATHS), 1), PATHS.items(), strict=True):
            image_grid(decode_images(generate, path(z_a, z_b, num_steps)), ax, num_columns=num_steps)
            ax.set_title(name, fontsize="small", loc="left")

    controls = {
        "step": ipywidgets.IntSlider(value=50, min=0, max=100, description="% of the way"),
        "path": ipywidgets.ToggleButtons(options=list(PATHS), description="path"),
    }
    return interactive_figure(draw, controls, draw_static, figsize=(6.4, 1.7))
