"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data.folders import find, verify
from course_utils.data.images import Images, Split, resize, unit_interval

SHA256 = {
    "omniglot_28.npz": "57f4ca08920f9e7dd099df4f98acc1ece5b794c49e4abe28f4a059694a3c6242",
    "omniglot_105.npz": "7c4279e569c89579e526bd393d1eb9b7c8253b86994e0976d9539f37680b15ba",
}
FIRST_VALID_DRAWER = 19  # of 1 ... 20


def load_omniglot(size: int | None = None, root: str | os.PathLike | None = None) -> Images:
    """Return 17,352 / 1,928 / 13,180 grey characters 28x28, ink 1, y the character 0 ... 1622.

    Test is the authors' evaluation set, whose characters are in none of the others; train and valid are their
    background set, and valid holds what the last two of the twenty drew. This is not the 28x28 set of Burda et al.
    2015 (arXiv 1509.00519): likelihoods do not compare with those tables.

    Source: B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum, "Human-level concept learning through probabilistic program
    induction", Science 350, 2015.
    """
    files = f"{' and '.join(SHA256)} (packed from the authors' github.com/brendenlake/omniglot)"
    x, y, drawer, num_background = find("omniglot", files, _read, None, root=root)
    x = resize(x, size)
    in_background = torch.arange(len(x)) < num_background
    late = drawer >= FIRST_VALID_DRAWER
    those = (in_background & ~late, in_background & late, ~in_background)
    train, valid, test = (Split(x[chosen], y[chosen]) for chosen in those)
    return Images(
        "omniglot",
        f"{len(x):,} handwritten characters (Lake et al., 2015), {x.shape[-1]}x{x.shape[-1]}, grey in [0, 1], "
        f"{int(y.max()) + 1:,} classes; split {len(train.x):,} / {len(valid.x):,} / {len(test.x):,}, where the "
        f"characters of test are in no other split.",
        train,
        valid,
        test,
    )


def _read(folder: Path) -> tuple[Tensor, Tensor, Tensor, int] | None:
    """Return images (N, 1, 28, 28) in [0, 1], characters and drawers (N,), and how many are of the background set."""
    small, original = (folder / name for name in SHA256)
    if not (small.is_file() and original.is_file()):
        return None
    for path in (small, original):
        verify(path, SHA256[path.name], "sha256")
    with np.load(small) as packed:
        images = torch.from_numpy(packed["images"])
    with np.load(original) as packed:
        character, drawer = (torch.from_numpy(packed[key].astype(np.int64)) for key in ("character", "drawer"))
        num_background = int(packed["n_background"])
    return unit_interval(images.unsqueeze(1)), character, drawer, num_background
