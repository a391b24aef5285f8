"""Deep convolutional GAN (DCGAN): five rules of architecture that made GANs of images train.

    1. strided convolutions in the discriminator, transposed ones in the generator, and no pooling
    2. batch norm in both, except at the generator's output and the discriminator's input
    3. no hidden fully connected layers
    4. ReLU in the generator, tanh at its output
    5. LeakyReLU of slope 0.2 in the discriminator

All weights start from N(0, 0.02^2). Each layer doubles or halves the sides: 4x4 (DCGAN's start) to 8, 16, 32, 64, or
7x7 to 14, 28 for MNIST. The game is any of this package's.

Source: Radford, Metz & Chintala 2015 (arXiv 1511.06434), section 3. Shapes: noise (B, Z), images (B, C, S, S) in
[-1, 1], logits (B,).
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

WEIGHT_STD = 0.02
LEAK = 0.2


class DCGenerator(nn.Module):
    """Noise to images: a start of a few pixels, then transposed convolutions that double the sides.

    Args:
        image_shape: (C, S, S), with S a multiple of 4 of at least 8.
        latent_dim: the number Z of noise variables.
        hidden_dim: channels of the last hidden layer; each earlier one has twice as many.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int = 100, hidden_dim: int = 32):
        super().__init__()
        start, num_doublings = plan(image_shape)
        widths = [hidden_dim * 2**i for i in reversed(range(num_doublings))]
        # On a 1x1 image a transposed convolution is a matrix product: the projection of the noise (figure 1).
        layers = [nn.Unflatten(1, (latent_dim, 1, 1)), nn.ConvTranspose2d(latent_dim, widths[0], start)]
        layers += [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for wide, narrow in pairwise(widths):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], image_shape[0], 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, noise: Tensor) -> Tensor:
        """Return the image of each noise vector (B, Z): (B, C, S, S) in [-1, 1]."""
        return self.layers(noise)


class DCDiscriminator(nn.Module):
    """Images to logits: strided convolutions that halve the sides and double the channels.

    Args:
        image_shape: (C, S, S), with S a multiple of 4 of at least 8.
        hidden_dim: channels of the first layer; each later one has twice as many.
        norm: from a number of channels to a layer. Batch norm makes an example's logit depend on its batch, so the
            gradient penalty and spectral norm want `norm=nn.Identity`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        hidden_dim: int = 32,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ):
        super().__init__()
        end, num_halvings = plan(image_shape)
        self.image_shape = tuple(image_shape)
        widths = [hidden_dim * 2**i for i in range(num_halvings)]
        layers = [nn.Conv2d(image_shape[0], widths[0], 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 4, stride=2, padding=1), norm(wide), nn.LeakyReLU(LEAK)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], 1, end)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of "x is real" for images (B, C, S, S): (B,). Raises ValueError for another shape."""
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"the discriminator was built for images {self.image_shape}, got x {tuple(x.shape)}")
        return self.head(self.features(x)).flatten()


def plan(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return the side of the smallest layer and the number of doublings from there to the image, at least two.

    8 is 2 doubled twice, 16 is 4 twice, 28 is 7 twice, 32 is 4 three times, 64 is 4 four times. Raises ValueError
    unless the image is square, with a side that is at least 8 and 2, 3, 4, 5, 6 or 7 doubled so.
    """
    _, height, width = image_shape
    side, num_doublings = width, 0
    while side % 2 == 0 and (side > 7 or num_doublings < 2):
        side, num_doublings = side // 2, num_doublings + 1
    if height != width or not 2 <= side <= 7 or num_doublings < 2:
        raise ValueError(f"images must be square with a side like 8, 16, 28, 32 or 64, got {height}x{width}")
    return side, num_doublings


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions from N(0, 0.02^2) and set their biases to 0 (section 3)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, WEIGHT_STD)
            nn.init.zeros_(module.bias)
