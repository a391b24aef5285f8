"""Grey -> colour: a landscape without and with its colours.

What a thing is tells the hue of some: meadow and tree are green, the sky is blue (or red, in the evening), the sun is
yellow. The house's wall and the balloon have any hue, and of one luminance whatever the hue, so grey does not tell it:
the mean of all answers is a grey house, which is what regression paints.

After R. Zhang, P. Isola, A. A. Efros, "Colorful image colorization", ECCV 2016 (arXiv 1603.08511).
"""

import torch
from torch import Generator, Tensor

from course_utils.data.sprites import hue_to_rgb
from course_utils.data.translation.canvas import (
    band,
    capsule,
    covered,
    ellipse,
    luminance,
    paint,
    pick,
    pixel_grid,
    smooth_noise,
    uniform,
    with_luminance,
)

SKIES = torch.tensor([[0.36, 0.62, 0.95], [0.45, 0.72, 0.98], [0.92, 0.55, 0.42]])
MEADOWS = torch.tensor([[0.36, 0.66, 0.22], [0.48, 0.70, 0.25]])
TILES = torch.tensor([[0.62, 0.24, 0.16], [0.52, 0.20, 0.16]])
TREES = torch.tensor([[0.12, 0.42, 0.16], [0.20, 0.46, 0.12]])


def grey_to_colour(num_pairs: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return sources (N, 1, S, S), the luminance of the targets, and targets (N, 3, S, S)."""
    colour = landscapes(num_pairs, size, generator)
    return luminance(colour), colour


def landscapes(num_pairs: int, size: int, generator: Generator) -> Tensor:
    """Return landscapes (N, 3, S, S) in [0, 1]: sky, sun, hills, a tree, a house and a balloon."""
    x, y = pixel_grid(size)
    n, g = num_pairs, generator

    sky = pick(g, n, SKIES, 0.03)[:, :, None, None]
    picture = sky + (0.75 * y).unsqueeze(1) * (1 - sky) + torch.zeros(n, 3, size, size)
    clouds = ((smooth_noise(g, n, 6, size) - 0.6) * 2).clamp(0, 0.85)
    sun_x = uniform(g, n, 0.1, 0.9)
    sun = ellipse(x - sun_x, y - uniform(g, n, 0.08, 0.2), 0.075, 0.075)
    picture = paint(picture, torch.tensor([1.0, 0.86, 0.25]), covered(sun, size))
    picture = paint(picture, torch.tensor([1.0, 1.0, 1.0]), clouds)

    # Far hills, bluish with the distance; then the meadow.
    meadow = pick(g, n, MEADOWS, 0.04)
    wave = uniform(g, n, 5, 9) * x + uniform(g, n, 0, 6.3)
    hills = uniform(g, n, 0.52, 0.6) + 0.05 * torch.sin(wave)
    picture = paint(picture, 0.55 * meadow + 0.45 * torch.tensor([0.45, 0.62, 0.75]), covered(hills - y, size))
    ground = uniform(g, n, 0.66, 0.72) + 0.03 * torch.sin(uniform(g, n, 3, 6) * x + uniform(g, n, 0, 6.3))
    grass = 0.82 + 0.3 * smooth_noise(g, n, 14, size) + 0.15 * (y - 0.8)
    picture = paint(picture, (meadow[:, :, None, None] * grass.unsqueeze(1)).clamp(0, 1), covered(ground - y, size))

    # House and tree on either side, the balloon above the tree.
    side = torch.randint(2, (n, 1, 1), generator=g) * 2 - 1.0
    picture = _house(picture, 0.5 + side * uniform(g, n, 0.16, 0.26), uniform(g, n, 0.74, 0.86), x, y, size, g)
    tree_x = 0.5 - side * uniform(g, n, 0.16, 0.32)
    picture = _tree(picture, tree_x, uniform(g, n, 0.76, 0.9), x, y, size, g)
    return _balloon(picture, 0.5 - side * uniform(g, n, 0.05, 0.3), uniform(g, n, 0.2, 0.3), x, y, size, g).clamp(0, 1)


def any_hue(num_pairs: int, due: float, generator: Generator) -> Tensor:
    """Return colours (N, 3) of any hue and of the luminance `due`."""
    hue = torch.rand(num_pairs, generator=generator)
    return with_luminance(0.12 + 0.8 * hue_to_rgb(hue), torch.full((num_pairs, 1), due))


def _house(picture: Tensor, left: Tensor, foot: Tensor, x: Tensor, y: Tensor, size: int, g: Generator) -> Tensor:
    n = len(picture)
    half, height = uniform(g, n, 0.13, 0.17), uniform(g, n, 0.2, 0.26)
    u, v = x - left, foot - y  # v upwards from the foot
    wall = any_hue(n, 0.55, g)[:, :, None, None]
    lit_side = (1.0 + 0.18 * (u / half)).clamp(0.8, 1.18)
    picture = paint(picture, (wall * lit_side.unsqueeze(1)).clamp(0, 1), _box(u, v, -half, half, 0.0, height, size))
    slope = half * 1.2 / (0.55 * height)
    roof = torch.maximum((u.abs() - (1.55 * height - v) * slope) / (1 + slope**2).sqrt(), height - v)
    picture = paint(
        picture, pick(g, n, torch.tensor([[0.62, 0.24, 0.16], [0.52, 0.20, 0.16]]), 0.03), covered(roof, size)
    )
    picture = paint(
        picture, torch.tensor([0.33, 0.20, 0.12]), _box(u, v, -0.28 * half, 0.2 * half, 0.0, 0.55 * height, size)
    )
    for place in (-0.78, 0.42):
        window = _box(u, v, place * half, (place + 0.36) * half, 0.5 * height, 0.82 * height, size)
        picture = paint(picture, torch.tensor([0.96, 0.94, 0.80]), window)
    return picture


def _tree(picture: Tensor, middle: Tensor, foot: Tensor, x: Tensor, y: Tensor, size: int, g: Generator) -> Tensor:
    n = len(picture)
    tall = uniform(g, n, 0.26, 0.36)
    trunk = capsule(x, y, (middle, foot), (middle, foot - tall), 0.022)
    picture = paint(picture, torch.tensor([0.36, 0.24, 0.14]), covered(trunk, size))
    crown = ellipse(x - middle, y - foot + tall, uniform(g, n, 0.11, 0.15), uniform(g, n, 0.13, 0.17))
    green = pick(g, n, TREES, 0.03)[:, :, None, None]
    leaves = 0.75 + 0.5 * smooth_noise(g, n, 16, size) - 0.9 * (x - middle)
    return paint(picture, (green * leaves.unsqueeze(1)).clamp(0, 1), covered(crown, size))


def _balloon(picture: Tensor, middle: Tensor, height: Tensor, x: Tensor, y: Tensor, size: int, g: Generator) -> Tensor:
    n = len(picture)
    u, v = x - middle, y - height
    radius = uniform(g, n, 0.1, 0.13)
    basket = _box(u, -v, -0.25 * radius, 0.25 * radius, -1.75 * radius, -1.4 * radius, size)
    picture = paint(picture, torch.tensor([0.42, 0.28, 0.14]), basket)
    for end in (-1, 1):
        rope = capsule(u, v, (end * 0.55 * radius, 0.8 * radius), (end * 0.2 * radius, 1.4 * radius), 0.004)
        picture = paint(picture, torch.tensor([0.25, 0.20, 0.16]), covered(rope, size))
    silk = any_hue(n, 0.5, g)[:, :, None, None] * (1.08 - 1.2 * (u + 0.5 * v)).unsqueeze(1)
    return paint(picture, silk.clamp(0, 1), covered(ellipse(u, v, radius, 1.08 * radius), size))


def _box(
    u: Tensor, v: Tensor, left: Tensor, right: Tensor, low: Tensor | float, high: Tensor | float, size: int
) -> Tensor:
    return band(u, left, right, size) * band(v, low, high, size)
