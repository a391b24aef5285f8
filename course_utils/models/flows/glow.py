"""Glow: RealNVP with learned mixing of channels, and with normalisation that is part of the flow.

    one step   actnorm               y = (x + b) exp(s), shift and scale for each channel;  log |det| = H W sum s
               invertible 1x1 conv   y_ij = W x_ij at each pixel;                  log |det| = H W log |det W|
               affine coupling       on halves of the channels

W = P L (U + diag(sign exp(log_d))): its determinant is the product of the diagonal, so that it costs C, not C^3. P is
fixed. Actnorm starts from the first batch: each channel then has mean 0 and variance 1.

Source: Kingma & Dhariwal 2018 (arXiv 1807.03039), table 1, equation 10. Shapes: x (B, C, H, W), z of the same size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.flows.flow import Chain, Flow
from course_utils.models.flows.realnvp import (
    AffineCoupling,
    MultiScale,
    Reshaped,
    ResidualNet,
    Squeeze,
    channel_mask,
    require_image_shape,
)


class ActNorm(nn.Module):
    """A shift and a scale for each channel, which start so that the first training batch comes out standardised."""

    def __init__(self, num_channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(num_channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(num_channels, 1, 1))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return y and log |det dy/dx|, (B,)."""
        if self.training and not self.started:
            self._start(x)
        log_det = self.log_scale.sum() * x.shape[2] * x.shape[3]
        return (x + self.shift) * self.log_scale.exp(), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dy|, (B,)."""
        log_det = -self.log_scale.sum() * y.shape[2] * y.shape[3]
        return y * (-self.log_scale).exp() - self.shift, log_det.expand(len(y))

    @torch.no_grad()
    def _start(self, x: Tensor) -> None:
        mean = x.mean((0, 2, 3)).view_as(self.shift)
        deviation = x.std((0, 2, 3), correction=0).view_as(self.shift)
        self.shift.copy_(-mean)
        # A channel that is constant in the batch keeps its scale.
        self.log_scale.copy_(torch.where(deviation > 1e-6, -deviation.clamp(min=1e-6).log(), 0.0))
        self.started.fill_(True)


class InvertibleConv1x1(nn.Module):
    """The same invertible matrix applied to the channels of every pixel; it starts as a random rotation."""

    def __init__(self, num_channels: int):
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(num_channels, num_channels))
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", diagonal.sign())
        self.lower = nn.Parameter(lower)
        self.upper = nn.Parameter(upper)
        self.log_diagonal = nn.Parameter(diagonal.abs().log())

    def weight(self) -> Tensor:
        """Return the matrix W, (C, C)."""
        identity = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        lower = self.lower.tril(-1) + identity
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.permutation @ lower @ upper

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return y and log |det dy/dx|, (B,)."""
        log_det = self.log_diagonal.sum() * x.shape[2] * x.shape[3]
        return F.conv2d(x, self.weight()[..., None, None]), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dy|, (B,). Raises ValueError if W has become singular to working precision."""
        weight = self.weight()
        inverse, failed = torch.linalg.inv_ex(weight)
        # Beyond 1/eps the inverse holds rounding errors only.
        ill = torch.linalg.matrix_norm(weight) * torch.linalg.matrix_norm(inverse) > 1 / torch.finfo(y.dtype).eps
        if failed or ill or not torch.isfinite(inverse).all():
            raise ValueError("the 1x1 convolution is singular: its weights have run away, lower the learning rate")
        log_det = -self.log_diagonal.sum() * y.shape[2] * y.shape[3]
        return F.conv2d(y, inverse[..., None, None]), log_det.expand(len(y))


class Glow(Flow):
    """Glow for images (C, H, W): at each scale a squeeze and `num_steps` steps, after which half of z is final.

    Args:
        image_shape: (C, H, W), sides multiples of 2^num_scales.
        num_steps: steps of actnorm, 1x1 convolution and coupling at each scale.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        hidden_dim: int = 32,
        num_blocks: int = 1,
        num_steps: int = 4,
        num_scales: int = 2,
    ):
        require_image_shape(image_shape)
        if num_scales < 1 or num_steps < 1:
            raise ValueError(f"num_scales and num_steps must be at least 1, got {num_scales} and {num_steps}")
        num_channels, height, width = image_shape
        factor = 2**num_scales
        if height % factor or width % factor:
            raise ValueError(
                f"{num_scales} scales of {num_steps} steps need sides that are multiples of {factor}, got images of "
                f"{height}x{width}"
            )

        def step(channels: int) -> list[nn.Module]:
            network = ResidualNet(channels, 2 * channels, hidden_dim, num_blocks)
            coupling = AffineCoupling(channel_mask(channels), network, channels)
            return [ActNorm(channels), InvertibleConv1x1(channels), coupling]

        def scale(channels: int, height: int, width: int, left: int) -> nn.Module:
            squeezed, height, width = 4 * channels, height // 2, width // 2
            layers = Chain([Squeeze(), *[layer for _ in range(num_steps) for layer in step(squeezed)]])
            if left > 1:
                layers = MultiScale(layers, scale(squeezed // 2, height, width, left - 1))
            return Reshaped(layers, (squeezed, height, width))

        super().__init__(scale(num_channels, height, width, num_scales), image_shape)
