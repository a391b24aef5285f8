"""Real handwriting that needs no download: the 8x8 digits that scikit-learn carries."""

import numpy as np
import torch
from torch import Tensor

from course_utils.data.images import Images, Split, resize

NUM_TRAIN, NUM_VALID, NUM_TEST = 1297, 200, 300
SPLIT_SEED = 0


def split_indices() -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions in scikit-learn's array of the 1,297 train, 200 valid and 300 test images.

    One permutation with a fixed seed. (NumPy's RandomState, since its stream is frozen: other generators may
    change with a version, and the test set with them.)
    """
    order = torch.from_numpy(np.random.RandomState(SPLIT_SEED).permutation(NUM_TRAIN + NUM_VALID + NUM_TEST))
    train, valid, test = order.split((NUM_TRAIN, NUM_VALID, NUM_TEST))
    return train, valid, test


def load_digits(size: int | None = None) -> Images:
    """Return the 1,797 digits, 8x8 with 17 grey levels (0/16 to 16/16), or resized to ``size`` x ``size``.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998: the
    test part, handwriting of 13 people, the ink counted over 4x4 blocks of a 32x32 bitmap.
    """
    # Here, so that importing the course's data does not cost scikit-learn's second.
    from sklearn.datasets import load_digits as embedded_digits

    bunch = embedded_digits()
    x = resize(torch.from_numpy(bunch.images).float().div(16).unsqueeze(1), size)
    y = torch.from_numpy(bunch.target).long()
    side = x.shape[-1]
    resized = "" if side == 8 else f", resized from 8x8 to {side}x{side} by bicubic interpolation"
    return Images(
        "digits",
        f"{len(x):,} real handwritten digits of the UCI repository (they come with scikit-learn), grey in [0, 1]"
        f"{resized}, 10 classes; split {NUM_TRAIN:,} / {NUM_VALID} / {NUM_TEST} at random with a fixed seed.",
        *(Split(x[index], y[index]) for index in split_indices()),
    )
