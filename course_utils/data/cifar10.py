"""CIFAR-10: from torchvision's batches, or from the course's packed copy of lossless WebP sheets."""

import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import datasets

from course_utils.data.download import download_with_torchvision
from course_utils.data.folders import find, verify
from course_utils.data.images import Images, Split, hold_out, resize, unit_interval

NUM_VALID = 10_000

# One sheet of 100 x 100 tiles a batch, tile by tile along the rows in the batch's order; SHA-256 of the files.
TILES_PER_ROW = 100
SHEETS_SHA256 = {
    "cifar10_train_1.webp": "0c540445580e2b4751a4fb5e79175f3eced765d47d186c46cf6aaa7a076c47d9",
    "cifar10_train_2.webp": "ecd97fbddf53a95c7a487a46490001fbae20af0d14e0978cf2a8c74001ef5eb5",
    "cifar10_train_3.webp": "577efcbfc9a4ea051e4f915841300a1c1943948d918318615797528bd1931ae3",
    "cifar10_train_4.webp": "a362cd3478100abaef253b26a1c6c0979ac43379b30b03c5c774900ed8f3025c",
    "cifar10_train_5.webp": "dca43ff04bd60b6081d36b131a960c0ab9d7a4c2f6be4dc305f4248586327eb4",
    "cifar10_test.webp": "ff9de491fc23a41297e1e58c42a552efb04f949758a185cc7541e5a51cf1c35f",
}
LABELS_SHA256 = "b378158dd26d894336bd987b45841d5040553f03491da777b86bbf5d74da4e25"

Raw = tuple[Tensor, Tensor, Tensor, Tensor]  # train pixels uint8 (N, 3, 32, 32), train labels, test pixels, test labels


def load_cifar10(size: int | None = None, root: str | os.PathLike | None = None, download: bool = True) -> Images:
    """Return CIFAR-10: 40,000 / 10,000 / 10,000 colour images 32x32; valid is the fifth training batch by convention.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report, 2009.
    """
    cifar = datasets.CIFAR10
    x, y, test_x, test_y = find(
        "cifar10",
        f"the folder {cifar.base_folder}, or {cifar.filename}, or the folder cifar10 with {', '.join(SHEETS_SHA256)} "
        f"and cifar10_labels.npz",
        lambda folder: _read_batches(folder) or _read_sheets(folder / "cifar10"),
        lambda cache: download_with_torchvision(
            cifar, {cifar.filename: cifar.tgz_md5}, [f"{cifar.base_folder}/{file}" for file in _batches()], cache
        ),
        root=root,
        download=download,
    )
    num_images = len(x) + len(test_x)
    train, valid = hold_out(resize(unit_interval(x), size), y, NUM_VALID)
    test = Split(resize(unit_interval(test_x), size), test_y)
    side = test.x.shape[-1]
    return Images(
        "cifar10",
        f"{num_images:,} colour photographs of CIFAR-10 (Krizhevsky, 2009), {side}x{side}, RGB in [0, 1], 10 classes; "
        f"split {len(train.x):,} / {len(valid.x):,} / {len(test.x):,}, where valid is the author's fifth "
        f"training batch.",
        train,
        valid,
        test,
    )


def _batches() -> dict[str, str]:
    """Return torchvision's MD5 of each file of cifar-10-batches-py."""
    cifar = datasets.CIFAR10
    return dict(cifar.train_list) | dict(cifar.test_list) | {cifar.meta["filename"]: cifar.meta["md5"]}


def _read_batches(folder: Path) -> Raw | None:
    cifar = datasets.CIFAR10
    if all((folder / cifar.base_folder / file).is_file() for file in _batches()):
        for file, md5 in _batches().items():
            verify(folder / cifar.base_folder / file, md5, "md5")
        sets = cifar(folder, train=True), cifar(folder, train=False)
    elif (archive := folder / cifar.filename).is_file():
        verify(archive, cifar.tgz_md5, "md5")
        sets = _unpacked(archive)
    else:
        return None
    (x, y), (test_x, test_y) = ((torch.from_numpy(s.data.transpose(0, 3, 1, 2)), torch.tensor(s.targets)) for s in sets)
    return x, y, test_x, test_y


def _unpacked(archive: Path) -> tuple[datasets.CIFAR10, datasets.CIFAR10]:
    """Read the archive through a folder that goes again: unpacking takes two seconds, keeping it 180 MB."""
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
        return datasets.CIFAR10(scratch, train=True), datasets.CIFAR10(scratch, train=False)


def _read_sheets(folder: Path) -> Raw | None:
    labels_file = folder / "cifar10_labels.npz"
    if not labels_file.is_file() or not all((folder / sheet).is_file() for sheet in SHEETS_SHA256):
        return None
    verify(labels_file, LABELS_SHA256, "sha256")
    for sheet, sha256 in SHEETS_SHA256.items():
        verify(folder / sheet, sha256, "sha256")
    *train, test = (_tiles(folder / sheet) for sheet in SHEETS_SHA256)
    with np.load(labels_file) as labels:
        y, test_y = (torch.from_numpy(labels[split]).long() for split in ("train", "test"))
    return torch.cat(train), y, test, test_y


def _tiles(sheet: Path) -> Tensor:
    with Image.open(sheet) as image:
        pixels = torch.from_numpy(np.array(image))
    tiles = pixels.unflatten(0, (-1, 32)).unflatten(2, (TILES_PER_ROW, 32))  # (row, 32, column, 32, 3)
    return tiles.permute(0, 2, 4, 1, 3).flatten(0, 1)
