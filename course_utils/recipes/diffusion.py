"""The recipe of a diffusion model: trained by `fit` on images mapped to [-1, 1], judged by its bound and its samples.

The bound is on the probability of the grey levels (17 of the 8x8 digits, 256 of bytes): its bits per dimension may be
compared with those of flows, and with those of other models of the same levels only. Samples of 8x8 digits get a
Frechet distance, too. Both are needed: the loss drops the weights of the bound, so neither follows from the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.data import Images
from course_utils.models.diffusion.ddpm import DDPM
from course_utils.models.diffusion.unet import TimeUNet
from course_utils.recipes.flows import FlowRecipe, Shape, num_levels_of

NUM_STEPS = 100
BATCH_SIZE = 100  # of samples drawn to be judged


@dataclass(frozen=True)
class DiffusionRecipe(FlowRecipe):
    """A recipe of images with levels, as a flow's; the model works in [-1, 1], and has a bound of one kind only."""

    def transform(self, images: Images) -> Callable[[Tensor], Tensor]:
        """Return the map from [0, 1] to [-1, 1]."""
        return lambda x: 2 * x - 1

    def evaluate(self, model: nn.Module, images: Images, seed: int, num_samples: int) -> dict:
        """Return the bound on held-out images and, of 8x8 digits, the Frechet distance of samples; print them.

        The distance of as many training images stands beside it: less cannot be asked for. `num_samples`, of importance
        sampling, counts for nothing here.
        """
        device = next(model.parameters()).device
        x = self.held_out(images, seed)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            elbo = evaluation.evaluate_elbo(model, 2 * x.to(device) - 1, description="bound")
            bits = evaluation.bits_per_dim(-elbo.mean, x[0].numel())
            print(f"test bound: {elbo} ({bits:.4f} bits per dimension)")
            figures = {
                "test_elbo_nats": elbo.mean,
                "standard_error_nats": elbo.standard_error,
                "bits_per_dim": bits,
            }
            if x.shape[1:] != (1, 8, 8):
                return figures
            sizes = [len(part) for part in x.split(BATCH_SIZE)]
            fakes = torch.cat([to_unit(model.sample(size)).cpu() for size in sizes])
        net = evaluation.digit_classifier()
        distance = evaluation.frechet_distance_of_images(net, x, fakes)
        floor = evaluation.frechet_distance_of_images(net, x, images.train.x[: len(x)])
        print(f"Frechet distance of {len(x)} samples from the test set: {distance:.2f} (training images: {floor:.2f})")
        return {**figures, "test_frechet_distance": distance, "frechet_distance_of_training_images": floor}

    def draw(self, model: nn.Module, images: Images) -> tuple[Tensor, str]:
        """Return 64 samples in [0, 1] and a title."""
        return to_unit(model.sample(64)), "samples"


def to_unit(x: Tensor) -> Tensor:
    """Return images in [-1, 1], which samples may leave by a rounding error, mapped to [0, 1]."""
    return ((x + 1) / 2).clamp(0, 1)


def small_ddpm(shape: Shape, _: int) -> DDPM:
    """A U-Net of two resolutions for 8x8 images, of three for larger ones."""
    is_tiny = max(shape[1:]) <= 8
    network = TimeUNet(shape[0], hidden_dim=16 if is_tiny else 32, num_levels=2 if is_tiny else 3)
    return DDPM(network, shape, NUM_STEPS, num_levels_of(shape))


RECIPES: dict[str, DiffusionRecipe] = {
    "ddpm": DiffusionRecipe(
        "denoising diffusion, 100 steps (Ho et al. 2020)",
        small_ddpm,
        {"epochs": 80, "batch_size": 64, "lr": 4e-3, "cosine": True},
    ),
}
