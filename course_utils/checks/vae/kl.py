"""The check of `gaussian_kl`, and what goes wrong with a KL divergence of Gaussians."""

# ruff: noqa: E501

import math

import torch

from course_utils.checks.oracle import OracleCheck
from course_utils.checks.reductions import reductions, sum_examples
from course_utils.checks.tensors import copies
from course_utils.checks.vae.sampling import gaussian


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
