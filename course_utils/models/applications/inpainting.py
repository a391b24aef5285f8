"""Inpainting: fill a hole in an image with what a generator of whole images finds plausible.

    z* = argmin_z  sum W |G(z) - y|  +  lambda log(1 - D(G(z)))         context loss + prior loss
    x  = M y + (1 - M) G(z*)                                            M is 1 where y is known and 0 in the hole

The generator knows nothing of holes: what is sought is the latent whose image agrees with the pixels that are known,
and that the discriminator believes. A pixel counts the more, the more of its neighbourhood is missing, since pixels far
from the hole say little of what is in it:

    W = M times the share of missing pixels in the window around

Source: Yeh et al. 2016 (arXiv 1607.07539), equations 2 to 7; their last step, blending, is in `blending`. Shapes:
images (B, C, H, W) in the generator's range, masks that broadcast to them, z (B, Z).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.models.adversarial.gan import GAN


def inpaint(image: Tensor, mask: Tensor, fill: Tensor) -> Tensor:
    """Return `image` where the mask is 1 and `fill` where it is 0, (B, C, H, W).

    The mask holds booleans, or zeros and ones of any type, and broadcasts to the image. What is not chosen does not
    matter: not even if it is no number. Raises ValueError for other masks and for a fill of another shape.
    """
    if fill.shape != image.shape:
        raise ValueError(f"image and fill must have one shape, got {tuple(image.shape)} and {tuple(fill.shape)}")
    return torch.where(as_mask(mask, image.shape), image, fill)


def as_mask(mask: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the mask as booleans of that shape; raise ValueError for other values than 0 and 1 or another shape."""
    wrong = mask[(mask != 0) & (mask != 1)]
    if len(wrong) > 0:
        raise ValueError(f"a mask holds only zeros and ones, got {wrong[0].item():.4g}")
    try:
        return mask.bool().expand(shape)
    except RuntimeError:
        raise ValueError(f"a mask {tuple(mask.shape)} does not broadcast to {tuple(shape)}") from None


def context_weights(mask: Tensor, window: int = 7) -> Tensor:
    """Return W, like the mask (B, C, H, W): 0 in the hole, else how much of the `window` x `window` around is missing.

    Yeh et al. 2016, equation 3. What lies beyond the border is not missing. Raises ValueError for an even window.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be odd and positive, got {window}")
    missing = (mask == 0).to(torch.get_default_dtype() if not mask.is_floating_point() else mask.dtype)
    return (1 - missing) * F.avg_pool2d(missing, window, stride=1, padding=window // 2)


class Filled(NamedTuple):
    """Filled images (B, C, H, W), the generator's whole images (B, C, H, W), their latents (B, Z) and losses (B,)."""

    image: Tensor
    fake: Tensor
    z: Tensor
    loss: Tensor


def search_loss(gan: GAN, fake: Tensor, image: Tensor, weights: Tensor, prior_weight: float) -> Tensor:
    """Return sum W |fake - image| + prior_weight log(1 - D(fake)) of each fake, (B,).

    Yeh et al. 2016, equations 4 to 6. Where the discriminator judges patches, the mean over them counts.
    """
    context = (weights * (fake - image).abs()).flatten(1).sum(1)
    prior = -F.softplus(gan.discriminator(fake)).reshape(len(fake), -1).mean(1)  # log(1 - sigmoid(logits))
    return context + prior_weight * prior


def fill_by_search(
    gan: GAN,
    image: Tensor,
    mask: Tensor,
    *,
    num_starts: int = 4,
    num_steps: int = 200,
    lr: float = 0.05,
    prior_weight: float = 0.1,
    window: int = 7,
    generator: torch.Generator | None = None,
) -> Filled:
    """Fill the holes of images by a search in the generator's latent space: Adam on z, all starts side by side.

    Of each image the best latent of all starts and steps is kept. Other starts, other fills: with `num_starts=1` calls
    may be compared. The networks' parameters are neither changed nor given gradients.

    Args:
        gan: a trained GAN of noise alone, in eval mode, so that no example depends on the others of its batch.
        image: (B, C, H, W) in the generator's range; what it holds in the hole does not matter.
        mask: 1 where the image is known, 0 in the hole; broadcasts to the image.
        lr: of Adam, in units of a standard normal draw.
        prior_weight: lambda, per image: the context loss is a sum over pixels.
        window: side of the neighbourhood in which missing pixels are counted.
        generator: of the starts.

    Raises ValueError for a GAN in training mode, images unlike the generator's, no mask, nothing known beside a hole,
    or numbers out of range.
    """
    if gan.training:
        raise ValueError("the search needs the GAN in eval mode: call gan.eval() first")
    for name, value in (("num_starts", num_starts), ("num_steps", num_steps)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if prior_weight < 0:
        raise ValueError(f"prior_weight must be at least 0, got {prior_weight}")
    known = as_mask(mask, image.shape)
    z = gan.noise(len(image) * num_starts, generator).requires_grad_()
    weights = context_weights(known.to(z.dtype), window)
    if not weights.flatten(1).any(1).all():
        raise ValueError("every image needs a hole with known pixels beside it")
    targets = torch.where(known, image, 0.0).to(z.dtype)  # 0 times no number would be no number
    targets = targets.repeat_interleave(num_starts, 0)
    weights = weights.repeat_interleave(num_starts, 0)

    optimizer = torch.optim.Adam([z], lr=lr)
    best_loss = torch.full((len(z),), torch.inf, dtype=z.dtype, device=z.device)
    best_z, best_fake = z.detach().clone(), torch.zeros_like(targets)
    for _ in range(num_steps):
        fake = gan.sampler(z)
        if fake.shape != targets.shape:
            raise ValueError(f"the generator makes {tuple(fake.shape[1:])}, but an image is {tuple(image.shape[1:])}")
        loss = search_loss(gan, fake, targets, weights, prior_weight)
        better = loss.detach() < best_loss
        best_loss = torch.where(better, loss.detach(), best_loss)
        best_z[better], best_fake[better] = z.detach()[better], fake.detach()[better]
        (z.grad,) = torch.autograd.grad(loss.sum(), z)
        optimizer.step()

    start = best_loss.view(-1, num_starts).argmin(1)
    chosen = torch.arange(len(image), device=z.device) * num_starts + start
    fake = best_fake[chosen]
    return Filled(inpaint(image, mask, fake), fake, best_z[chosen], best_loss[chosen])
