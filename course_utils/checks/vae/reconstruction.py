"""The check of `reconstruction_loss`."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.oracle import IMAGE_SHAPES, OracleCheck
from course_utils.checks.reductions import reductions, sum_examples


class ReconstructionLoss(OracleCheck):
    name = "reconstruction_loss"
    arguments = ("x_hat", "x")
    differentiable = ("x_hat", "x")
    wrong_canary_mistake = "mean-over-dims"
    mistakes: ClassVar = {
        "sign": "your loss has the opposite sign: a squared distance is never negative.",
        "half": "your loss is half of what is due: here the squared distance has no factor 1/2.",
        "not-squared": "you sum absolute differences (L1): square them (L2).",
        "no-power": "you sum the differences as they are, so that they cancel: square each one first.",
        "square-of-sum": "you square the sum of the differences: square each one first, then sum.",
        "root": "you return the distance, but the squared distance is due: leave out the square root.",
        "difference-of-squares": "you take the difference of the squares: take the square of the difference.",
        "cross-entropy": "you compute a cross-entropy: here the loss is the squared distance.",
        "gaussian-constant": "you return a Gaussian's negative log-likelihood, with its constant: only the squared distance is due.",
        "huber": "you compute a smooth L1 (Huber) loss: far apart it is no square any more.",
        "nan-at-equality": "where x_hat equals x the gradient is not finite: do not take a square root and square it again.",
    }  # fmt: skip

    def cases(self, rng):
        return [{"x_hat": rng.normal(*shape) + 0.5, "x": rng.uniform(*shape)} for shape in IMAGE_SHAPES]

    def flat_cases(self, rng):
        x = rng.uniform(3, 4)
        return [{"x_hat": x.clone(), "x": x}]

    def far_cases(self, rng):
        return [{"x_hat": rng.normal(3, 300, scale=60.0), "x": rng.uniform(3, 300)}]

    def single_case(self, rng):
        return {"x_hat": rng.normal(1, 3, 2, 4), "x": rng.uniform(1, 3, 2, 4)}

    def oracle(self, x_hat, x):
        return sum_examples((x_hat - x) ** 2)

    def guesses(self, x_hat, x):
        square, summed = (x_hat - x) ** 2, sum_examples(x_hat - x)
        distance = sum_examples(square).sqrt()
        roots = [distance, square.flatten(1).mean(1).sqrt(), square.sum().sqrt(), square.mean().sqrt()]
        roots += [distance.mean(), distance.sum()]
        return [
            *reductions(square),
            *(((mistake,), sum_examples(terms)) for mistake, terms in self._wrong_terms(x_hat, x)),
            *((("root",), root) for root in roots),
            (("square-of-sum",), summed**2),
        ]

    def double_guesses(self, x_hat, x):
        return [guess for mistake, terms in self._wrong_terms(x_hat, x) for guess in reductions(terms, mistake)]

    def _wrong_terms(self, x_hat, x):
        difference = x_hat - x
        square = difference**2
        return [
            ("half", square / 2),
            ("sign", -square),
            ("sign", -square / 2),
            ("not-squared", difference.abs()),
            ("no-power", difference),
            ("no-power", -difference),
            ("difference-of-squares", x_hat**2 - x**2),
            ("difference-of-squares", x**2 - x_hat**2),
            ("cross-entropy", F.binary_cross_entropy_with_logits(x_hat, x, reduction="none")),
            ("gaussian-constant", square / 2 + math.log(2 * math.pi) / 2),
            ("huber", F.smooth_l1_loss(x_hat, x, reduction="none")),
        ]

    def explain_error(self, trial, case, failure):
        return "cross-entropy" if "between 0 and 1" in failure.got else None

    def explain_gradient(self, trial, case, name, got, expected):
        return "nan-at-equality" if not got.isfinite().all() and torch.equal(case["x_hat"], case["x"]) else None

    def right_canary(self, x_hat, x):
        return (x - x_hat).pow(2).flatten(1).sum(1)

    def wrong_canary(self, x_hat, x):
        return (x - x_hat).pow(2).flatten(1).mean(1)
