"""Mode coverage against loops and against the law of perfect samples."""

import math

import pytest
import torch

from course_utils.data import ring_centers, ring_of_gaussians
from course_utils.evaluation import mode_coverage

SQUARE = torch.tensor([[0.0, 0.0], [0.0, 10.0], [10.0, 0.0], [10.0, 10.0]])


def test_against_loops():
    samples, centers = torch.randn(200, 3), torch.randn(5, 3)
    counts, good = [0] * 5, 0
    for sample in samples.tolist():
        distances = [math.dist(sample, centre) for centre in centers.tolist()]
        if min(distances) <= 2.5 * 0.4:
            good += 1
            counts[distances.index(min(distances))] += 1
    found = mode_coverage(samples, centers, 0.4, within=2.5, least_share=0.5)
    assert found.counts.tolist() == counts
    assert found.high_quality_share == good / 200
    assert 0 < found.high_quality_share < 1
    assert found.num_modes == sum(count >= 0.5 * 200 / 5 for count in counts)
    assert 0 < found.num_modes < 5


def test_perfect_samples():
    """In the plane a Gaussian lies within three standard deviations with probability 1 - exp(-9/2)."""
    num_samples, due = 20_000, 1 - math.exp(-4.5)
    found = mode_coverage(ring_of_gaussians(num_samples, std=0.05), ring_centers(), 0.05)
    assert found.num_modes == 8
    assert abs(found.high_quality_share - due) < 5 * math.sqrt(due * (1 - due) / num_samples)
    assert str(found) == f"8 of 8 modes, {100 * found.high_quality_share:.1f}% of the samples near one"


def test_a_collapsed_generator_and_one_that_draws_between_the_modes():
    collapsed = mode_coverage(ring_centers()[2].expand(50, 2), ring_centers(), 0.05)
    assert (collapsed.num_modes, collapsed.high_quality_share) == (1, 1.0)
    assert collapsed.counts.tolist() == [0, 0, 50, 0, 0, 0, 0, 0]
    between = mode_coverage(torch.zeros(50, 2), ring_centers(), 0.05)
    assert (between.num_modes, between.high_quality_share) == (0, 0.0)


def test_a_mode_needs_its_share():
    """100 samples, 4 modes: a tenth of the even share of 25 is 2.5, so two samples are too few and three enough."""
    nearest = torch.tensor([0] * 95 + [1] * 2 + [2] * 3)
    assert mode_coverage(SQUARE[nearest], SQUARE, 1.0).num_modes == 2
    assert mode_coverage(SQUARE[nearest], SQUARE, 1.0, least_share=0).num_modes == 3
    assert mode_coverage(SQUARE[nearest], SQUARE, 1.0, least_share=0.13).num_modes == 1
    # Samples far from any mode count among the N.
    far = torch.full((100, 2), 5.0)
    found = mode_coverage(torch.cat([SQUARE[nearest], far]), SQUARE, 1.0)
    assert (found.num_modes, found.high_quality_share) == (1, 0.5)


def test_the_edge_belongs_to_the_mode():
    on, beyond = torch.tensor([[3.0, 0.0]]), torch.tensor([[3.001, 0.0]])
    assert mode_coverage(on, SQUARE, 1.0).high_quality_share == 1
    assert mode_coverage(beyond, SQUARE, 1.0).high_quality_share == 0


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"were due, got \(5, 3\) and \(4, 2\)"):
        mode_coverage(torch.zeros(5, 3), SQUARE, 1.0)
    with pytest.raises(ValueError, match=r"were due, got \(0, 2\)"):
        mode_coverage(torch.zeros(0, 2), SQUARE, 1.0)
    with pytest.raises(ValueError, match="std must be positive, got 0"):
        mode_coverage(torch.zeros(5, 2), SQUARE, 0)
    with pytest.raises(ValueError, match="samples must be finite, but 2 of 5 are not"):
        mode_coverage(torch.tensor([[math.nan, 0], [0, math.inf], [0, 0], [0, 0], [0, 0]]), SQUARE, 1.0)
