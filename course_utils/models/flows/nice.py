"""NICE: additive coupling layers, whose Jacobian has determinant 1, and one diagonal scaling at the end.

    coupling   z_1 = x_1,  z_2 = x_2 + m(x_1)          inverse  x_2 = z_2 - m(z_1):  m may be any network
    scaling    z_i = exp(s_i) x_i                       log |det| = sum_i s_i

x is cut into two halves, which change roles from layer to layer. Couplings alone preserve volume; the scaling lets the
flow say which directions matter.

Source: Dinh, Krueger & Bengio 2014 (arXiv 1410.8516), equations 4 to 11; with the paper's logistic prior replaced by a
normal one, which the paper has for CIFAR-10 and faces. Shapes: x (B, D); images are to be flattened.
"""

import torch
from torch import Tensor, nn

from course_utils.models.flows.flow import Chain, Flow
from course_utils.models.latent.vae import mlp


class AdditiveCoupling(nn.Module):
    """x -> x + (1 - mask) m(mask x): where the mask is 1, values pass through and steer; the others are shifted.

    Args:
        mask: (D,) of zeros and ones.
        shift: the network m, from (B, D) to (B, D).
    """

    def __init__(self, mask: Tensor, shift: nn.Module):
        super().__init__()
        self.register_buffer("mask", mask)
        self.shift = shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z, and log |det| = 0 for each example."""
        return x + (1 - self.mask) * self.shift(self.mask * x), x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x, and log |det| = 0 for each example."""
        return z - (1 - self.mask) * self.shift(self.mask * z), z.new_zeros(len(z))


class Scaling(nn.Module):
    """x -> exp(s) x, one learned s a dimension."""

    def __init__(self, num_dims: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(num_dims))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and log |det dz/dx|, (B,)."""
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,)."""
        return z * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))


class NICE(Flow):
    """NICE for vectors: `num_couplings` additive couplings with halves of even and odd dimensions, then the scaling.

    Four couplings are the paper's; fewer than three leave some dimension that cannot influence every other.
    """

    def __init__(self, num_dims: int, hidden_dim: int = 256, num_layers: int = 2, num_couplings: int = 4):
        if num_dims < 2:
            raise ValueError(f"a coupling needs at least 2 dimensions, got {num_dims}")
        if num_couplings < 1:
            raise ValueError(f"num_couplings must be at least 1, got {num_couplings}")
        even = (torch.arange(num_dims) % 2).to(torch.get_default_dtype())
        couplings = [
            AdditiveCoupling(
                even if k % 2 == 0 else 1 - even,
                nn.Sequential(*mlp(num_dims, *[hidden_dim] * num_layers, num_dims)),
            )
            for k in range(num_couplings)
        ]
        super().__init__(Chain([*couplings, Scaling(num_dims)]), (num_dims,))
