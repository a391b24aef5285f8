"""The check of `discretized_logistic_log_prob`, and what goes wrong with a logistic cut into bins.

It is judged where a difference of two sigmoids is exact enough: at probabilities above 1e-3 in float32 and, as "far
out", above 1e-9 in float64. There, where probabilities are below 1e-5, bins are narrow, so that the density times the
width of the bin (as in PixelCNN++'s code) is right too.
"""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import copies

LEAST = {torch.float32: 1.5e-3, torch.float64: 3e-9}  # probabilities below these are not judged


def logistic_terms(x, mu, scale, half_bin, first=None, last=None):
    """The log-probability of the bin x +- half_bin, with open bins where `first` and `last` hold."""
    first = x < -1 + 1e-4 if first is None else first
    last = x > 1 - 1e-4 if last is None else last
    lower, upper = (x - half_bin - mu) / scale, (x + half_bin - mu) / scale
    inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
    return torch.where(first, F.logsigmoid(upper), torch.where(last, F.logsigmoid(-lower), inside))


def log_density(x, mu, scale):
    z = (x - mu) / scale
    return F.logsigmoid(z) + F.logsigmoid(-z) - scale.log()


class DiscretizedLogisticLogProb(OracleCheck):
    name = "discretized_logistic_log_prob"
    arguments = ("x", "mu", "log_scale", "num_levels")
    defaults: ClassVar = {"num_levels": 256}
    differentiable = ("mu", "log_scale")
    atol, far_atol = 1e-3, 2.5e-2  # what float32 leaves of a difference of sigmoids; an eps of 1e-10 in the log
    far_gradient_rtol = 3e-2
    wrong_canary_mistake = "edges-closed"
    mistakes: ClassVar = {
        "sign": "your log-probability has the opposite sign: the log of a probability is never above zero (a loss is its negative).",
        "bits": "your log-probability is in bits: use the natural logarithm (nats).",
        "no-log": "you return probabilities: take the log.",
        "edges-closed": "the edge bins are closed: the first reaches down to -infinity and the last up to +infinity, or the levels do not sum to 1.",
        "first-bin-closed": "the bin of the first level is closed: it reaches down to -infinity, so its probability is sigmoid of the upper edge.",
        "last-bin-closed": "the bin of the last level is closed: it reaches up to +infinity, so its probability is 1 - sigmoid of the lower edge.",
        "edges-swapped": "the open bins are swapped: at x = -1 the bin reaches down to -infinity, at x = 1 up to +infinity.",
        "density": "you return the log-density: due is the probability of a bin, the difference of the cdf at its edges.",
        "density-times-width": "you take density times width for the probability of a bin, which is wrong for wide bins: take the difference of the cdf at the edges.",
        "half-bin-of-v": "half a bin is 1 / (num_levels - 1), since the levels -1 ... 1 are num_levels - 1 steps apart; yours is 1 / num_levels.",
        "bin-twice-too-wide": "your bins overlap: half a bin is 1 / (num_levels - 1) on each side of x.",
        "bin-half-as-wide": "your bins leave gaps: half a bin is 1 / (num_levels - 1) on each side of x, since x lies in [-1, 1] and not in [0, 1].",
        "bin-of-one-level": "your bins are half a level wide on each side in units of levels: x lies in [-1, 1], where that is 1 / (num_levels - 1).",
        "one-sided-bin": "your bin begins or ends at x: it reaches from x - 1 / (num_levels - 1) to x + 1 / (num_levels - 1).",
        "num-levels-ignored": "num_levels is ignored: bins are as wide as with 256 levels.",
        "log-scale-not-exponentiated": "log_scale is taken for the scale: the scale is exp(log_scale).",
        "scale-inverted": "the sign of log_scale is wrong: divide by exp(log_scale), or multiply by exp(-log_scale).",
        "log-scale-as-logvar": "log_scale is halved as if it were a log-variance: the scale is exp(log_scale).",
        "scale-missing": "log_scale is not used: divide the distance from mu by the scale exp(log_scale).",
        "softplus-scale": "the scale is exp(log_scale), not softplus(log_scale).",
        "mu-sign": "mu has the opposite sign: the distance is x - mu.",
        "mu-missing": "mu is not used: the distance is x - mu.",
        "assumes-unit-range": "you take x for values from 0 to 1 and rescale it: it lies in [-1, 1] already.",
        "assumes-levels": "you take x for integers from 0 to num_levels - 1 and rescale it: it lies in [-1, 1] already.",
        "normal-cdf": "you use the cdf of a normal: that of a logistic is the sigmoid.",
        "only-upper-edge": "you use the cdf at one edge: due is the difference of the cdf at both edges.",
        "summed": "you sum or average over the values: return one log-probability for each, in the shape of x.",
        "clamped-scale": "log_scale is clamped too tightly: scales down to exp(-7) are usual.",
        "rounds-to-zero": "small probabilities come as 0, whose log is not finite, though the input is in float64: do not compute in float32.",
        "edge-gradient": "the gradient of an open bin is not finite: `where` also differentiates the branch that is not taken, the log of 0; clamp the difference before its log.",
        "eps-in-log": "the result stops falling at small probabilities: a clamp or an eps in the log must be far below 1e-9.",
    }  # fmt: skip

    def cases(self, rng):
        return [
            self._levels(rng, 5, 0.3),
            self._levels(rng, 2, -0.4),
            self._draws(rng, (3, 3, 4, 5), 16, -3.0, 0.5),
            self._draws(rng, (4, 1, 5, 6), 256, -6.5, -1.5),
        ]

    def _levels(self, rng, num_levels, log_scale):
        """All levels of a distribution, one in each column."""
        x = torch.linspace(-1, 1, num_levels).expand(3, 2, 2, -1).clone()
        mu, log_scale = rng.uniform(3, 2, 2, 1, low=-0.6, high=0.6), log_scale + rng.uniform(3, 2, 2, 1, low=-0.6)
        return {
            "x": x,
            "mu": mu.expand_as(x).clone(),
            "log_scale": log_scale.expand_as(x).clone(),
            "num_levels": num_levels,
        }

    def _draws(self, rng, shape, num_levels, low, high):
        """Levels drawn from their distribution, a quarter of them at the edges."""
        mu, log_scale = rng.uniform(*shape, low=-0.9, high=0.9), rng.uniform(*shape, low=low, high=high)
        edge = rng.uniform(*shape)
        log_scale = torch.where(edge < 0.25, log_scale.clamp(min=-2.0), log_scale)
        draw = mu + log_scale.exp() * rng.uniform(*shape, low=0.02, high=0.98).logit()
        draw = torch.where(edge < 0.125, -2.0, torch.where(edge < 0.25, 2.0, draw))
        levels = ((draw + 1) / 2 * (num_levels - 1)).round().clamp(0, num_levels - 1)
        case = {"x": 2 * levels / (num_levels - 1) - 1, "mu": mu, "log_scale": log_scale, "num_levels": num_levels}
        return self._judged(case)

    def _judged(self, case):
        """The case with mu at x where the probability would be too small to be judged."""
        log_prob = self.oracle(**{**case, **{name: case[name].double() for name in ("x", "mu", "log_scale")}})
        case["mu"] = torch.where(log_prob > math.log(LEAST[case["x"].dtype]), case["mu"], 0.99 * case["x"])
        return case

    def far_cases(self, rng):
        """In float64, small probabilities in the tails, at the edges, and of wide logistics; open bins far away."""
        return [self._tails(rng, 256), self._tails(rng, 100), self._wide(rng), self._beyond(rng)]

    def _tails(self, rng, num_levels):
        shape = (3, 2, 4, 6)
        levels = rng.integers(num_levels, *shape)
        levels = torch.where(rng.uniform(*shape) < 0.3, rng.integers(2, *shape) * (num_levels - 1), levels).double()
        x = 2 * levels / (num_levels - 1) - 1
        width = rng.uniform(*shape, low=0.02, high=0.1).double()  # of a bin, in scales
        scale = 2 / (num_levels - 1) / width
        distance = rng.uniform(*shape, low=4.0, high=15.0).double() * torch.where(x > 0, 1.0, -1.0)
        return {"x": x, "mu": x - distance * scale, "log_scale": scale.log(), "num_levels": num_levels}

    def _wide(self, rng):
        levels = rng.integers(254, 2, 3, 4, 5) + 1
        x = 2 * levels.double() / 255 - 1
        log_scale = rng.uniform(*x.shape, low=0.0, high=12.0).double()
        return {"x": x, "mu": rng.normal(*x.shape).double(), "log_scale": log_scale, "num_levels": 256}

    def _beyond(self, rng):
        """In float32: the first and the last level, all but certain since mu lies far beyond them."""
        x = 2 * rng.bits(2, 1, 3, 4) - 1
        log_scale = rng.uniform(*x.shape, low=-6.0, high=-4.0)
        return {"x": x, "mu": rng.uniform(*x.shape, low=2.0, high=3.0) * x, "log_scale": log_scale, "num_levels": 256}

    def single_case(self, rng):
        return self._draws(rng, (1, 3, 2, 2), 256, -5.0, -2.0)

    def oracle(self, x, mu, log_scale, num_levels=256):
        return logistic_terms(x, mu, log_scale.exp(), 1 / (num_levels - 1))

    def guesses(self, x, mu, log_scale, num_levels=256):
        return [((mistake,), value) for mistake, value in self._wrong_values(x, mu, log_scale, num_levels)]

    def _wrong_values(self, x, mu, log_scale, num_levels):
        right, scale, half_bin = self.oracle(x, mu, log_scale, num_levels), log_scale.exp(), 1 / (num_levels - 1)
        never, first, last = torch.zeros_like(x, dtype=torch.bool), x < -1 + 1e-4, x > 1 - 1e-4
        lower, upper = (x - half_bin - mu) / scale, (x + half_bin - mu) / scale
        density = log_density(x, mu, scale)
        from_unit, from_levels = 2 * x - 1, 2 * half_bin * x - 1
        unit_edges = torch.where(x < 1e-4, F.logsigmoid((from_unit + half_bin - mu) / scale), math.nan)
        normal = torch.where(
            first,
            torch.special.log_ndtr(upper),
            torch.where(
                last, torch.special.log_ndtr(-lower), (torch.special.ndtr(upper) - torch.special.ndtr(lower)).log()
            ),
        )
        with_width = density + math.log(2 * half_bin)

        def other(mu=mu, scale=scale, half_bin=half_bin, **edges):
            return logistic_terms(x, mu, scale, half_bin, **edges)

        return [
            ("edges-closed", other(first=never, last=never)),
            ("first-bin-closed", other(first=never)),
            ("last-bin-closed", other(last=never)),
            ("edges-swapped", other(first=last, last=first)),
            ("density", density),
            ("density-times-width", with_width),
            ("density-times-width", torch.where(first | last, right, with_width)),
            ("density-times-width", density + math.log(half_bin)),
            ("density-times-width", density - math.log(num_levels)),
            ("density-times-width", density + math.log(2 / num_levels)),
            ("half-bin-of-v", other(half_bin=1 / num_levels)),
            ("half-bin-of-v", other(half_bin=1 / num_levels, first=never, last=never)),
            ("bin-twice-too-wide", other(half_bin=2 * half_bin)),
            ("bin-twice-too-wide", other(half_bin=2 / num_levels)),
            ("bin-half-as-wide", other(half_bin=half_bin / 2)),
            ("bin-half-as-wide", other(half_bin=0.5 / num_levels)),
            ("bin-of-one-level", other(half_bin=0.5)),
            ("bin-of-one-level", other(half_bin=1.0)),
            *(("num-levels-ignored", other(half_bin=half)) for half in (1 / 255, 1 / 256)),
            ("one-sided-bin", logistic_terms(x + half_bin, mu, scale, half_bin, first, last)),
            ("one-sided-bin", logistic_terms(x - half_bin, mu, scale, half_bin, first, last)),
            ("one-sided-bin", logistic_terms(x + half_bin / 2, mu, scale, half_bin / 2, first, last)),
            ("one-sided-bin", logistic_terms(x - half_bin / 2, mu, scale, half_bin / 2, first, last)),
            ("log-scale-not-exponentiated", other(scale=log_scale)),
            ("scale-inverted", other(scale=1 / scale)),
            ("log-scale-as-logvar", other(scale=scale**0.5)),
            ("log-scale-as-logvar", other(scale=scale**2)),
            ("scale-missing", other(scale=torch.ones_like(scale))),
            ("softplus-scale", other(scale=F.softplus(log_scale))),
            ("mu-sign", other(mu=-mu)),
            ("mu-missing", other(mu=0 * mu)),
            ("assumes-unit-range", logistic_terms(from_unit, mu, scale, half_bin)),
            ("assumes-unit-range", torch.where(x > 1 - 1e-4, right, unit_edges)),
            ("assumes-levels", logistic_terms(from_levels, mu, scale, half_bin)),
            ("assumes-levels", logistic_terms(from_levels, mu, scale, half_bin, x < 0.5, x > num_levels - 1.5)),
            ("normal-cdf", normal),
            ("only-upper-edge", F.logsigmoid(upper)),
            ("only-upper-edge", F.logsigmoid(-lower)),
            ("sign", -right),
            ("bits", right / math.log(2)),
            ("bits", -right / math.log(2)),
            ("no-log", right.exp()),
            *(("clamped-scale", other(scale=log_scale.clamp(min=least).exp())) for least in (-5, -4, -3, -2, -1, 0)),
            *(("clamped-scale", other(scale=log_scale.clamp(least, -least).exp())) for least in (-3, -2, -1)),
            *(("summed", sign * value) for value in self._reduced(right) for sign in (1, -1)),
        ]

    def _reduced(self, terms):
        axes = [tuple(range(1, terms.ndim)), (1,), (-1,), (0,), (-2, -1), tuple(range(terms.ndim))]
        return [reduced for axis in axes for reduced in (terms.sum(axis), terms.mean(axis))]

    def _matches(self, value, guess):
        """Guesses are vague where they give no finite log, or that of a tiny probability: there anything matches."""
        if value.shape != guess.shape:
            return False
        clear = guess.isfinite() & ((guess > math.log(1e-3)) | (guess.ndim < 4))
        return torch.allclose(value[clear], guess[clear], 1e-3, 2e-3)

    def hint(self, results):
        """How far the levels of one distribution are from summing to 1."""
        totals = results[0].value.exp().sum(-1)
        if ((totals - 1).abs() < 1e-2).all():
            return " The probabilities of all levels do sum to 1."
        return f" The probabilities of all levels sum to {totals.flatten()[0]:.4g} instead of 1."

    def explain_gradient(self, trial, case, name, got, expected):
        return "edge-gradient" if not got[case["x"].abs() > 1 - 1e-4].isfinite().all() else None

    def explain_far(self, trial, result):
        if not result.value.isfinite().all():
            return "rounds-to-zero"
        case = result.case
        width_of_256 = log_density(*(case[name] for name in ("x", "mu")), case["log_scale"].exp()) - math.log(127.5)
        wrong = (result.value - result.expected).abs() > self.far_atol
        if case["num_levels"] != 256 and torch.allclose(result.value[wrong], width_of_256[wrong].double(), 1e-3, 2e-2):
            return "num-levels-ignored"
        inside = case["x"].abs() < 1 - 1e-4

        def at(distance):
            away = {**case, "mu": case["x"] + distance * case["log_scale"].exp()}
            return trial.call(*copies(away).values()).detach().double()[inside]

        return "eps-in-log" if torch.allclose(at(26.0), at(36.0), 1e-3, 0.5) else None

    def is_close(self, result, rtol=None):
        return result.value.shape == result.expected.shape and torch.allclose(
            result.value, result.expected, 1e-4, self.atol if result.case["x"].dtype == torch.float32 else self.far_atol
        )

    def right_canary(self, x, mu, log_scale, num_levels=256):
        half_bin = 1 / (num_levels - 1)
        upper, lower = (torch.sigmoid((x + side * half_bin - mu) * torch.exp(-log_scale)) for side in (1, -1))
        upper = torch.where(x > 1 - half_bin, 1.0, upper)
        return torch.log(upper - torch.where(x < half_bin - 1, 0.0, lower))

    def wrong_canary(self, x, mu, log_scale, num_levels=256):
        half_bin = 1 / (num_levels - 1)
        upper, lower = (torch.sigmoid((x + side * half_bin - mu) * torch.exp(-log_scale)) for side in (1, -1))
        return torch.log(upper - lower)
