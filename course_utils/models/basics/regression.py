"""Regression: from an image to numbers.

    loss  E |y - f(x)|^2

Up to constants it is -log N(y; f(x), I): least squares is maximum likelihood for Gaussian errors. Of all functions f,
the conditional mean E[y | x] has the least loss: where several answers are right, their average comes out.

Source: Bishop 2006, Pattern Recognition and Machine Learning, sections 1.5.5 and 3.1.1. Shapes: x (B, C, H, W),
y (B, E).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvRegressor(nn.Module):
    """Two convolutions that halve the resolution each, then two linear layers, to `num_outputs` numbers."""

    def __init__(self, image_shape: tuple[int, int, int], num_outputs: int = 1, hidden_dim: int = 16):
        super().__init__()
        num_channels, height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError(f"the network halves the sides twice: they must be multiples of 4, got {height}x{width}")
        self.num_outputs = num_outputs
        self.network = nn.Sequential(
            nn.Conv2d(num_channels, hidden_dim, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden_dim, 2 * hidden_dim, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * hidden_dim * (height // 4) * (width // 4), 64),
            nn.ReLU(),
            nn.Linear(64, num_outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the numbers, (B, E)."""
        return self.network(x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the squared error |y - f(x)|^2, summed over the outputs, mean over the batch: ().

        Raises ValueError if y is not (B, E).
        """
        if y.shape != (len(x), self.num_outputs):
            raise ValueError(f"y must be ({len(x)}, {self.num_outputs}), got {tuple(y.shape)}")
        return F.mse_loss(self(x), y, reduction="none").sum(1).mean()
