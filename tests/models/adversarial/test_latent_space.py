"""Walks and sums of codes against geometry."""

import math

import pytest
import torch
from scipy.spatial import geometric_slerp

from course_utils.models.adversarial.latent_space import (
    interpolate_spherical,
    interpolate_straight,
    latent_arithmetic,
)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_straight_walk():
    a, b = tensor([[0.0, 1.0], [2.0, -4.0]]), tensor([[3.0, 1.0], [-1.0, 2.0]])
    due = tensor([[[0.0, 1], [2, -4]], [[1, 1], [1, -2]], [[2, 1], [0, 0]], [[3, 1], [-1, 2]]])
    torch.testing.assert_close(interpolate_straight(a, b, 4), due)


def test_spherical_walk_on_the_unit_sphere():
    a, b = torch.nn.functional.normalize(torch.randn(2, 7, 5, dtype=torch.float64), dim=-1)
    due = [
        geometric_slerp(*pair, torch.linspace(0, 1, 9).double().numpy())
        for pair in zip(a.numpy(), b.numpy(), strict=True)
    ]
    torch.testing.assert_close(interpolate_spherical(a, b, 9), torch.stack([torch.from_numpy(w) for w in due], dim=1))


def test_spherical_walk_of_unequal_norms_keeps_the_formula_and_the_ends():
    a, b = tensor([2.0, 0.0]), tensor([0.0, 3.0])
    t = tensor([0.0, 1 / 3, 2 / 3, 1.0])
    due = torch.stack([2 * torch.cos(t * math.pi / 2), 3 * torch.sin(t * math.pi / 2)], dim=1)
    torch.testing.assert_close(interpolate_spherical(a, b, 4), due)


def test_halfway_between_draws_the_arc_keeps_the_norm_and_the_line_loses_it():
    a, b = torch.randn(2, 200, 500, dtype=torch.float64)
    arc, line = (
        walk(a, b, 3)[1].norm(dim=-1).mean() / math.sqrt(500) for walk in (interpolate_spherical, interpolate_straight)
    )
    assert abs(arc - 1) < 0.01
    assert abs(line - math.sqrt(0.5)) < 0.01


def test_parallel_codes_are_joined_by_a_line_with_finite_gradients():
    a = tensor([[1.0, 2.0], [1.0, 0.0]]).requires_grad_()
    b = tensor([[2.0, 4.0], [0.0, 1.0]])
    walk = interpolate_spherical(a, b, 3)
    torch.testing.assert_close(walk[1], tensor([[1.5, 3.0], [math.sqrt(0.5), math.sqrt(0.5)]]))
    assert torch.autograd.grad(walk.sum(), a)[0].isfinite().all()
    for angle in (1e-3, 0.05):  # small, but an arc
        nearly = interpolate_spherical(tensor([1.0, 0.0]), tensor([math.cos(angle), math.sin(angle)]), 3)[1]
        torch.testing.assert_close(nearly, tensor([math.cos(angle / 2), math.sin(angle / 2)]))


def test_arithmetic_takes_the_difference_of_means():
    with_attribute, without = tensor([[1.0, 2.0], [3.0, 6.0]]), tensor([[1.0, 1.0], [0.0, 1.0], [2.0, 4.0]])
    other = tensor([[10.0, 20.0], [-1.0, 0.0]])
    torch.testing.assert_close(latent_arithmetic(with_attribute, without, other), other + tensor([1.0, 2.0]))
    torch.testing.assert_close(latent_arithmetic(with_attribute, without, other[0]), tensor([11.0, 22.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interpolate_straight(torch.ones(2), torch.ones(3), 4), r"same shape, got \(2,\) and \(3,\)"),
        (lambda: interpolate_spherical(torch.ones(2), torch.ones(2), 1), "num_steps must be at least 2, got 1"),
        (lambda: interpolate_spherical(torch.ones(2), -torch.ones(2), 4), "no single arc joins opposite codes"),
        (
            lambda: latent_arithmetic(torch.ones(2, 3), torch.ones(2, 4), torch.ones(3)),
            r"same length, got \(2, 3\), \(2, 4\), \(3,\)",
        ),
    ],
)
def test_errors_name_what_came(call, message):
    with pytest.raises(ValueError, match=message):
        call()
