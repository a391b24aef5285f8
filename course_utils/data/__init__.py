"""Data sets of images: ``load(name)`` for sets, ``binarize`` for batches, sprites of known factors, toy points.

For translation: ``load_pairs(name)`` for pairs of pictures, ``load_domains(name)`` for two domains without pairs.
"""

import difflib
import os

from course_utils.data.binarized import binarize, load_binarized_mnist, threshold
from course_utils.data.cartoons import CARTOON_FACTORS, cartoon_detail, cartoons, load_cartoons, render_cartoons
from course_utils.data.digits import load_digits
from course_utils.data.folders import DamagedDataError, DataNotFoundError, cache_folder, data_folders
from course_utils.data.images import Images, Split, resize
from course_utils.data.olivetti import load_olivetti_faces
from course_utils.data.omniglot import load_omniglot
from course_utils.data.sprites import FACTOR_NAMES, SHAPES, factor_grid, load_sprites, render_sprites, sprites
from course_utils.data.toy import (
    MIXTURE_1D,
    checkerboard,
    checkerboard_log_prob,
    mixture_1d,
    mixture_1d_log_prob,
    ring_centers,
    ring_log_prob,
    ring_of_gaussians,
    spiral,
    swiss_roll,
    two_moons,
)
from course_utils.data.translation import DOMAIN_NAMES, PAIR_NAMES, Domains, Pairs, load_domains, load_pairs

NAMES = (
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "binarized_mnist",
    "sprites",
    "olivetti_faces",
    "omniglot",
    "cartoons",
)

__all__ = [
    "CARTOON_FACTORS",
    "DOMAIN_NAMES",
    "FACTOR_NAMES",
    "MIXTURE_1D",
    "NAMES",
    "PAIR_NAMES",
    "SHAPES",
    "DamagedDataError",
    "DataNotFoundError",
    "Domains",
    "Images",
    "Pairs",
    "Split",
    "binarize",
    "cache_folder",
    "cartoon_detail",
    "cartoons",
    "checkerboard",
    "checkerboard_log_prob",
    "data_folders",
    "factor_grid",
    "load",
    "load_domains",
    "load_pairs",
    "mixture_1d",
    "mixture_1d_log_prob",
    "render_cartoons",
    "render_sprites",
    "resize",
    "ring_centers",
    "ring_log_prob",
    "ring_of_gaussians",
    "spiral",
    "sprites",
    "swiss_roll",
    "threshold",
    "two_moons",
]


def load(name: str, *, size: int | None = None, root: str | os.PathLike | None = None, download: bool = True) -> Images:
    """Return a data set by name, split into train, valid and test; print its ``description`` in the notebook.

    name: one of NAMES. "digits", "sprites" and "cartoons" need neither disk nor network. "mnist", "fashion_mnist" and
        "cifar10" hold grey levels or colours in [0, 1], and their valid split is the last 10,000 training images by
        convention; "binarized_mnist" holds zeros and ones with the authors' splits.
    size: height and width in pixels; None is the set's own (digits 8, MNIST and Fashion-MNIST 28, the others
        32). Photographs and handwriting are resized by bicubic interpolation, sprites and cartoons drawn at that size.
    root: the folder to read; without it those of the environment variable COURSE_DATA, else data/ in the current
        folder, data/ and ../shared/data/ beside the course. The cache folder (dgm-course in XDG_CACHE_HOME or
        ~/.cache) comes last, and is the only one that is ever written to.
    download: whether to fetch a set that is on no disk.

    Raises: ValueError for an unknown name or size; DataNotFoundError (a FileNotFoundError) if the set cannot be had;
        DamagedDataError (an OSError) naming a file with a wrong checksum.
    """
    # torchvision takes seconds to import, so only the sets that come through it pay for that.
    match name:
        case "digits":
            return load_digits(size)
        case "mnist":
            from course_utils.data.mnist import load_mnist

            return load_mnist(size, root, download)
        case "fashion_mnist":
            from course_utils.data.mnist import load_fashion_mnist

            return load_fashion_mnist(size, root, download)
        case "cifar10":
            from course_utils.data.cifar10 import load_cifar10

            return load_cifar10(size, root, download)
        case "binarized_mnist":
            if size not in (None, 28):
                raise ValueError(
                    f"binarized_mnist is 28x28, and zeros and ones cannot be interpolated, got size={size!r}."
                )
            return load_binarized_mnist(root, download)
        case "sprites":
            return load_sprites(size)
        case "cartoons":
            return load_cartoons(size)
        case "olivetti_faces":
            return load_olivetti_faces(size, root)
        case "omniglot":
            return load_omniglot(size, root)
    nearest = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
    hint = f' (did you mean "{nearest[0]}"?)' if nearest else ""
    raise ValueError(f"There is no data set {name!r}{hint}; the names are {', '.join(NAMES)}.")
