"""NADE: the neural autoregressive distribution estimator, one hidden layer for each pixel, all sharing their weights.

    log p(x) = sum_t log Bernoulli(x_o(t) | sigmoid(b_t + V_t . h_t)),    h_t = sigmoid(c + sum_{s < t} x_o(s) W_s)

in an order o(1) ... o(D) of the pixels. As h_t grows out of h_{t-1} by one column of W, log p(x) and its gradient cost
O(DH), not O(D^2 H).

Sources: Larochelle & Murray 2011, "The neural autoregressive distribution estimator" (AISTATS), algorithm 1; Uria et
al. 2016 (arXiv 1605.02226), section 2.
Shapes: images x (B, C, H, W) of zeros and ones, D = C H W; logits like x; log-probabilities (B,), in nats.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils.models.autoregressive.fvbn import as_order, as_vectors
from course_utils.models.latent.likelihoods import bernoulli_log_prob, require_binary


class SharedHiddenLayers(torch.autograd.Function):
    """The dot products V_t . h_t of all steps, from x (D, B), W and V (D, H) and c (H,): (D, B).

    Algorithm 1 of the paper. Left to itself, automatic differentiation would keep all D hidden layers of every image
    (150 MB for 100 images of MNIST); here the way back undoes the steps one by one, and keeps (B, H).
    """

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, v: Tensor, c: Tensor) -> Tensor:
        a = c.repeat(x.shape[1], 1)  # what goes into the hidden layer, (B, H)
        h = torch.empty_like(a)
        out = torch.empty_like(x)
        for t in range(len(x)):
            torch.sigmoid(a, out=h)
            torch.mv(h, v[t], out=out[t])
            a.addr_(x[t], w[t])
        ctx.save_for_backward(x, w, v, a)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, w, v, a = ctx.saved_tensors
        a, grad = a.clone(), grad.contiguous()
        h, grad_a = torch.empty_like(a), torch.zeros_like(a)  # grad_a: of what goes into the steps after t
        grad_x, grad_w, grad_v = torch.empty_like(x), torch.empty_like(w), torch.empty_like(v)
        for t in reversed(range(len(x))):
            torch.mv(grad_a, w[t], out=grad_x[t])
            torch.mv(grad_a.T, x[t], out=grad_w[t])
            a.addr_(x[t], w[t], alpha=-1)
            torch.sigmoid(a, out=h)
            torch.mv(h.T, grad[t], out=grad_v[t])
            h.addcmul_(h, h, value=-1)  # the slope of the sigmoid, h (1 - h)
            grad_a.addcmul_(torch.outer(grad[t], v[t]), h)
        return grad_x, grad_w, grad_v, grad_a.sum(0)


class NADE(nn.Module):
    """NADE of binary images.

    Args:
        image_shape: (C, H, W).
        hidden_dim: the number H of hidden units.
        order: order[t] is the flat index of the pixel drawn at step t; by default raster order.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], hidden_dim: int = 500, order: Sequence[int] | Tensor | None = None
    ):
        super().__init__()
        if hidden_dim < 1:
            raise ValueError(f"hidden_dim must be at least 1, got {hidden_dim}")
        self.image_shape = torch.Size(image_shape)
        num_dims = math.prod(image_shape)
        self.register_buffer("order", as_order(order, num_dims))
        # Row t of W and V and entry t of b belong to the pixel drawn at step t.
        self.w = nn.Parameter(torch.randn(num_dims, hidden_dim) / math.sqrt(num_dims))
        self.v = nn.Parameter(torch.randn(num_dims, hidden_dim) / math.sqrt(hidden_dim))
        self.b = nn.Parameter(torch.zeros(num_dims))
        self.c = nn.Parameter(torch.zeros(hidden_dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of p(x_i = 1 | pixels before i), like x. Raises ValueError for another shape."""
        in_order = as_vectors(x, self.image_shape)[:, self.order].T.contiguous()
        logits = SharedHiddenLayers.apply(in_order, self.w, self.v, self.c) + self.b[:, None]
        return logits[self.order.argsort()].T.reshape(x.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), (B,), in nats, exact. Raises ValueError for another shape or values other than 0 and 1."""
        require_binary(x)
        return bernoulli_log_prob(self(x), x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of -log p(x): (), in nats."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Return images drawn pixel by pixel, (N, C, H, W), zeros and ones, in O(DH) each, the cost of one log p(x)."""
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        x = self.b.new_zeros(num_samples, len(self.b))
        a = self.c.repeat(num_samples, 1)
        for t, i in enumerate(self.order.tolist()):
            logit = self.b[t] + a.sigmoid() @ self.v[t]
            x[:, i] = torch.bernoulli(logit.sigmoid(), generator=generator)
            a += torch.outer(x[:, i], self.w[t])
        return x.view(num_samples, *self.image_shape)
