"""Classifiers: from an image to a probability for each of K classes.

    p(y | x) = softmax(logits(x))_y,    loss  -log p(y | x), the cross-entropy, in nats

The softmax classifier's logits are linear in the pixels; the convolutional one finds them in layers of small filters
that are the same everywhere in the image.

Source: LeCun et al. 1998, Gradient-based learning applied to document recognition. Shapes: x (B, C, H, W) in [0, 1],
y (B,) int64, logits (B, K).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(nn.Module):
    """A network from images to logits, with its loss and its decisions."""

    def __init__(self, network: nn.Module, num_classes: int):
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        self.network = network
        self.num_classes = num_classes

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, K)."""
        return self.network(x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean of -log p(y | x), (), in nats. Raises ValueError for labels out of range."""
        if y.min() < 0 or y.max() >= self.num_classes:
            raise ValueError(f"labels must lie in 0 ... {self.num_classes - 1}, got {int(y.min())} to {int(y.max())}")
        return F.cross_entropy(self(x), y)

    def log_posterior(self, x: Tensor) -> Tensor:
        """Return log p(y | x) for every class, (B, K), in nats."""
        return torch.log_softmax(self(x), dim=1)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the likeliest class of each image, (B,) int64."""
        return self(x).argmax(1)


class SoftmaxClassifier(Classifier):
    """Logits that are linear in the pixels."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int):
        super().__init__(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), num_classes)), num_classes)


class ConvClassifier(Classifier):
    """Two convolutions, the second at half the resolution, then one linear layer."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, hidden_dim: int = 16):
        num_channels, height, width = image_shape
        if height % 2 or width % 2:
            raise ValueError(f"the network needs even sides, got {height}x{width}")
        layers = [
            nn.Conv2d(num_channels, hidden_dim, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden_dim, 2 * hidden_dim, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * hidden_dim * (height // 2) * (width // 2), num_classes),
        ]
        super().__init__(nn.Sequential(*layers), num_classes)
