"""Conditional PixelCNN: a Gated PixelCNN of p(x | h) for a label or an embedding h.

    log p(x | h) = sum_i log p(x_i | x_1 ... x_{i-1}, h)
    y = tanh(W_f * x + V_f h) sigmoid(W_g * x + V_g h)

in every layer of both stacks. V h is the same at all pixels: h says what is in the image, not where.

Source: van den Oord et al. 2016 (arXiv 1606.05328), section 2.3 and equation 4.
Shapes: images x (B, C, H, W) in [0, 1]; h: labels (B,), int64, or embeddings (B, E); logits (B, V, C, H, W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.autoregressive.fast_sampling import complete_cached
from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from course_utils.models.autoregressive.levels import blank_images, pixel_log_prob, to_levels


class ConditionalPixelCNN(GatedPixelCNN):
    """A Gated PixelCNN whose gates take h, too.

    Args:
        image_shape: (C, H, W).
        condition_dim: the number of classes, if h is a label (it becomes a one-hot row), or the size E of an embedding.
        num_levels, hidden_dim, num_layers: as `GatedPixelCNN`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        condition_dim: int,
        num_levels: int = 2,
        hidden_dim: int = 64,
        num_layers: int = 7,
    ):
        super().__init__(image_shape, num_levels, hidden_dim, num_layers)
        self.condition_dim = condition_dim
        # V_f and V_g of all layers of the vertical, then of the horizontal stack.
        self.condition = nn.Linear(condition_dim, 2 * num_layers * 2 * hidden_dim, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the logits of every value given h and all values that come earlier, (B, V, C, H, W)."""
        biases = self.condition(self.embed(h, len(x), x.dtype))[..., None, None].chunk(2 * len(self.horizontal), dim=1)
        for_vertical, for_horizontal = biases[: len(self.horizontal)], biases[len(self.horizontal) :]
        features = x
        for layer, passed, bias in zip(self.horizontal, self.vertical(x, for_vertical), for_horizontal, strict=True):
            features = layer(features, passed + bias)
        return self.output(features).unflatten(1, (-1, self.num_levels)).transpose(1, 2)

    def embed(self, h: Tensor, batch_size: int, dtype: torch.dtype) -> Tensor:
        """Return labels as one-hot rows and embeddings as they are: (B, E). Raises ValueError for anything else."""
        if h.shape == (batch_size,) and h.dtype == torch.int64:
            if (h < 0).any() or (h >= self.condition_dim).any():
                raise ValueError(
                    f"labels must go from 0 to {self.condition_dim - 1}, got {h.min().item()} to {h.max().item()}"
                )
            return F.one_hot(h, self.condition_dim).to(dtype)
        if h.shape == (batch_size, self.condition_dim) and h.is_floating_point():
            return h
        raise ValueError(
            f"h must be labels ({batch_size},), int64, or embeddings ({batch_size}, {self.condition_dim}), "
            f"got {h.dtype} {tuple(h.shape)}"
        )

    def log_prob(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log p(x | h) of each image: (B,), in nats, exact. Raises ValueError for another shape."""
        self.require_shape(x)
        levels = to_levels(x, self.num_levels)
        return pixel_log_prob(self(x, h), levels)

    def loss(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of a batch: (), in nats."""
        return -self.log_prob(x, h).mean()

    def sample(self, num_samples: int, h: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return an image for each of the num_samples entries of h: (N, C, H, W) in [0, 1]."""
        x = blank_images(self, num_samples, self.image_shape)
        return self.complete(x, torch.zeros_like(x[:, :1], dtype=torch.bool), h, generator)

    def complete(self, x: Tensor, known: Tensor, h: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return x where `known` is True, and elsewhere draws given h and all that comes earlier."""
        self.require_shape(x)
        return complete_cached(self, x, known, generator, condition=(h,))
