"""Makes the weights of `digit_classifier()`: a few seconds on one core, and the same from the same seed.

    python -m course_utils.evaluation.feature_training

trains on the training split alone, writes `digit_classifier.npz` into the package (half precision), and prints the
checksum that belongs into `features.py`. Another machine or another version of PyTorch may round differently: the net
is then another one of the same quality, its checksum is another, and so are, a little, all scores that rest on it.
"""

import hashlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data import load
from course_utils.evaluation.features import WEIGHTS, DigitClassifier
from course_utils.files import replacing
from course_utils.training import fit


def jitter(x: Tensor) -> Tensor:
    """Return images (B, C, 8, 8), each turned by up to 0.15 radians and moved by up to half a pixel each way."""
    angle = (2 * torch.rand(len(x)) - 1) * 0.15
    shift = (2 * torch.rand(len(x), 2) - 1) * 0.5 / 4  # affine_grid's unit is half an image: four pixels
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    grid = F.affine_grid(torch.cat([rotation, shift.unsqueeze(2)], dim=2), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False).clamp(0, 1)  # rounding can leave [0, 1]


def train_digit_classifier(seed: int = 0, epochs: int = 30) -> DigitClassifier:
    """Return a net trained on the training split of the 8x8 digits, in eval mode, its weights rounded to float16.

    Minimises the cross-entropy of the labels by Adam, on jittered images. The caller's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DigitClassifier()
    fit(
        net,
        load("digits").train,
        epochs=epochs,
        batch_size=32,
        lr=2e-3,
        loss=lambda net, x, y, step: F.cross_entropy(net(x), y),
        transform=jitter,
        cosine=True,
        seed=seed,
        device="cpu",
        description="digit classifier",
    )
    return net.half().float()


def main() -> None:
    """Train, write the weights, and print their checksum and the accuracy on images that were not trained on."""
    net = train_digit_classifier()
    with replacing(WEIGHTS) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: value.half().numpy() for name, value in net.state_dict().items()})
    for name, (x, y) in zip(("valid", "test"), load("digits")[3:], strict=True):
        print(f"accuracy on the {name} split: {(net(x).argmax(1) == y).double().mean():.4f}")
    print(f'WEIGHTS_SHA256 = "{hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}"')


if __name__ == "__main__":
    main()
