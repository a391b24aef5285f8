"""Precision and recall against loops that spell the definition out, and what each of the two must notice."""

import math

import pytest
import torch

from course_utils.data import ring_centers, ring_of_gaussians
from course_utils.evaluation import PrecisionRecall, precision_recall
from course_utils.evaluation.precision_recall import CHUNK


def share_covered(points, support, k):
    """Kynkaanniemi et al. 2019, equations 1 and 2, one point at a time."""
    points, support = points.tolist(), support.tolist()
    covered = 0
    for point in points:
        inside = False
        for i, centre in enumerate(support):
            others = sorted(math.dist(centre, other) for j, other in enumerate(support) if j != i)
            inside = inside or math.dist(point, centre) <= others[k - 1]
        covered += inside
    return covered / len(points)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_loops(k):
    real = torch.randn(40, 2, dtype=torch.float64)
    fake = torch.randn(30, 2, dtype=torch.float64) * torch.tensor([0.5, 1.5], dtype=torch.float64) + 0.5
    found = precision_recall(real, fake, k)
    assert found == PrecisionRecall(share_covered(fake, real, k), share_covered(real, fake, k))
    assert 0 < found.precision < 1
    assert 0 < found.recall < 1
    assert found.precision != found.recall
    swapped = precision_recall(fake, real, k)
    assert (swapped.precision, swapped.recall) == (found.recall, found.precision)


def test_chunks_change_nothing():
    """More points than a chunk holds; halves of the plane, so that the chunks differ."""
    real = torch.randn(CHUNK + 40, 2, dtype=torch.float64).sort(dim=0).values
    fake = torch.randn(2 * CHUNK + 3, 2, dtype=torch.float64) + 1
    distance = torch.cdist(fake, real)
    radius = torch.cdist(real, real).fill_diagonal_(math.inf).sort(dim=1).values[:, 2]
    due = (distance <= radius).any(1).double().mean().item()
    assert precision_recall(real, fake, k=3).precision == due
    assert 0 < due < 1


def test_the_same_points_and_points_elsewhere():
    x = torch.randn(60, 5)
    assert precision_recall(x, x) == PrecisionRecall(1.0, 1.0)
    assert precision_recall(x, x + 100) == PrecisionRecall(0.0, 0.0)
    assert str(precision_recall(x, x)) == "precision 1.000, recall 1.000"


def test_copies_of_few_points():
    """A collapsed generator: balls of radius 0. All that it draws is real, and it reaches those few points only."""
    x = 10 * torch.randn(60, 5, dtype=torch.float64)
    for point in x[:12].split(1):
        assert precision_recall(x, point.expand(20, 5)) == PrecisionRecall(1.0, 1 / 60)
    assert precision_recall(x, x[:12].repeat(6, 1)) == PrecisionRecall(1.0, 12 / 60)


def test_dropped_modes_cost_recall_and_noise_costs_precision():
    real, fake = ring_of_gaussians(800), ring_of_gaussians(800)
    fair = precision_recall(real, fake)
    assert 0.93 < fair.precision < 1
    assert 0.93 < fair.recall < 1
    nearest = torch.cdist(fake, ring_centers()).argmin(1)
    dropped = precision_recall(real, fake[nearest < 4])
    assert dropped.precision > 0.93
    share = (torch.cdist(real, ring_centers()).argmin(1) < 4).double().mean().item()
    assert share - 0.05 < dropped.recall <= share
    noisy = precision_recall(real, fake + 0.3 * torch.randn(800, 2))
    assert noisy.precision < 0.25
    assert noisy.recall > 0.9


def test_wrong_input_is_named():
    x = torch.randn(10, 2)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        precision_recall(x, x, k=0)
    with pytest.raises(ValueError, match=r"fake must be \(N, F\) with N at least 4, got \(3, 2\)"):
        precision_recall(x, x[:3], k=3)
    with pytest.raises(ValueError, match="one width, got 2 and 1"):
        precision_recall(x, x[:, :1])
    with pytest.raises(ValueError, match="real must be finite, but 10 of 10 rows are not"):
        precision_recall(x / 0, x)
