"""MADE: a masked autoencoder, a network of dense layers whose output i cannot see pixel i or any after it.

    log p(x) = log (1/K) sum_k prod_i Bernoulli(x_i | sigmoid(logit_i(x; mask k)))

Each unit has a degree: a pixel the step at which it is drawn, a hidden unit the last step that it may see. A hidden
unit sees units of its degree or a lower one, an output units of a lower one only, so one pass gives all D conditionals.
K masks over the same weights are K models; their mixture is better than each. Masks with orders of their own make
the network order-agnostic.

Source: Germain et al. 2015 (arXiv 1502.03509).
Shapes: images x (B, C, H, W) of zeros and ones, D = C H W; logits like x; log-probabilities (B,), in nats.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.autoregressive.fvbn import as_order, as_vectors
from course_utils.models.latent.likelihoods import bernoulli_log_prob, require_binary


def made_masks(degrees: Sequence[Tensor]) -> list[Tensor]:
    """Return the masks of the layers, each (out, in) and boolean, from L + 1 degree vectors: input, hidden ..., output.

    Hidden unit k sees unit j if degree_k >= degree_j; an output only if its degree is greater (equations 12 and 13).
    Raises ValueError for fewer than two vectors, or for what is no int64 vector.
    """
    if len(degrees) < 2:
        raise ValueError(f"degrees must hold at least those of input and output, got {len(degrees)} vectors")
    for layer, degree in enumerate(degrees):
        if not isinstance(degree, Tensor) or degree.dtype != torch.int64 or degree.ndim != 1:
            found = f"{degree.dtype} {tuple(degree.shape)}" if isinstance(degree, Tensor) else type(degree).__name__
            raise ValueError(f"the degrees of each layer must be an int64 vector, got {found} for layer {layer}")
    masks = [after[:, None] >= before for before, after in pairwise(degrees[:-1])]
    return [*masks, degrees[-1][:, None] > degrees[-2]]


def draw_degrees(order: Tensor, hidden_dims: Sequence[int]) -> list[Tensor]:
    """Return degrees of all layers for an order of the pixels: those of hidden units are drawn, at most D - 1.

    A hidden unit's is at least the lowest of the layer before, so that it sees something (section 4.2).
    """
    num_dims = len(order)
    degrees = [order.argsort() + 1]
    for width in hidden_dims:
        lowest = min(int(degrees[-1].min()), num_dims - 1)
        degrees.append(torch.randint(lowest, max(num_dims, lowest + 1), (width,)))
    return [*degrees, degrees[0]]


class MADE(nn.Module):
    """MADE of binary images with ReLUs.

    Args:
        image_shape: (C, H, W).
        hidden_dims: the widths of the hidden layers.
        num_masks: the number K of masks, drawn once, when the model is built.
        order: order[t] is the flat index of the pixel drawn at step t; by default raster order.
        order_agnostic: give each mask a random order of its own.
        direct: let each output see the pixels before it directly, too (section 4.1).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        hidden_dims: Sequence[int] = (500, 500),
        num_masks: int = 1,
        order: Sequence[int] | Tensor | None = None,
        order_agnostic: bool = False,
        direct: bool = False,
    ):
        super().__init__()
        if num_masks < 1 or not hidden_dims or min(hidden_dims) < 1:
            raise ValueError(f"MADE needs masks and hidden units, got num_masks {num_masks}, hidden_dims {hidden_dims}")
        if order is not None and order_agnostic:
            raise ValueError("an order-agnostic MADE draws an order for each mask: give no order")
        self.image_shape = torch.Size(image_shape)
        num_dims = math.prod(image_shape)
        widths = [num_dims, *hidden_dims, num_dims]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.direct = nn.Linear(num_dims, num_dims, bias=False) if direct else None
        orders = [torch.randperm(num_dims) if order_agnostic else as_order(order, num_dims) for _ in range(num_masks)]
        drawn = [draw_degrees(order, hidden_dims) for order in orders]
        self.num_masks = num_masks
        # Degrees, not masks, are kept: K masks would be K times as large as the weights.
        for layer, degrees in enumerate(zip(*drawn, strict=True)):
            self.register_buffer(f"degrees_{layer}", torch.stack(degrees))

    def degrees(self, k: int) -> list[Tensor]:
        """Return the degrees of all layers under mask k, int64 vectors; an input's is the step at which it is drawn."""
        return [getattr(self, f"degrees_{layer}")[k] for layer in range(len(self.layers) + 1)]

    def masked_weights(self, k: int) -> list[Tensor]:
        """Return the weights of the layers under mask k, and last that of the direct connections if there are any."""
        degrees = self.degrees(k)
        weights = [layer.weight * mask for layer, mask in zip(self.layers, made_masks(degrees), strict=True)]
        if self.direct is not None:
            weights.append(self.direct.weight * made_masks([degrees[0], degrees[-1]])[0])
        return weights

    def _logits(self, x: Tensor, weights: list[Tensor]) -> Tensor:
        h = x
        for layer, weight in zip(self.layers[:-1], weights, strict=False):
            h = F.linear(h, weight, layer.bias).relu()
        logits = F.linear(h, weights[len(self.layers) - 1], self.layers[-1].bias)
        return logits if self.direct is None else logits + F.linear(x, weights[-1])

    def forward(self, x: Tensor, k: int = 0) -> Tensor:
        """Return the logits of p(x_i = 1 | pixels before i) under mask k, like x. Raises ValueError for another shape
        or no such mask."""
        if not 0 <= k < self.num_masks:
            raise ValueError(f"k must be from 0 to {self.num_masks - 1}, got {k}")
        return self._logits(as_vectors(x, self.image_shape), self.masked_weights(k)).view(x.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) under the mixture of all masks: (B,), in nats, exact.

        Raises ValueError for another shape or values other than 0 and 1.
        """
        require_binary(x)
        each = torch.stack([bernoulli_log_prob(self(x, k), x) for k in range(self.num_masks)])
        return each.logsumexp(0) - math.log(self.num_masks)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of -log p(x) under one mask, drawn anew at each call: (), in nats.

        With several masks it is above that of the mixture, on average over the draw (Jensen's inequality).
        """
        require_binary(x)
        k = int(torch.randint(self.num_masks, ())) if self.num_masks > 1 else 0
        return -bernoulli_log_prob(self(x, k), x).mean()

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return images, each under a mask drawn for it, in D passes for each mask: (N, C, H, W), zeros and ones."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        like = self.layers[0].weight
        device = generator.device if generator is not None else like.device
        chosen = torch.randint(self.num_masks, (num_samples,), generator=generator, device=device).to(like.device)
        x = like.new_zeros(num_samples, like.shape[1])
        for k in chosen.unique().tolist():
            weights, part = self.masked_weights(k), x[chosen == k]
            for i in self.degrees(k)[0].argsort().tolist():
                part[:, i] = torch.bernoulli(self._logits(part, weights)[:, i].sigmoid(), generator=generator)
            x[chosen == k] = part
        return x.view(num_samples, *self.image_shape)
