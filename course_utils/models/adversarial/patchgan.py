"""PatchGAN: a discriminator that judges patches, one logit for each, and how large a patch one logit sees.

    receptive field, from the output back to the input:   r <- stride (r - 1) + kernel,    starting with r = 1

A few strided convolutions and no dense layer: each logit sees a square of the input, and all squares are judged by the
same network. With layers (4, 2), (4, 2), (4, 2), (4, 1), (4, 1) the square has side 70.

Source: Isola et al. 2016 (arXiv 1611.07004), sections 3.2.2 and 6.1.2. Shapes: x (B, C, H, W), logits (B, 1, H', W').
"""

from collections.abc import Sequence

from torch import Tensor, nn

PATCH_LAYERS = {
    1: [(1, 1), (1, 1)],
    16: [(4, 2), (4, 1), (4, 1)],
    34: [(4, 2), (4, 2), (4, 1), (4, 1)],
    70: [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)],
}


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Return the side of the input patch that one output sees, for (kernel_size, stride) from input to output.

    Raises ValueError for no layers, or sizes below 1.
    """
    if not layers or min(min(layer) for layer in layers) < 1:
        raise ValueError(f"at least one layer of positive kernel size and stride is needed, got {list(layers)}")
    side = 1
    for kernel_size, stride in reversed(layers):
        side = stride * (side - 1) + kernel_size
    return side


class PatchDiscriminator(nn.Module):
    """Convolutions with LeakyReLU between them, and instance norm on all but the first and the last.

    Args:
        num_channels: C of what is judged; for pairs, of both images together.
        patch: the side of the square that one logit sees, a key of PATCH_LAYERS.
        hidden_dim: channels of the first layer, doubled by each further one up to eight times as many.
    """

    def __init__(self, num_channels: int, patch: int = 70, hidden_dim: int = 64):
        super().__init__()
        if patch not in PATCH_LAYERS:
            raise ValueError(f"patch must be one of {', '.join(map(str, PATCH_LAYERS))}, got {patch}")
        self.layer_sizes = PATCH_LAYERS[patch]
        layers: list[nn.Module] = []
        num_in = num_channels
        for k, (kernel_size, stride) in enumerate(self.layer_sizes[:-1]):
            num_out = hidden_dim * min(2**k, 8)
            layers.append(nn.Conv2d(num_in, num_out, kernel_size, stride, padding=(kernel_size - 1) // 2))
            if k > 0:
                layers.append(nn.InstanceNorm2d(num_out, affine=True))
            layers.append(nn.LeakyReLU(0.2))
            num_in = num_out
        kernel_size, stride = self.layer_sizes[-1]
        layers.append(nn.Conv2d(num_in, 1, kernel_size, stride, padding=(kernel_size - 1) // 2))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of each patch, (B, 1, H', W')."""
        return self.layers(x)
