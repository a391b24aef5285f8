"""The check of `pixel_log_prob`, and what goes wrong with a softmax over the levels of a pixel."""

# ruff: noqa: E501

import contextlib
import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.reductions import reductions, sum_examples
from course_utils.checks.tensors import copies


def chosen(scores, x):
    """The score of each pixel's level: (B, V, C, H, W) and (B, C, H, W) to (B, C, H, W)."""
    return scores.gather(1, x.unsqueeze(1)).squeeze(1)


def level_terms(logits, x):
    return chosen(logits.log_softmax(1), x)


def misread(logits, x, *axes):
    """The terms if the logits, laid out as `axes` of (B, V, C, H, W), are read as rows of V numbers."""
    rows = logits.permute(*axes).reshape(-1, logits.shape[1])
    return rows.log_softmax(1).gather(1, x.reshape(-1, 1)).reshape(x.shape)


def wrong_level_terms(logits, x):
    """Guesses at the log-probability of each value: (id, terms), the most specific first."""
    num_levels = logits.shape[1]
    right, log_probs, probs = level_terms(logits, x), logits.log_softmax(1), logits.softmax(1)
    one_hot = F.one_hot(x, num_levels).movedim(-1, 1).to(logits)
    each = one_hot * F.logsigmoid(logits) + (1 - one_hot) * F.logsigmoid(-logits)
    binary = x * logits[:, 1] - F.softplus(logits[:, 1])
    channels_first = logits.reshape(len(x), x.shape[1], num_levels, *x.shape[2:])
    axes = [(0,), (2,), (3,), (4,), (3, 4), (2, 3, 4), (1, 2), (1, 3, 4), (1, 2, 3, 4), (0, 1, 2, 3, 4)]
    return [
        ("sign", -right),
        ("bits", right / math.log(2)),
        ("bits", -right / math.log(2)),
        ("no-log", chosen(probs, x)),
        ("no-log", -chosen(probs, x)),
        ("not-normalised", chosen(logits, x)),
        ("not-normalised", -chosen(logits, x)),
        ("not-normalised", chosen(logits, x) - logits.amax(1)),
        ("softmax-twice", level_terms(probs, x)),
        ("softmax-twice", -level_terms(probs, x)),
        ("no-softmax", chosen(logits.log(), x)),
        ("no-softmax", chosen(logits.abs().log(), x)),
        *(("softmax-axis", chosen(logits - logits.logsumexp(axis, keepdim=True), x)) for axis in axes),
        ("next-level", chosen(log_probs, (x + 1) % num_levels)),
        ("next-level", chosen(log_probs, (x - 1) % num_levels)),
        ("next-level", chosen(log_probs, (x + 1).clamp(max=num_levels - 1))),
        ("next-level", chosen(log_probs, (x - 1).clamp(min=0))),
        ("reversed-levels", chosen(log_probs, num_levels - 1 - x)),
        ("sigmoid-of-each", each.sum(1)),
        ("sigmoid-of-each", each.mean(1)),
        ("sigmoid-of-each", chosen(F.logsigmoid(logits), x)),
        ("binary", binary),
        ("binary", -binary),
        ("most-likely-level", log_probs.amax(1)),
        ("entropy", (probs * log_probs).sum(1)),
        ("entropy", -(probs * log_probs).sum(1)),
        ("all-levels", log_probs.sum(1)),
        ("all-levels", log_probs.mean(1)),
        ("average-level", -(((probs * torch.arange(num_levels).reshape(-1, 1, 1, 1)).sum(1) - x) ** 2)),
        ("first-channel", right[:, :1]),
        ("one-image", level_terms(logits[:1].expand_as(logits), x)),
        *(
            ("axes-mixed-up", misread(logits, x, *order))
            for order in ((0, 1, 2, 3, 4), (0, 4, 2, 3, 1), (0, 2, 1, 3, 4), (0, 3, 4, 2, 1), (2, 3, 4, 0, 1))
        ),
        ("axes-mixed-up", misread(logits, x, 0, 2, 4, 3, 1)),
        ("axes-mixed-up", channels_first.log_softmax(2).gather(2, x.unsqueeze(2)).squeeze(2)),
    ]


class PixelLogProb(OracleCheck):
    name = "pixel_log_prob"
    arguments = ("logits", "x")
    differentiable = ("logits",)
    wrong_canary_mistake = "sign"
    mistakes: ClassVar = {
        "sign": "your log-probability has the opposite sign: the log of a probability is never above zero (a loss is its negative).",
        "bits": "your log-probability is in bits: use the natural logarithm (nats).",
        "no-log": "you sum or multiply probabilities: due is the sum of their logs.",
        "not-normalised": "the normaliser is missing: take log_softmax over the levels before you pick the one of x.",
        "softmax-twice": "softmax is applied twice: functions that take logits do it themselves.",
        "no-softmax": "you take the logits for probabilities: their softmax over the levels is.",
        "softmax-axis": "the softmax is over a wrong axis: it is over the V levels, axis 1 of the logits.",
        "next-level": "you pick the neighbour of the level of x: levels count from 0, as the index does.",
        "reversed-levels": "you pick level V - 1 - x: level x has index x.",
        "sigmoid-of-each": "each level gets a sigmoid of its own: the V levels of a pixel share one softmax.",
        "binary": "you compute a Bernoulli likelihood of one of the logits: a pixel has V levels, which share one softmax.",
        "most-likely-level": "you take the most likely level: due is the log-probability of the level in x.",
        "entropy": "you average over all levels (an entropy): due is the log-probability of the level in x.",
        "all-levels": "you sum over all levels: due is the log-probability of the level in x only.",
        "average-level": "you compare the mean level with x (a squared error): due is the log-probability of the level in x.",
        "first-channel": "only the first channel counts: sum over all channels.",
        "one-image": "the logits of the first image are used for all: each image has its own.",
        "axes-mixed-up": "the axes are mixed up before the softmax: `reshape` or `view` does not move the levels to another axis, `movedim(1, -1)` does.",
        "log-of-softmax": "far out the result is not finite: a probability rounds to 0 before the log; use log_softmax or cross_entropy.",
        "exp-overflow": "far out the result is not finite: exp(logits) overflows or vanishes; use log_softmax or cross_entropy.",
        "eps-in-log": "far out the result stops falling: a clamp or an eps in the log hides how unlikely a level is; use log_softmax or cross_entropy.",
    }  # fmt: skip

    def cases(self, rng):
        return [self._case(rng, *shape) for shape in ((4, 5, 3, 2, 6), (3, 2, 1, 5, 4), (2, 9, 2, 4, 3))]

    def _case(self, rng, batch, num_levels, *image_shape):
        logits = rng.normal(batch, num_levels, *image_shape, scale=1.5)
        return {"logits": logits, "x": rng.integers(num_levels, batch, *image_shape)}

    def far_cases(self, rng):
        case = self._case(rng, 3, 4, 3, 2, 3)
        signs = torch.where(rng.bits(*case["logits"].shape) > 0, 150.0, -150.0)
        x = case["x"]
        return [
            {"logits": signs, "x": x},
            {"logits": case["logits"] + 150.0, "x": x},
            {"logits": case["logits"] - 150.0, "x": x},
            {"logits": signs.neg().scatter(1, x.unsqueeze(1), -150.0), "x": x},
        ]

    def single_case(self, rng):
        return self._case(rng, 1, 3, 1, 2, 4)

    def oracle(self, logits, x):
        return sum_examples(level_terms(logits, x))

    def guesses(self, logits, x):
        right = level_terms(logits, x)
        return [
            *reductions(right),
            *(((mistake,), sum_examples(terms)) for mistake, terms in wrong_level_terms(logits, x)),
            (("no-log",), sum_examples(right).exp()),
            (("no-log",), sum_examples(chosen(logits.softmax(1), x)).log()),
        ]

    def double_guesses(self, logits, x):
        return [guess for mistake, terms in wrong_level_terms(logits, x) for guess in reductions(terms, mistake)]

    def explain_error(self, trial, case, failure):
        if "Target size" in failure.got and "input size" in failure.got:
            return "binary"  # binary cross-entropy, which has no axis of levels
        num_levels = case["logits"].shape[1]
        if "out of bounds" not in failure.got or num_levels < 3:
            return None
        inside = {**case, "x": case["x"].clamp(1, num_levels - 2)}
        with contextlib.suppress(Failure):
            result = self.result(inside, trial.call(*copies(inside).values()))
            return next(iter(self.name_mistake([result])), None)
        return None

    def explain_far(self, trial, result):
        logits = result.case["logits"]

        def at(case):
            return trial.call(*copies(case).values()).detach().double()

        level = torch.zeros_like(logits)
        if any(not at({**result.case, "logits": level + shift}).isfinite().all() for shift in (150.0, -150.0)):
            return "exp-overflow"
        return "eps-in-log" if result.value.isfinite().all() else "log-of-softmax"

    def right_canary(self, logits, x):
        return (chosen(logits, x) - logits.logsumexp(1)).flatten(1).sum(1)

    def wrong_canary(self, logits, x):
        return F.cross_entropy(logits, x, reduction="none").flatten(1).sum(1)
