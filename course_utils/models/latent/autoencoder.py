"""Autoencoders: an encoder squeezes an image to a few numbers, a decoder rebuilds the image from them.

    loss = mean over images of ||x_hat - x||^2,    x_hat = decode(z),  z = encode(x)

With linear maps the best reconstruction is that of PCA; hidden layers bend the plane that PCA lays through the data.

Sources: Bourlard & Kamp 1988 (Biological Cybernetics 59), Baldi & Hornik 1989 (Neural Networks 2) for the linear case;
Hinton & Salakhutdinov 2006 (Science 313) for the deep one; Masci et al. 2011 (ICANN) for the convolutional one.
Shapes: images x, x_hat (B, C, H, W) in [0, 1]; z (B, Z).
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_utils.models.latent.likelihoods import require_same_shape, require_unit_range


def reconstruction_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the squared L2 distance of each example, summed over all but the batch axis: (B,), at least 0.

    Its gradient in x_hat is 2 (x_hat - x), zero at equality. Raises ValueError for unequal shapes or no batch axis.
    """
    require_same_shape(x_hat=x_hat, x=x)
    if x.ndim < 2:
        raise ValueError(f"x must have a batch axis and at least one more, got {tuple(x.shape)}")
    return ((x_hat - x) ** 2).flatten(1).sum(1)


class ImageAutoencoder(nn.Module):
    """An autoencoder of any two networks.

    Args:
        encoder: maps x (B, C, H, W) to z (B, latent_dim).
        decoder: maps z to x_hat, shaped like x.
        image_shape: (C, H, W).
        latent_dim: the number Z of values that an image is squeezed to.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim

    def encode(self, x: Tensor) -> Tensor:
        """Return z, (B, Z). Raises ValueError for images of another shape."""
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the network was built for images {self.image_shape}, got x {tuple(x.shape)}")
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Return x_hat, (B, C, H, W), for z (B, Z). Raises ValueError for another latent size."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Return x_hat, like x."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean reconstruction loss of the batch: (). Raises ValueError if x leaves [0, 1]."""
        require_unit_range(x)
        return reconstruction_loss(self(x), x).mean()

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x_hat, like x, clipped to [0, 1]."""
        return self(x).clamp(0, 1)

    @torch.no_grad()
    def anomaly_score(self, x: Tensor) -> Tensor:
        """Return the reconstruction loss of each image, (B,): large for images unlike those of the training set."""
        return reconstruction_loss(self(x), x)


class Autoencoder(ImageAutoencoder):
    """Fully connected networks with `num_layers` hidden layers each; a final sigmoid keeps x_hat in [0, 1].

    Raises ValueError if latent_dim, hidden_dim or num_layers is below 1.
    """

    def __init__(self, image_shape, latent_dim: int = 2, hidden_dim: int = 256, num_layers: int = 2):
        _require_positive(latent_dim=latent_dim, hidden_dim=hidden_dim, num_layers=num_layers)
        image_dim, widths = math.prod(image_shape), [hidden_dim] * num_layers
        encoder = nn.Sequential(nn.Flatten(), *_dense_layers(image_dim, *widths, latent_dim))
        decoder = nn.Sequential(
            *_dense_layers(latent_dim, *widths, image_dim), nn.Sigmoid(), nn.Unflatten(1, tuple(image_shape))
        )
        super().__init__(encoder, decoder, image_shape, latent_dim)


class ConvAutoencoder(ImageAutoencoder):
    """Two strided convolutions down, two transposed ones up; a final sigmoid keeps x_hat in [0, 1].

    The first convolution makes `hidden_dim` channels, the second twice as many. The sides of the
    image must be multiples of 4, such as 8x8, 28x28, 32x32 or 32x48. Raises ValueError for others.
    """

    def __init__(self, image_shape, latent_dim: int = 2, hidden_dim: int = 32):
        _require_positive(latent_dim=latent_dim, hidden_dim=hidden_dim)
        num_channels, height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError(f"the sides of the image must be multiples of 4, got {height}x{width}")
        small = (2 * hidden_dim, height // 4, width // 4)
        encoder = nn.Sequential(
            nn.Conv2d(num_channels, hidden_dim, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden_dim, 2 * hidden_dim, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(math.prod(small), latent_dim),
        )
        decoder = nn.Sequential(
            nn.Linear(latent_dim, math.prod(small)),
            nn.ReLU(),
            nn.Unflatten(1, small),
            nn.ConvTranspose2d(2 * hidden_dim, hidden_dim, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(hidden_dim, num_channels, kernel_size=4, stride=2, padding=1),
            nn.Sigmoid(),
        )
        super().__init__(encoder, decoder, image_shape, latent_dim)


class LinearAutoencoder(ImageAutoencoder):
    """One linear map down, one up, no sigmoid: at its best it is PCA (Bourlard & Kamp 1988). x_hat may leave [0, 1].

    Raises ValueError if latent_dim is below 1.
    """

    def __init__(self, image_shape, latent_dim: int = 2):
        _require_positive(latent_dim=latent_dim)
        image_dim = math.prod(image_shape)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(image_dim, latent_dim))
        decoder = nn.Sequential(nn.Linear(latent_dim, image_dim), nn.Unflatten(1, tuple(image_shape)))
        super().__init__(encoder, decoder, image_shape, latent_dim)


def _dense_layers(*widths: int) -> list[nn.Module]:
    """Linear layers with ReLU between them, from widths[0] inputs to widths[-1] outputs."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return layers[:-1]


def _require_positive(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
