"""Cartoons: a drawn face of nine known factors, and curls and freckles that no factor says.

    x = render_cartoons(factors, detail)

The factors say what a generator may learn to control: pose (x, turn), parts (width, hair, eyes, smile) and colours
(skin, hair colour, background). The detail is chance: how light each curl of hair is, and where freckles sit.

Each part is a signed distance d (in pixels, negative inside) to its outline and covers clamp(1/2 - d, 0, 1) of a
pixel; the parts are laid over each other from the background to the mouth, for all images at once.
"""

import torch
from torch import Tensor

from course_utils.data.images import Images, Split, hold_out
from course_utils.data.sprites import hue_to_rgb

CARTOON_FACTORS = ("x", "turn", "width", "hair", "eyes", "smile", "skin", "hair colour", "background")
CURLS, NUM_FRECKLES = 16, 6  # curls along each side of the picture
DETAIL_DIM = CURLS**2 + 2 * NUM_FRECKLES

X_RANGE = (0.4, 0.6)  # of the middle of the face, in image widths
# From dark to light skin; from black over brown, ginger and blond to blue hair.
SKIN = ((0.45, 0.29, 0.20), (0.78, 0.55, 0.40), (0.99, 0.85, 0.73))
HAIR = ((0.10, 0.09, 0.12), (0.38, 0.22, 0.11), (0.78, 0.33, 0.12), (0.95, 0.80, 0.38), (0.35, 0.45, 0.85))
EYE, MOUTH = (0.07, 0.07, 0.12), (0.66, 0.10, 0.16)

NUM_TRAIN, NUM_VALID, NUM_TEST = 8_000, 1_000, 1_000


def cartoons(num_images: int, size: int = 32, seed: int = 0) -> Split:
    """Return faces of random factors and detail.

    Returns:
        x float32 (N, 3, size, size) in [0, 1]; y float32 (N, 9), the factors in the order of CARTOON_FACTORS, each
        uniform on [0, 1].

    Raises: ValueError if num_images or size is not positive.
    """
    if not isinstance(num_images, int) or num_images < 1:
        raise ValueError(f"num_images must be a whole number of at least 1, got {num_images!r}.")
    generator = torch.Generator().manual_seed(seed)
    factors = torch.rand(num_images, len(CARTOON_FACTORS), generator=generator)
    return Split(render_cartoons(factors, cartoon_detail(num_images, generator), size), factors)


def cartoon_detail(num_images: int, generator: torch.Generator | None = None) -> Tensor:
    """Return what chance says about faces, (N, DETAIL_DIM): uniform on [0, 1]."""
    return torch.rand(num_images, DETAIL_DIM, generator=generator)


def render_cartoons(factors: Tensor, detail: Tensor, size: int = 32) -> Tensor:
    """Return the faces (N, 3, size, size) in [0, 1] of factors (N, 9) and detail (N, DETAIL_DIM).

    Each factor goes from 0 to 1: x from left to right; turn from looking left to looking right; width from narrow to
    wide; hair from short to long; eyes from small to large; smile from sad to glad; skin from dark to light; hair
    colour from black over brown, ginger and blond to blue; background, once around the circle of hues.

    Differentiable in every factor (almost everywhere).

    Raises: ValueError for factors or detail of another shape or outside [0, 1], or a size that is not positive.
    """
    for name, values, width in (("factors", factors, len(CARTOON_FACTORS)), ("detail", detail, DETAIL_DIM)):
        if values.ndim != 2 or values.shape[1] != width or not values.is_floating_point():
            raise ValueError(f"{name} must be floating-point (N, {width}), got {tuple(values.shape)} {values.dtype}.")
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} must lie in [0, 1], got {values.min().item():.4g} ... {values.max().item():.4g}.")
    if len(factors) != len(detail):
        raise ValueError(f"every face needs its detail, got {len(factors)} factors and {len(detail)} details.")
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a positive whole number of pixels, got {size!r}.")

    x, turn, width, hair, eyes, smile, skin, hair_colour, background = factors[:, :, None, None].unbind(1)
    centres = (torch.arange(size, device=factors.device, dtype=factors.dtype) + 0.5) / size
    u = centres.view(1, 1, -1) - (X_RANGE[0] + (X_RANGE[1] - X_RANGE[0]) * x)  # to the right of the face's middle
    v = centres.view(1, -1, 1) - 0.53  # and below it
    half = 0.24 + 0.09 * width
    u_face = u - 0.16 * (turn - 0.5)  # where eyes, mouth and freckles are measured from

    def coverage(distance: Tensor) -> Tensor:
        return (0.5 - distance * size).clamp(0, 1)

    skull = _ellipse(u, v + 0.05, half + 0.07, torch.tensor(0.42))
    curtain = torch.maximum(u.abs() - half - 0.07, torch.maximum(-v - 0.05, v - (-0.05 + 0.45 * hair)))
    head = _ellipse(u, v, half, torch.tensor(0.36))
    fringe = torch.maximum(skull, v + 0.17 - 0.4 * u_face * (turn - 0.5))
    mouth_v = v - 0.19 + (smile - 0.5) * (12 * u_face.square() - 0.1)
    mouth = torch.maximum(mouth_v.abs() - 0.03, u_face.abs() - 0.14)
    eye_size = 0.03 + 0.06 * eyes
    eye = _ellipse(u_face.abs() - 0.12, v + 0.02, 0.8 * eye_size, eye_size)

    curls = detail[:, : CURLS**2].unflatten(1, (CURLS, CURLS))  # a grid that moves with the face
    column = ((u + 0.5) * CURLS).long().clamp(0, CURLS - 1).expand(-1, CURLS, -1)
    row = (centres * CURLS).long().clamp(0, CURLS - 1)
    light = 0.7 + 0.6 * curls.gather(2, column)[:, row]
    hair_rgb = (ramp(hair_colour[:, 0, 0], HAIR)[:, :, None, None] * light.unsqueeze(1)).clamp(0, 1)
    skin_rgb = ramp(skin[:, 0, 0], SKIN)[:, :, None, None]

    across, down = detail[:, CURLS**2 :].unflatten(1, (2, NUM_FRECKLES))[..., None, None].unbind(1)
    dots = torch.hypot(u_face[:, None] - 0.36 * (across - 0.5), v[:, None] - 0.04 - 0.1 * down) - 0.022
    freckles = 0.55 * coverage(dots).amax(1)

    picture = (0.5 + 0.4 * hue_to_rgb(background[:, 0, 0]))[:, :, None, None].expand(-1, -1, size, size)
    layers = [
        (coverage(torch.minimum(skull, curtain)), hair_rgb),
        (coverage(head), skin_rgb),
        (freckles * coverage(head), 0.55 * skin_rgb),
        (coverage(fringe), hair_rgb),
        (coverage(eye), factors.new_tensor(EYE)[None, :, None, None]),
        (coverage(mouth), factors.new_tensor(MOUTH)[None, :, None, None]),
    ]
    for covered, colour in layers:
        picture = torch.lerp(picture, colour.expand_as(picture), covered.unsqueeze(1))
    return picture


def ramp(position: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Return the colours (N, 3) at positions (N,) from 0 (the first) to 1 (the last), linear in between."""
    table = position.new_tensor(colours)
    place = position * (len(colours) - 1)
    low = place.floor().long().clamp(0, len(colours) - 2)
    return torch.lerp(table[low], table[low + 1], (place - low).unsqueeze(1))


def _ellipse(u: Tensor, v: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """An ellipse's distance has no closed form; f / |grad f| equals it at the outline."""
    f = (u / a) ** 2 + (v / b) ** 2 - 1
    gradient = torch.hypot(2 * u / a**2, 2 * v / b**2)
    return f / gradient.clamp(min=1e-3)


def load_cartoons(size: int | None = None) -> Images:
    """Return 8,000 / 1,000 / 1,000 faces of random factors, 32x32 or ``size`` x ``size``."""
    size = 32 if size is None else size
    x, y = cartoons(NUM_TRAIN + NUM_VALID + NUM_TEST, size)
    rest, test = hold_out(x, y, NUM_TEST)
    train, valid = hold_out(*rest, NUM_VALID)
    return Images(
        "cartoons",
        f"{len(x):,} procedural faces, {size}x{size}, RGB in [0, 1], y is the factors {', '.join(CARTOON_FACTORS)}; "
        f"split {NUM_TRAIN:,} / {NUM_VALID:,} / {NUM_TEST:,}.",
        train,
        valid,
        test,
    )
