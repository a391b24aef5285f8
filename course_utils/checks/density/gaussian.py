"""The check of `gaussian_log_prob`, and what goes wrong with the log-density of a Gaussian."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.oracle import OracleCheck

LOG_TWO_PI = math.log(2 * math.pi)


def log_density(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / logvar.exp())


def wrong_log_densities(x, mu, logvar):
    """Guesses at the log-density of each dimension: (id, terms), the most specific first."""
    right = log_density(x, mu, logvar)
    variance = logvar.exp()
    square = (x - mu) ** 2
    constant, quadratic = -0.5 * LOG_TWO_PI, -0.5 * square / variance

    def with_deviation(deviation):
        return constant - deviation.log() - 0.5 * square / deviation**2

    return [
        ("sign", -right),
        ("no-constant", right - constant),
        ("constant-without-half", right + constant),
        ("constant-sign", right - 2 * constant),
        ("constant-pi", right - constant - 0.5 * math.log(math.pi)),
        ("constant-pi", right - constant - math.log(math.pi)),
        ("constant-no-log", right - constant - math.pi),
        ("constant-no-log", right - constant - math.sqrt(2 * math.pi)),
        ("logvar-as-logstd", with_deviation(variance)),
        ("logvar-as-logstd", constant - 0.5 * logvar - 0.5 * square / variance**2),
        ("logvar-as-std", with_deviation(logvar)),
        ("logvar-as-std", with_deviation(logvar.abs())),
        ("logvar-as-std", constant - logvar - 0.5 * square / logvar**2),
        ("logvar-as-std", constant - 0.5 * logvar - 0.5 * square / logvar**2),
        ("logvar-as-variance", constant - 0.5 * logvar.log() - 0.5 * square / logvar),
        ("logvar-as-variance", constant - 0.5 * logvar.abs().log() - 0.5 * square / logvar.abs()),
        ("logvar-as-variance", constant - 0.5 * logvar - 0.5 * square / logvar),
        ("std-for-variance", constant - 0.5 * logvar - 0.5 * square / (0.5 * logvar).exp()),
        ("std-for-variance", with_deviation((0.25 * logvar).exp())),
        ("log-std", constant - logvar + quadratic),
        ("log-std", constant - 0.25 * logvar + quadratic),
        ("log-term-missing", constant + quadratic),
        ("log-term-missing", quadratic),
        ("log-term-sign", constant + 0.5 * logvar + quadratic),
        ("log-term-no-log", constant - 0.5 * variance + quadratic),
        ("log-term-no-log", constant - (0.5 * logvar).exp() + quadratic),
        ("half-missing", constant - 0.5 * logvar + 2 * quadratic),
        ("half-missing", 2 * right),
        ("half-missing", 2 * right - constant),
        ("half-missing", -logvar + 2 * quadratic),
        ("half-twice", 0.5 * right),
        ("half-twice", constant - 0.5 * logvar + 0.5 * quadratic),
        ("quadratic-sign", constant - 0.5 * logvar - quadratic),
        ("not-squared", constant - 0.5 * logvar - 0.5 * (x - mu) / variance),
        ("not-squared", constant - 0.5 * logvar - 0.5 * (x - mu).abs() / variance),
        ("not-squared", constant - 0.5 * logvar - 0.5 * (x - mu).abs() / (0.5 * logvar).exp()),
        ("not-squared", constant - 0.5 * logvar - 0.5 * (x - mu) / (0.5 * logvar).exp()),
        ("variance-multiplied", constant - 0.5 * logvar - 0.5 * square * variance),
        ("no-variance", constant - 0.5 * square),
        ("no-variance", -0.5 * square),
        ("no-variance", -square),
        ("no-variance", constant - 0.5 * logvar - 0.5 * square),
        ("sum-for-difference", constant - 0.5 * logvar - 0.5 * (x + mu) ** 2 / variance),
        ("mean-ignored", constant - 0.5 * logvar - 0.5 * x**2 / variance),
        ("x-ignored", constant - 0.5 * logvar),
        ("x-ignored", constant - 0.5 * logvar - 0.5),
        ("no-log", right.exp()),
        ("laplace", -math.log(2) - 0.5 * logvar - (x - mu).abs() / (0.5 * logvar).exp()),
        ("laplace", -math.log(2) - logvar - (x - mu).abs() / variance),
        ("bits", right / math.log(2)),
    ]


def wrong_sums(terms):
    """Guesses that reduce the terms (..., D) otherwise than by a sum over the last axis: (id, value)."""
    right = terms.sum(-1)
    rest = terms.flatten(1) if terms.ndim > 1 else terms[:, None]
    return [
        ("not-summed", terms),
        ("keeps-axis", right.unsqueeze(-1) if right.ndim else right),  # (1,) counts as a scalar
        ("mean-over-dims", terms.mean(-1)),
        ("all-but-first", rest.sum(1)),
        ("all-but-first", rest.mean(1)),
        ("first-axis", terms.sum(0)),
        ("first-axis", terms.mean(0)),
        ("sum-everything", terms.sum()),
        ("mean-everything", terms.mean()),
        ("mean-over-batch", right.mean()),
        ("divided-by-batch", right / len(terms)),
        ("divided-by-batch", right / right.numel()),
    ]


class DiagonalGaussianCheck(OracleCheck):
    """What the log-density of a diagonal Gaussian is asked, whatever the point is called and the axes before the last."""

    point = ""  # the name of the point whose density is asked for, beside mu and logvar
    shapes = ()
    far_shape = ()  # of 300 dimensions
    far_rtol, far_gradient_rtol = 1e-3, 2e-3  # an eps of 1e-8 beside a standard deviation is a clamp far beyond -20
    wrong_canary_mistake = "no-constant"

    def case(self, mu, logvar, point):
        """A case, in the order of the arguments."""
        values = {"mu": mu, "logvar": logvar, self.point: point}
        return {name: values[name] for name in self.arguments}

    def draw(self, rng, *shape):
        """Log-variances on both sides of 0, points one or two deviations away."""
        mu, logvar = rng.normal(*shape) + 0.5, rng.uniform(*shape, low=-1.8, high=2.0)
        return self.case(mu, logvar, mu + 1.5 * (0.5 * logvar).exp() * rng.normal(*shape))

    def cases(self, rng):
        return [self.draw(rng, *shape) for shape in self.shapes]

    def far_cases(self, rng):
        wide = torch.tensor([[3.0], [7.0], [14.0], [19.9]])
        cases = []
        for logvar, distance in (
            (rng.uniform(4, 1, low=-19.9, high=-3.0), 3.0),
            (torch.full((3, 2), -19.9), 60.0),
            (wide, 3.0),
            (wide.flip(0), 60.0),
            (rng.uniform(3, 300, low=2.0, high=3.0), 60.0),
            (rng.uniform(*self.far_shape, low=-8.0, high=-7.0), 0.5),
        ):
            deviation = (0.5 * logvar).exp()
            mu = deviation * rng.normal(*logvar.shape)  # no larger, so that float32 can tell the point from mu
            cases.append(self.case(mu, logvar, mu + distance * deviation * rng.normal(*logvar.shape).sign()))
        return cases

    def single_case(self, rng):
        return self.draw(rng, 1, 4)

    def explain_far(self, trial, result):
        if not result.value.isfinite().all():
            return "not-finite"
        for level in (-19.9, 19.9):
            zeros = torch.zeros_like(result.case["mu"])
            answer = self.checked(trial, self.case(zeros, zeros + level, zeros + 3 * math.exp(level / 2)))
            if not self.is_close(answer, self.far_rtol):
                return "clamped" if answer.value.isfinite().all() else "not-finite"
        return None


class GaussianLogProb(DiagonalGaussianCheck):
    name = "gaussian_log_prob"
    arguments = differentiable = ("x", "mu", "logvar")
    point = "x"
    shapes = ((5, 3), (2, 4, 3), (3, 2, 2, 5), (4,), (2, 1), (3, 6))
    far_shape = (2, 1, 300)
    mistakes: ClassVar = {
        "not-summed": "you return one number for each dimension: the log-density of a point is their sum over the last axis.",
        "keeps-axis": "you keep the last axis with length 1: leave out `keepdim=True`.",
        "mean-over-dims": "you average over the dimensions: the log of a product is a sum, `sum(-1)` instead of `mean`.",
        "all-but-first": "you reduce all axes but the first: only the last axis holds dimensions, all before it count points, `sum(-1)`.",
        "first-axis": "you reduce axis 0, which counts points: the dimensions are the last axis, `sum(-1)`.",
        "sum-everything": "you sum over the points as well: sum over the last axis only, and return one number for each point.",
        "mean-everything": "you average over everything: sum over the last axis, and return one number for each point.",
        "mean-over-batch": "you average over the points: return one number for each point, and average later.",
        "divided-by-batch": "you divide by the number of points: the density at one point does not depend on how many others there are.",
        "one-layout-only": "it works for one number of axes and fails for another: write `dim=-1`, the last axis, whatever comes before it.",
        "sign": "you return the negative log-density (a loss): due is log N(x; mu, variance) itself.",
        "no-constant": "the constant is missing: each dimension adds -1/2 log(2 pi).",
        "constant-once": "the constant -1/2 log(2 pi) is there once: each dimension adds one.",
        "constant-without-half": "the constant lacks its factor 1/2: each dimension adds -1/2 log(2 pi), since the density holds a root of 2 pi.",
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
        "half-missing": "a factor 1/2 is missing: each dimension adds -1/2 (log(2 pi) + logvar + (x - mu)^2 / exp(logvar)).",
        "half-twice": "the factor 1/2 is there twice, at least for one term.",
        "quadratic-sign": "the quadratic term has the opposite sign: the density falls as x moves away from mu.",
        "not-squared": "the distance of x from mu is not squared.",
        "variance-multiplied": "you multiply the squared distance by the variance: divide by it.",
        "no-variance": "the squared distance is not divided by the variance: that is a squared error, not a log-density.",
        "sum-for-difference": "you add mu to x: the distance is x - mu.",
        "mean-ignored": "mu has no effect: the distance is x - mu.",
        "x-ignored": "x has no effect: that is an entropy or a constant, not the log-density at x.",
        "no-log": "the log is missing: you return, or add up, densities.",
        "laplace": "you use a Laplace density, with absolute distances: due is a Gaussian.",
        "bits": "your log-density is in bits: use the natural logarithm (nats).",
        "clamped": "far out your result is wrong: logvar is clamped too tightly (beyond +-20 would do), or an eps is added to the variance.",
        "not-finite": "far out the result is not finite: densities vanish, or variances multiply to 0 or infinity, before the log; add up logs instead.",
    }  # fmt: skip

    def oracle(self, x, mu, logvar):
        return log_density(x, mu, logvar).sum(-1)

    def guesses(self, x, mu, logvar):
        right = log_density(x, mu, logvar)
        log_probs, dims = right.sum(-1), x.shape[-1]
        guesses = [
            *wrong_sums(right),
            *((name, terms.sum(-1)) for name, terms in wrong_log_densities(x, mu, logvar)),
            ("constant-once", log_probs + 0.5 * (dims - 1) * LOG_TWO_PI),
            ("constant-once", log_probs + (0.5 * dims - 1) * LOG_TWO_PI),
            ("no-log", log_probs.exp()),
        ]
        return [((name,), value) for name, value in guesses]

    def double_guesses(self, x, mu, logvar):
        wrong = wrong_log_densities(x, mu, logvar)
        return [((name, way), value) for name, terms in wrong for way, value in wrong_sums(terms)]

    def right_canary(self, x, mu, logvar):
        return -0.5 * (math.log(2 * math.pi) + logvar + (x - mu).square() * (-logvar).exp()).sum(-1)

    def wrong_canary(self, x, mu, logvar):
        return -0.5 * (logvar + (x - mu).square() * (-logvar).exp()).sum(-1)
