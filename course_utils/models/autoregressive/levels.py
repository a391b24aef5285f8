"""Images as grids of levels: the softmax likelihood over them, drawing and completing them pixel by pixel.

    log p(x) = sum_i sum_j sum_c log softmax(logits[:, c, i, j])[x_cij]

in raster order, at each pixel channel after channel (van den Oord et al. 2016, arXiv 1601.06759, equations 1 and 2).

A level is drawn by the inverse of its distribution function from one uniform number. All uniform numbers of a call,
(B, C, H, W), are drawn before the first pixel, so two ways of computing the same logits give the same images.

Shapes: images x (B, C, H, W) in [0, 1], holding k / (V - 1) for a level k; levels like x, int64; logits
(B, V, C, H, W).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def to_unit(levels: Tensor, num_levels: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return levels / (V - 1), in [0, 1], of the dtype given or else torch's default."""
    return levels.to(dtype or torch.get_default_dtype()) / (num_levels - 1)


def to_levels(x: Tensor, num_levels: int) -> Tensor:
    """Return the levels of images in [0, 1]: int64, like x. Raises ValueError for values that are no k / (V - 1)."""
    scaled = x * (num_levels - 1)
    levels = scaled.round()
    is_level = ((scaled - levels).abs() < 0.01) & (levels >= 0) & (levels < num_levels)
    if not is_level.all():
        raise ValueError(
            f"x must hold levels k / {num_levels - 1} in [0, 1], got {x[~is_level][0].item():g} among values from "
            f"{x.min().item():g} to {x.max().item():g}"
        )
    return levels.long()


def pixel_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """Return log p(x) of each image: (B,), in nats, for logits (B, V, C, H, W) and levels x (B, C, H, W), integers.

    Raises ValueError for shapes that do not fit and for levels outside 0 ... V - 1.
    """
    if logits.ndim != 5 or logits[:, 0].shape != x.shape:
        raise ValueError(
            f"logits must be (B, V, C, H, W) for x (B, C, H, W), got {tuple(logits.shape)} for {tuple(x.shape)}"
        )
    num_levels = logits.shape[1]
    if x.is_floating_point() or (x < 0).any() or (x >= num_levels).any():
        raise ValueError(
            f"x must hold integers from 0 to {num_levels - 1}, got {x.dtype} from {x.min().item()} to {x.max().item()}"
        )
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision would round the sum
    chosen = logits.log_softmax(1).gather(1, x.long().unsqueeze(1))
    return chosen.flatten(1).sum(1)


def uniforms(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return a number in [0, 1) for each element of `like`, on its device, drawn on the generator's."""
    device = like.device if generator is None else generator.device
    return torch.rand(like.shape, dtype=torch.float32, device=device, generator=generator).to(like.device)


def draw_levels(logits: Tensor, uniform: Tensor) -> Tensor:
    """Return the level k with P(level < k) <= uniform < P(level <= k): int64 (...), for logits (..., V)."""
    cdf = logits.softmax(-1).cumsum(-1)
    # Rounding may leave the last entry beside 1, and must not lead past the last level.
    levels = (uniform.unsqueeze(-1) * cdf[..., -1:] >= cdf).sum(-1)
    return levels.clamp(max=logits.shape[-1] - 1)


@torch.no_grad()
def sample_images(
    model: Callable[[Tensor], Tensor],
    num_samples: int,
    image_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return images drawn pixel by pixel, a call of the model for each value: levels, int64 (num_samples, C, H, W).

    `model` maps levels / (V - 1), (B, C, H, W), to logits (B, V, C, H, W). A module gets its own dtype and device, is
    asked in eval mode and left as it was. Raises ValueError for num_samples below 1 and for logits of another shape.
    """
    x = blank_images(model, num_samples, image_shape)
    with eval_mode(model):
        x, num_levels = _fill_in(model, x, torch.zeros_like(x, dtype=torch.bool), generator)
    return to_levels(x, num_levels)


@torch.no_grad()
def complete_images(
    model: Callable[[Tensor], Tensor], x: Tensor, known: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Return x (B, C, H, W) where `known` is True, and elsewhere draws given all that comes earlier: like x, in [0, 1].

    `known` is boolean, (H, W) or (B, 1, H, W). What x holds at the other pixels has no influence. Completing needs as
    many calls of the model as the images have unknown values. The model is treated as by `sample_images`.
    """
    known = require_known(known, x)
    with eval_mode(model):
        return _fill_in(model, torch.where(known, x, 0), known, generator)[0]


def _fill_in(model, x: Tensor, known: Tensor, generator) -> tuple[Tensor, int]:
    """Return x with all that is not known drawn, and the number of levels."""
    uniform = uniforms(x, generator)
    num_levels = 0
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            for c in range(x.shape[1]):
                if known[:, c, i, j].all():
                    continue
                logits = model(x)
                if logits.ndim != 5 or logits[:, 0].shape != x.shape:
                    raise ValueError(
                        "the model must return logits (B, V, C, H, W) for x (B, C, H, W), "
                        f"got {tuple(logits.shape)} for {tuple(x.shape)}"
                    )
                num_levels = logits.shape[1]
                drawn = to_unit(draw_levels(logits[:, :, c, i, j], uniform[:, c, i, j]), num_levels, x.dtype)
                x = x.clone()  # the model may keep what it was given
                x[:, c, i, j] = torch.where(known[:, c, i, j], x[:, c, i, j], drawn)
    return x, num_levels


def blank_images(model: Callable[[Tensor], Tensor], num_samples: int, image_shape: tuple[int, int, int]) -> Tensor:
    """Return zeros (N, C, H, W), of a module's dtype and device. Raises ValueError for num_samples below 1."""
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    like = next(model.parameters(), torch.empty(())) if isinstance(model, nn.Module) else torch.empty(())
    return torch.zeros(num_samples, *image_shape, dtype=like.dtype, device=like.device)


def require_known(known: Tensor, x: Tensor) -> Tensor:
    """Return `known`, (H, W) or (B, 1, H, W), in the shape of x (B, C, H, W). Raises ValueError if it does not fit."""
    batch, _, height, width = x.shape
    if known.dtype != torch.bool or known.shape not in ((height, width), (batch, 1, height, width)):
        raise ValueError(
            f"known must be boolean, {(height, width)} or {(batch, 1, height, width)}, "
            f"got {known.dtype} {tuple(known.shape)}"
        )
    return known.expand_as(x)


@contextmanager
def eval_mode(model: Callable) -> Iterator[None]:
    """Put a module in eval mode, and afterwards each of its parts back into the mode that it had."""
    modes = [(part, part.training) for part in model.modules()] if isinstance(model, nn.Module) else []
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


class PixelModel(nn.Module):
    """What all models of p(x) over levels share, once `forward` maps x (B, C, H, W) to logits (B, V, C, H, W).

    Args:
        image_shape: (C, H, W).
        num_levels: the number V of levels that a value can have.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_levels: int = 2):
        super().__init__()
        if num_levels < 2:
            raise ValueError(f"num_levels must be at least 2, got {num_levels}")
        self.image_shape = tuple(image_shape)
        self.num_levels = num_levels

    def require_shape(self, x: Tensor) -> None:
        """Raise a ValueError that names both shapes unless x is (B, C, H, W) as the model was built for."""
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"x must be (B, {', '.join(map(str, self.image_shape))}), got {tuple(x.shape)}")

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each image: (B,), in nats, exact.

        Raises ValueError for another shape and if x holds anything but levels.
        """
        self.require_shape(x)
        levels = to_levels(x, self.num_levels)
        return pixel_log_prob(self(x), levels)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of a batch: (), in nats."""
        return -self.log_prob(x).mean()

    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return images drawn from the model: (N, C, H, W) in [0, 1], of the model's dtype and device."""
        x = blank_images(self, num_samples, self.image_shape)
        return self.complete(x, torch.zeros_like(x[:, :1], dtype=torch.bool), generator)

    def complete(self, x: Tensor, known: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return x where `known` is True, and elsewhere draws given all that comes earlier: see `complete_images`."""
        self.require_shape(x)
        return complete_images(self, x, known, generator)
