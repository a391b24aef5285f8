"""An InfoGAN of digits: ten images at once, one for each category, of one noise and the same two values."""

import torch
from torch import Tensor, nn

from course_utils.adversarial_training import fit_adversarial
from course_utils.data import load
from course_utils.models.adversarial.dense import TwoHeaded, dense_generator, dense_trunk
from course_utils.models.adversarial.infogan import InfoGAN
from publish.live.export import export

NAME = "infogan"
LATENT_DIM, NUM_CATEGORIES, NUM_VALUES = 4, 10, 2


class EveryCategory(nn.Module):
    """noise (1, Z) and values (1, 2) to the images of all ten categories, (10, 8, 8) in [0, 1]."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, noise: Tensor, values: Tensor) -> Tensor:
        told = noise.expand(NUM_CATEGORIES, -1), torch.eye(NUM_CATEGORIES), values.expand(NUM_CATEGORIES, -1)
        return (self.generator(torch.cat(told, dim=1)).squeeze(1) + 1) / 2


def build() -> InfoGAN:
    """The game of lecture 12, section 10."""
    generator = dense_generator(LATENT_DIM + NUM_CATEGORIES + NUM_VALUES, (1, 8, 8))
    discriminator = TwoHeaded(dense_trunk((1, 8, 8)), 128, NUM_CATEGORIES + 2 * NUM_VALUES)
    return InfoGAN(generator, discriminator, LATENT_DIM, (NUM_CATEGORIES,), NUM_VALUES)


def train() -> InfoGAN:
    """The trained game, with the moving average in the generator's place."""
    torch.manual_seed(0)
    model = build()
    x = 2 * load("digits").train.x - 1
    fit_adversarial(model, x, epochs=150, batch_size=64, lr=5e-4, ema_decay=0.99, seed=0, device="cpu")
    model.generator.load_state_dict(model.averaged.module.state_dict())
    return model.eval()


def main() -> None:
    inputs = {"noise": torch.zeros(1, LATENT_DIM), "values": torch.zeros(1, NUM_VALUES)}
    export(EveryCategory(train().generator), inputs, ["images"], NAME)
