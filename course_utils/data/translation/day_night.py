"""Day -> night: a skyline over water at noon and after dark.

Sky, moonlight and the darkened houses follow from the day; which windows are lit does not, and where the stars are
neither. The water mirrors all of it.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from course_utils.data.translation.canvas import band, covered, ellipse, paint, pick, pixel_grid, smooth_noise, uniform

NUM_FAR, NUM_NEAR = 5, 5
CELLS = 16  # windows have their places on a grid of so many by so many
SHORE = 0.75
HOUSES = torch.tensor(
    [[0.74, 0.60, 0.50], [0.62, 0.38, 0.30], [0.80, 0.76, 0.68], [0.50, 0.58, 0.66], [0.68, 0.66, 0.62]]
)


class City(NamedTuple):
    """Houses from the farthest to the nearest, (N, 1, 1) each in image widths, and the sky's bodies."""

    left: tuple[Tensor, ...]
    right: tuple[Tensor, ...]
    top: tuple[Tensor, ...]
    colour: tuple[Tensor, ...]
    sun: tuple[Tensor, Tensor]
    clouds: Tensor
    ripples: Tensor


def draw_cities(num_pairs: int, size: int, generator: Generator) -> City:
    """Return random skylines: far houses are tall and in the haze, near ones low."""
    n, g = num_pairs, generator
    left, right, top, colour = [], [], [], []
    for index in range(NUM_FAR + NUM_NEAR):
        is_near, count = index >= NUM_FAR, NUM_NEAR if index >= NUM_FAR else NUM_FAR
        width = torch.randint(2, 4 if is_near else 5, (n, 1, 1), generator=g) / CELLS
        step = (index % count + 0.5 * is_near) / count
        start = ((step + uniform(g, n, -0.08, 0.08)) * CELLS).round() / CELLS - 1 / CELLS
        rows = torch.randint(3, 7, (n, 1, 1), generator=g) + (0 if is_near else 3)
        left.append(start + 0.25 / CELLS)
        right.append(start + width + 0.25 / CELLS)
        top.append(SHORE - (rows - 0.25) / CELLS)
        hazy = pick(g, n, HOUSES, 0.05)
        colour.append(hazy if is_near else 0.55 * hazy + 0.45 * torch.tensor([0.62, 0.74, 0.86]))
    sun = (uniform(g, n, 0.1, 0.9), uniform(g, n, 0.08, 0.22))
    waves = uniform(g, n, 45, 60)
    return City(tuple(left), tuple(right), tuple(top), tuple(colour), sun, smooth_noise(g, n, 6, size), waves)


def above_water(city: City, size: int) -> tuple[Tensor, Tensor]:
    """Return x (1, 1, S), and y (N, S, S) of what a pixel shows: below the shore it mirrors what is above, rippled."""
    x, y = pixel_grid(size)
    depth = (y - SHORE).clamp(min=0)
    ripple = 0.012 * torch.sin(city.ripples * depth + 20 * x) * (depth > 0)
    return x, torch.where(y > SHORE, (SHORE - 1.6 * depth + ripple).clamp(max=SHORE), y + 0 * x + 0 * city.ripples)


def house_covers(city: City, x: Tensor, y: Tensor, size: int) -> list[Tensor]:
    """Return how much of each pixel each house covers, (N, S, S), from the farthest to the nearest."""
    return [
        band(x, left, right, size) * covered(top - y, size)
        for left, right, top in zip(city.left, city.right, city.top, strict=True)
    ]


def windows(x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return how much of each pixel is window, were there houses everywhere, and which window's it is, (N, S, S)."""
    column, row = (x * CELLS).floor(), (y * CELLS).floor()
    cover = band(x * CELLS - column, 0.5, 1.0, size / CELLS) * band(y * CELLS - row, 0.5, 1.0, size / CELLS)
    return cover, (row.clamp(0, CELLS - 1) * CELLS + column.clamp(0, CELLS - 1)).long()


def by_day(city: City, size: int) -> Tensor:
    """Return the skylines at noon, (N, 3, S, S) in [0, 1]."""
    x, y = above_water(city, size)
    blue, pale = (torch.tensor(c).view(1, 3, 1, 1) for c in ((0.32, 0.60, 0.92), (0.82, 0.90, 0.96)))
    picture = blue + (y / SHORE).unsqueeze(1) * (pale - blue)
    sun = covered(ellipse(x - city.sun[0], y - city.sun[1], 0.06, 0.06), size)
    picture = paint(picture, torch.tensor([1.0, 0.93, 0.55]), sun)
    picture = paint(picture, torch.ones(3), ((city.clouds - 0.5) * 2).clamp(0, 0.85) * (y < 0.5))
    panes, _ = windows(x, y, size)
    for cover, colour in zip(house_covers(city, x, y, size), city.colour, strict=True):
        picture = paint(picture, colour, cover)
        picture = paint(picture, 0.45 * colour, cover * panes)
    return _on_water(picture, torch.tensor([0.16, 0.36, 0.50]), size)


def by_night(city: City, size: int, generator: Generator) -> Tensor:
    """Return the same skylines after dark, (N, 3, S, S); stars and lit windows are drawn here."""
    n, g = len(city.ripples), generator
    x, y = above_water(city, size)
    high, low = (torch.tensor(c).view(1, 3, 1, 1) for c in ((0.03, 0.05, 0.18), (0.36, 0.26, 0.46)))
    picture = high + (y / SHORE).unsqueeze(1) * (low - high)
    for _ in range(9):
        star = torch.hypot(x - uniform(g, n), y - uniform(g, n, 0.0, 0.5))
        picture = paint(picture, torch.tensor([0.95, 0.95, 0.85]), (1 - star * size / 1.1).clamp(0, 0.8))
    # The moon stands where the sun stood, and a disc of sky bites into it.
    moon = ellipse(x - city.sun[0], y - city.sun[1], 0.06, 0.06)
    bite = ellipse(x - city.sun[0] - 0.035, y - city.sun[1] + 0.015, 0.055, 0.055)
    picture = paint(picture, torch.tensor([0.97, 0.95, 0.82]), covered(torch.maximum(moon, -bite), size))
    panes, index = windows(x, y, size)
    lights = torch.rand(n, CELLS * CELLS, generator=g)
    is_lit = lights.gather(1, index.expand(n, -1, -1).flatten(1)).view(n, size, size) < 0.5
    for cover, colour in zip(house_covers(city, x, y, size), city.colour, strict=True):
        picture = paint(picture, 0.2 * colour + torch.tensor([0.01, 0.01, 0.06]), cover)
        picture = paint(picture, torch.tensor([1.0, 0.82, 0.40]), cover * panes * is_lit)
    return _on_water(picture, torch.tensor([0.02, 0.04, 0.12]), size)


def _on_water(picture: Tensor, water: Tensor, size: int) -> Tensor:
    _, y = pixel_grid(size)
    under = band(y, SHORE, 2.0, size).expand(1, size, size)
    return paint(picture, water, under * (0.35 + 0.8 * (y - SHORE)).clamp(0, 1)).clamp(0, 1)


def day_to_night(num_pairs: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return sources (N, 3, S, S) by day and targets (N, 3, S, S) by night."""
    city = draw_cities(num_pairs, size, generator)
    return by_day(city, size), by_night(city, size, generator)
