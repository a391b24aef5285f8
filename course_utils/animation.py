"""Animations that play without a kernel: the frames of a figure as a GIF inside the notebook."""

import base64
import html
import io
from collections.abc import Callable

import numpy as np
from IPython.display import HTML
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image


def animate(
    draw: Callable[[Figure, int], None],
    num_frames: int,
    *,
    alt: str,
    figsize: tuple[float, float] = (4.0, 3.0),
    seconds: float = 0.2,
    last_seconds: float = 2.0,
    num_colors: int = 32,
) -> HTML:
    """Return a GIF of `draw(figure, n)` for n = 0 ... num_frames - 1, each drawn on an empty figure, that repeats.

    Args:
        alt: what the animation shows, in words, for those who do not see it.
        figsize: in inches, at 80 dots an inch.
        seconds: how long a frame stays; the last one stays for `last_seconds`.
        num_colors: of the palette that all frames share; fewer make a smaller notebook.

    Raises:
        ValueError: there are no frames.
    """
    if num_frames < 1:
        raise ValueError(f"an animation needs at least 1 frame, got {num_frames}")
    figure = Figure(figsize=figsize, dpi=80, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    frames = []
    for n in range(num_frames):
        figure.clear()
        draw(figure, n)
        canvas.draw()
        frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    # One palette for all, from all of them: colours that changed from frame to frame would flicker.
    together = Image.fromarray(np.concatenate(frames)).quantize(num_colors, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(frame).quantize(palette=together, dither=Image.Dither.NONE) for frame in frames]
    gif = io.BytesIO()
    durations = [round(1000 * seconds)] * (num_frames - 1) + [round(1000 * last_seconds)]
    pictures[0].save(gif, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False)
    data = base64.b64encode(gif.getvalue()).decode()
    return HTML(f'<img alt="{html.escape(alt)}" src="data:image/gif;base64,{data}">')
