"""Sets for image-to-image translation: pairs of pictures by name, and two domains without pairs.

    pairs = load_pairs("labels_to_facade", num_pairs=512, size=32)
    domains = load_domains("plain_to_striped", num_images=512, size=32)

All but the real "facades" are drawn when they are asked for, each by a file of its own in this folder.
"""

import difflib
import os
from functools import partial

import torch
from torch import Generator

from course_utils.data.translation.aerial import aerial_to_map
from course_utils.data.translation.cmp_facades import SPLITS, load_facades
from course_utils.data.translation.colour import grey_to_colour
from course_utils.data.translation.day_night import day_to_night
from course_utils.data.translation.edges import edges_to_picture
from course_utils.data.translation.facades import labels_to_facade
from course_utils.data.translation.pairs import Domains, Pairs
from course_utils.data.translation.scene import scene_pairs
from course_utils.data.translation.striped import plain_to_striped

DEFAULT_NUMBER = 512

# How each set is drawn, and what is said of it.
PROCEDURAL_PAIRS = {
    "labels_to_facade": (labels_to_facade, "maps of a house's parts, and the house, whose colours are not in the map"),
    "edges_to_picture": (edges_to_picture, "line drawings of vases, and the vases, whose glaze is not in the lines"),
    "grey_to_colour": (grey_to_colour, "grey landscapes and their colours: some follow from the thing, some are free"),
    "day_to_night": (day_to_night, "skylines by day and by night, when any window may be lit"),
    "aerial_to_map": (aerial_to_map, "photographs from above and their street maps, which follow from them"),
    "scene_viewpoint": (partial(scene_pairs, "viewpoint"), "a block with a face, and the same seen from elsewhere"),
    "scene_light": (partial(scene_pairs, "light"), "a block with a face, and the same lit from the other side"),
    "scene_background": (partial(scene_pairs, "background"), "a block with a face, and the same elsewhere"),
    "scene_attribute": (partial(scene_pairs, "attribute"), "a block with a face, and the same with a hat on"),
}
PROCEDURAL_DOMAINS = {
    "plain_to_striped": (plain_to_striped, "plain and striped animals, not pairs; the true `translated` is to measure"),
}
PAIR_NAMES = (*PROCEDURAL_PAIRS, "facades")
DOMAIN_NAMES = tuple(PROCEDURAL_DOMAINS)


def load_pairs(
    name: str,
    *,
    num_pairs: int | None = None,
    size: int = 32,
    seed: int = 0,
    split: str = "train",
    root: str | os.PathLike | None = None,
) -> Pairs:
    """Return pairs (source, target) by name; print their ``description`` in the notebook.

    name: one of PAIR_NAMES. All are drawn anew, with neither disk nor network, but the real "facades".
    num_pairs: how many; None draws 512, or takes all the facades of the split.
    size: height and width in pixels, a multiple of 8 of at least 16.
    seed: of the drawing: the same seed gives the same pairs. It does not matter to the facades.
    split: "train", "valid" or "test"; no two have a pair in common.
    root: the folder to look for the facades in, as in ``load``.

    Raises: ValueError for an unknown name or split, a number below 1, or a size that is not such a multiple;
        DataNotFoundError (a FileNotFoundError) and DamagedDataError (an OSError) as in ``load``.
    """
    _check(name, PAIR_NAMES, "set of pairs", num_pairs, "num_pairs", size, split)
    if name == "facades":
        return load_facades(num_pairs, size, split, root)
    num_pairs = DEFAULT_NUMBER if num_pairs is None else num_pairs
    draw, what = PROCEDURAL_PAIRS[name]
    source, target = draw(num_pairs, size, _generator(seed, split))
    return Pairs(name, f"{num_pairs:,} pairs, {size}x{size} in [0, 1], {split} of seed {seed}: {what}.", source, target)


def load_domains(
    name: str, *, num_images: int = DEFAULT_NUMBER, size: int = 32, seed: int = 0, split: str = "train"
) -> Domains:
    """Return two domains by name, `num_images` independent draws of each; the rest is as in ``load_pairs``."""
    _check(name, DOMAIN_NAMES, "pair of domains", num_images, "num_images", size, split)
    draw, what = PROCEDURAL_DOMAINS[name]
    source, target, translated = draw(num_images, size, _generator(seed, split))
    description = f"{num_images:,} images of each domain, {size}x{size} in [0, 1], {split} of seed {seed}: {what}."
    return Domains(name, description, source, target, translated)


def _check(
    name: str, names: tuple[str, ...], what: str, number: int | None, number_name: str, size: int, split: str
) -> None:
    if name not in names:
        nearest = difflib.get_close_matches(str(name).lower(), names, n=1)
        hint = f' (did you mean "{nearest[0]}"?)' if nearest else ""
        raise ValueError(f"There is no {what} {name!r}{hint}; the names are {', '.join(names)}.")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise ValueError(f"{number_name} must be a whole number of at least 1, got {number!r}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 16 or size % 8:
        raise ValueError(f"size must be a multiple of 8 pixels and at least 16, got {size!r}.")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")


def _generator(seed: int, split: str) -> Generator:
    """Return a generator of the split's own: no two seeds and splits share one."""
    return torch.Generator().manual_seed(len(SPLITS) * seed + list(SPLITS).index(split))
