"""Scenes: several real digits in one picture, with everything that a supervisor could say about it.

    scenes = draw_scenes(1000, seed=0)
    scenes.x         (N, 1, 32, 32) in [0, 1]
    scenes.labels    (N, K) int64: which digits, -1 where there is none
    scenes.boxes     (N, K, 4): (left, top, right, bottom) in pixels, zeros where there is no digit
    scenes.mask      (N, 32, 32) int64: 0 for background, 1 + digit for its pixels
    scenes.captions  (N,) sentences, such as "a three left of a seven"

Each digit stands in a quarter of its own, so that none hides another. The captions name digits in reading order.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 32
MAX_DIGITS = 3
SIZES = (10.0, 15.0)  # sides of a digit's box, in pixels
INK = 0.25  # grey level from which a pixel counts as the digit's own
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Scenes:
    """Pictures and what is known of them; see the module."""

    x: Tensor
    labels: Tensor
    boxes: Tensor
    mask: Tensor
    captions: list[str]

    def __len__(self) -> int:
        return len(self.x)


def draw_scenes(num_scenes: int, digits: Tensor, y: Tensor, *, num_digits: int | None = None, seed: int = 0) -> Scenes:
    """Return scenes of one to MAX_DIGITS digits, or of exactly `num_digits`, the same for the same seed.

    Args:
        digits, y: images (M, 1, h, w) in [0, 1] to draw from, and which digit each is, (M,) int64.

    Raises:
        ValueError: a number of scenes below 1, of digits outside 1 ... MAX_DIGITS, or images without a label each.
    """
    if num_scenes < 1:
        raise ValueError(f"num_scenes must be at least 1, got {num_scenes}")
    if num_digits is not None and not 1 <= num_digits <= MAX_DIGITS:
        raise ValueError(f"num_digits must be 1 ... {MAX_DIGITS}, got {num_digits}")
    if len(digits) != len(y) or len(y) == 0:
        raise ValueError(f"every digit needs a label, got {len(digits)} digits and {len(y)} labels")
    generator = torch.Generator().manual_seed(seed)
    shape = (num_scenes, MAX_DIGITS)
    chosen = torch.randint(len(digits), shape, generator=generator)
    counts = torch.randint(1, MAX_DIGITS + 1, (num_scenes,), generator=generator)
    counts = counts if num_digits is None else torch.full_like(counts, num_digits)
    quarter = torch.rand(num_scenes, 4, generator=generator).argsort(1)[:, :MAX_DIGITS]
    size = SIZES[0] + (SIZES[1] - SIZES[0]) * torch.rand(shape, generator=generator)
    # Digits that are there come first, in reading order.
    present = torch.arange(MAX_DIGITS) < counts[:, None]
    order = torch.where(present, quarter, 4).argsort(dim=1, stable=True)
    quarter = quarter.gather(1, order)

    room = SIDE / 2 - size
    corner = torch.stack([quarter % 2, quarter // 2], 2) * (SIDE / 2)
    corner = corner + room[..., None] * torch.rand(*shape, 2, generator=generator)
    boxes = torch.cat([corner, corner + size[..., None]], 2) * present[..., None]
    labels = torch.where(present, y[chosen], -1)

    ink = _place(digits[chosen.flatten()], corner.flatten(0, 1), size.flatten()).view(*shape, SIDE, SIDE)
    ink = ink * present[..., None, None]
    strongest, owner = ink.max(1)
    mask = torch.where(strongest >= INK, labels.gather(1, owner.flatten(1)).view_as(owner) + 1, 0)
    captions = [caption(*both) for both in zip(labels.tolist(), quarter.tolist(), strict=True)]
    return Scenes(strongest.unsqueeze(1), labels, boxes, mask, captions)


def caption(labels: list[int], quarter: list[int]) -> str:
    """Return a sentence for digits in reading order, each in its quarter: 0 1 above 2 3; -1 is no digit."""
    names = [f"{'an' if label == 8 else 'a'} {NUMBERS[label]}" for label in labels if label >= 0]
    match names:
        case [one]:
            return one
        case [one, two]:
            return f"{one} {'left of' if quarter[0] // 2 == quarter[1] // 2 else 'above'} {two}"
        case [one, two, three]:
            return f"{one} and {two} and {three}"
    raise ValueError(f"a caption needs 1 ... {MAX_DIGITS} digits, got {len(names)}")


def rotate_digits(digits: Tensor, degrees: Tensor, side: int = 16) -> Tensor:
    """Return digits (N, 1, h, w) turned counter-clockwise by angles (N,), in the middle of (N, 1, side, side)."""
    radians = torch.deg2rad(degrees)
    cos, sin = radians.cos(), radians.sin()
    # The grid says for each pixel of the result where to look in the picture, whose sides shrink to 10 in 16 pixels.
    scale = 1.6 * torch.ones_like(cos)
    turn = torch.stack([torch.stack([cos, -sin, 0 * cos], 1), torch.stack([sin, cos, 0 * cos], 1)], 1)
    grid = F.affine_grid(turn * scale[:, None, None], [len(digits), 1, side, side], align_corners=False)
    return F.grid_sample(digits, grid, align_corners=False)


def _place(images: Tensor, corner: Tensor, size: Tensor) -> Tensor:
    """Return images (M, 1, h, w), scaled to `size` (M,), their upper left at `corner` (M, 2): (M, SIDE, SIDE)."""
    scale = SIDE / size
    shift = (SIDE - 2 * corner - size[:, None]) / size[:, None]
    zero = torch.zeros_like(scale)
    theta = torch.stack([torch.stack([scale, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(theta, [len(images), 1, SIDE, SIDE], align_corners=False)
    return F.grid_sample(images, grid, align_corners=False).squeeze(1)
