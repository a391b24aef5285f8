"""What a set for translation is here: pairs of pictures, or two domains of which no pairs are known."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, repr=False)
class Pairs:
    """Pictures and their translations: ``target[i]`` is a valid translation of ``source[i]``.

    source, target: float32 (N, C, H, W) in [0, 1]; the two may differ in C.

    Raises: ValueError if there are not as many targets as sources, or not of the same height and width.
    """

    name: str
    description: str
    source: Tensor
    target: Tensor

    def __post_init__(self):
        if len(self.source) != len(self.target) or self.source.shape[2:] != self.target.shape[2:]:
            raise ValueError(
                f"every source needs a target of its size, got sources {tuple(self.source.shape)} and targets "
                f"{tuple(self.target.shape)}."
            )

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        """Return the sentence without the tensors."""
        return f"Pairs({self.name!r}: {self.description})"


@dataclass(frozen=True, repr=False)
class Domains:
    """Two domains: ``source[i]`` and ``target[i]`` have nothing to do with each other.

    source, target: float32 (N, C, H, W) and (M, C, H, W) in [0, 1], independent draws.
    translated: (N, C, H, W), the true translation of each source: to measure with, never to train on.

    Raises: ValueError if a domain is empty, or not every source has its translation.
    """

    name: str
    description: str
    source: Tensor
    target: Tensor
    translated: Tensor

    def __post_init__(self):
        for domain in ("source", "target"):
            if len(getattr(self, domain)) == 0:
                raise ValueError(f"two domains are needed, and the {domain} domain has no images.")
        if self.source.shape != self.translated.shape:
            raise ValueError(
                f"every source needs its translation, got sources {tuple(self.source.shape)} and translations "
                f"{tuple(self.translated.shape)}."
            )

    def __repr__(self) -> str:
        """Return the sentence without the tensors."""
        return f"Domains({self.name!r}: {self.description})"
