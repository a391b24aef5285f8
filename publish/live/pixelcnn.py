"""A PixelCNN of digits with their 17 grey levels, and ten test digits to rub out."""

from copy import deepcopy

import torch
from torch import nn

from course_utils.data import load
from course_utils.models.autoregressive.levels import to_levels
from course_utils.models.autoregressive.masked import MaskedConv2d
from course_utils.models.autoregressive.pixelcnn import PixelCNN
from course_utils.training import fit
from publish.live.export import export, write_data

NAME = "pixelcnn"
NUM_LEVELS = 17


def build() -> PixelCNN:
    return PixelCNN((1, 8, 8), NUM_LEVELS, hidden_dim=32, num_layers=3)


def train() -> PixelCNN:
    torch.manual_seed(0)
    model = build()
    fit(model, load("digits").train.x, epochs=40, batch_size=32, lr=5e-3, cosine=True, seed=0, device="cpu")
    return model.eval()


def with_masked_weights(model: PixelCNN) -> PixelCNN:
    """The same function and names, by plain convolutions whose weights are masked once: the masks need no place."""
    plain = deepcopy(model)
    for parent in list(plain.modules()):
        for name, part in parent.named_children():
            if isinstance(part, MaskedConv2d):
                conv = nn.Conv2d(part.in_channels, part.out_channels, part.kernel_size, padding=part.padding)
                conv.load_state_dict({"weight": part.weight * part.mask, "bias": part.bias})
                setattr(parent, name, conv)
    return plain


def digits() -> list[dict]:
    """The first test digit of each class: its label, and its 64 levels row by row."""
    test = load("digits").test
    first = [int((test.y == label).nonzero()[0]) for label in range(10)]
    levels = to_levels(test.x[first], NUM_LEVELS).flatten(1).tolist()
    return [{"label": label, "levels": values} for label, values in enumerate(levels)]


def main() -> None:
    export(with_masked_weights(train()), {"x": torch.zeros(1, 1, 8, 8)}, ["logits"], NAME)
    write_data(digits(), NAME)
