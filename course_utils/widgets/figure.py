"""Any controls joined to any drawing: a box of widgets in a notebook, and where nothing could move them a figure."""

import io
import os
from collections.abc import Callable, Mapping

import ipywidgets
from IPython import get_ipython
from matplotlib.figure import Figure


def has_front_end() -> bool:
    """Whether a reader could move a slider: an IPython kernel runs, and COURSE_STATIC is not 1."""
    return os.environ.get("COURSE_STATIC") != "1" and getattr(get_ipython(), "kernel", None) is not None


def interactive_figure(
    draw: Callable[..., None],
    controls: Mapping[str, ipywidgets.ValueWidget],
    draw_static: Callable[[Figure], None] | None = None,
    figsize: tuple[float, float] = (6.0, 3.2),
) -> ipywidgets.Box | Figure:
    """Return the controls above a figure that `draw(figure, **values)` draws afresh whenever one of them changes.

    Args:
        draw: draws on an empty figure, given the value of each control by its name.
        controls: ipywidgets by name, such as {"beta": FloatSlider(...)}.
        draw_static: what is drawn once where there is no front end; by default `draw` at the controls' first values.
        figsize: in inches.
    """
    figure = Figure(figsize=figsize, dpi=80, layout="constrained")
    values = {name: control.value for name, control in controls.items()}
    if not has_front_end():
        if draw_static is not None:
            draw_static(figure)
        else:
            draw(figure, **values)
        return figure

    picture = ipywidgets.Image(format="png")

    def redraw(_change=None) -> None:
        figure.clear()
        draw(figure, **{name: control.value for name, control in controls.items()})
        png = io.BytesIO()
        figure.savefig(png, format="png")
        picture.value = png.getvalue()

    redraw()
    for control in controls.values():
        control.observe(redraw, names="value")
    return ipywidgets.VBox([*controls.values(), picture])
