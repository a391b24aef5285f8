"""The check of `gaussian_code_log_prob`, the log-density of continuous codes under a diagonal Gaussian."""

# ruff: noqa: E501

import math
from typing import ClassVar

from course_utils.checks.density.gaussian import (
    LOG_TWO_PI,
    DiagonalGaussianCheck,
    log_density,
    wrong_log_densities,
)
from course_utils.checks.reductions import REDUCTIONS, reductions, sum_examples


class GaussianCodeLogProb(DiagonalGaussianCheck):
    name = "gaussian_code_log_prob"
    arguments = ("mu", "logvar", "c")
    differentiable = ("mu", "logvar", "c")
    point = "c"
    shapes = ((5, 3), (4, 2), (3, 6), (2, 1))
    far_shape = (3, 300)
    mistakes: ClassVar = {
        **{name: REDUCTIONS[name][0] for name in ("not-summed", "keeps-axis", "mean-over-dims", "sum-everything", "mean-everything", "mean-over-batch", "divided-by-batch", "summed-over-batch-axis")},
        "sign": "you return the negative log-density (a loss): due is log q(c given x) itself.",
        "no-constant": "the constant is missing: each dimension of the code adds -1/2 log(2 pi).",
        "constant-once": "the constant -1/2 log(2 pi) is there once: each dimension of the code adds one.",
        "constant-without-half": "the constant lacks its factor 1/2: each dimension adds -1/2 log(2 pi).",
        "constant-sign": "the constant has the opposite sign: each dimension adds -1/2 log(2 pi).",
        "constant-pi": "the constant has pi where 2 pi is due: each dimension adds -1/2 log(2 pi).",
        "constant-no-log": "the log of the constant is missing: each dimension adds -1/2 log(2 pi).",
        "logvar-as-logstd": "you take logvar for the log of the standard deviation: exp(logvar) is the variance, the deviation is exp(logvar / 2).",
        "logvar-as-std": "you take logvar for the standard deviation: the variance is exp(logvar), the deviation exp(logvar / 2).",
        "logvar-as-variance": "you take logvar for the variance: the variance is exp(logvar).",
        "std-for-variance": "you divide by the standard deviation exp(logvar / 2) where the variance exp(logvar) is due.",
        "log-std": "the log term has the wrong factor: the log of the standard deviation is logvar / 2, so each dimension adds -logvar / 2.",
        "log-term-missing": "the term -logvar / 2 is missing: a wide Gaussian has a lower density.",
        "log-term-sign": "the term logvar / 2 has the opposite sign: a wide Gaussian has a lower density.",
        "log-term-no-log": "you subtract the variance or the deviation itself: its log is due, -logvar / 2.",
        "half-missing": "a factor 1/2 is missing: each dimension adds -1/2 (log(2 pi) + logvar + (c - mu)^2 / exp(logvar)).",
        "half-twice": "the factor 1/2 is there twice, at least for one term.",
        "quadratic-sign": "the quadratic term has the opposite sign: the density falls as the code moves away from mu.",
        "not-squared": "the distance of the code from mu is not squared.",
        "variance-multiplied": "you multiply the squared distance by the variance: divide by it.",
        "no-variance": "the squared distance is not divided by the variance: that is a squared error, not a log-density.",
        "sum-for-difference": "you add mu to the code: the distance is c - mu.",
        "mean-ignored": "mu has no effect: the distance is c - mu.",
        "x-ignored": "the code c has no effect: that is an entropy or a constant, not the log-density at c.",
        "no-log": "the final log is missing: you return or add up densities.",
        "laplace": "you use a Laplace density, with absolute distances: due is a Gaussian.",
        "bits": "your log-density is in bits: use the natural logarithm (nats).",
        "clamped": "far out your result is wrong: logvar is clamped too tightly (beyond +-20 would do), or an eps is added to the variance.",
        "not-finite": "far out the result is not finite: densities underflow, or variances overflow, before the log; add up logs instead.",
    }  # fmt: skip

    def oracle(self, mu, logvar, c):
        return sum_examples(log_density(c, mu, logvar))

    def guesses(self, mu, logvar, c):
        right = log_density(c, mu, logvar)
        log_probs, dims = sum_examples(right), mu.shape[1]
        return [
            *(guess for guess in reductions(right) if guess[0][0] in self.mistakes),
            *(((name,), sum_examples(terms)) for name, terms in wrong_log_densities(c, mu, logvar)),
            (("constant-once",), log_probs + 0.5 * (dims - 1) * LOG_TWO_PI),
            (("constant-once",), log_probs + (0.5 * dims - 1) * LOG_TWO_PI),
            (("no-log",), log_probs.exp()),
        ]

    def double_guesses(self, mu, logvar, c):
        wrong = wrong_log_densities(c, mu, logvar)
        return [guess for name, terms in wrong for guess in reductions(terms, name) if guess[0][-1] in self.mistakes]

    def right_canary(self, mu, logvar, c):
        return -0.5 * (math.log(2 * math.pi) + logvar + (c - mu).square() * (-logvar).exp()).sum(1)

    def wrong_canary(self, mu, logvar, c):
        return -0.5 * (logvar + (c - mu).square() * (-logvar).exp()).sum(1)
