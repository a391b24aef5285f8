"""How the procedural pictures are painted: coverages of pixels between 0 and 1, and colours laid over one another.

Lengths are in image widths, x to the right and y downwards, unless a name says pixels: then one seed gives one picture
at any size. Parameters are (N, 1, 1), one for each picture, and pixel coordinates (1, 1, S) and (1, S, 1).
"""

import math

import torch
from torch import Generator, Tensor

# Luminance of red, green and blue (ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)
NUM_WAVES = 12


def pixel_grid(size: int) -> tuple[Tensor, Tensor]:
    """Return x (1, 1, S) and y (1, S, 1) of the pixels' centres, in image widths."""
    centres = (torch.arange(size) + 0.5) / size
    return centres.view(1, 1, -1), centres.view(1, -1, 1)


def uniform(generator: Generator, num: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return uniform draws (N, 1, 1)."""
    return low + (high - low) * torch.rand(num, 1, 1, generator=generator)


def pick(generator: Generator, num: int, palette: Tensor, spread: float = 0.0) -> Tensor:
    """Return a colour of the palette (K, 3) for each picture, moved by up to `spread` in each channel: (N, 3)."""
    chosen = palette[torch.randint(len(palette), (num,), generator=generator)]
    return (chosen + spread * (2 * torch.rand(num, 3, generator=generator) - 1)).clamp(0, 1)


def covered(distance: Tensor, size: int) -> Tensor:
    """Return how much of each pixel lies inside an outline, of signed distances (negative inside) in image widths."""
    return (0.5 - distance * size).clamp(0, 1)


def band(t: Tensor, low: Tensor | float, high: Tensor | float, size: int) -> Tensor:
    """Return the share of each pixel, one wide around t, that lies between low and high: exact for straight edges."""
    left, right = t - 0.5 / size, t + 0.5 / size
    low, high = torch.as_tensor(low), torch.as_tensor(high)
    return ((torch.minimum(right, high) - torch.maximum(left, low)) * size).clamp(0, 1)


def ellipse(x: Tensor, y: Tensor, width: Tensor | float, height: Tensor | float) -> Tensor:
    """Return about the signed distance to an ellipse around the origin with these half axes: f / |grad f|."""
    radius = torch.hypot(x / width, y / height)
    return radius * (radius - 1) / torch.hypot(x / width**2, y / height**2).clamp(min=1e-6)


def capsule(
    x: Tensor,
    y: Tensor,
    start: tuple[Tensor | float, Tensor | float],
    end: tuple[Tensor | float, Tensor | float],
    radius: Tensor | float,
) -> Tensor:
    """Return the signed distance to all points within `radius` of the line from start to end."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    share = (((x - start[0]) * along_x + (y - start[1]) * along_y) / (along_x**2 + along_y**2)).clamp(0, 1)
    return torch.hypot(x - start[0] - share * along_x, y - start[1] - share * along_y) - radius


def paint(picture: Tensor, colour: Tensor, cover: Tensor) -> Tensor:
    """Return a picture (N, 3, S, S) with a colour (N, 3), (3,) or (N, 3, S, S) where `cover` (N, S, S) is 1."""
    if colour.ndim < 4:
        colour = colour.view(-1, 3, 1, 1)
    return picture + cover.unsqueeze(1) * (colour - picture)


def smooth_noise(generator: Generator, num: int, cells: int, size: int) -> Tensor:
    """Return noise (N, S, S) in [0, 1] around 1/2 that changes over about 1 / cells of the width, alike to all sides.

    It is a sum of plane waves of random directions and phases, so it is the same at any size.
    """
    x, y = pixel_grid(size)
    total = torch.zeros(num, size, size)
    for _ in range(NUM_WAVES):
        angle, phase = uniform(generator, num, 0, 2 * math.pi), uniform(generator, num, 0, 2 * math.pi)
        rate = math.pi * cells * uniform(generator, num, 0.5, 1.0)
        total += torch.cos(rate * (angle.cos() * x + angle.sin() * y) + phase)
    # Its standard deviation is that of a uniform draw.
    return (0.5 + total / math.sqrt(6 * NUM_WAVES)).clamp(0, 1)


def luminance(colour: Tensor) -> Tensor:
    """Return the grey (N, 1, ...) of colours (N, 3, ...)."""
    weights = torch.tensor(LUMINANCE, dtype=colour.dtype, device=colour.device)
    return torch.einsum("nc...,c->n...", colour, weights).unsqueeze(1).clamp(0, 1)


def with_luminance(colour: Tensor, due: Tensor) -> Tensor:
    """Return colours (N, 3) mixed with black or white until their grey is `due` (N, 1), strictly between 0 and 1."""
    grey = luminance(colour)
    darker = colour * due / grey.clamp(min=1e-6)
    paler = 1 - (1 - colour) * (1 - due) / (1 - grey).clamp(min=1e-6)
    return torch.where(due <= grey, darker, paler)
