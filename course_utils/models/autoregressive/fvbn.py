"""Fully visible belief network: each pixel a logistic regression on the pixels before it.

    log p(x) = sum_t log Bernoulli(x_o(t) | sigmoid(b_o(t) + sum_{s < t} W_o(t)o(s) x_o(s)))

in an order o(1) ... o(D) of the pixels. Such a network can say with D^2 / 2 weights how likely any of 2^D images is.

Sources: Neal 1992, "Connectionist learning of belief networks"; Frey 1998, "Graphical models for machine learning and
digital communication", chapter 4.
Shapes: images x (B, C, H, W) of zeros and ones, D = C H W; logits like x; log-probabilities (B,), in nats.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.latent.likelihoods import bernoulli_log_prob, require_binary


def as_order(order: Sequence[int] | Tensor | None, num_dims: int) -> Tensor:
    """Return an order of the pixels, int64 (D,): order[t] is drawn at step t; None is raster order, 0 ... D - 1.

    Raises ValueError unless each number from 0 to D - 1 stands in it once.
    """
    if order is None:
        return torch.arange(num_dims)
    order = torch.as_tensor(order)
    if order.is_floating_point() or not torch.equal(order.flatten().sort().values.cpu(), torch.arange(num_dims)):
        raise ValueError(f"an order must hold each of 0 ... {num_dims - 1} once, got {order.tolist()}")
    return order.flatten().clone()


def as_vectors(x: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """Return images (B, C, H, W) as vectors (B, D). Raises ValueError for images of another shape."""
    if x.shape[1:] != image_shape:
        raise ValueError(f"the model was built for images {tuple(image_shape)}, got x {tuple(x.shape)}")
    return x.flatten(1)


class FullyVisibleBeliefNetwork(nn.Module):
    """Logistic regressions, one for each pixel, side by side.

    Args:
        image_shape: (C, H, W).
        order: order[t] is the flat index of the pixel drawn at step t; by default raster order.
    """

    def __init__(self, image_shape: tuple[int, int, int], order: Sequence[int] | Tensor | None = None):
        super().__init__()
        self.image_shape = torch.Size(image_shape)
        num_dims = math.prod(image_shape)
        self.weight = nn.Parameter(torch.zeros(num_dims, num_dims))
        self.bias = nn.Parameter(torch.zeros(num_dims))
        self.register_buffer("order", as_order(order, num_dims))
        step = self.order.argsort()  # step[i]: when pixel i is drawn
        self.register_buffer("mask", (step[:, None] > step).float())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of p(x_i = 1 | pixels before i), like x. Raises ValueError for another shape."""
        logits = F.linear(as_vectors(x, self.image_shape), self.weight * self.mask, self.bias)
        return logits.view(x.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), (B,), in nats, exact. Raises ValueError for another shape or values other than 0 and 1."""
        require_binary(x)
        return bernoulli_log_prob(self(x), x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of -log p(x): (), in nats. It is convex in the weights."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return images drawn pixel by pixel: (N, C, H, W), zeros and ones."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        weight = self.weight * self.mask
        x = weight.new_zeros(num_samples, len(weight))
        for i in self.order.tolist():
            logit = x @ weight[i] + self.bias[i]
            x[:, i] = torch.bernoulli(logit.sigmoid(), generator=generator)
        return x.view(num_samples, *self.image_shape)
