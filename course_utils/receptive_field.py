"""What an output of a network depends on, measured: the size of its gradient with respect to every input.

    field[c', i', j'] = mean over inputs x of |d output_cij(x) / d x_c'i'j'|

Where no path leads from an input to the output the gradient is exactly 0, for every x and all weights; where one does,
it is 0 only by accident, which the mean over some random x makes unlikely.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def receptive_field(
    network: Callable[[Tensor], Tensor],
    image_shape: tuple[int, int, int],
    pixel: tuple[int, int],
    channel: int | None = None,
    *,
    num_inputs: int = 4,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return the mean size of the gradient of one pixel of the output with respect to the input: (C, H, W), at least 0.

    Args:
        network: maps x (B, C, H, W) in [0, 1] to an output (B, ..., H, W), such as logits (B, V, C, H, W).
        pixel: row and column of the output.
        channel: that of the axis before the last two, whose outputs count; by default all.
        num_inputs: over how many random inputs the mean is taken.
        dtype: of the input; that of the network's parameters.

    Raises:
        ValueError: the pixel or the channel lies outside the output.
    """
    x = torch.rand(num_inputs, *image_shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x.to(dtype).requires_grad_()
    with torch.enable_grad():
        output = network(x)
        height, width = output.shape[-2:]
        if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
            raise ValueError(f"pixel must lie in an output of {height}x{width}, got {pixel}")
        chosen = output[..., pixel[0], pixel[1]]
        if channel is not None:
            if not 0 <= channel < chosen.shape[-1]:
                raise ValueError(f"channel must be from 0 to {chosen.shape[-1] - 1}, got {channel}")
            chosen = chosen[..., channel]
        chosen = chosen.reshape(num_inputs, -1)
        # Outputs are asked one by one: in their sum, gradients of opposite sign would cancel.
        gradients = [torch.autograd.grad(part.sum(), x, retain_graph=True)[0].abs() for part in chosen.unbind(1)]
    return torch.stack(gradients).sum(0).mean(0)
