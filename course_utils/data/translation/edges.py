"""Edges -> picture: a vase as a line drawing and as glazed pottery.

The lines say where body, bands, rim and handles end. The glaze of body and bands is free, so here too a source has many
valid targets; the shading of the round body is not free, and has to be learnt.

After the edges of shoes and handbags of pix2pix (Isola et al. 2016, arXiv 1611.07004, section 4).
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from course_utils.data.sprites import hue_to_rgb
from course_utils.data.translation.canvas import covered, ellipse, paint, pixel_grid, smooth_noise, uniform

LINE = 0.012  # half the width of a line
TILT = 0.16  # height of a horizontal circle on the vase, seen from above, over its width


class Vases(NamedTuple):
    """The form of each vase, (N, 1, 1) each."""

    foot: Tensor
    belly: Tensor
    belly_height: Tensor
    neck: Tensor
    lip: Tensor
    tall: Tensor
    bands: tuple[Tensor, ...]
    band_width: Tensor
    handles: Tensor


def draw_vases(num_pairs: int, generator: Generator) -> Vases:
    """Return vases of random forms, about half of them with handles."""
    n, g = num_pairs, generator
    return Vases(
        foot=uniform(g, n, 0.11, 0.18),
        belly=uniform(g, n, 0.08, 0.18),
        belly_height=uniform(g, n, 0.3, 0.6),
        neck=uniform(g, n, 0.02, 0.07),
        lip=uniform(g, n, -0.02, 0.06),
        tall=uniform(g, n, 0.58, 0.7),
        bands=tuple(uniform(g, n, low, low + 0.1) for low in (0.2, 0.55)),
        band_width=uniform(g, n, 0.08, 0.16),
        handles=uniform(g, n).lt(0.5).float(),
    )


def half_width(vases: Vases, v: Tensor) -> Tensor:
    """Return how far the body reaches from its axis at the height v, 0 at the foot and 1 at the rim."""
    v = v.clamp(0, 1)
    belly = vases.belly * torch.exp(-(((v - vases.belly_height) / 0.27) ** 2))
    neck = vases.neck * torch.exp(-(((v - 0.88) / 0.14) ** 2))
    return vases.foot + belly - neck + vases.lip * v**4


class Parts(NamedTuple):
    """Signed distances (N, S, S) to each part's outline, in image widths, negative inside, and places on the body."""

    body: Tensor
    mouth: Tensor
    handles: Tensor
    bands: tuple[Tensor, ...]
    around: Tensor  # -1 at the body's left edge, 1 at its right
    height: Tensor  # 0 at the foot, 1 at the rim
    bottom: Tensor  # (N, 1, 1), where the foot stands


def parts(vases: Vases, size: int) -> Parts:
    """Return where the parts of each vase are."""
    x, y = pixel_grid(size)
    u, bottom = x - 0.5, 0.5 + vases.tall / 2
    height = (bottom - y) / vases.tall
    width, a_bit = half_width(vases, height), 0.01
    slope = (half_width(vases, height + a_bit) - half_width(vases, height - a_bit)) / (2 * a_bit * vases.tall)
    side = (u.abs() - width) / (1 + slope**2).sqrt()
    around = (u / width).clamp(-1, 1)
    sag = TILT * width * (1 - around**2).sqrt()  # circles around the body sag towards the viewer
    foot, top = y - bottom - sag, bottom - vases.tall - y
    rim = half_width(vases, torch.ones(1))
    mouth = ellipse(u, -top, rim, TILT * rim)
    body = torch.minimum(torch.maximum(side, torch.maximum(foot, top)), mouth)
    ear = ellipse(u.abs() - half_width(vases, torch.tensor(0.72)), y - bottom + 0.7 * vases.tall, 0.1, 0.12)
    handles = ear.abs() - 0.028 + 10 * (1 - vases.handles)  # far away where there are none
    bands = tuple(
        ((height + sag / vases.tall - centre).abs() - vases.band_width / 2) * vases.tall for centre in vases.bands
    )
    return Parts(body, mouth, handles, bands, around, height, bottom)


def line_drawing(found: Parts, size: int) -> Tensor:
    """Return the visible outlines, black on white, (N, 1, S, S)."""
    inside = covered(found.body, size)
    outside_mouth = 1 - covered(found.mouth, size)
    lines = torch.maximum(_line(found.body, size) * outside_mouth, _line(found.mouth, size))
    lines = torch.maximum(lines, _line(found.handles, size) * (1 - inside))
    below_rim = inside * outside_mouth
    for band in found.bands:
        lines = torch.maximum(lines, _line(band, size) * below_rim)
    return (1 - lines).unsqueeze(1)


def _line(distance: Tensor, size: int) -> Tensor:
    return covered(distance.abs() - LINE, size)


def glazed(found: Parts, size: int, generator: Generator) -> Tensor:
    """Return pictures (N, 3, S, S) of the vases on a table, glazed in random colours."""
    n, g = len(found.body), generator
    x, y = pixel_grid(size)
    picture = (0.97 - 0.1 * y + 0 * x).expand(n, 3, size, size)
    shadow = (1 - torch.hypot((x - 0.56) / 0.34, (y - found.bottom - 0.01) / 0.07)).clamp(0, 1)
    picture = picture * (1 - 0.6 * shadow).unsqueeze(1)

    hue = torch.rand(n, generator=g)
    other = hue + 0.25 + 0.5 * torch.rand(n, generator=g)
    strength = 0.25 + 0.45 * torch.rand(n, 1, generator=g)
    body = (0.92 - strength) + strength * hue_to_rgb(hue)
    bands = 0.15 + 0.6 * hue_to_rgb(other)
    pale = torch.rand(n, 1, generator=g) < 0.4
    bands = torch.where(pale, torch.tensor([0.95, 0.92, 0.84]), bands)
    round_shade = (1.1 - 0.55 * (found.around + 0.3).clamp(-1, 1.3) ** 2).clamp(0.35, 1.1)
    grain = 0.94 + 0.12 * smooth_noise(g, n, 12, size)
    picture = paint(picture, 0.72 * body, covered(found.handles, size))
    glaze = body[:, :, None, None].expand(-1, -1, size, size)
    for band in found.bands:
        glaze = paint(glaze, bands, covered(band, size))
    gloss = 0.55 * torch.exp(-(((found.around + 0.42) / 0.13) ** 2)) * ((found.height > 0.1) & (found.height < 0.97))
    glaze = (glaze * (round_shade * grain).unsqueeze(1)).clamp(0, 1)
    glaze = glaze + gloss.unsqueeze(1) * (1 - glaze)
    picture = paint(picture, glaze, covered(found.body, size))
    return paint(picture, 0.28 * body, covered(found.mouth, size)).clamp(0, 1)


def edges_to_picture(num_pairs: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return sources (N, 1, S, S), line drawings, and targets (N, 3, S, S), pictures of the vases."""
    found = parts(draw_vases(num_pairs, generator), size)
    return line_drawing(found, size), glazed(found, size, generator)
