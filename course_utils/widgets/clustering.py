"""Widget of lecture 1: k-means, half-step by half-step."""

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.models.basics.kmeans import inertia, kmeans_step
from course_utils.plotting import CLASS_COLORS
from course_utils.widgets.figure import interactive_figure

MAX_STEPS = 20


def kmeans_stepper(x: Tensor, num_clusters: int = 3) -> ipywidgets.Box | Figure:
    """Return sliders for k-means on points x (N, 2): how many clusters, from which start, after how many half-steps.

    Half-steps alternate: points join the nearest centre, centres move to the mean of their points. The start is points
    drawn at random. Without a front end the figure shows the start and the first half-steps.
    """

    def state(num_clusters: int, seed: int, half_steps: int) -> tuple[Tensor, Tensor | None]:
        """The centres, and the assignments where points have joined."""
        generator = torch.Generator().manual_seed(seed)
        centers, assignments = x[torch.randperm(len(x), generator=generator)[:num_clusters]], None
        for half_step in range(half_steps):
            joined, moved = kmeans_step(x, centers)
            if half_step % 2 == 0:
                assignments = joined
            else:
                centers = moved
        return centers, assignments

    def draw_state(ax: Axes, num_clusters: int, seed: int, half_steps: int) -> None:
        centers, assignments = state(num_clusters, seed, half_steps)
        owners = [-1] * len(x) if assignments is None else assignments.tolist()
        colors = ["0.6" if owner < 0 else CLASS_COLORS[owner % len(CLASS_COLORS)] for owner in owners]
        ax.scatter(*x.T.tolist(), s=6, c=colors)
        for k, center in enumerate(centers.tolist()):
            ax.plot(*center, "X", color=CLASS_COLORS[k % len(CLASS_COLORS)], markeredgecolor="k", markersize=11)
        what = "start" if half_steps == 0 else "points join" if half_steps % 2 else "centres move"
        ax.set(xticks=[], yticks=[], aspect="equal", title=f"{half_steps}: {what}")

    def draw(figure: Figure, num_clusters: int, seed: int, half_steps: int) -> None:
        left, right = figure.subplots(1, 2)
        draw_state(left, num_clusters, seed, half_steps)
        costs = [inertia(x, state(num_clusters, seed, 2 * step)[0]).item() for step in range(MAX_STEPS // 2 + 1)]
        right.plot(range(0, MAX_STEPS + 1, 2), costs, "o-", markersize=3)
        right.axvline(half_steps, color="0.6", linestyle=":")
        right.set(xlabel="half-steps", ylabel="sum of squared distances", ylim=(0, None))

    def draw_static(figure: Figure) -> None:
        shown = (0, 1, 2, 3, 4, MAX_STEPS)
        for ax, half_steps in zip(figure.subplots(1, len(shown)), shown, strict=True):
            draw_state(ax, num_clusters, 0, half_steps)

    controls = {
        "num_clusters": ipywidgets.IntSlider(value=num_clusters, min=1, max=8, description="clusters"),
        "seed": ipywidgets.IntSlider(value=0, min=0, max=9, description="start"),
        "half_steps": ipywidgets.IntSlider(value=0, min=0, max=MAX_STEPS, description="half-steps"),
    }
    return interactive_figure(draw, controls, draw_static, figsize=(8.6, 2.0))
