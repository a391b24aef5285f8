"""MNIST and Fashion-MNIST: torchvision's classes read them, and its checksums are checked first."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path

import torch
from torchvision import datasets

from course_utils.data.download import download_with_torchvision
from course_utils.data.folders import cache_folder, find, verify
from course_utils.data.images import Images, Split, hold_out, resize, unit_interval
from course_utils.files import replacing

NUM_VALID = 10_000

# MD5 of the unpacked files; torchvision knows those of the .gz only.
UNPACKED_MD5 = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}

Raw = tuple[datasets.MNIST, datasets.MNIST]


def load_mnist(size: int | None = None, root: str | os.PathLike | None = None, download: bool = True) -> Images:
    """Return MNIST: 50,000 / 10,000 / 10,000 grey 28x28 digits; valid is the last 10,000 of the 60,000 by convention.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86(11), 1998.
    """
    return _load("mnist", "handwritten digits of MNIST (LeCun et al., 1998)", datasets.MNIST, size, root, download)


def load_fashion_mnist(size: int | None = None, root: str | os.PathLike | None = None, download: bool = True) -> Images:
    """Return Fashion-MNIST: shapes and split as MNIST.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017.
    """
    what = "pieces of clothing of Fashion-MNIST (Xiao et al., 2017)"
    return _load("fashion_mnist", what, datasets.FashionMNIST, size, root, download)


def _load(
    name: str,
    what: str,
    dataset_class: type[datasets.MNIST],
    size: int | None,
    root: str | os.PathLike | None,
    download: bool,
) -> Images:
    folder = f"{dataset_class.__name__}/raw"
    unpacked = list(UNPACKED_MD5[dataset_class.__name__])
    train_set, test_set = find(
        name,
        f"{', '.join(unpacked)} (as they are or as .gz, under {folder}/)",
        lambda place: _read(dataset_class, place),
        lambda cache: download_with_torchvision(
            dataset_class,
            {f"{folder}/{archive}": md5 for archive, md5 in dataset_class.resources},
            [f"{folder}/{file}" for file in unpacked],
            cache,
        ),
        root=root,
        download=download,
    )
    train, valid = hold_out(*_tensors(train_set, size), NUM_VALID)
    test = Split(*_tensors(test_set, size))
    side = test.x.shape[-1]
    return Images(
        name,
        f"{len(train_set) + len(test_set):,} {what}, {side}x{side}, grey in [0, 1], not binarised, 10 classes; split "
        f"{len(train.x):,} / {len(valid.x):,} / {len(test.x):,}, where valid is the end of the authors' training set.",
        train,
        valid,
        test,
    )


def _tensors(dataset: datasets.MNIST, size: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    return resize(unit_interval(dataset.data.unsqueeze(1)), size), dataset.targets


def _read(dataset_class: type[datasets.MNIST], folder: Path) -> Raw | None:
    """Return torchvision's train and test set read from a folder that holds the files, unpacked or as .gz."""
    name = dataset_class.__name__
    files = [folder / name / "raw" / file for file in UNPACKED_MD5[name]]
    if all(file.is_file() for file in files):
        return _open(dataset_class, folder)
    archives = [folder / name / "raw" / archive for archive, _ in dataset_class.resources]
    if not all(archive.is_file() for archive in archives):
        return None
    for archive, (_, md5) in zip(archives, dataset_class.resources, strict=True):
        verify(archive, md5, "md5")
    with tempfile.TemporaryDirectory() as scratch:
        home = cache_folder() if _is_writable(cache_folder()) else Path(scratch)
        for archive in archives:
            target = home / name / "raw" / archive.stem
            if not target.exists():
                with gzip.open(archive) as packed, replacing(target) as temporary, temporary.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
        return _open(dataset_class, home)


def _open(dataset_class: type[datasets.MNIST], home: Path) -> Raw:
    name = dataset_class.__name__
    for file, md5 in UNPACKED_MD5[name].items():
        verify(home / name / "raw" / file, md5, "md5")
    return dataset_class(home, train=True), dataset_class(home, train=False)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a home that is read-only, or absent
        return False
    return os.access(folder, os.W_OK)
