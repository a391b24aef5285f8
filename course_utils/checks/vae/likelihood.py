"""The check of `bernoulli_log_prob`, and what goes wrong with a Bernoulli log-likelihood."""

# ruff: noqa: E501

import math

import torch
import torch.nn.functional as F

from course_utils.checks.oracle import IMAGE_SHAPES, OracleCheck
from course_utils.checks.reductions import reductions, sum_examples
from course_utils.checks.tensors import copies


def bernoulli_terms(logits, x):
    return x * logits - F.softplus(logits)


def wrong_bernoulli_terms(logits, x):
    probs = logits.sigmoid()
    return [
        ("likelihood-sign", -bernoulli_terms(logits, x)),
        ("likelihood-probs-for-logits", x * logits.log() + (1 - x) * (1 - logits).log()),
        ("likelihood-sigmoid-twice", bernoulli_terms(probs, x)),
        ("likelihood-sigmoid-twice", -bernoulli_terms(probs, x)),
        ("likelihood-ones-only", x * F.logsigmoid(logits)),
        ("likelihood-ones-only", F.logsigmoid(logits)),
        ("likelihood-zeros-only", (1 - x) * F.logsigmoid(-logits)),
        ("likelihood-swapped", bernoulli_terms(-logits, x)),
        ("likelihood-swapped", -bernoulli_terms(-logits, x)),
        ("likelihood-no-log", x * probs + (1 - x) * (1 - probs)),
        ("likelihood-not-normalised", x * logits),
        ("likelihood-not-normalised", x * logits - (1 - x) * logits),
        ("likelihood-zeros-sign", x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(-logits)),
        ("likelihood-squared-error", (probs - x) ** 2),
        ("likelihood-squared-error", -((probs - x) ** 2)),
        ("likelihood-squared-error", (logits - x) ** 2),
        ("likelihood-squared-error", -((logits - x) ** 2)),
        ("likelihood-softmax", x * F.log_softmax(logits.flatten(1), 1).reshape(logits.shape)),
        ("likelihood-softmax", x * F.log_softmax(logits, -1)),
        ("likelihood-bits", bernoulli_terms(logits, x) / math.log(2)),
    ]


LIKELIHOOD_MISTAKES = {
    "likelihood-sign": "your log-likelihood has the opposite sign: the log of a probability is never above zero (a loss is its negative).",
    "likelihood-probs-for-logits": "you take the logits for probabilities: the probability of a 1 is sigmoid(logits).",
    "likelihood-sigmoid-twice": "sigmoid is applied twice: functions that take logits do it themselves.",
    "likelihood-ones-only": "pixels with x = 0 are judged as nothing or as ones: they add log(1 - sigmoid(logits)).",
    "likelihood-zeros-only": "only pixels with x = 0 count: those with x = 1 add log sigmoid(logits).",
    "likelihood-swapped": "zeros and ones are swapped: x = 1 has probability sigmoid(logits).",
    "likelihood-no-log": "you sum probabilities: take the log of each before the sum.",
    "likelihood-not-normalised": "the normaliser is missing: x * logits - softplus(logits).",
    "likelihood-zeros-sign": "the term of the pixels with x = 0 has the opposite sign: both terms are added.",
    "likelihood-squared-error": "you compute a squared error: due is the Bernoulli log-probability.",
    "likelihood-softmax": "a softmax makes the pixels compete: each pixel has a sigmoid of its own.",
    "likelihood-bits": "your log-likelihood is in bits: use the natural logarithm (nats).",
    "log-of-sigmoid": "far out the result is not finite: a probability rounds to 0 or 1 before the log; use logsigmoid or a loss that takes logits.",
    "exp-overflow": "far out the result is not finite: exp(logits) overflows; use softplus or a loss that takes logits.",
    "bce-of-sigmoid": "far out each pixel stops at -100: `binary_cross_entropy` of probabilities is cut off there; use the form that takes logits.",
    "eps-in-log": "far out the result stops falling: a clamp or an eps in the log hides how wrong the logits are; use logsigmoid or a loss that takes logits.",
}  # fmt: skip


def explain_extreme_logits(trial, result):
    """The id of the mistake in a Bernoulli log-likelihood (plus terms without logits) for large logits."""
    case = result.case

    def at(logit, x):
        arguments = {"logits": torch.full_like(case["logits"], logit), "x": torch.full_like(case["x"], x)}
        return trial.call(*{**copies(case), **arguments}.values()).detach().double()

    if at(1000.0, 1.0).isinf().any():
        return "exp-overflow"
    if not result.value.isfinite().all():
        return "log-of-sigmoid"
    if not torch.allclose(at(-150.0, 1.0), at(-1000.0, 1.0), 1e-3):
        return None
    # In float32, sigmoid(60) is 1 already, so that a loss of probabilities stands at its -100.
    stop = (at(60.0, 1.0) - at(60.0, 0.0)) / case["x"][0].numel()
    return "bce-of-sigmoid" if torch.allclose(stop, torch.full_like(stop, 100.0), 1e-2) else "eps-in-log"


def extreme_logits(rng, *shape):
    """Logits of +-150 and +-1000 that agree with x, and x."""
    x = rng.bits(*shape)
    return torch.where(rng.bits(*shape) > 0, 150.0, 1000.0) * (2 * x - 1), x


class BernoulliLogProb(OracleCheck):
    name = "bernoulli_log_prob"
    arguments = ("logits", "x")
    differentiable = ("logits",)
    wrong_canary_mistake = "likelihood-sign"
    mistakes = LIKELIHOOD_MISTAKES

    def cases(self, rng):
        return [{"logits": rng.normal(*shape, scale=1.5), "x": rng.bits(*shape)} for shape in IMAGE_SHAPES]

    def far_cases(self, rng):
        agreeing, x = extreme_logits(rng, 4, 6)
        return [{"logits": agreeing, "x": x}, {"logits": -agreeing, "x": x}, {"logits": -agreeing * 0.15, "x": x}]

    def single_case(self, rng):
        return {"logits": rng.normal(1, 3, 2, 4), "x": rng.bits(1, 3, 2, 4)}

    def oracle(self, logits, x):
        return sum_examples(bernoulli_terms(logits, x))

    def guesses(self, logits, x):
        right = bernoulli_terms(logits, x)
        return [
            *reductions(right),
            *(((mistake,), sum_examples(terms)) for mistake, terms in wrong_bernoulli_terms(logits, x)),
            (("likelihood-no-log",), sum_examples(right).exp()),
        ]

    def double_guesses(self, logits, x):
        wrong = wrong_bernoulli_terms(logits, x)
        return [guess for mistake, terms in wrong for guess in reductions(terms, mistake)]

    def explain_far(self, trial, result):
        return explain_extreme_logits(trial, result)

    def right_canary(self, logits, x):
        return torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).flatten(1).sum(1)

    def wrong_canary(self, logits, x):
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
