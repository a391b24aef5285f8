"""Style transfer: an image with the content of one and the texture of another, found by optimisation.

    x* = argmin_x  content_loss(x, content) + style_weight style_loss(x, style),      x within [0, 1]

    content_loss = sum_l  1/2 mean (F_l(x) - F_l(content))^2                  what is where: features, place by place
    style_loss   = sum_l  1/4 mean (Gram_l(x) - Gram_l(style))^2              texture: which features occur together
    Gram_l       = F_l F_l^T / (H_l W_l)                                      a mean over places: it forgets where

F_l are features of a fixed convolutional network. VGG-19, trained on a million photographs, is the usual one, but the
filters need not be learned: random ones of several sizes describe textures, too.

Sources: Gatys, Ecker & Bethge 2015 (arXiv 1508.06576), equations 1 to 7; Ustyuzhaninov et al. 2016 (arXiv 1606.00021)
for one layer of random filters of many sizes, He, Wang & Hopcroft 2016 (arXiv 1606.04801) for deep random networks.
Shapes: images (B, C, H, W) in [0, 1], features (B, K, H', W'), Gram matrices (B, K, K).
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor, nn

from course_utils.models.latent.perceptual_vae import perceptual_distance


class RandomFeatures(nn.Module):
    """One layer of fixed random filters for each of several sizes, each followed by a ReLU.

    Filters have mean 0, so that they answer to structure and not to brightness, and are so scaled that white noise of
    deviation 1 gives features of deviation 1, whatever their size. The image itself is a further layer: the colours.

    Args:
        num_channels: C of the images.
        kernel_sizes: odd, one for each layer; no larger than the images.
        num_filters: features of each layer.
        seed: of the filters.
    """

    def __init__(
        self, num_channels: int = 3, kernel_sizes: Sequence[int] = (3, 5, 9, 15), num_filters: int = 64, seed: int = 0
    ):
        super().__init__()
        if not kernel_sizes or any(size < 1 or size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd numbers, at least one, got {list(kernel_sizes)}")
        generator = torch.Generator().manual_seed(seed)
        self.kernel_sizes = tuple(kernel_sizes)
        for size in kernel_sizes:
            filters = torch.randn(num_filters, num_channels, size, size, generator=generator)
            filters = filters - filters.mean((2, 3), keepdim=True)
            self.register_buffer(f"filters_{size}", filters / filters.flatten(1).norm(dim=1)[:, None, None, None])

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the image and its features, (B, C, H, W) and one (B, num_filters, H, W) for each size."""
        layers = [x]
        for size in self.kernel_sizes:
            filters = getattr(self, f"filters_{size}")
            padded = F.pad(x, [size // 2] * 4, mode="reflect")
            layers.append(F.relu(F.conv2d(padded, filters)))
        return layers


def gram_matrix(features: Tensor) -> Tensor:
    """Return the mean over places of the products of all pairs of features, (B, K, K), of features (B, K, H, W).

    Gatys et al. 2015, equation 3, per place, so that images of different size can be compared. Raises ValueError for
    other shapes.
    """
    if features.ndim != 4:
        raise ValueError(f"features must be (B, K, H, W), got {tuple(features.shape)}")
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def content_loss(features: Sequence[Tensor], features_content: Sequence[Tensor]) -> Tensor:
    """Return the sum over layers of half the mean squared difference, (B,): equation 1, as a mean.

    Raises ValueError unless both hold layers of the same shapes.
    """
    return perceptual_distance(list(features), list(features_content))


def style_loss(features: Sequence[Tensor], grams_style: Sequence[Tensor]) -> Tensor:
    """Return the sum over layers of a quarter of the mean squared difference of Gram matrices, (B,): equations 4 and 5.

    `grams_style` are (B, K_l, K_l) or (1, K_l, K_l). Raises ValueError for another number of layers or features.
    """
    grams = [gram_matrix(layer) for layer in features]
    if not grams or [g.shape[-2:] for g in grams] != [g.shape[-2:] for g in grams_style]:
        shapes, due = [tuple(g.shape) for g in grams], [tuple(g.shape) for g in grams_style]
        raise ValueError(f"Gram matrices of the image are {shapes}, those of the style {due}")
    return sum(((g - s) ** 2).mean((1, 2)) / 4 for g, s in zip(grams, grams_style, strict=True))


def transfer_style(
    net: nn.Module,
    content: Tensor,
    style: Tensor,
    *,
    style_weight: float = 1e3,
    content_weight: float = 1.0,
    num_steps: int = 100,
    start: Tensor | None = None,
) -> Tensor:
    """Return the images with the content of `content` and the style of `style`, like the content.

    Minimises their sum by L-BFGS within [0, 1], one image after another, in float64: nothing is left to chance.
    With `content_weight=0` and a random start it makes a texture.

    Args:
        net: has `features(x)`, a list of layers (B, K, H', W'). It is not changed.
        content: (B, C, H, W) in [0, 1].
        style: one style for all, or one for each, (1 or B, C, H', W').
        num_steps: of L-BFGS, at most.
        start: where the search begins; without it, at the content.

    Raises ValueError for images out of [0, 1], unequal numbers, or weights below 0.
    """
    start = content if start is None else start
    for name, x in (("content", content), ("style", style), ("start", start)):
        if x.ndim != 4 or x.min() < 0 or x.max() > 1:
            raise ValueError(
                f"{name} must be (B, C, H, W) in [0, 1], got {tuple(x.shape)} in [{x.min():.3g}, {x.max():.3g}]"
            )
    if start.shape != content.shape or len(style) not in (1, len(content)):
        raise ValueError(
            f"content {tuple(content.shape)} needs a start of its shape and one style, or one for each, got "
            f"{tuple(start.shape)} and {tuple(style.shape)}"
        )
    if style_weight < 0 or content_weight < 0 or num_steps < 1:
        raise ValueError(
            f"weights must be at least 0 and num_steps at least 1, got {style_weight}, {content_weight}, {num_steps}"
        )
    net = copy.deepcopy(net).double().requires_grad_(False)
    styles = style.expand(len(content), -1, -1, -1)
    return torch.stack(
        [
            _transfer_one(net, c[None], s[None], x[None], style_weight, content_weight, num_steps)
            for c, s, x in zip(content, styles, start, strict=True)
        ]
    )


def _transfer_one(net, content, style, start, style_weight, content_weight, num_steps):
    with torch.no_grad():
        features_content = net.features(content.double())
        grams_style = [gram_matrix(layer) for layer in net.features(style.double())]

    def loss_and_gradient(flat):
        x = torch.from_numpy(flat).to(content.device).view_as(content).requires_grad_()
        features = net.features(x)
        loss = content_weight * content_loss(features, features_content) + style_weight * style_loss(
            features, grams_style
        )
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        return loss.item(), gradient.flatten().cpu().numpy()

    flat = start.double().flatten().cpu().numpy()
    found = minimize(
        loss_and_gradient,
        flat,
        jac=True,
        method="L-BFGS-B",
        bounds=np.tile([0.0, 1.0], (flat.size, 1)),
        options={"maxiter": num_steps, "ftol": 0.0, "gtol": 0.0, "maxcor": 20},
    )
    return torch.from_numpy(found.x).view_as(content)[0].to(content)
