"""Checks of assignment a3_vae: eight functions of autoencoders and variational autoencoders.

The oracles are written here in float64, apart from `course_utils.models`. Each table of mistakes has one sentence a line.
"""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.core import Failure
from course_utils.checks.oracle import OracleCheck, copies, reductions, sum_examples
from course_utils.checks.sampling import Reparameterize, gaussian

IMAGE_SHAPES = ((5, 6), (3, 2, 4, 5))  # (B, D) and (B, C, H, W): unequal batches, images that are not square


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


def kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def wrong_kl_terms(mu, logvar):
    """Guesses at the KL of each element: (id, terms), the most specific first."""
    variance = logvar.exp()
    return [
        ("kl-sign", -kl_terms(mu, logvar)),
        ("kl-no-half", 2 * kl_terms(mu, logvar)),
        ("kl-sign", -2 * kl_terms(mu, logvar)),
        ("kl-half-twice", 0.5 * kl_terms(mu, logvar)),
        ("kl-logvar-as-std", 0.5 * (mu**2 + logvar**2 - 1) - logvar.log()),
        ("kl-logvar-as-std", 0.5 * (mu**2 + logvar**2 - 1 - (logvar**2).log())),
        ("kl-logvar-as-std", 0.5 * (mu**2 + logvar**2 - 1 - logvar)),
        ("kl-logvar-as-variance", 0.5 * (mu**2 + logvar - 1 - logvar.log())),
        ("kl-logvar-as-variance", 0.5 * (mu**2 + logvar - 1 - logvar.abs().log())),
        ("kl-logvar-as-variance", 0.5 * (mu**2 + logvar - 1 - variance)),
        ("kl-exp-logvar-as-std", 0.5 * (mu**2 + variance**2 - 1 - 2 * logvar)),
        ("kl-exp-logvar-as-std", 0.5 * (mu**2 + variance**2 - 1 - logvar)),
        ("kl-std-for-variance", 0.5 * (mu**2 + (0.5 * logvar).exp() - 1 - logvar)),
        ("kl-std-for-variance", 0.5 * (mu**2 + (0.5 * logvar).exp() - 1 - 0.5 * logvar)),
        ("kl-logvar-twice", 0.5 * (mu**2 + variance - 1 - 2 * logvar)),
        ("kl-log-std", 0.5 * (mu**2 + variance - 1 - 0.5 * logvar)),
        ("kl-mu-not-squared", 0.5 * (mu + variance - 1 - logvar)),
        ("kl-mu-not-squared", 0.5 * (mu.abs() + variance - 1 - logvar)),
        ("kl-mu-missing", 0.5 * (variance - 1 - logvar)),
        ("kl-mu-sign", 0.5 * (-(mu**2) + variance - 1 - logvar)),
        ("kl-no-one", 0.5 * (mu**2 + variance - logvar)),
        ("kl-one-sign", 0.5 * (mu**2 + variance + 1 - logvar)),
        ("kl-no-log", 0.5 * (mu**2 + variance - 1)),
        ("kl-no-log", 0.5 * (mu**2 + variance)),
        ("kl-log-sign", 0.5 * (mu**2 + variance - 1 + logvar)),
        ("kl-variance-sign", 0.5 * (mu**2 - variance - 1 - logvar)),
        ("kl-no-variance", 0.5 * (mu**2 - 1 - logvar)),
        ("kl-reversed", 0.5 * ((1 + mu**2) / variance - 1 + logvar)),
        ("kl-cross-entropy", 0.5 * (mu**2 + variance + math.log(2 * math.pi))),
        ("kl-bits", kl_terms(mu, logvar) / math.log(2)),
        ("kl-half-of-one-term", 0.5 * mu**2 + variance - 1 - logvar),
        ("kl-half-of-one-term", -0.5 + mu**2 + variance - logvar),
        ("kl-half-of-one-term", -0.5 - logvar + mu**2 + variance),
        ("kl-half-of-one-term", -0.5 + logvar - mu**2 - variance),
        ("kl-half-of-one-term", 0.5 * (mu**2 + variance) - 1 - logvar),
    ]


KL_MISTAKES = {
    "kl-sign": "your KL has the opposite sign: a KL divergence is never below zero.",
    "kl-no-half": "your KL is twice what is due: the factor 1/2 is missing.",
    "kl-half-twice": "your KL is half of what is due: the factor 1/2 is there twice.",
    "kl-logvar-as-std": "you take logvar for the standard deviation: the variance is exp(logvar), its log is logvar.",
    "kl-logvar-as-variance": "you take logvar for the variance: the variance is exp(logvar), its log is logvar.",
    "kl-exp-logvar-as-std": "you take exp(logvar) for the standard deviation and square it: it is the variance already.",
    "kl-std-for-variance": "you use the standard deviation exp(logvar / 2) where the variance exp(logvar) is due.",
    "kl-logvar-twice": "logvar counts twice (2 * logvar): it is the log of the variance already.",
    "kl-log-std": "the log term is half of what is due: within the factor 1/2 stands logvar, not logvar / 2.",
    "kl-mu-not-squared": "mu is not squared: the term is mu ** 2.",
    "kl-mu-missing": "the term mu ** 2 is missing: the KL grows as the mean moves away from 0.",
    "kl-mu-sign": "the term mu ** 2 has the opposite sign: the KL grows as the mean moves away from 0.",
    "kl-no-one": "the -1 is missing: for mu = 0 and logvar = 0 the KL is zero.",
    "kl-one-sign": "the 1 has the opposite sign: for mu = 0 and logvar = 0 the KL is zero.",
    "kl-no-log": "the term -logvar is missing.",
    "kl-log-sign": "the term logvar has the opposite sign: the KL grows as the variance goes to 0.",
    "kl-variance-sign": "the term exp(logvar) has the opposite sign: the KL grows with the variance.",
    "kl-no-variance": "the term exp(logvar) is missing: the KL grows with the variance.",
    "kl-reversed": "you compute KL(N(0, I) to q), the other direction: due is KL(q to N(0, I)).",
    "kl-cross-entropy": "you compute the cross-entropy -E log p(z): the entropy of q is still to be subtracted.",
    "kl-bits": "your KL is in bits: use the natural logarithm (nats).",
    "kl-half-of-one-term": "the factor 1/2 reaches only a part of the terms: put brackets around the whole sum.",
    "clamped": "far out your result stops changing: logvar is clamped too tightly (beyond +-20 would do).",
}  # fmt: skip


def saturates(trial, case, name, near, far):
    """Whether the student's result is the same with the argument `name` filled with `near` and with `far`."""
    results = []
    for value in (near, far):
        arguments = {**copies(case), name: torch.full_like(case[name], value)}
        results.append(trial.call(*arguments.values()).detach().double())
    return torch.allclose(*results, 1e-5, 1e-6)


class GaussianKL(OracleCheck):
    name = "gaussian_kl"
    arguments = ("mu", "logvar")
    differentiable = ("mu", "logvar")
    wrong_canary_mistake = "kl-sign"
    mistakes = KL_MISTAKES

    def cases(self, rng):
        return [gaussian(rng, 5, 3), gaussian(rng, 4, 7)]

    def far_cases(self, rng):
        tiny = {"mu": rng.normal(4, 2), "logvar": rng.uniform(4, 2, low=-19.9, high=-3.0)}
        wide = {"mu": rng.normal(4, 1), "logvar": torch.tensor([[3.0], [7.0], [14.0], [19.9]])}
        away = {"mu": 60 * torch.sign(rng.normal(3, 300)), "logvar": rng.uniform(3, 300, low=-1.0)}
        return [tiny, wide, away]

    def single_case(self, rng):
        return gaussian(rng, 1, 4)

    def oracle(self, mu, logvar):
        return sum_examples(kl_terms(mu, logvar))

    def guesses(self, mu, logvar):
        wrong = wrong_kl_terms(mu, logvar)
        return [
            *reductions(kl_terms(mu, logvar)),
            *(((mistake,), sum_examples(terms)) for mistake, terms in wrong),
        ]

    def double_guesses(self, mu, logvar):
        return [guess for mistake, terms in wrong_kl_terms(mu, logvar) for guess in reductions(terms, mistake)]

    def explain_far(self, trial, result):
        flat = saturates(trial, result.case, "logvar", -19.9, -18) or saturates(trial, result.case, "logvar", 18, 19.9)
        return "clamped" if flat else None

    def right_canary(self, mu, logvar):
        return (mu.square() + torch.expm1(logvar) - logvar).sum(1) / 2

    def wrong_canary(self, mu, logvar):
        return (1 + logvar - mu.square() - logvar.exp()).sum(1) / 2


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


class Elbo(OracleCheck):
    name = "elbo"
    arguments = ("logits", "x", "mu", "logvar", "beta")
    differentiable = ("logits", "mu", "logvar")
    defaults: ClassVar = {"beta": 1.0}
    scalars = ("beta",)
    wrong_canary_mistake = "kl-added"
    mistakes: ClassVar = {
        **KL_MISTAKES,
        **LIKELIHOOD_MISTAKES,
        "elbo-sign": "you return the negative ELBO (a loss): due is log-likelihood - beta KL, to be maximised.",
        "kl-added": "the KL is added: the bound is log-likelihood minus beta KL.",
        "beta-on-likelihood": "beta weighs the log-likelihood: it belongs to the KL.",
        "beta-on-both": "beta weighs both terms: it belongs to the KL alone.",
        "beta-ignored": "beta has no effect: the KL is to be multiplied by it.",
        "beta-added": "beta is added or divided: the KL is to be multiplied by it.",
        "beta-squared": "beta is applied twice: multiply the KL by it once.",
        "no-kl": "the KL term is missing: subtract beta KL.",
        "no-likelihood": "the log-likelihood is missing: only the KL came.",
        "kl-over-batch": "the KL is summed or averaged over the batch: subtract from each example its own KL.",
        "likelihood-over-batch": "the log-likelihood is summed or averaged over the batch: each example has its own.",
        "kl-mean-over-dims": "the KL is averaged over the latent dimensions: sum them.",
        "likelihood-mean-over-dims": "the log-likelihood is averaged over the pixels: sum them, or it weighs too little against the KL.",
    }  # fmt: skip

    def cases(self, rng):
        first = {**self._likelihood(rng, *IMAGE_SHAPES[0]), **gaussian(rng, 5, 3)}
        second = {**self._likelihood(rng, *IMAGE_SHAPES[1]), **gaussian(rng, 3, 4)}
        agreeing, x = extreme_logits(rng, 4, 3)
        only_kl = {"logits": agreeing * 0.2, "x": x, **gaussian(rng, 4, 5)}  # the likelihood is 1: nothing hides the KL
        return [{**first, "beta": 0.0}, {**first, "beta": 1.0}, {**second, "beta": 4.0}, {**only_kl, "beta": 0.5}]

    def _likelihood(self, rng, *shape):
        return {"logits": rng.normal(*shape, scale=1.5), "x": rng.bits(*shape)}

    def far_cases(self, rng):
        agreeing, x = extreme_logits(rng, 4, 6)
        moderate = {"logits": rng.normal(4, 6), "x": x}
        tiny = {"mu": rng.normal(4, 2), "logvar": rng.uniform(4, 2, low=-19.9, high=-3.0)}
        wide = {"mu": 60 * rng.normal(4, 1).sign(), "logvar": torch.tensor([[3.0], [7.0], [14.0], [19.9]])}
        return [
            {"logits": agreeing, "x": x, **gaussian(rng, 4, 3), "beta": 1.0},
            {"logits": -agreeing, "x": x, **gaussian(rng, 4, 3), "beta": 1.0},
            {**moderate, **tiny, "beta": 1.0},
            {**moderate, **wide, "beta": 2.0},
        ]

    def single_case(self, rng):
        return {**self._likelihood(rng, 1, 3, 2, 4), **gaussian(rng, 1, 3), "beta": 2.0}

    def oracle(self, logits, x, mu, logvar, beta):
        return sum_examples(bernoulli_terms(logits, x)) - beta * sum_examples(kl_terms(mu, logvar))

    def guesses(self, logits, x, mu, logvar, beta):
        likelihoods, kls = bernoulli_terms(logits, x), kl_terms(mu, logvar)
        likelihood, kl = sum_examples(likelihoods), sum_examples(kls)
        elbo = likelihood - beta * kl
        guesses = [
            (("elbo-sign",), -elbo),
            (("kl-added",), likelihood + beta * kl),
            (("beta-on-likelihood",), beta * likelihood - kl),
            (("beta-on-both",), beta * (likelihood - kl)),
            (("beta-ignored",), likelihood - kl),
            (("beta-added",), likelihood - (beta + kl)),
            (("beta-added",), likelihood - kl / beta if beta else likelihood - kl * math.inf),
            (("beta-squared",), likelihood - beta**2 * kl),
            (("no-kl",), likelihood),
            (("no-likelihood",), -beta * kl),
            (("no-likelihood",), beta * kl),
        ]
        wrong_kls, wrong_likelihoods = wrong_kl_terms(mu, logvar), wrong_bernoulli_terms(logits, x)
        own_sign = [(name, sum_examples(terms)) for name, terms in wrong_likelihoods]
        guesses += [((name,), likelihood - beta * sum_examples(terms)) for name, terms in wrong_kls]
        guesses += [((name,), terms - beta * kl) for name, terms in own_sign]
        guesses += [
            (("likelihood-mean-over-dims",), likelihoods.flatten(1).mean(1) - beta * kl),
            (("kl-mean-over-dims",), likelihood - beta * kls.mean(1)),
            (("likelihood-mean-over-dims", "kl-mean-over-dims"), likelihoods.flatten(1).mean(1) - beta * kls.mean(1)),
        ]
        for ways in (torch.sum, torch.mean):
            guesses += [
                (("kl-over-batch",), likelihood - beta * ways(kl)),
                (("kl-over-batch",), likelihood - beta * ways(kls)),
                (("likelihood-over-batch",), ways(likelihood) - beta * kl),
                (("likelihood-over-batch",), ways(likelihoods) - beta * kl),
            ]
        guesses += self._for_the_whole_batch(elbo, likelihoods, likelihood, kls, kl, beta)
        return guesses

    def double_guesses(self, logits, x, mu, logvar, beta):
        likelihood = sum_examples(bernoulli_terms(logits, x))
        wrong_kls = [(name, sum_examples(terms)) for name, terms in wrong_kl_terms(mu, logvar)]
        wrong_likelihoods = [(name, sum_examples(terms)) for name, terms in wrong_bernoulli_terms(logits, x)]
        guesses = []
        for name, kl in wrong_kls:
            guesses += [((other, name), terms - beta * kl) for other, terms in wrong_likelihoods]
            wrong = likelihood - beta * kl
            guesses.append(((name, "elbo-sign"), -wrong))
            guesses += [((name, "mean-over-batch"), sign * wrong.mean()) for sign in (-1, 1)]
            guesses += [((name, "sum-everything"), sign * wrong.sum()) for sign in (-1, 1)]
        for name, terms in wrong_likelihoods:
            wrong = terms - beta * sum_examples(kl_terms(mu, logvar))
            guesses += [((name, "mean-over-batch"), wrong.mean()), ((name, "sum-everything"), wrong.sum())]
        return guesses

    def _for_the_whole_batch(self, elbo, likelihoods, likelihood, kls, kl, beta):
        guesses = []
        for sign, extra in ((1, ()), (-1, ("elbo-sign",))):
            guesses += [
                (("mean-over-batch", *extra), sign * elbo.mean()),
                (("mean-over-batch", *extra), sign * elbo.mean().expand(len(elbo))),
                (("sum-everything", *extra), sign * elbo.sum()),
                (("mean-everything", *extra), sign * (likelihoods.mean() - beta * kls.mean())),
                (("mean-everything", *extra), sign * (likelihoods.mean() - beta * kl.mean())),
                (("mean-everything", *extra), sign * (likelihoods.mean() - beta * kl.sum())),
                (("mean-everything", *extra), sign * (likelihood.mean() - beta * kls.mean())),
                (("divided-by-batch", *extra), sign * elbo / len(elbo)),
                (("keeps-axis", *extra), sign * elbo[:, None]),
            ]
        return guesses

    def hint(self, results):
        """Which of the two terms is to blame: at beta = 0 the first stands alone, at extreme logits the second."""
        if not self.is_close(results[0]):
            return " At beta = 0, where only the log-likelihood counts, the result is wrong."
        return " At beta = 0 the result is right: look at the KL term and at beta."

    def explain_far(self, trial, result):
        if result.case["logits"].abs().max() > 100:
            return explain_extreme_logits(trial, result)
        return GaussianKL.explain_far(self, trial, result)

    def right_canary(self, logits, x, mu, logvar, beta=1.0):
        likelihood = torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).flatten(1).sum(1)
        return likelihood - beta * (mu.square() + torch.expm1(logvar) - logvar).sum(1) / 2

    def wrong_canary(self, logits, x, mu, logvar, beta=1.0):
        likelihood = torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).flatten(1).sum(1)
        return likelihood + beta * (mu.square() + torch.expm1(logvar) - logvar).sum(1) / 2


class BetaSchedule(OracleCheck):
    name = "beta_schedule"
    arguments = ("step", "warmup_steps", "beta_max")
    defaults: ClassVar = {"beta_max": 1.0}
    scalars = ("step", "beta_max")
    number_allowed = True
    weights: ClassVar = {"value": 8.0, "far out": 1.0, "contract": 1.0}
    wrong_canary_mistake = "ignores-beta-max"
    mistakes: ClassVar = {
        "ignores-beta-max": "beta ends at 1: it is to end at beta_max, whatever that is.",
        "not-capped": "beta goes on growing after warmup_steps: it stays at beta_max there.",
        "slope-without-beta-max": "the ramp does not reach beta_max at warmup_steps: the slope is beta_max / warmup_steps.",
        "step-plus-one": "beta is one step ahead: at step 0 it is 0, and at warmup_steps it is beta_max.",
        "warmup-off-by-one": "the ramp takes one step too few or too many: divide by warmup_steps.",
        "integer-division": "integer division (or rounding) makes steps of the ramp: use `/`, and do not round.",
        "downwards": "beta falls: it rises from 0 to beta_max.",
        "no-ramp": "beta does not rise along the way: it is step / warmup_steps of beta_max until warmup_steps.",
        "max-for-min": "you take the larger of the two where the smaller is due: `min`, not `max`.",
        "inverted": "the fraction is upside down: step / warmup_steps.",
        "drops-after-warmup": "beta falls back after warmup_steps: it stays at beta_max there.",
        "not-linear": "the ramp is curved: it is to be a straight line from 0 to beta_max.",
        "starts-above-zero": "beta does not start from 0 at step 0.",
        "zero-at-end": "beta is 0 or jumps where step equals warmup_steps: there it is beta_max.",
    }  # fmt: skip

    def cases(self, rng):
        warmup = 6 + int(rng.integers(20))
        top = 2.0 + 3 * float(rng.uniform())
        middle = 1 + int(rng.integers(warmup - 1))
        inputs = [
            *((step, warmup, top) for step in (0, 1, middle, warmup - 1, warmup, warmup + 1, 2 * warmup, 5 * warmup)),
            *((step, 10, 1.0) for step in (0, 3, 9, 10, 15, 25)),
            *((step, 7, 0.25) for step in (0, 2, 6, 7, 8, 30)),
        ]
        return [{"step": step, "warmup_steps": steps, "beta_max": value} for step, steps, value in inputs]

    def far_cases(self, rng):
        inputs = [(10**5, 1, 1.0), (0, 1, 2.0), (1, 1, 2.0), (10**4, 4 * 10**4, 300.0), (10**5 + 1, 5, 0.5)]
        return [{"step": step, "warmup_steps": steps, "beta_max": value} for step, steps, value in inputs]

    def oracle(self, step, warmup_steps, beta_max):
        return torch.tensor(float(beta_max) * min(1.0, float(step) / float(warmup_steps)), dtype=torch.float64)

    def guesses(self, step, warmup_steps, beta_max):
        ratio = step / warmup_steps
        t = min(1.0, ratio)
        past = step > warmup_steps
        guesses = [
            ("ignores-beta-max", t),
            ("not-capped", beta_max * ratio),
            ("not-capped", ratio),
            ("slope-without-beta-max", min(beta_max, ratio)),
            ("step-plus-one", beta_max * min(1.0, (step + 1) / warmup_steps)),
            ("step-plus-one", min(1.0, (step + 1) / warmup_steps)),
            ("warmup-off-by-one", beta_max * min(1.0, step / max(warmup_steps - 1, 1))),
            ("warmup-off-by-one", beta_max * min(1.0, step / (warmup_steps + 1))),
            ("integer-division", beta_max * (step // warmup_steps)),
            ("integer-division", beta_max * min(1, step // warmup_steps)),
            ("integer-division", int(beta_max * t)),
            *(("integer-division", round(beta_max * t, digits)) for digits in (0, 1, 2)),
            ("downwards", beta_max * (1 - t)),
            ("downwards", -beta_max * t),
            ("no-ramp", beta_max),
            ("no-ramp", beta_max * (step > 0)),
            ("no-ramp", beta_max * past),
            ("no-ramp", 0.0),
            ("max-for-min", beta_max * max(1.0, ratio)),
            ("max-for-min", max(beta_max, beta_max * ratio)),
            ("inverted", beta_max * min(1.0, warmup_steps / max(step, 1e-9))),
            ("drops-after-warmup", 0.0 if past else beta_max * t),
            ("drops-after-warmup", 1.0 if past else beta_max * t),
            ("drops-after-warmup", beta_max * max(0.0, 1 - abs(ratio - 1))),
            ("zero-at-end", beta_max * (step % warmup_steps) / warmup_steps),
            ("zero-at-end", 0.0 if step >= warmup_steps else beta_max * t),
            ("zero-at-end", 0.0 if step == warmup_steps else beta_max * t),
            ("not-linear", beta_max * t**2),
            ("not-linear", beta_max * t**0.5),
            ("not-linear", beta_max * t**3),
            ("not-linear", beta_max * (1 - math.cos(math.pi * t)) / 2),
            ("not-linear", beta_max * math.sin(math.pi * t / 2)),
            ("not-linear", beta_max * math.tanh(ratio)),
            ("not-linear", beta_max * (1 - math.exp(-ratio))),
            ("not-linear", beta_max**t - 1),
            ("starts-above-zero", 1 + (beta_max - 1) * t),
        ]
        return [((name,), torch.tensor(float(value), dtype=torch.float64)) for name, value in guesses]

    def _name_error(self, trial, case, failure):
        failure.mistake = "inverted" if failure.got.startswith("ZeroDivisionError") and case["step"] == 0 else None
        if failure.mistake:
            failure.message = self.sentence(failure.mistake)

    def right_canary(self, step, warmup_steps, beta_max=1.0):
        return beta_max * step / warmup_steps if step < warmup_steps else beta_max

    def wrong_canary(self, step, warmup_steps, beta_max=1.0):
        return min(1.0, step / warmup_steps)


class ImportanceWeightedBound(OracleCheck):
    name = "importance_weighted_bound"
    arguments = ("log_weights",)
    differentiable = ("log_weights",)
    far_rtol, far_gradient_rtol = 2e-6, 1e-2  # near -10^4 float32 itself is that coarse
    wrong_canary_mistake = "no-log-k"
    mistakes: ClassVar = {
        "no-log-k": "log K is missing: the mean over K is a sum divided by K, so subtract log K.",
        "log-k-added": "log K is added: to divide by K, subtract it.",
        "divided-by-k": "you divide the log by K: divide inside the log, that is, subtract log K.",
        "minus-k": "you subtract K: subtract log K.",
        "log-of-batch": "you divide by the batch size: the mean is over the K samples, axis 0.",
        "mean-of-logs": "you average the log-weights, which is the ELBO: average the weights, then take the log.",
        "sum-of-logs": "you sum the log-weights: average the weights, then take the log.",
        "no-log": "the final log is missing: due is the log of the mean weight.",
        "no-exp": "the weights are never formed: log_weights are logs, so exp comes before the mean.",
        "wrong-axis": "you reduce over the batch: log_weights is (K, B), and K is axis 0.",
        "all-axes": "you reduce over both axes: only over K, axis 0; each example has its own bound.",
        "bound-sign": "you return the negative bound (a loss): due is the bound itself, to be maximised.",
        "only-max": "you take the largest log-weight only: due is the log of the mean weight.",
        "softmax-weighted": "you average the log-weights with softmax weights, which gives the same gradient but another value.",
        "first-sample": "you use one of the K samples only: average over all.",
        "bound-bits": "your bound is in bits: use the natural logarithm (nats).",
        "max-not-added": "the maximum that you subtract before the exp is not added again after the log.",
        "overflow": "far out the result is not finite: exp of log-weights overflows or vanishes; use logsumexp, or subtract the maximum first.",
        "global-max": "you subtract one maximum for the whole batch: each example needs its own, over axis 0.",
        "eps-in-log": "far out the result stops falling: an eps or a clamp in the log hides small weights; use logsumexp.",
    }  # fmt: skip

    def cases(self, rng):
        return [{"log_weights": rng.normal(*shape, scale=1.5) - 2} for shape in ((5, 3), (3, 4), (8, 2))]

    def far_cases(self, rng):
        spread = rng.normal(6, 4, scale=2.0)
        levels = torch.tensor([-1e4, -3e3, 200.0, 1e3])
        wide = rng.uniform(7, 3, low=-300.0, high=300.0)
        return [
            {"log_weights": spread - 1e4},
            {"log_weights": spread + 1e3},
            {"log_weights": wide},
            {"log_weights": spread + levels},
        ]

    def single_case(self, rng):
        return {"log_weights": rng.normal(4, 1)}

    def oracle(self, log_weights):
        return torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[0])

    def guesses(self, log_weights):
        num_samples, batch = log_weights.shape
        lse, right = log_weights.logsumexp(0), self.oracle(log_weights)
        other = log_weights.logsumexp(1)
        mean = log_weights.mean(0)
        log_k, log_b = math.log(num_samples), math.log(batch)
        everything = log_weights.flatten().logsumexp(0)
        guesses = [
            ("no-log-k", lse),
            ("log-k-added", lse + log_k),
            ("divided-by-k", lse / num_samples),
            ("minus-k", lse - num_samples),
            ("log-of-batch", lse - log_b),
            ("log-of-batch", lse - log_b - log_k),
            ("mean-of-logs", mean),
            ("mean-of-logs", mean.mean()),
            ("mean-of-logs", -mean),
            ("sum-of-logs", log_weights.sum(0)),
            ("no-log", log_weights.exp().mean(0)),
            ("no-log", log_weights.exp().sum(0)),
            ("no-exp", mean.log()),
            ("no-exp", log_weights.sum(0).log()),
            ("wrong-axis", other - log_b),
            ("wrong-axis", other - log_k),
            ("wrong-axis", other),
            ("wrong-axis", log_weights.mean(1)),
            ("all-axes", everything - log_k - log_b),
            ("all-axes", everything - log_k),
            ("all-axes", everything),
            ("bound-sign", -right),
            ("bound-sign", -lse),
            ("mean-over-batch", right.mean()),
            ("bound-sign", -right.mean()),
            ("sum-everything", right.sum()),
            ("no-log-k", lse.mean()),
            ("only-max", log_weights.amax(0)),
            ("only-max", log_weights.amax(0) - log_k),
            ("softmax-weighted", (log_weights.softmax(0) * log_weights).sum(0)),
            *(("first-sample", log_weights[k]) for k in (0, -1)),
            ("bound-bits", right / math.log(2)),
            ("max-not-added", right - log_weights.amax(0)),
            ("max-not-added", lse - log_weights.amax(0)),
            ("max-not-added", right - log_weights.max()),
            ("keeps-axis", right[None]),
            ("keeps-axis", right[:, None]),
        ]
        return [((name,), value) for name, value in guesses]

    def explain_far(self, trial, result):
        log_weights = result.case["log_weights"]

        def at(values):
            return trial.call(values).detach().double()

        level = log_weights - log_weights.amax(0) - 9e3
        if torch.allclose(at(level), at(level - 900), 1e-6) and at(level).isfinite().all():
            return "eps-in-log"
        if not at(level).isfinite().all() or not at(level + 1e4).isfinite().all():
            return "overflow"
        return "global-max" if not result.value.isfinite().all() else None

    def right_canary(self, log_weights):
        top = log_weights.amax(0)
        return top + (log_weights - top).exp().mean(0).log()

    def wrong_canary(self, log_weights):
        return torch.logsumexp(log_weights, 0)


class ConditionOnLabel(OracleCheck):
    name = "condition_on_label"
    arguments = ("z", "y", "num_classes")
    differentiable = ("z",)
    wrong_canary_mistake = "label-first"
    mistakes: ClassVar = {
        "label-first": "the label stands before z: z comes first, then the one-hot label.",
        "label-as-number": "the label is joined as a number: make it one-hot, (B, num_classes), first.",
        "only-label": "only the one-hot label came: join it to z.",
        "only-z": "only z came: join the one-hot label to it.",
        "label-off-by-one": "the labels are shifted by one: they count from 0 to num_classes - 1, use y as it is.",
        "one-cold": "zeros and ones are swapped in the one-hot label: the 1 stands at the label.",
        "z-truncated": "z was cut to integers on the way: turn the one-hot label to the type of z, not the reverse.",
        "classes-from-data": "the number of classes came from the batch (its largest label + 1): pass num_classes to one_hot.",
        "extra-class": "there is one class too many: labels count from 0 to num_classes - 1.",
        "label-repeated": "the label is repeated in each column: a one-hot vector has a 1 at the label and 0 elsewhere.",
        "one-label-for-all": "all examples got the same label: each has its own, y[i].",
        "softmax-label": "the one-hot label went through a softmax: use it as it is.",
        "wrong-axis": "you join along axis 0 (the batch): join along axis 1, `dim=1`.",
        "scaled-label": "the 1 of the one-hot label is scaled: it is to be 1.",
    }  # fmt: skip

    def cases(self, rng):
        cases = []
        for batch, latent_dim, num_classes in ((6, 3, 5), (4, 2, 7), (9, 4, 3)):
            y = rng.integers(num_classes, batch)
            y[0], y[1], y[2] = 0, num_classes - 1, 1
            if num_classes == 7:
                y = y.clamp(max=5)  # the batch need not hold every class
            cases.append({"z": rng.normal(batch, latent_dim, scale=2.0), "y": y, "num_classes": num_classes})
        return cases[1:] + cases[:1]

    def far_cases(self, rng):
        z = rng.normal(5, 300, scale=1e4)
        return [{"z": z, "y": rng.integers(250, 5), "num_classes": 250}]

    def single_case(self, rng):
        return {"z": rng.normal(1, 3), "y": rng.integers(4, 1), "num_classes": 4}

    def oracle(self, z, y, num_classes):
        one_hot = (y[:, None] == torch.arange(num_classes)).double()
        return torch.cat([z, one_hot], 1)

    def guesses(self, z, y, num_classes):
        classes = torch.arange(num_classes)
        column = y[:, None].double()
        one_hot = (y[:, None] == classes).double()

        def join(*parts):
            return torch.cat(parts, 1)

        guesses = [
            ("label-first", join(one_hot, z)),
            ("label-as-number", join(z, column)),
            ("label-as-number", join(column, z)),
            ("only-label", one_hot),
            ("only-z", z),
            ("label-off-by-one", join(z, one_hot.roll(1, 1))),
            ("label-off-by-one", join(z, one_hot.roll(-1, 1))),
            ("label-off-by-one", join(z, (y[:, None] - 1 == classes).double())),
            ("label-off-by-one", join(z, (y[:, None] + 1 == classes).double())),
            ("one-cold", join(z, 1 - one_hot)),
            ("z-truncated", join(z.trunc(), one_hot)),
            ("z-truncated", join(one_hot, z.trunc())),
            ("classes-from-data", join(z, F.one_hot(y).double())),
            ("classes-from-data", join(F.one_hot(y).double(), z)),
            ("extra-class", join(z, F.one_hot(y, num_classes + 1).double())),
            ("extra-class", join(z, F.one_hot(y + 1, num_classes + 1).double())),
            ("label-repeated", join(z, column.expand_as(one_hot))),
            ("one-label-for-all", join(z, one_hot[:1].expand_as(one_hot))),
            ("softmax-label", join(z, one_hot.softmax(1))),
            ("scaled-label", join(z, one_hot * num_classes)),
            ("scaled-label", join(z, one_hot / num_classes)),
            ("scaled-label", join(z, one_hot * column)),
            ("scaled-label", join(z, 2 * one_hot - 1)),
            ("label-off-by-one", join(z, one_hot.flip(1))),
        ]
        return [((name,), value) for name, value in guesses]

    def explain_error(self, trial, case, failure):
        if "Class values must be" in failure.got:
            return "label-off-by-one"
        if "same number of dimensions" in failure.got:
            return "label-as-number"
        size = case["z"].shape[1]
        try:
            output = trial.call(case["z"].clone(), case["y"].clamp(max=size - 1), size)
        except Failure:
            return None
        axis_0 = isinstance(output, torch.Tensor) and output.shape == (2 * len(case["z"]), size)
        return "wrong-axis" if axis_0 else None

    def right_canary(self, z, y, num_classes):
        return torch.cat([z, torch.eye(num_classes, dtype=z.dtype, device=z.device)[y]], 1)

    def wrong_canary(self, z, y, num_classes):
        return torch.cat([torch.eye(num_classes, dtype=z.dtype, device=z.device)[y], z], 1)


reconstruction_loss = ReconstructionLoss()
reparameterize = Reparameterize()
gaussian_kl = GaussianKL()
bernoulli_log_prob = BernoulliLogProb()
elbo = Elbo()
beta_schedule = BetaSchedule()
importance_weighted_bound = ImportanceWeightedBound()
condition_on_label = ConditionOnLabel()

CHECKS = {
    check.name: check
    for check in (
        reconstruction_loss,
        reparameterize,
        gaussian_kl,
        bernoulli_log_prob,
        elbo,
        beta_schedule,
        importance_weighted_bound,
        condition_on_label,
    )
}
