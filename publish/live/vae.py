"""A VAE of digits with two latents: a point of the plane becomes a digit, a digit becomes a Gaussian of the plane."""

import torch
from torch import Tensor, nn

from course_utils.data import load
from course_utils.models.latent.vae import VAE, dense_vae
from course_utils.training import fit
from publish.live.export import export

NAME = "vae"


class Decode(nn.Module):
    """z (1, 2) to the mean of the image, (1, 1, 8, 8) in [0, 1]."""

    def __init__(self, model: VAE):
        super().__init__()
        self.decoder = model.decoder

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(z))


def build() -> VAE:
    return dense_vae((1, 8, 8), latent_dim=2, hidden_dim=128)


def train() -> VAE:
    torch.manual_seed(0)
    model = build()
    fit(model, load("digits").train.x, epochs=150, batch_size=64, lr=1e-3, cosine=True, seed=0, device="cpu")
    return model.eval()


def main() -> None:
    model = train()
    export(Decode(model), {"z": torch.zeros(1, 2)}, ["image"], NAME)
