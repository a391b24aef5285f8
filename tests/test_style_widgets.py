"""The style mixer shows images whose layers come from where the slider says."""

import matplotlib

matplotlib.use("agg")
import numpy as np
import pytest
import torch

from course_utils.widgets import style_mixer

NUM_LAYERS = 3
A, B = torch.full((2, NUM_LAYERS, 1), 0.2), torch.full((2, NUM_LAYERS, 1), 0.8)
A[1], B[1] = 0.1, 0.9


def synthesize(styles):
    """Images of 1 x L pixels: pixel l is the style of layer l."""
    return styles[:, None, None, :, 0]


def tiles(ax):
    """The rows of pixels of a mosaic of 1 x 3 tiles, a pixel apart, as (rows, columns, 3)."""
    picture = ax.images[0].get_array()[0::2, :, 0]
    return np.stack([picture[:, start : start + 3] for start in range(0, picture.shape[1], 4)], axis=1)


def test_the_slider_says_which_layers_are_a(drawn):
    slider, _ = style_mixer(synthesize, A, B, crossover=1).children
    assert (slider.min, slider.max, slider.value) == (0, NUM_LAYERS, 1)

    def shown():
        (ax,) = drawn[-1]
        labels = [label.get_text() for label in ax.get_yticklabels()]
        return labels, tiles(ax)

    labels, pictures = shown()
    assert (labels[0], labels[2]) == ("A", "B")
    np.testing.assert_allclose(pictures[0], [[0.2] * 3, [0.1] * 3], atol=1e-6)
    np.testing.assert_allclose(pictures[1], [[0.2, 0.8, 0.8], [0.1, 0.9, 0.9]], atol=1e-6)
    np.testing.assert_allclose(pictures[2], [[0.8] * 3, [0.9] * 3], atol=1e-6)
    for crossover in (0, 2, 3):
        slider.value = crossover
        _, pictures = shown()
        np.testing.assert_allclose(pictures[1, 0], [0.2] * crossover + [0.8] * (3 - crossover), atol=1e-6)


def test_without_a_front_end_all_crossovers_stand_side_by_side():
    (ax,) = style_mixer(synthesize, A, B).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["pair 1", "pair 2"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0: B", "1", "2", "3: A"]
    expected = [[[0.2] * k + [0.8] * (3 - k) for k in range(4)], [[0.1] * k + [0.9] * (3 - k) for k in range(4)]]
    np.testing.assert_allclose(tiles(ax), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((synthesize, A, B[:1]), r"one shape \(B, L, W\), got \(2, 3, 1\) and \(1, 3, 1\)"),
        ((synthesize, A[0], B[0], 1), r"one shape \(B, L, W\), got \(3, 1\)"),
        ((synthesize, A, B, 4), "crossover must lie in 0 ... 3"),
        ((lambda styles: styles, A, B), r"images \(2, C, H, W\), got \(2, 3, 1\)"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        style_mixer(*arguments)
