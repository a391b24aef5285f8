"""What the tests of pixel models judge by: enumeration of all images, and which value depends on which."""

import itertools

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
