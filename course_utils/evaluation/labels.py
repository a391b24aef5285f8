"""Do conditional samples show their label, and does a code found without labels agree with them?

For a generator that is told a label, an independent classifier says how often its samples show it. For a generator
that invents its own categories (InfoGAN) there is no saying which is which, so the best one-to-one matching counts:

    max over matchings pi of  1/N sum_n 1[pi(code_n) = label_n]

Sources: Odena et al. 2017 (arXiv 1610.09585), section 4; Chen et al. 2016 (arXiv 1606.03657), section 7.2; the
matching is Kuhn's Hungarian method (1955). Shapes: images (N, ...), labels and codes (N,) of whole numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils.evaluation.likelihood import estimate_mean


@dataclass(frozen=True)
class Accuracy:
    """The share of examples that are right, in [0, 1], with its standard error.

    Where all are right the error is 0, which says little: after N examples a rate of failures of 3/N is still likely.
    """

    mean: float
    standard_error: float
    num_examples: int

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} +- {100 * self.standard_error:.1f} %"


@dataclass(frozen=True)
class MatchedAccuracy:
    """The share of examples whose code is matched to their label, in [0, 1], and the matching: code to label."""

    accuracy: float
    assignment: dict[int, int]


def label_accuracy(classifier: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> Accuracy:
    """Return how often the largest of the classifier's logits (B, K) is that of the label. No gradients are kept.

    Args:
        classifier: from images to logits, such as `digit_classifier()`; trained on other data than the generator is
            best, and never the network that the generator was trained against.

    Raises:
        ValueError: there are no images, not one whole-number label for each, or the logits are not (B, K).
    """
    _require_whole_numbers(labels=labels)
    if len(images) != len(labels):
        raise ValueError(f"one label for each image was due, got {len(images)} images and {len(labels)} labels")

    def right(x: Tensor, y: Tensor) -> Tensor:
        logits = classifier(x)
        if logits.ndim != 2 or len(logits) != len(x):
            raise ValueError(f"logits ({len(x)}, K) were due from the classifier, got {tuple(logits.shape)}")
        return (logits.argmax(1) == y.to(logits.device)).double()

    found = estimate_mean(right, images, labels)
    return Accuracy(found.mean, found.standard_error, found.num_examples)


def matched_accuracy(codes: Tensor, labels: Tensor) -> MatchedAccuracy:
    """Return the accuracy of the best one-to-one matching of codes (N,) to labels (N,), and that matching.

    Where there are more codes than labels, some codes stay without a label, and their examples count as wrong. The
    best of all matchings beats 1/K by chance, most so for small N.

    Raises:
        ValueError: there are no examples, or codes and labels are not whole numbers of one length.
    """
    # Here, so that reading a likelihood does not cost scipy's half second.
    from scipy.optimize import linear_sum_assignment

    _require_whole_numbers(codes=codes, labels=labels)
    if len(codes) != len(labels) or len(codes) == 0:
        raise ValueError(f"one label for each code was due, got {len(codes)} codes and {len(labels)} labels")
    code_names, code_index = codes.cpu().unique(return_inverse=True)
    label_names, label_index = labels.cpu().unique(return_inverse=True)
    pairs = code_index * len(label_names) + label_index
    table = pairs.bincount(minlength=len(code_names) * len(label_names)).view(len(code_names), len(label_names))
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    return MatchedAccuracy(
        accuracy=table[rows, columns].sum().item() / len(codes),
        assignment=dict(zip(code_names[rows].tolist(), label_names[columns].tolist(), strict=True)),
    )


def _require_whole_numbers(**tensors: Tensor) -> None:
    for name, values in tensors.items():
        if values.ndim != 1 or values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
            raise ValueError(f"{name} must be whole numbers (N,), got {tuple(values.shape)} of {values.dtype}")
