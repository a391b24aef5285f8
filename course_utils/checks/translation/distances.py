"""What the checks of losses with an L1 term share: wrong distances of two images, and the corner of |x| at 0."""

# ruff: noqa: E501

import torch
import torch.nn.functional as F

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import copies, shapes

# Ways to get the mean of absolute differences wrong: id -> sentence.
DISTANCE_MISTAKES = {
    "l2": "you square the differences (L2): due is the mean of their absolute values (L1).",
    "root": "you take the root of a sum or mean of squares (a norm): due is the mean of absolute values (L1).",
    "huber": "you compute a smooth L1 (Huber) loss: near 0 it is a square, L1 is not.",
    "no-abs": "the absolute values are missing, or come after the mean: differences above and below 0 then cancel.",
    "of-magnitudes": "you compare the absolute values of the images: subtract first, then take the absolute value.",
    "sum": "you sum the absolute differences: take their mean over all values, or the term grows with the size of batch and images.",
    "sum-per-image": "you sum the absolute differences of an image and average over the batch alone: every pixel and channel counts in the mean.",
    "partial-sum": "you divide by the number of pixels or channels alone: the mean of the absolute differences runs over examples, channels and pixels.",
    "not-averaged": "not everything is averaged: the mean of the absolute differences runs over all axes, and the loss is one number.",
    "maximum": "you take the largest absolute difference: due is their mean.",
    "nan-at-equality": "where the two images are equal the gradient is not finite: take `abs`, not the root of a square.",
}  # fmt: skip


def l1(a, b):
    return (a - b).abs().mean()


def wrong_distances(a, b):
    """Guesses at what came for the mean absolute difference of two images: (id, value)."""
    difference = a - b
    absolute, square = difference.abs(), difference.square()
    count, channels, height, width = a.shape
    total = absolute.sum()
    return [
        ("l2", square.mean()),
        ("l2", square.mean() / 2),
        ("l2", square.sum()),
        ("l2", square.sum() / count),
        ("root", square.mean().sqrt()),
        ("root", square.sum().sqrt()),
        ("root", square.flatten(1).sum(1).sqrt().mean()),
        ("root", square.sum(1).sqrt().mean()),
        ("huber", F.smooth_l1_loss(a, b)),
        ("huber", F.smooth_l1_loss(a, b, beta=0.1)),
        ("no-abs", difference.mean()),
        ("no-abs", -difference.mean()),
        ("no-abs", difference.mean().abs()),
        ("no-abs", difference.flatten(1).mean(1).abs().mean()),
        ("of-magnitudes", (a.abs() - b.abs()).mean()),
        ("of-magnitudes", (a.abs() - b.abs()).abs().mean()),
        ("sum", total),
        ("sum-per-image", total / count),
        ("partial-sum", total / (count * height * width)),
        ("partial-sum", total / (count * channels)),
        ("partial-sum", total / (channels * height * width)),
        ("partial-sum", total / (height * width)),
        ("partial-sum", total / channels),
        ("not-averaged", absolute),
        ("not-averaged", absolute.mean(0)),
        ("not-averaged", absolute.flatten(1).mean(1)),
        ("not-averaged", absolute.mean((2, 3))),
        ("not-averaged", absolute.mean(1)),
        ("maximum", absolute.max()),
    ]


def draw_pair(rng, *shape, scale=1.0):
    """Two images that differ everywhere, by about `scale`, the first more often the larger one."""
    image = rng.normal(*shape, scale=0.6)
    signs = torch.where(rng.uniform(*shape) < 0.7, 1.0, -1.0)
    return image + scale * signs * rng.uniform(*shape, low=0.3, high=1.7), image


class DistanceLoss(OracleCheck):
    """The check of a loss with L1 terms, whose gradient is finite also where two images agree.

    Subclasses give `meeting_case(rng)`, where some values of `differentiable` arguments are what they should be.
    """

    def meeting_case(self, rng):
        raise NotImplementedError

    def judge_gradient(self, trial):
        super().judge_gradient(trial)
        case = self.meeting_case(trial.rng)
        where = f"images that agree in places, input {shapes(case)}"
        leaves = {name: case[name].clone().requires_grad_() for name in self.differentiable}
        output = trial.call(*{**copies(case), **{name: leaf.clone() for name, leaf in leaves.items()}}.values())
        self.require_type(output, where)
        # At the corner of |x| every slope from -1 to 1 is a right one.
        for name, gradient in zip(
            leaves, trial.gradient(output, list(leaves.values()), torch.ones_like(output)), strict=True
        ):
            if gradient is not None and not gradient.isfinite().all():
                raise Failure(mistake="nan-at-equality", where=f"gradient for {name}, {where}", got="NaN or infinite")
