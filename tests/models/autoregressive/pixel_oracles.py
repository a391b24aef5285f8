"""What tests of autoregressive models judge by: all images of a shape, what depends on what, frequencies of draws."""

import itertools
import math

import torch
from scipy import stats
from torch import Tensor


def all_images(image_shape: tuple[int, int, int], num_levels: int) -> Tensor:
    """Every image of a shape: levels, (V^D, C, H, W)."""
    num_values = image_shape[0] * image_shape[1] * image_shape[2]
    return torch.tensor(list(itertools.product(range(num_levels), repeat=num_values))).view(-1, *image_shape)


def values_in_order(image_shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """The indices (c, i, j) in the order in which values are drawn."""
    num_channels, height, width = image_shape
    return [(c, i, j) for i in range(height) for j in range(width) for c in range(num_channels)]


def fits(levels: Tensor, probabilities: Tensor, num_levels: int) -> bool:
    """Whether drawn images (N, C, H, W) are as likely to come from the probabilities of `all_images` as chance allows.

    A chi-square test over images that are expected at least 5 times; too good a fit fails, too.
    """
    num_values = levels[0].numel()
    place = num_levels ** torch.arange(num_values - 1, -1, -1)
    counts = (levels.flatten(1) * place).sum(1).bincount(minlength=num_levels**num_values).double()
    expected = probabilities * len(levels)
    frequent = expected >= 5
    observed = [*counts[frequent].tolist(), counts[~frequent].sum().item()]
    due = [*expected[frequent].tolist(), expected[~frequent].sum().item()]
    if due[-1] < 1e-9:
        assert observed.pop() == 0
        due.pop()
    assert len(due) > 3
    p_value = stats.chisquare(observed, due, sum_check=False).pvalue
    return 1e-4 < p_value < 1 - 1e-4


def dependence(forward, x: Tensor) -> Tensor:
    """Whether logits of value (c, i, j) move with x at (c', i', j') in any image: boolean (C, H, W, C, H, W)."""
    x = x.detach().requires_grad_()
    logits = forward(x)
    # A direction of its own for each image, so that no gradients cancel.
    probe = (logits * torch.randn_like(logits)).sum((0, 1))
    rows = [torch.autograd.grad(value, x, retain_graph=True)[0].ne(0).any(0) for value in probe.flatten()]
    return torch.stack(rows).view(*probe.shape, *x.shape[1:])


def sees(image_shape: tuple[int, int, int], in_reach) -> Tensor:
    """The `dependence` due: on earlier colours of the pixel, and on all colours where `in_reach(up, right)` holds."""
    indices = values_in_order(image_shape)
    due = torch.zeros(*image_shape, *image_shape, dtype=torch.bool)
    for c, i, j in indices:
        for c_seen, i_seen, j_seen in indices:
            if (i_seen, j_seen) == (i, j):
                due[c, i, j, c_seen, i_seen, j_seen] = c_seen < c
            else:
                due[c, i, j, c_seen, i_seen, j_seen] = in_reach(i - i_seen, j_seen - j)
    return due


def unit_images(num_levels: int, *image_shape: int) -> Tensor:
    """Every image of a shape: (V^D, C, H, W) in [0, 1], float64."""
    levels = torch.arange(num_levels, dtype=torch.float64) / (num_levels - 1)
    return torch.cartesian_prod(*[levels] * math.prod(image_shape)).view(-1, *image_shape)


def seen_values(model, num_images=12):
    """Return whether output d depends on input e, (D, D), for the D values in their order: pixels, colours at each."""
    num_values = math.prod(model.image_shape)
    total = 0
    for image in torch.rand(num_images, *model.image_shape, dtype=torch.float64):
        # Copy d of the image is differentiated at output d, along a random direction of its logits.
        x = image.expand(num_values, *image.shape).clone().requires_grad_()
        logits = model(x).permute(0, 3, 4, 2, 1).reshape(num_values, num_values, -1).diagonal().T
        (derivative,) = torch.autograd.grad((logits @ torch.randn(logits.shape[1], dtype=x.dtype)).sum(), x)
        total = total + derivative.permute(0, 2, 3, 1).reshape(num_values, num_values).abs()
    return total > 0


def chi_square_is_likely(counts, expected):
    assert expected.min() > 5
    return 1e-4 < stats.chi2.sf(((counts - expected) ** 2 / expected).sum().item(), len(counts) - 1) < 1 - 1e-4


def assert_frequencies(x: Tensor, probabilities: Tensor, at_least: int) -> None:
    """Binary draws (N, C, H, W) come as often as `unit_images` of two levels are likely; more than `at_least` count."""
    num_values = x[0].numel()
    codes = (x.flatten(1) @ 2.0 ** torch.arange(num_values - 1, -1, -1, dtype=torch.float64)).long()
    counts = torch.bincount(codes, minlength=2**num_values)
    expected = len(x) * probabilities
    common = expected > 5
    chi_square = ((counts - expected)[common] ** 2 / expected[common]).sum().item()
    degrees = int(common.sum())
    assert degrees > at_least
    assert abs(chi_square - degrees) < 5 * (2 * degrees) ** 0.5
