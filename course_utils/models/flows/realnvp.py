"""RealNVP: affine couplings, masks that suit images, and several scales.

    coupling   z_1 = x_1,  z_2 = exp(s(x_1)) x_2 + t(x_1),    log |det| = sum of s(x_1)
    inverse    x_2 = (z_2 - t(z_1)) exp(-s(z_1)):  s and t may be any networks

Masks: a checkerboard of pixels; or, after squeezing 2x2 blocks of pixels into channels, half of the channels. After
each scale half of the channels are final (they go to z as they are), the other half goes on at half the resolution. s
is bounded by a learned multiple of tanh, so that no layer can run away.

Source: Dinh, Sohl-Dickstein & Bengio 2016 (arXiv 1605.08803), equations 7 to 16. Left out: the batch norm of section
3.7. Shapes: x (B, C, H, W) or points (B, D); z has the shape of x; log-determinants (B,), in nats.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.flows.flow import Chain, Flow
from course_utils.models.latent.vae import mlp


class AffineCoupling(nn.Module):
    """Where the mask is 1 values pass through and steer; the others are scaled and shifted.

    Args:
        mask: of zeros and ones, broadcasting against an example.
        network: from masked x (B, C, ...) to raw scales and shifts, (B, 2 C, ...).
        num_channels: C.
    """

    def __init__(self, mask: Tensor, network: nn.Module, num_channels: int):
        super().__init__()
        self.register_buffer("mask", mask)
        self.network = network
        shape = (num_channels, *[1] * (mask.ndim - 1))
        self.bound = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and log |det dz/dx|, (B,)."""
        log_scale, shift = self._scale_and_shift(x)
        return x * log_scale.exp() + shift, log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,)."""
        log_scale, shift = self._scale_and_shift(z)
        return (z - shift) * (-log_scale).exp(), -log_scale.flatten(1).sum(1)

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both 0 where the mask is 1: there, the map is the identity, and x and z are the same."""
        log_scale, shift = self.network(x * self.mask).chunk(2, dim=1)
        return (1 - self.mask) * self.bound * torch.tanh(log_scale), (1 - self.mask) * shift


class Squeeze(nn.Module):
    """Each 2x2 block of pixels becomes four channels: (B, C, H, W) to (B, 4 C, H/2, W/2), and back; volume stays."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squeezed x, and log |det| = 0. Raises ValueError for odd sides."""
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"squeezing needs even sides, got {x.shape[2]}x{x.shape[3]}")
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the unsqueezed z, and log |det| = 0."""
        return F.pixel_shuffle(z, 2), z.new_zeros(len(z))


class MultiScale(nn.Module):
    """`layers`, then half of the channels through `rest`; the other half is final.

    z has the shape that `layers` gives: the final half of the channels first, then what `rest` made of the other, which
    it must return in the shape that it got.
    """

    def __init__(self, layers: nn.Module, rest: nn.Module):
        super().__init__()
        self.layers, self.rest = layers, rest

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and log |det dz/dx|, (B,). Raises ValueError for an odd number of channels after the layers."""
        x, log_det = self.layers(x)
        if x.shape[1] % 2:
            raise ValueError(f"an even number of channels was due, to be cut into halves, got {x.shape[1]}")
        final, going_on = x.chunk(2, dim=1)
        going_on, of_rest = self.rest(going_on)
        return torch.cat([final, going_on], 1), log_det + of_rest

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,)."""
        final, going_on = z.chunk(2, dim=1)
        going_on, of_rest = self.rest.inverse(going_on)
        x, log_det = self.layers.inverse(torch.cat([final, going_on], 1))
        return x, log_det + of_rest


class Reshaped(nn.Module):
    """A layer whose z, of `latent_shape`, is given the shape of its x, so that examples and latents look alike."""

    def __init__(self, network: nn.Module, latent_shape: tuple[int, ...]):
        super().__init__()
        self.network, self.latent_shape = network, tuple(latent_shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z in the shape of x, and log |det dz/dx|, (B,)."""
        z, log_det = self.network(x)
        return z.reshape(x.shape), log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x, and log |det dx/dz|, (B,)."""
        return self.network.inverse(z.reshape(len(z), *self.latent_shape))


class ResidualNet(nn.Module):
    """A small convolutional network with shortcuts, whose last layer starts at zero: a coupling starts as identity."""

    def __init__(self, num_in: int, num_out: int, hidden_dim: int, num_blocks: int):
        super().__init__()
        self.first = nn.Conv2d(num_in, hidden_dim, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(hidden_dim, hidden_dim, 1),
            )
            for _ in range(num_blocks)
        )
        self.last = nn.Conv2d(hidden_dim, num_out, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, num_out, H, W)."""
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(torch.relu(x))


def checkerboard_mask(height: int, width: int) -> Tensor:
    """Return (1, H, W) with 1 where row + column is even."""
    places = torch.arange(height).unsqueeze(1) + torch.arange(width)
    return (places % 2 == 0).to(torch.get_default_dtype()).unsqueeze(0)


def channel_mask(num_channels: int) -> Tensor:
    """Return (C, 1, 1) with 1 for the first half of the channels."""
    return (torch.arange(num_channels) < num_channels // 2).to(torch.get_default_dtype()).view(-1, 1, 1)


def require_image_shape(image_shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the shape is one of images (C, H, W)."""
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(f"image_shape must be (C, H, W), got {tuple(image_shape)}")


class RealNVP(Flow):
    """RealNVP for images (C, H, W): at each scale three checkerboard couplings, a squeeze, three channel couplings.

    Args:
        image_shape: (C, H, W), sides multiples of 2^(num_scales - 1).
        num_scales: resolutions; the last has four checkerboard couplings and no squeeze.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], hidden_dim: int = 32, num_blocks: int = 2, num_scales: int = 2
    ):
        require_image_shape(image_shape)
        if num_scales < 1:
            raise ValueError(f"num_scales must be at least 1, got {num_scales}")
        num_channels, height, width = image_shape
        factor = 2 ** (num_scales - 1)
        if height % factor or width % factor:
            raise ValueError(
                f"{num_scales} scales need sides that are multiples of {factor}, got images of {height}x{width}"
            )

        def coupling(mask: Tensor, channels: int) -> AffineCoupling:
            return AffineCoupling(mask, ResidualNet(channels, 2 * channels, hidden_dim, num_blocks), channels)

        def alternating(mask: Tensor, channels: int, count: int) -> list[nn.Module]:
            return [coupling(mask if k % 2 == 0 else 1 - mask, channels) for k in range(count)]

        def scale(channels: int, height: int, width: int, left: int) -> nn.Module:
            checkerboard = checkerboard_mask(height, width)
            if left == 1:
                return Chain(alternating(checkerboard, channels, 4))
            layers = [
                *alternating(checkerboard, channels, 3),
                Squeeze(),
                *alternating(channel_mask(4 * channels), 4 * channels, 3),
            ]
            rest = scale(2 * channels, height // 2, width // 2, left - 1)
            return Reshaped(MultiScale(Chain(layers), rest), (4 * channels, height // 2, width // 2))

        super().__init__(scale(num_channels, height, width, num_scales), image_shape)


class RealNVPPoints(Flow):
    """Affine couplings for points (B, D), with halves of even and odd dimensions in turn."""

    def __init__(self, num_dims: int, hidden_dim: int = 64, num_layers: int = 2, num_couplings: int = 6):
        if num_dims < 2 or num_couplings < 1:
            raise ValueError(f"at least 2 dimensions and 1 coupling are needed, got {num_dims} and {num_couplings}")
        even = (torch.arange(num_dims) % 2).to(torch.get_default_dtype())
        couplings = [
            AffineCoupling(
                even if k % 2 == 0 else 1 - even,
                nn.Sequential(*mlp(num_dims, *[hidden_dim] * num_layers, 2 * num_dims)),
                num_dims,
            )
            for k in range(num_couplings)
        ]
        super().__init__(Chain(couplings), (num_dims,))
