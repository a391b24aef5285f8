"""Features of 8x8 digits: a small trained classifier, whose last hidden layer says what an image shows.

Pixels are a poor place to compare sets of images: shifted by a pixel, a digit is far from itself. In the last hidden
layer of a classifier what matters to the class is near, and the rest is gone (Heusel et al. 2017, arXiv 1706.08500,
take the Inception net for photographs; this is the same idea for `load("digits")`). The same net judges whether a
sample drawn for a label shows that label.

Its weights come with the course, so that scores are the same on every machine; `feature_training.py` makes them.
Shapes: images (B, 1, 8, 8) in [0, 1], features (B, 32), logits (B, 10).
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.data.folders import DamagedDataError

WEIGHTS = Path(__file__).with_name("digit_classifier.npz")
WEIGHTS_SHA256 = "1036e30379593ba9d0ee6854c4397900421e24a9e6e70f3fb2f39900b2097a55"


class DigitClassifier(nn.Module):
    """Three convolutions (8x8, 4x4, 2x2), a hidden layer of 32 features, and from them the logits of ten classes."""

    num_features = 32

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.third = nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.hidden = nn.Linear(32 * 2 * 2, self.num_features)
        self.head = nn.Linear(self.num_features, 10)

    def features(self, x: Tensor) -> Tensor:
        """Return the last hidden layer of images x (B, 1, 8, 8) in [0, 1]: (B, 32).

        Raises:
            ValueError: x has another shape, or leaves [0, 1] (images in [-1, 1] are mapped by (x + 1) / 2).
        """
        if x.ndim != 4 or x.shape[1:] != (1, 8, 8):
            raise ValueError(f"x must be images (B, 1, 8, 8), got {tuple(x.shape)}")
        if not ((x >= 0) & (x <= 1)).all():
            low, high = x.aminmax()
            raise ValueError(
                f"x must lie in [0, 1], got values from {low:.4g} to {high:.4g}; "
                "images in [-1, 1] are mapped by (x + 1) / 2, and others clamped"
            )
        # GELU: with ReLU several features were 0 for every image after training.
        x = F.gelu(self.third(F.gelu(self.second(F.gelu(self.first(x))))))
        return F.gelu(self.hidden(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 10) of images x (B, 1, 8, 8) in [0, 1]. Raises what `features` raises."""
        return self.head(self.features(x))


def digit_classifier() -> DigitClassifier:
    """Return the trained net of 8x8 digits, in eval mode and frozen (gradients still reach the images).

    Raises:
        DamagedDataError: the weights in the package are not those that belong to it.
    """
    content = WEIGHTS.read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise DamagedDataError(f"{WEIGHTS} has a wrong checksum: install the course again, or restore the file")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        weights = {name: torch.from_numpy(arrays[name]).float() for name in arrays.files}
    with torch.random.fork_rng(devices=[]):  # the layers draw weights before these replace them
        net = DigitClassifier()
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)


@torch.no_grad()
def image_features(net: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """Return `net.features` of images (N, ...), batch by batch and without gradients: (N, F).

    Raises:
        ValueError: there are no images, or the net finds fault with them.
    """
    if len(images) == 0:
        raise ValueError("no images to take features of")
    return torch.cat([net.features(batch) for batch in images.split(batch_size)])
