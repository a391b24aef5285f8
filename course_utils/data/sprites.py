"""Sprites: one shape on black, drawn from six known factors, to study what latents capture.

After dSprites (L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, 2017) with colour, and drawn on demand.

Each shape is a signed distance d (in pixels, negative inside) to its outline; a pixel is covered by
clamp(1/2 - d, 0, 1), which is anti-aliasing, and the same code draws all images at once.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.data.images import Images, Split, hold_out

FACTOR_NAMES = ("shape", "size", "angle", "x", "y", "colour")
SHAPES = ("square", "ellipse", "heart")

# What sprites() draws from, uniformly; so chosen that no sprite touches the frame.
SIZE_RANGE = (0.2, 0.35)
POSITION_RANGE = (0.3, 0.7)

# What factor_grid() fixes where nothing is given, and the levels of sprites(None).
CENTRAL = {"shape": 0.0, "size": 0.3, "angle": 0.0, "x": 0.5, "y": 0.5, "colour": 0.0}
LEVELS = {
    "shape": (0, 1, 2),
    "size": (0.2, 0.275, 0.35),
    "angle": tuple(2 * math.pi * k / 6 for k in range(6)),
    "x": (0.3, 0.4, 0.5, 0.6, 0.7),
    "y": (0.3, 0.4, 0.5, 0.6, 0.7),
    "colour": (0.0, 0.25, 0.5, 0.75),
}

NUM_TRAIN, NUM_VALID, NUM_TEST = 8_000, 1_000, 1_000


def sprites(num_images: int | None = None, size: int = 32, seed: int = 0, colour: bool = True) -> Split:
    """Return ``num_images`` sprites of random factors, or with None the 5,400 of all combinations of LEVELS.

    Returns:
        x float32 (N, 3, size, size) in [0, 1], or (N, 1, size, size) with ``colour=False``;
        y float32 (N, 6), the factors in the order of FACTOR_NAMES and the units of render_sprites (with
        ``colour=False`` the last column is 0).

    Raises: ValueError if num_images or size is not positive.
    """
    if num_images is None:
        levels = LEVELS if colour else LEVELS | {"colour": (0.0,)}
        factors = factor_grid(**levels)
    elif not isinstance(num_images, int) or num_images < 1:
        raise ValueError(
            f"num_images must be a whole number of at least 1, or None for the full grid, got {num_images!r}."
        )
    else:
        factors = torch.rand(num_images, 6, generator=torch.Generator().manual_seed(seed))
        factors[:, 0] = torch.floor(factors[:, 0] * len(SHAPES))
        factors[:, 1] = SIZE_RANGE[0] + (SIZE_RANGE[1] - SIZE_RANGE[0]) * factors[:, 1]
        factors[:, 2] *= 2 * math.pi
        factors[:, 3:5] = POSITION_RANGE[0] + (POSITION_RANGE[1] - POSITION_RANGE[0]) * factors[:, 3:5]
        factors[:, 5] *= colour
    return Split(render_sprites(factors, size, colour), factors)


def factor_grid(**levels: Sequence[float]) -> Tensor:
    """Return all combinations of the levels given as factors float32 (N, 6), the last factor changing fastest.

    Factors not named stay at CENTRAL: ``factor_grid(angle=torch.linspace(0, 3, 8))`` turns one square.

    Raises: ValueError if a name is not in FACTOR_NAMES.
    """
    if unknown := [name for name in levels if name not in FACTOR_NAMES]:
        raise ValueError(f"unknown factor {', '.join(unknown)}: the factors are {', '.join(FACTOR_NAMES)}.")
    axes = [torch.as_tensor(levels.get(name, (CENTRAL[name],)), dtype=torch.float32) for name in FACTOR_NAMES]
    return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)


def render_sprites(factors: Tensor, size: int = 32, colour: bool = True) -> Tensor:
    """Return the images (N, 3, size, size) in [0, 1] of factors (N, 6), like them in dtype and device.

    The factors: shape 0, 1, 2 as in SHAPES; size, the square root of the area, in image widths (so that all shapes
    of one size have one area); angle in radians, anticlockwise as seen (a square looks the same after pi/2, an
    ellipse after pi); x and y of the centroid in image widths, from the left and from the top; colour, a hue in
    [0, 1]. With ``colour=False`` the sprites are white, (N, 1, size, size).

    Differentiable in every factor but shape (almost everywhere).

    Raises: ValueError if factors is not (N, 6) and floating-point, has a shape that is not 0, 1 or 2 or a size not
    above 0, or if the image size is not positive.
    """
    if factors.ndim != 2 or factors.shape[1] != 6 or not factors.is_floating_point():
        raise ValueError(f"factors must be floating-point (N, 6), got {tuple(factors.shape)} of {factors.dtype}.")
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a positive whole number of pixels, got {size!r}.")
    shape, side, angle, x, y, hue = factors.unbind(1)
    if not torch.isin(shape, torch.arange(len(SHAPES), device=shape.device).to(shape)).all():
        raise ValueError(f"shape must be 0, 1 or 2 ({', '.join(SHAPES)}), got {shape.unique().tolist()[:5]}.")
    if not (side > 0).all():
        raise ValueError(f"size (the second factor) must be above 0, got {side.min().item():.4g}.")

    # Pixel centres in the sprite's own frame: origin at the centroid, v upwards, unit = one side.
    centres = (torch.arange(size, device=factors.device, dtype=factors.dtype) + 0.5) / size
    right = centres.view(1, 1, -1) - x.view(-1, 1, 1)
    up = y.view(-1, 1, 1) - centres.view(1, -1, 1)
    cos, sin, unit = (value.view(-1, 1, 1) for value in (angle.cos(), angle.sin(), side))
    u, v = (cos * right + sin * up) / unit, (cos * up - sin * right) / unit

    distance = torch.empty_like(u)
    for index, signed_distance in enumerate((_square, _ellipse, _heart)):
        chosen = shape == index
        distance[chosen] = signed_distance(u[chosen], v[chosen])
    coverage = (0.5 - distance * unit * size).clamp(0, 1).unsqueeze(1)
    return coverage * hue_to_rgb(hue)[:, :, None, None] if colour else coverage


def hue_to_rgb(hue: Tensor) -> Tensor:
    """Return the fully saturated colours (N, 3) in [0, 1] of hues (N,): 0 red, 1/3 green, 2/3 blue, 1 red again."""
    offset = torch.tensor([0.0, 2 / 3, 1 / 3], device=hue.device, dtype=hue.dtype)
    position = (hue.unsqueeze(1) + offset) % 1  # red, green and blue run the same course, a third apart
    return ((position - 0.5).abs() * 6 - 1).clamp(0, 1)


# Signed distances to outlines of area 1 whose centroid is the origin.


def _square(u: Tensor, v: Tensor) -> Tensor:
    return _box(u, v, 0.5)


def _box(u: Tensor, v: Tensor, half: float) -> Tensor:
    beyond_u, beyond_v = u.abs() - half, v.abs() - half
    return torch.hypot(beyond_u.clamp(min=0), beyond_v.clamp(min=0)) + torch.maximum(beyond_u, beyond_v).clamp(max=0)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    """Twice as wide as high. An ellipse's distance has no closed form; f / |grad f| equals it at the outline."""
    b = 1 / math.sqrt(2 * math.pi)
    a = 2 * b
    f = (u / a) ** 2 + (v / b) ** 2 - 1
    gradient = torch.hypot(2 * u / a**2, 2 * v / b**2)
    return f / gradient.clamp(min=1e-3)  # the gradient vanishes at the centre, deep inside


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """A square on its corner (half side h) and a half disc (radius h) on each of its upper sides: area (4 + pi) h^2."""
    h = 1 / math.sqrt(4 + math.pi)
    # The half discs have their centroids h + 4h/(3 pi) from the middle, along one axis of the square each.
    centroid = h * (math.pi / 2 + 2 / 3) / (4 + math.pi)
    p, q = (u + v) / math.sqrt(2) + centroid, (v - u) / math.sqrt(2) + centroid
    discs = torch.minimum(torch.hypot(p - h, q), torch.hypot(p, q - h)) - h
    return torch.minimum(_box(p, q, h), discs)


def load_sprites(size: int | None = None) -> Images:
    """Return 8,000 / 1,000 / 1,000 colour sprites of random factors, 32x32 or ``size`` x ``size``."""
    size = 32 if size is None else size
    x, y = sprites(NUM_TRAIN + NUM_VALID + NUM_TEST, size)
    rest, test = hold_out(x, y, NUM_TEST)
    train, valid = hold_out(*rest, NUM_VALID)
    return Images(
        "sprites",
        f"{len(x):,} procedural sprites, {size}x{size}, RGB in [0, 1], y is the factors {', '.join(FACTOR_NAMES)}; "
        f"split {NUM_TRAIN:,} / {NUM_VALID:,} / {NUM_TEST:,}.",
        train,
        valid,
        test,
    )
