"""Images of zeros and ones: drawn anew for each batch, or drawn once for all (the static set of the NLL tables)."""

import hashlib
import io
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data.download import download
from course_utils.data.folders import damaged, find
from course_utils.data.images import Images, Split

URL = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
PACKED = "binarized_mnist.npz"

# SHA-256 of the authors' text files. They check the packed form too: its pixels, written as text, give these.
TEXT_SHA256 = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}


def binarize(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return zeros and ones like x (shape, dtype, device), each pixel one with probability x: dynamic binarisation.

    Call it for each batch anew, so that a model meets other pixels of the same image in each epoch.

    Raises: ValueError if x is not a floating-point tensor in [0, 1].
    Source: R. Salakhutdinov, I. Murray, "On the quantitative analysis of deep belief networks", ICML 2008.
    """
    _check_unit_interval(x)
    return torch.bernoulli(x, generator=generator)


def threshold(x: Tensor, level: float = 0.5) -> Tensor:
    """Return zeros and ones like x: one where x > level. Deterministic, with edges harder than the handwriting's.

    Raises: ValueError if x is not a floating-point tensor in [0, 1].
    """
    _check_unit_interval(x)
    return (x > level).to(x.dtype)


def load_binarized_mnist(root: str | os.PathLike | None = None, download: bool = True) -> Images:
    """Return statically binarised MNIST: 50,000 / 10,000 / 10,000 images of zeros and ones, without labels.

    Source: H. Larochelle, I. Murray, "The Neural Autoregressive Distribution Estimator", AISTATS 2011. The order of
    the images is the authors' own, not MNIST's.
    """
    texts = ", ".join(f"binarized_mnist_{split}.amat" for split in TEXT_SHA256)
    splits = find("binarized_mnist", f"{texts} or the packed {PACKED}", _read, _fetch, root=root, download=download)
    train, valid, test = (Split(pixels.float().view(-1, 1, 28, 28), None) for pixels in splits)
    return Images(
        "binarized_mnist",
        f"{sum(map(len, splits)):,} handwritten digits of MNIST, 28x28, zeros and ones: the static binarisation of "
        f"Larochelle and Murray (2011), no labels; the authors' split {len(train.x):,} / {len(valid.x):,} / "
        f"{len(test.x):,}.",
        train,
        valid,
        test,
    )


def _check_unit_interval(x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(f"x must be a floating-point tensor in [0, 1], got {x.dtype}; divide bytes by 255 first.")
    if x.numel():
        low, high = x.aminmax()
        if not (low >= 0 and high <= 1):  # so written that not-a-number is caught too
            raise ValueError(f"x must lie in [0, 1], got values from {low.item():.4g} to {high.item():.4g}.")


def _text_file(folder: Path, split: str) -> Path:
    return folder / f"binarized_mnist_{split}.amat"


def _fetch(cache: Path) -> None:
    for split, sha256 in TEXT_SHA256.items():
        if not _text_file(cache, split).exists():
            download(URL + _text_file(cache, split).name, _text_file(cache, split), sha256)


def _read(folder: Path) -> list[Tensor] | None:
    """Return the pixels of train, valid and test, uint8 (N, 784), or None if the folder has neither form."""
    if (folder / PACKED).is_file():
        return _read_packed(folder / PACKED)
    if all(_text_file(folder, split).is_file() for split in TEXT_SHA256):
        return [_read_text(_text_file(folder, split), sha256) for split, sha256 in TEXT_SHA256.items()]
    return None


def _read_text(path: Path, due: str) -> Tensor:
    """Read one image a line, the 784 values separated by a space: every second byte is a digit."""
    text = np.fromfile(path, np.uint8)
    _check(path, text, due)
    return torch.from_numpy(text.reshape(-1, 2 * 784)[:, ::2] - ord("0"))


def _read_packed(path: Path) -> list[Tensor]:
    """Read train, valid and test, each uint8 (N, 98) with eight pixels a byte."""
    splits = []
    content = io.BytesIO(path.read_bytes())  # first, so that what fails below is the content and not the disk
    try:
        with np.load(content) as packed:
            bits = {split: np.unpackbits(packed[split], axis=1) for split in TEXT_SHA256}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise damaged(path, f"it cannot be read as packed splits ({error}; {path.stat().st_size:,} bytes)") from error
    for split, due in TEXT_SHA256.items():
        text = np.full((len(bits[split]), 2 * bits[split].shape[1]), ord(" "), np.uint8)
        text[:, ::2] = bits[split] + ord("0")
        text[:, -1] = ord("\n")
        _check(path, text, due, f" of its split {split}, written as text,")
        splits.append(torch.from_numpy(bits[split]))
    return splits


def _check(path: Path, text: np.ndarray, due: str, part: str = "") -> None:
    found = hashlib.sha256(text).hexdigest()
    if found != due:
        raise damaged(path, f"the SHA-256{part} is {found} ({path.stat().st_size:,} bytes), and {due} is due")
