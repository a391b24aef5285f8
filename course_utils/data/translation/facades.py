"""Labels -> facade: a house of floors and windows as a map of classes, and as a picture of it.

The labels say where sky, roof, wall, cornices, windows, door and street are. They do not say how the house looks: the
colours of wall, roof, frames and door, bricks or plaster, and which windows are lit. So each source has many valid
targets, of which one is given; their mean is a grey blur.

After the CMP facades (R. Tylecek, R. Sara, "Spatial pattern templates for recognition of objects with regular
structure", GCPR 2013), with which pix2pix was shown (Isola et al. 2016, arXiv 1611.07004).
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from course_utils.data.translation.canvas import band, paint, pick, smooth_noise, uniform

CLASSES = ("sky", "roof", "wall", "cornice", "window", "door", "street")
# Colours of the classes in the sources.
PALETTE = torch.tensor(
    [
        [0.00, 0.00, 0.55],
        [0.90, 0.10, 0.10],
        [0.05, 0.35, 1.00],
        [0.15, 0.95, 0.95],
        [1.00, 0.80, 0.00],
        [1.00, 0.40, 0.00],
        [0.45, 0.00, 0.25],
    ]
)
WALLS = torch.tensor(
    [
        [0.72, 0.36, 0.27],
        [0.86, 0.70, 0.44],
        [0.92, 0.87, 0.77],
        [0.62, 0.66, 0.70],
        [0.86, 0.62, 0.58],
        [0.55, 0.68, 0.58],
    ]
)
ROOFS = torch.tensor([[0.48, 0.20, 0.15], [0.30, 0.30, 0.34], [0.36, 0.27, 0.22]])
DOORS = torch.tensor([[0.35, 0.20, 0.10], [0.12, 0.30, 0.22], [0.15, 0.20, 0.42], [0.55, 0.12, 0.12]])
FRAMES = torch.tensor([[0.96, 0.95, 0.92], [0.28, 0.20, 0.16]])
SKIES = torch.tensor([[0.50, 0.70, 0.92], [0.72, 0.78, 0.84], [0.93, 0.76, 0.62]])


class Layout(NamedTuple):
    """Where things are, in whole pixels, (N, 1, 1) each; a house's columns and floors are of equal size."""

    left: Tensor
    top: Tensor
    roof: Tensor
    pitch: Tensor
    storey: Tensor
    num_columns: Tensor
    num_floors: Tensor
    window_width: Tensor
    window_height: Tensor
    cornice: Tensor
    door_column: Tensor
    street: Tensor


def draw_layouts(num_pairs: int, size: int, generator: Generator) -> Layout:
    """Return layouts for pictures of `size` pixels: two to four floors of two to four windows."""
    num_columns = torch.randint(2, 5, (num_pairs, 1, 1), generator=generator)
    num_floors = torch.randint(2, 5, (num_pairs, 1, 1), generator=generator)
    street = (size * uniform(generator, num_pairs, 0.05, 0.1)).round().clamp(min=1)
    roof = (size * uniform(generator, num_pairs, 0.06, 0.16)).round()
    sky = (size * uniform(generator, num_pairs, 0.06, 0.2)).round()
    margin = (size * uniform(generator, num_pairs, 0.02, 0.1)).round()
    pitch = ((size - 2 * margin) / num_columns).floor()
    left = ((size - pitch * num_columns) / 2).floor()
    storey = ((size - street - roof - sky) / num_floors).floor()
    gap = uniform(generator, num_pairs, 0.18, 0.28) + 0.08 * (num_columns == 2)
    window_width = pitch - 2 * (pitch * gap).round().clamp(min=1)  # so that windows stand in their column's middle
    cornice = (storey * uniform(generator, num_pairs, 0.08, 0.16)).round().clamp(min=1)
    window_height = (storey * uniform(generator, num_pairs, 0.5, 0.68)).round()
    window_height = torch.minimum(window_height.clamp(min=2), storey - cornice)
    door_column = (torch.rand(num_pairs, 1, 1, generator=generator) * num_columns).floor()
    top = size - street - storey * num_floors
    return Layout(
        left,
        top,
        roof,
        pitch,
        storey,
        num_columns,
        num_floors,
        window_width,
        window_height,
        cornice,
        door_column,
        street,
    )


class Places(NamedTuple):
    """Pixels' places: column and floor, distances into them in pixels, (N, 1, S) or (N, S, 1); who is in the house."""

    column: Tensor
    floor: Tensor
    across: Tensor
    down: Tensor
    in_width: Tensor


def places(layout: Layout, size: int) -> Places:
    """Return where each pixel is in its house's grid of columns and floors."""
    centres = torch.arange(size) + 0.5
    x, y = centres.view(1, 1, -1) - layout.left, centres.view(1, -1, 1) - layout.top
    column, floor = (x / layout.pitch).floor(), (y / layout.storey).floor()
    inside = (column >= 0) & (column < layout.num_columns)
    return Places(column, floor, x - column * layout.pitch, y - floor * layout.storey, inside)


def classes(layout: Layout, size: int) -> Tensor:
    """Return the class of each pixel, int64 (N, S, S), an index of CLASSES."""
    at = places(layout, size)
    on_wall = at.in_width & (at.floor >= 0) & (at.floor < layout.num_floors)
    gap = (layout.pitch - layout.window_width) / 2
    in_column = (at.across > gap) & (at.across < gap + layout.window_width)
    sill = window_top(layout) + layout.window_height
    is_door = (at.column == layout.door_column) & (at.floor == layout.num_floors - 1)
    in_window = in_column & (at.down > window_top(layout)) & (at.down < sill)
    in_door = is_door & in_column & (at.down > window_top(layout))
    eaves = layout.cornice.clamp(max=1)  # the roof stands out by a pixel
    x = torch.arange(size).view(1, 1, -1) + 0.5
    y = torch.arange(size).view(1, -1, 1) + 0.5
    under_eaves = (x > layout.left - eaves) & (x < layout.left + layout.pitch * layout.num_columns + eaves)
    found = torch.zeros(len(layout.left), size, size, dtype=torch.int64)
    for index, mask in (
        (1, under_eaves & (at.floor < 0) & (y > layout.top - layout.roof)),
        (2, on_wall),
        (3, on_wall & (at.down < layout.cornice) & (at.floor < layout.num_floors)),
        (4, on_wall & in_window & ~is_door),
        (5, on_wall & in_door),
        (6, (y > size - layout.street).expand_as(found)),
    ):
        found = torch.where(mask, index, found)
    return found


def window_top(layout: Layout) -> Tensor:
    """Return how far below its floor's upper edge a window begins, in pixels (N, 1, 1)."""
    free = layout.storey - layout.cornice - layout.window_height
    return layout.cornice + (free / 2).floor().clamp(min=0)


def photograph(layout: Layout, found: Tensor, generator: Generator) -> Tensor:
    """Return a picture (N, 3, S, S) in [0, 1] of the houses; all that the classes do not say is drawn here."""
    num_pairs, size = len(found), found.shape[-1]
    masks = [(found == index).float() for index in range(len(CLASSES))]
    at = places(layout, size)
    x = torch.arange(size).view(1, 1, -1) + 0.5
    y = torch.arange(size).view(1, -1, 1) + 0.5

    # Sky: paler towards the horizon, with clouds.
    sky = pick(generator, num_pairs, SKIES, 0.04)[:, :, None, None]
    clouds = (smooth_noise(generator, num_pairs, 5, size) - 0.45).clamp(min=0) * 0.9
    sky = sky + (0.45 * y / size + clouds).clamp(0, 0.9).unsqueeze(1) * (1 - sky)
    # Wall: its colour, stains, and bricks on some houses.
    wall = pick(generator, num_pairs, WALLS, 0.05)[:, :, None, None]
    stains = 0.88 + 0.24 * smooth_noise(generator, num_pairs, 7, size)
    row_height = uniform(generator, num_pairs, 0.05, 0.07) * size
    row = (y / row_height).floor()
    joints = band(y - row * row_height, 0.0, 0.22 * row_height, 1)
    offset = (x / row_height + 0.9 * row) % 1.8
    joints = torch.maximum(joints, band(offset * row_height, 0.0, 0.22 * row_height, 1))
    is_brick = uniform(generator, num_pairs).lt(0.5).float()
    wall = wall * (stains * (1 - 0.28 * is_brick * joints)).unsqueeze(1)
    picture = paint(sky.expand(-1, -1, size, size), wall, 1 - masks[0])
    # Roof of tiles, street, cornices.
    roof = pick(generator, num_pairs, ROOFS, 0.05)[:, :, None, None]
    tiles = 0.85 + 0.25 * ((x + 2 * y.floor()) % (size / 10) < size / 20)
    picture = paint(picture, roof * tiles.unsqueeze(1), masks[1])
    street = uniform(generator, num_pairs, 0.3, 0.5) * (0.85 + 0.3 * smooth_noise(generator, num_pairs, 16, size))
    picture = paint(picture, street.unsqueeze(1).expand(-1, 3, -1, -1), masks[6])
    trim = wall.mean((2, 3), keepdim=True) * 0.35 + 0.62
    picture = paint(picture, trim.expand_as(picture), masks[3])
    # The cornice throws a shadow on the wall below it.
    shadow = band(at.down, layout.cornice, layout.cornice + 0.14 * layout.storey, 1) * masks[2]
    picture = picture * (1 - 0.35 * shadow).unsqueeze(1)

    # Windows: glass that mirrors the sky, or a light behind it; a frame, and bars.
    gap, top = (layout.pitch - layout.window_width) / 2, window_top(layout)
    across, down = (at.across - gap) / layout.window_width, (at.down - top) / layout.window_height
    lit = torch.rand(num_pairs, 4, 4, generator=generator) < uniform(generator, num_pairs, 0.0, 0.45)
    cell = (at.floor.clamp(0, 3) * 4 + at.column.clamp(0, 3)).long()
    is_lit = lit.flatten(1).gather(1, cell.flatten(1)).view_as(cell).float()
    glass = torch.tensor([0.16, 0.22, 0.30]).view(1, 3, 1, 1) + 0.34 * (1 - down).clamp(0, 1).unsqueeze(
        1
    ) * across.clamp(0, 1).unsqueeze(1)
    glass = paint(glass, torch.tensor([0.98, 0.84, 0.48]), 0.9 * is_lit)
    picture = paint(picture, glass, masks[4])
    frames = pick(generator, num_pairs, FRAMES)
    thickness = (size / 48) * torch.ones(num_pairs, 1, 1)
    inner = at.across - gap, at.down - top
    bars = torch.maximum(
        band(inner[0], (layout.window_width - thickness) / 2, (layout.window_width + thickness) / 2, 1),
        band(inner[1], 0.35 * layout.window_height, 0.35 * layout.window_height + thickness, 1),
    )
    edge = 1 - band(inner[0], thickness, layout.window_width - thickness, 1) * band(
        inner[1], thickness, layout.window_height - thickness, 1
    )
    picture = paint(picture, frames, torch.maximum(0.85 * bars, 0.85 * edge) * masks[4])
    # Door: two panels and a knob of light above.
    door = pick(generator, num_pairs, DOORS, 0.04)
    picture = paint(picture, door, masks[5])
    panel = band(across, 0.15, 0.42, size) + band(across, 0.58, 0.85, size)
    picture = picture * (1 - 0.3 * (panel.clamp(0, 1) * (down > 0.25) * masks[5])).unsqueeze(1)
    picture = paint(picture, torch.tensor([0.75, 0.80, 0.85]), masks[5] * (down < 0.16))
    # Light falls from one side.
    slope = uniform(generator, num_pairs, -0.12, 0.12)
    shade = 1 + slope * (2 * x / size - 1) * (1 - masks[0])
    return (picture * shade.unsqueeze(1)).clamp(0, 1)


def labels_to_facade(num_pairs: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return sources (N, 3, S, S), colours of the classes, and targets (N, 3, S, S), pictures of the houses."""
    layout = draw_layouts(num_pairs, size, generator)
    found = classes(layout, size)
    return PALETTE[found].permute(0, 3, 1, 2).contiguous(), photograph(layout, found, generator)
