"""Recipes of normalising flows: dequantised, trained by `fit`, judged by the bound on their discrete likelihood.

Unlike the other models with a likelihood they keep the grey levels (17 of the 8x8 digits, 256 of bytes) and colours.
Their bits per dimension may be compared with those of models of the same levels only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.data import Images
from course_utils.models.flows.dequantization import Dequantized, Logit, UniformNoise
from course_utils.models.flows.flow import Chain, Flattened, Flow
from course_utils.models.flows.glow import Glow
from course_utils.models.flows.nice import NICE
from course_utils.models.flows.realnvp import RealNVP
from course_utils.recipes.likelihood import LikelihoodRecipe

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class FlowRecipe(LikelihoodRecipe):
    """A recipe whose model is given the images as they are."""

    in_colour: bool = True

    def require_fitting(self, name: str, images: Images) -> None:
        """Raise ValueError unless the images hold levels, more than two of them."""
        x, num_levels = images.train.x, num_levels_of(tuple(images.train.x.shape[1:]))
        levels = x * (num_levels - 1)
        if (levels - levels.round()).abs().max() > 1e-3:
            raise ValueError(
                f"{name} models images of {num_levels} levels, and {images.name} has values in between: choose a data "
                f"set of levels k / {num_levels - 1}"
            )
        if torch.isin(x, torch.tensor([0.0, 1.0], dtype=x.dtype)).all():
            raise ValueError(f"{name} models grey levels or colours, and {images.name} is binary: choose another")

    def transform(self, images: Images) -> Callable[[Tensor], Tensor] | None:
        """The model adds its noise itself."""
        return None

    def held_out(self, images: Images, seed: int) -> Tensor:
        """Return the test images (N, C, H, W) as they are."""
        return images.test.x


def num_levels_of(shape: Shape) -> int:
    """Return the levels of images (C, H, W): the 8x8 digits count ink, 0 to 16; all others are bytes."""
    return 17 if shape == (1, 8, 8) else 256


def dequantized(network: nn.Module, shape: Shape) -> Dequantized:
    """Return the model of levels that an invertible network of the whole line makes, with uniform noise."""
    return Dequantized(Flow(Chain([Logit(), network]), shape), UniformNoise(), num_levels_of(shape))


FLOWS = {"epochs": 40, "batch_size": 64, "lr": 2e-3, "cosine": True, "clip_norm": 50.0}

RECIPES: dict[str, FlowRecipe] = {
    "nice": FlowRecipe(
        "NICE, four additive couplings (Dinh et al. 2014)",
        lambda shape, _: dequantized(Flattened(NICE(shape[0] * shape[1] * shape[2])), shape),
        FLOWS,
    ),
    "realnvp": FlowRecipe(
        "RealNVP, two scales (Dinh et al. 2016)", lambda shape, _: dequantized(RealNVP(shape), shape), FLOWS
    ),
    "glow": FlowRecipe(
        "Glow, two scales of 8 steps (Kingma & Dhariwal 2018)",
        lambda shape, _: dequantized(Glow(shape, num_steps=8), shape),
        FLOWS,
    ),
}
