"""Plain -> striped: two domains of which no pairs are known, like the horses and zebras of CycleGAN.

One animal stands on grass under a sky, plain in one domain, striped in the other. The domains are independent draws, so
no picture of one has a partner in the other; yet the true translation is known, since the picture can be drawn again
with stripes: the same animal, pose and background. Stripes follow the body, and their dark is the coat's hue, so the
way back is known, too.

After Zhu et al. 2017 (arXiv 1703.10593).
"""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from course_utils.data.translation.canvas import (
    capsule,
    covered,
    ellipse,
    paint,
    pick,
    pixel_grid,
    smooth_noise,
    uniform,
)

SKIES = torch.tensor([[0.55, 0.76, 0.95], [0.80, 0.86, 0.90], [0.96, 0.82, 0.68]])
GRASSES = torch.tensor([[0.46, 0.64, 0.28], [0.62, 0.66, 0.34], [0.76, 0.68, 0.40]])
COATS = torch.tensor([[0.55, 0.30, 0.14], [0.42, 0.24, 0.14], [0.66, 0.44, 0.24]])


class Animals(NamedTuple):
    """Who stands where: (N, 1, 1) each but the colours (N, 3) and the meadow's texture (N, S, S)."""

    x: Tensor
    y: Tensor
    scale: Tensor
    facing: Tensor
    neck: Tensor
    stride: Tensor
    horizon: Tensor
    coat: Tensor
    sky: Tensor
    grass: Tensor
    texture: Tensor


def draw_animals(num_images: int, size: int, generator: Generator) -> Animals:
    """Return random animals, each with its background."""
    n, g = num_images, generator
    return Animals(
        x=uniform(g, n, 0.44, 0.56),
        y=uniform(g, n, 0.47, 0.57),
        scale=uniform(g, n, 0.76, 0.96),
        facing=torch.randint(2, (n, 1, 1), generator=g) * 2 - 1.0,
        neck=uniform(g, n, -0.06, 0.08),
        stride=uniform(g, n, -0.05, 0.05),
        horizon=uniform(g, n, 0.35, 0.6),
        coat=pick(g, n, COATS, 0.04),
        sky=pick(g, n, SKIES, 0.04),
        grass=pick(g, n, GRASSES, 0.04),
        texture=smooth_noise(g, n, 16, size),
    )


def silhouettes(animals: Animals, size: int) -> Tensor:
    """Return how much of each pixel is the animal, (N, S, S)."""
    u, v = _body_frame(animals, size)
    neck, stride = animals.neck, animals.stride
    parts = [ellipse(u, v, 0.25, 0.135), ellipse(u - 0.15, v + 0.01, 0.14, 0.14), ellipse(u + 0.16, v, 0.13, 0.14)]
    head = (0.33, -0.26 + neck)
    parts.append(capsule(u, v, (0.19, -0.04), head, 0.07))
    parts.append(capsule(u, v, head, (0.44, -0.2 + neck), 0.052))
    parts.append(capsule(u, v, (0.315, -0.32 + neck), (0.325, -0.35 + neck), 0.022))
    for hip, foot in ((-0.21, stride), (-0.14, -stride), (0.15, -stride), (0.22, stride)):
        parts.append(capsule(u, v, (hip, 0.06), (hip + foot, 0.34), 0.034))
    parts.append(capsule(u, v, (-0.27, -0.06), (-0.35, 0.14), 0.022))
    return covered(torch.stack(parts).amin(0) * animals.scale, size)


def _body_frame(animals: Animals, size: int) -> tuple[Tensor, Tensor]:
    """Return each pixel's place in the animal's own frame: u towards its head, v downwards."""
    x, y = pixel_grid(size)
    return animals.facing * (x - animals.x) / animals.scale, (y - animals.y) / animals.scale


def render_animals(animals: Animals, size: int, stripes: bool) -> Tensor:
    """Return the pictures (N, 3, S, S) in [0, 1]; the same with and without stripes, but for the coat."""
    x, y = pixel_grid(size)
    u, v = _body_frame(animals, size)
    sky = animals.sky[:, :, None, None]
    picture = (sky + (0.5 * y / animals.horizon).clamp(0, 0.8).unsqueeze(1) * (1 - sky)).expand(-1, -1, size, size)
    grass = animals.grass[:, :, None, None] * (0.78 + 0.3 * animals.texture + 0.2 * (y - 0.7)).unsqueeze(1)
    picture = paint(picture, grass, covered(animals.horizon - y + 0 * x, size))
    shadow = covered(ellipse(u, v - 0.37, 0.34, 0.05) * animals.scale, size)
    picture = paint(picture, 0.45 * animals.grass, 0.7 * shadow)

    light = (1.05 - 0.9 * v).clamp(0.7, 1.25).unsqueeze(1)
    coat = animals.coat[:, :, None, None] * light
    if stripes:
        # Upright on the body, lying on the legs, in widths of a stripe.
        phase = (u + 0.25 * v.clamp(max=0) - 0.4 * u * v) / 0.066
        phase = torch.where(v > 0.13, (v - 0.13) / 0.06 + 0.25, phase)
        # A stripe's edge is as soft as a pixel is wide, else narrow stripes would be jagged.
        sharpness = animals.scale * size * 0.066 / math.pi
        dark = (0.5 + torch.sin(2 * math.pi * phase / 2) * sharpness).clamp(0, 1)
        coat = paint((torch.tensor([0.97, 0.95, 0.9]).view(1, 3, 1, 1) * light).clamp(0, 1), 0.35 * coat, dark)
    return paint(picture, coat, silhouettes(animals, size)).clamp(0, 1)


def plain_to_striped(num_images: int, size: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return plain animals, striped ones (other animals), and the plain ones with stripes, (N, 3, S, S) each."""
    plain = draw_animals(num_images, size, generator)
    others = draw_animals(num_images, size, generator)
    return (
        render_animals(plain, size, stripes=False),
        render_animals(others, size, stripes=True),
        render_animals(plain, size, stripes=True),
    )
