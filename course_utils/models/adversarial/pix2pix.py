"""pix2pix: translate an image x to an image y, where pairs of both are known.

    G minimises  -E log D(x, G(x)) + lambda E |y - G(x)|_1 per value
    D minimises  -E log D(x, y) - E log(1 - D(x, G(x)))                     D judges patches of x and y together

Plain regression answers with the mean of all y that fit an x: blur. The discriminator accepts any of them, but not
their mean. L1 holds the answer near y, and D makes it sharp. The only noise is dropout, which stays on at test time.
The generator is a U-Net: what the encoder saw at a resolution is handed across to the decoder.

Source: Isola et al. 2016 (arXiv 1611.07004), equations 1 to 4, section 6.1. Shapes: source x (B, C, H, W), target y
(B, C', H, W), both in [-1, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.gan import Turn, discriminator_loss, generator_loss


def pix2pix_generator_loss(logits_fake: Tensor, fake: Tensor, target: Tensor, l1_weight: float = 100.0) -> Tensor:
    """Return the cross-entropy of fakes labelled real + l1_weight times the mean of |fake - target|, ().

    Isola et al. 2016, equation 4. Raises ValueError for unequal pairs.
    """
    if fake.shape != target.shape:
        raise ValueError(f"fake and target must have one shape, got {tuple(fake.shape)} and {tuple(target.shape)}")
    return generator_loss(logits_fake) + l1_weight * F.l1_loss(fake, target)


class Down(nn.Module):
    """A 4x4 convolution of stride 2, instance norm where it is asked for, LeakyReLU."""

    def __init__(self, num_in: int, num_out: int, normed: bool = True):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(num_in, num_out, 4, 2, 1)]
        if normed:
            layers.append(nn.InstanceNorm2d(num_out, affine=True))
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Up(nn.Module):
    """A 4x4 transposed convolution of stride 2, instance norm, dropout where it is asked for, ReLU."""

    def __init__(self, num_in: int, num_out: int, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(num_in, num_out, 4, 2, 1), nn.InstanceNorm2d(num_out, affine=True)
        )
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        # On in eval mode, too: it is the generator's noise (section 3.3).
        return F.relu(F.dropout(self.layers(x), self.dropout, training=True))


class UNetGenerator(nn.Module):
    """A U-Net with `num_levels` halvings, for sides that are multiples of 2^num_levels.

    With `skips=False` nothing is handed across: the encoder-decoder of the paper's ablation.
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        hidden_dim: int = 32,
        num_levels: int = 3,
        dropout: float = 0.5,
        skips: bool = True,
    ):
        super().__init__()
        if num_levels < 2:
            raise ValueError(f"num_levels must be at least 2, got {num_levels}")
        dims = [hidden_dim * min(2**k, 8) for k in range(num_levels)]
        self.num_levels, self.skips = num_levels, skips
        inputs = [source_channels, *dims[:-1]]
        self.down = nn.ModuleList(
            # One pixel has no deviation to be divided by; the first layer keeps the colours' own scale.
            Down(num_in, num_out, normed=0 < k < num_levels - 1)
            for k, (num_in, num_out) in enumerate(zip(inputs, dims, strict=True))
        )
        self.up = nn.ModuleList(
            Up(dims[k] * (1 if k == num_levels - 1 or not skips else 2), dims[k - 1], dropout if k > 1 else 0.0)
            for k in reversed(range(1, num_levels))
        )
        self.last = nn.ConvTranspose2d(dims[0] * (2 if skips else 1), target_channels, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the translation of x, (B, C', H, W) in [-1, 1]. Raises ValueError for sides that are not multiples."""
        factor = 2**self.num_levels
        if x.shape[2] % factor or x.shape[3] % factor:
            raise ValueError(f"height and width must be multiples of {factor}, got {x.shape[2]}x{x.shape[3]}")
        across = []
        for block in self.down:
            x = block(x)
            across.append(x)
        across.pop()
        for block in self.up:
            x = block(x)
            if self.skips:
                x = torch.cat([x, across.pop()], 1)
        return torch.tanh(self.last(x))


class Pix2Pix(nn.Module):
    """Generator and patch discriminator with their losses, for batches (source, target); `fit_adversarial` trains it.

    Args:
        generator: from source to fake target.
        discriminator: from source and target, joined along the channels, to logits of any shape.
        l1_weight: lambda; 0 leaves the adversarial loss alone. (L1 alone is plain regression, and needs no game.)
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, l1_weight: float = 100.0):
        super().__init__()
        if l1_weight < 0:
            raise ValueError(f"l1_weight must be at least 0, got {l1_weight}")
        self.generator, self.discriminator, self.l1_weight = generator, discriminator, l1_weight
        self.averaged = None

    def discriminate(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the logits of "target is the real translation of source"."""
        return self.discriminator(torch.cat([source, target], 1))

    def discriminator_loss(self, source: Tensor, target: Tensor) -> Turn:
        """Return the discriminator's turn; no gradient reaches the generator. Raises ValueError for unequal pairs."""
        with torch.no_grad():
            fake = self.translate(source, target)
        logits_real, logits_fake = self.discriminate(source, target), self.discriminate(source, fake)
        return Turn(discriminator_loss(logits_real, logits_fake), logits_real, logits_fake)

    def generator_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the generator's loss, ()."""
        fake = self.translate(source, target)
        return pix2pix_generator_loss(self.discriminate(source, fake), fake, target, self.l1_weight)

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the fake of each source, with gradients; raise ValueError unless it is shaped like the target."""
        fake = self.generator(source)
        if fake.shape != target.shape:
            raise ValueError(
                f"sources {tuple(source.shape)} become {tuple(fake.shape)}, but the targets are {tuple(target.shape)}"
            )
        return fake

    def generator_parameters(self):
        """Return the parameters that take a step on `generator_loss`."""
        return self.generator.parameters()

    def discriminator_parameters(self):
        """Return the parameters that take a step on `discriminator_loss`."""
        return self.discriminator.parameters()

    def verdict(self, logits: Tensor) -> Tensor:
        """Return the probability of "real", like `logits`."""
        return torch.sigmoid(logits)

    @torch.no_grad()
    def sample(self, source: Tensor) -> Tensor:
        """Return a translation of each source; another call gives another, by the dropout."""
        return self.generator(source)
