"""A normalising flow layer by layer: where a cloud of noise is after some of its layers, at any temperature."""

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.models.flows.flow import Chain, Flow
from course_utils.widgets.figure import interactive_figure

NUM_PANELS = 6  # of the figure without a front end


@torch.no_grad()
def layer_by_layer(model: Flow, z: Tensor) -> list[Tensor]:
    """Return the points (N, 2) on their way from latent to data: z, then what each of the L layers made of it (L + 1).

    Raises:
        ValueError: the flow is no chain of layers of points in the plane.
    """
    if not isinstance(model.network, Chain) or model.event_shape != (2,):
        found = f"{type(model.network).__name__} of {model.event_shape}"
        raise ValueError(f"the flow must be a Chain of layers of points (2,), got a {found}")
    states = [z]
    for layer in reversed(model.network.layers):
        states.append(layer.inverse(states[-1])[0])
    return states


def flow_layers(
    model: Flow, x: Tensor | None = None, num_points: int = 600, seed: int = 0, limit: float = 4.0
) -> ipywidgets.Box | Figure:
    """Return sliders for the number of layers that noise has passed, and for its temperature (the noise's deviation).

    Points keep the colour of the direction in which their noise lay; data x (N, 2), where given, stand behind them in
    grey. Without a front end the figure shows six moments of the way, at temperature 1.

    Args:
        model: a flow in the plane made of a chain of layers.
        limit: the figure shows the square from -limit to limit.

    Raises:
        ValueError: another kind of flow.
    """
    like = next(model.parameters())
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(num_points, 2, generator=random, dtype=torch.float64).to(like)
    num_layers = len(layer_by_layer(model, noise)) - 1

    def draw_points(ax: Axes, points: Tensor, layer: int) -> None:
        if x is not None:
            ax.scatter(*x[:num_points].T.tolist(), s=2, color="0.8")
        ax.scatter(*points.T.tolist(), s=4, c=torch.atan2(noise[:, 1], noise[:, 0]).tolist(), cmap="twilight")
        title = {0: "noise", 1: "after 1 layer"}.get(layer, f"after {layer} layers")
        ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], aspect="equal")

    def draw(figure: Figure, layer: int, temperature: float) -> None:
        draw_points(figure.subplots(), layer_by_layer(model, temperature * noise)[layer], layer)

    def draw_static(figure: Figure) -> None:
        states = layer_by_layer(model, noise)
        shown = torch.linspace(0, num_layers, min(NUM_PANELS, num_layers + 1)).round().long().tolist()
        for ax, layer in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            draw_points(ax, states[layer], layer)
        figure.set_size_inches(8.4, 1.7)

    controls = {
        "layer": ipywidgets.IntSlider(value=0, min=0, max=num_layers, description="layers"),
        "temperature": ipywidgets.FloatSlider(value=1.0, min=0.0, max=1.5, step=0.05, description="temperature"),
    }
    return interactive_figure(draw, controls, draw_static, figsize=(4.0, 4.0))
