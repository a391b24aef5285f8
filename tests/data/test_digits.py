"""digits and resizing, against scikit-learn's own array and against block means."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from course_utils.data import load, resize
from course_utils.data.digits import split_indices


def test_digits_are_exactly_those_of_scikit_learn():
    bunch, images, indices = load_digits(), load("digits"), split_indices()
    for split, index in zip((images.train, images.valid, images.test), indices, strict=True):
        assert np.array_equal(split.x.numpy()[:, 0] * 16, bunch.images[index])
        assert np.array_equal(split.y.numpy(), bunch.target[index])
        assert split.y.dtype == torch.int64
    assert (images.train.x.max(), images.train.x.min()) == (1, 0)


def test_splits_are_disjoint_and_cover():
    indices = split_indices()
    assert [len(index) for index in indices] == [1297, 200, 300]
    assert torch.equal(torch.cat(indices).sort().values, torch.arange(1797))


def test_split_is_the_same_each_time_and_mixes_the_classes():
    first, again = load("digits"), load("digits")
    assert all(torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in zip(first[2:], again[2:], strict=True))
    assert split_indices()[0][:4].tolist() == [
        1081,
        1707,
        927,
        713,
    ]  # a frozen stream: the same test set in each version
    for split in first[2:]:
        counts = split.y.bincount(minlength=10) / len(split.y)
        assert (counts - 0.1).abs().max() < 5 * (0.1 * 0.9 / len(split.y)) ** 0.5


def test_enlarged_digits_keep_their_ink_and_their_place():
    small, large = load("digits"), load("digits", size=28)
    assert large.train.x.shape == (1297, 1, 28, 28)
    assert large.train.x.min() >= 0
    assert large.train.x.max() <= 1
    assert "28x28" in large.description
    ink, enlarged_ink = (images.test.x.mean((1, 2, 3)) for images in (small, large))
    # Clipping the cubic's undershoots adds a few percent of ink, at most, and takes none away.
    assert ((enlarged_ink / ink - 1).abs() < 0.06).all()
    assert (enlarged_ink.mean() / ink.mean() - 1).abs() < 0.03
    # Averaged back over the area of each old pixel, the enlarged image is the old one, not its mirror or transpose.
    back = torch.nn.functional.adaptive_avg_pool2d(resize(small.test.x, 64), 8)
    assert (back - small.test.x).abs().mean() < 0.06
    for wrong in (back.flip(2), back.flip(3), back.mT, back.roll(1, dims=3)):
        assert (wrong - small.test.x).abs().mean() > 0.12
    assert torch.equal(large.test.y, small.test.y)


def test_resize_of_a_constant_is_the_constant_and_of_the_same_size_is_itself():
    x = torch.full((2, 3, 8, 8), 0.25)
    for size in (3, 5, 28, 64):
        assert torch.allclose(resize(x, size), torch.full((2, 3, size, size), 0.25), atol=1e-6)
    assert resize(x, 8) is x
    assert resize(x, None) is x


def test_shrinking_averages_instead_of_skipping_pixels():
    stripes = torch.zeros(1, 1, 28, 28)
    stripes[..., ::4] = 1
    assert (resize(stripes, 7)[..., 1:-1] - 0.25).abs().max() < 0.05


@pytest.mark.parametrize("size", [0, -28, 28.0, "28", True])
def test_wrong_size_is_named(size):
    with pytest.raises(ValueError, match="size must be a positive whole number"):
        load("digits", size=size)
