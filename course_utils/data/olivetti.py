"""Olivetti faces: ten grey photographs of each of forty people."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data.folders import find, verify
from course_utils.data.images import Images, Split, resize, unit_interval

FILE = "olivetti_faces.npz"
SHA256 = "f5495c59eeac98813e1d48f87a9069a1ce278acd9a453b18d7b4e500e4eed12d"
PER_SUBJECT = 10


def load_olivetti_faces(size: int | None = None, root: str | os.PathLike | None = None) -> Images:
    """Return 320 / 40 / 40 grey faces 64x64, y the person 0 ... 39: of each the first eight, the ninth and the tenth.

    Source: F. Samaria, A. Harter, "Parameterisation of a stochastic model for human face identification", IEEE
    Workshop on Applications of Computer Vision, 1994; AT&T Laboratories Cambridge; cropped to 64x64 by S. Roweis.
    """
    files = f"{FILE} (arrays images uint8 (400, 64, 64) and subject; the faces are at AT&T Laboratories Cambridge)"
    x, y = find("olivetti_faces", files, _read, None, root=root)
    x = resize(x, size)
    nth = torch.arange(len(x)) % PER_SUBJECT
    train, valid, test = (Split(x[those], y[those]) for those in (nth < 8, nth == 8, nth == 9))
    return Images(
        "olivetti_faces",
        f"{len(x):,} photographs of {int(y.max()) + 1} people (Samaria and Harter, 1994), {x.shape[-1]}x{x.shape[-1]}, "
        f"grey in [0, 1]; split {len(train.x):,} / {len(valid.x):,} / {len(test.x):,}, everyone in each.",
        train,
        valid,
        test,
    )


def _read(folder: Path) -> tuple[Tensor, Tensor] | None:
    """Return faces (N, 1, 64, 64) in [0, 1] and who they are, the ten of a person one after another."""
    path = folder / FILE
    if not path.is_file():
        return None
    verify(path, SHA256, "sha256")
    with np.load(path) as packed:
        images, subject = torch.from_numpy(packed["images"]), torch.from_numpy(packed["subject"])
    return unit_interval(images.unsqueeze(1)), subject.long()
