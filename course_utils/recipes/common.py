"""What every kind of recipe needs."""

from typing import NamedTuple

from course_utils.data import Images


class Trained(NamedTuple):
    """What a run took, resumed runs included: optimiser steps (of the generator, in a GAN) and seconds."""

    num_steps: int
    seconds: float


def require_labels(name: str, images: Images) -> None:
    """Raise ValueError unless the images have class labels."""
    if images.train.y is None or images.train.y.is_floating_point():
        raise ValueError(f"{name} needs class labels, and {images.name} has none: choose a labelled data set")
