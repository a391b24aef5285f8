"""Aerial photograph -> street map: what a thing is, without its colours and textures.

Streets cross at right angles, a main road and a river cut through; blocks are parks, or gardens with houses. The map
follows from the photograph, so one answer is right: the easy direction. From map to photograph there are many.
"""

import math

import torch
from torch import Generator, Tensor

from course_utils.data.translation.canvas import covered, paint, pick, pixel_grid, smooth_noise, uniform

CLASSES = ("garden", "park", "house", "street", "main road", "water")
# Colours on the map, in the order of CLASSES.
MAP = torch.tensor(
    [
        [0.93, 0.91, 0.87],
        [0.72, 0.86, 0.66],
        [0.78, 0.74, 0.71],
        [1.0, 1.0, 1.0],
        [0.98, 0.82, 0.36],
        [0.60, 0.78, 0.95],
    ]
)
ROOFS = torch.tensor([[0.66, 0.34, 0.25], [0.52, 0.50, 0.50], [0.75, 0.62, 0.50], [0.40, 0.34, 0.36]])
BLOCK = 0.36  # from the middle of a street to the middle of the next
TABLE = 8  # blocks have their properties from a table of so many by so many


def layers(num_pairs: int, size: int, generator: Generator) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return how much of each pixel is of each class but the first, each (N, S, S), later ones over earlier ones.

    Then come the houses' shadow (N, S, S) and the colours of their roofs (N, 3, S, S).
    """
    n, g = num_pairs, generator
    x, y = pixel_grid(size)
    angle = uniform(g, n, 0, math.pi / 2)
    p = angle.cos() * (x - 0.5) + angle.sin() * (y - 0.5) + uniform(g, n)
    q = angle.cos() * (y - 0.5) - angle.sin() * (x - 0.5) + uniform(g, n)
    column, row = (p / BLOCK).floor(), (q / BLOCK).floor()
    in_p, in_q = p - BLOCK * column, q - BLOCK * row
    block = ((row % TABLE) * TABLE + column % TABLE).long()
    is_park = _look_up(torch.rand(n, TABLE**2, generator=g) < 0.3, block).float()

    edge = torch.minimum(torch.minimum(in_p, BLOCK - in_p), torch.minimum(in_q, BLOCK - in_q))
    street = covered(edge - 0.035, size)
    # Four houses a block, each in a quarter of its own.
    quarter = 4 * block + 2 * (in_q > BLOCK / 2).long() + (in_p > BLOCK / 2).long()
    half_p, half_q = (_look_up(0.035 + 0.025 * torch.rand(n, 4 * TABLE**2, generator=g), quarter) for _ in range(2))
    roof = _look_up(torch.randint(len(ROOFS), (n, 4 * TABLE**2), generator=g), quarter)
    middle = 0.115, BLOCK - 0.115
    to_p = torch.where(in_p > BLOCK / 2, in_p - middle[1], in_p - middle[0])
    to_q = torch.where(in_q > BLOCK / 2, in_q - middle[1], in_q - middle[0])
    house = covered(torch.maximum(to_p.abs() - half_p, to_q.abs() - half_q), size) * (1 - is_park)
    shadow = covered(torch.maximum((to_p - 0.02).abs() - half_p, (to_q - 0.02).abs() - half_q), size) * (1 - is_park)
    # One slope of the roof is in the light.
    ridge = torch.where(to_p > 0, 0.82, 1.08).unsqueeze(1)
    roofs = ROOFS[roof].permute(0, 3, 1, 2) * ridge

    turn = uniform(g, n, 0, math.pi)
    along = turn.cos() * (x - 0.5) + turn.sin() * (y - 0.5)
    across = turn.cos() * (y - 0.5) - turn.sin() * (x - 0.5)
    bend = 0.08 * torch.sin(uniform(g, n, 4, 8) * along + uniform(g, n, 0, 6.3))
    water = covered((across - uniform(g, n, -0.45, 0.45) + bend).abs() - uniform(g, n, 0.05, 0.1), size)
    tilt = turn + uniform(g, n, 0.6, 2.5)
    line = tilt.cos() * (x - 0.5) + tilt.sin() * (y - 0.5) - uniform(g, n, -0.25, 0.25)
    main_road = covered(line.abs() - 0.045, size)
    # The main road has a bridge, streets have none.
    dry = 1 - water
    return [is_park, house * dry, street * dry, main_road, water * (1 - main_road)], shadow * dry, roofs


def _look_up(table: Tensor, index: Tensor) -> Tensor:
    """Return table[n, index[n, ...]] for a table (N, K)."""
    return table.gather(1, index.flatten(1)).view_as(index)


def street_map(covers: list[Tensor]) -> Tensor:
    """Return the map (N, 3, S, S): a flat colour for each class."""
    drawn = MAP[0].view(1, 3, 1, 1).expand(len(covers[0]), -1, *covers[0].shape[1:])
    for colour, cover in zip(MAP[1:], covers, strict=True):
        drawn = paint(drawn, colour, cover)
    return drawn


def photograph(covers: list[Tensor], shadow: Tensor, roofs: Tensor, generator: Generator) -> Tensor:
    """Return the picture from above (N, 3, S, S): lawns, trees, roofs, asphalt and water have their texture."""
    n, size, g = len(shadow), shadow.shape[-1], generator
    park, house, street, main_road, water = covers
    fine, coarse = smooth_noise(g, n, 26, size), smooth_noise(g, n, 9, size)
    lawn = pick(g, n, torch.tensor([[0.48, 0.54, 0.30], [0.56, 0.54, 0.36]]), 0.03)[:, :, None, None]
    picture = lawn * (0.75 + 0.45 * coarse).unsqueeze(1)
    trees = ((fine - 0.52) * 5).clamp(0, 1)
    picture = paint(picture, torch.tensor([0.20, 0.32, 0.14]), 0.75 * trees * (1 - park))
    wood = torch.tensor([0.20, 0.40, 0.16]).view(1, 3, 1, 1) * (0.7 + 0.7 * fine).unsqueeze(1)
    picture = paint(picture, wood, park)
    picture = picture * (1 - 0.45 * shadow).unsqueeze(1)
    picture = paint(picture, roofs * (0.92 + 0.16 * fine).unsqueeze(1), house)
    asphalt = torch.tensor([0.46, 0.46, 0.48]).view(1, 3, 1, 1) * (0.9 + 0.2 * coarse).unsqueeze(1)
    picture = paint(picture, asphalt, street)
    picture = paint(picture, 1.25 * asphalt, main_road)
    deep = torch.tensor([0.16, 0.28, 0.32]).view(1, 3, 1, 1) * (0.8 + 0.5 * coarse).unsqueeze(1)
    return paint(picture, deep, water).clamp(0, 1)


def aerial_to_map(num_pairs: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return sources (N, 3, S, S), photographs from above, and targets (N, 3, S, S), their maps."""
    covers, shadow, roofs = layers(num_pairs, size, generator)
    return photograph(covers, shadow, roofs, generator), street_map(covers)
