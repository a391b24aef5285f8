"""The real facades: photographs of houses with label maps drawn by hand, in the pairs and splits of pix2pix.

On disk they are facades.zip or the folder facades, with train/1.jpg and so on: JPEGs 512x256, the photograph on the
left and the labels on the right.

Source: R. Tylecek, R. Sara, "Spatial pattern templates for recognition of objects with regular structure", GCPR 2013
(CMP Facade Database); pairs and splits by Isola et al. 2016 (arXiv 1611.07004).
"""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_utils.data.folders import damaged, find
from course_utils.data.images import resize, unit_interval
from course_utils.data.translation.pairs import Pairs

# The authors' name of each split, how many pairs it has, and the SHA-256 of its JPEGs, one after another.
SPLITS = {
    "train": ("train", 400, "4fbf368d950fbd9562bad1781a6d333b56f0739261466688fbe6119293de9877"),
    "valid": ("val", 100, "bdcda67ac158523ddd3ce0e474e0e404f73515692cdb5445e2e23ebea8f204eb"),
    "test": ("test", 106, "d4452bda5dbd70ecc4536666aea14286fa279fb5168abfd7c4736a8d2a3f2d3a"),
}
FILES = (
    "facades.zip or the folder facades with train/1.jpg ... (the pix2pix authors offer facades.tar.gz at "
    "efrosgans.eecs.berkeley.edu/pix2pix/datasets; unpack it)"
)


def load_facades(num_pairs: int | None, size: int, split: str, root: str | os.PathLike | None = None) -> Pairs:
    """Return the first `num_pairs` pairs (labels, photograph) of a split, or with None all of them.

    Raises: ValueError if there are not that many; DataNotFoundError or DamagedDataError, naming what is missing.
    """
    folder, count, due = SPLITS[split]
    if num_pairs is not None and num_pairs > count:
        raise ValueError(f"the split {split} of the facades has {count} pairs, got num_pairs={num_pairs}.")
    jpegs = find(
        "facades",
        FILES,
        lambda place: _read(place, folder, count, due),
        None,
        root=root,
        instead='load_pairs("labels_to_facade")',
    )
    both = torch.stack([_pixels(jpeg) for jpeg in jpegs[:num_pairs]])
    photograph, labels = (resize(unit_interval(half.contiguous()), size) for half in both.chunk(2, dim=3))
    return Pairs(
        "facades",
        f"{len(labels):,} label maps and photographs of houses (Tylecek and Sara, 2013), {size}x{size}, RGB in [0, 1]; "
        f"the split {split} of pix2pix.",
        labels,
        photograph,
    )


def _read(place: Path, folder: str, count: int, due: str) -> list[bytes] | None:
    """Return the JPEGs of one split, from the archive or the folder, or None if neither is there."""
    names = [f"facades/{folder}/{number}.jpg" for number in range(1, count + 1)]
    path = place / "facades.zip"
    if path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                jpegs = [archive.read(name) for name in names]
        except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError) as error:
            raise damaged(path, f"its split {folder} cannot be read ({error})") from error
    elif all((place / name).is_file() for name in names):
        path = place / "facades" / folder
        jpegs = [(place / name).read_bytes() for name in names]
    else:
        return None
    found = hashlib.sha256(b"".join(jpegs)).hexdigest()
    if found != due:
        raise damaged(path, f"the SHA-256 of the JPEGs of {folder} is {found}, and {due} is due")
    return jpegs


def _pixels(jpeg: bytes) -> Tensor:
    """Return uint8 (3, H, W)."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
