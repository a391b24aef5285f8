"""The check of `kde_log_prob`: right everywhere, smooth where a query is a data point, exact far from all data."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.density.gaussian import LOG_TWO_PI
from course_utils.checks.oracle import OracleCheck


def squared_distances(x, data):
    return (x[:, None] - data).square().sum(2)


def log_kernels(x, data, bandwidth):
    normaliser = data.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))
    return -0.5 * squared_distances(x, data) / bandwidth**2 - normaliser


def wrong_log_kernels(x, data, bandwidth):
    """Guesses at the log-kernels (N, M): (id, values), the most specific first."""
    dims, squares, log_h = data.shape[1], squared_distances(x, data), math.log(bandwidth)
    h, exponent, half = bandwidth, -0.5 * squares / bandwidth**2, 0.5 * LOG_TWO_PI
    constant, right = dims * half, exponent - dims * (half + log_h)
    return [
        ("no-normaliser", exponent),
        ("normaliser-once", exponent - half - log_h),
        ("normaliser-once", exponent - half - dims * log_h),
        ("normaliser-once", exponent - constant - log_h),
        ("no-bandwidth-in-normaliser", exponent - constant),
        ("no-constant", exponent - dims * log_h),
        ("constant-without-half", right - constant),
        ("constant-sign", right + 2 * constant),
        ("constant-pi", right + 0.5 * dims * math.log(2)),
        ("log-bandwidth-sign", exponent - constant + dims * log_h),
        ("log-bandwidth-factor", exponent - constant - 2 * dims * log_h),
        ("log-bandwidth-factor", exponent - constant - 0.5 * dims * log_h),
        ("bandwidth-as-variance", -0.5 * squares / h - constant - 0.5 * dims * log_h),
        ("half-missing", 2 * exponent - dims * (half + log_h)),
        ("half-missing", 2 * exponent - 2 * dims * (half + log_h)),
        ("exponent-sign", -exponent - dims * (half + log_h)),
        ("not-squared", -0.5 * squares.sqrt() / h - dims * (half + log_h)),
        ("not-squared", -0.5 * squares.sqrt() / h**2 - dims * (half + log_h)),
        ("not-squared", -squares.sqrt() / h - dims * (half + log_h)),
        ("bandwidth-not-squared", -0.5 * squares / h - dims * (half + log_h)),
        ("bandwidth-multiplied", -0.5 * squares * h**2 - dims * (half + log_h)),
        ("bandwidth-ignored", -0.5 * squares - constant),
        ("bandwidth-ignored", -0.5 * squares - dims * (half + log_h)),
        ("mean-over-dims", exponent / dims - dims * (half + log_h)),
        ("mean-over-dims", right / dims),
        ("absolute-distance", -(x[:, None] - data).abs().sum(2) / h - dims * (math.log(2) + log_h)),
        ("absolute-distance", -0.5 * ((x[:, None] - data).abs().sum(2) / h) ** 2 - dims * (half + log_h)),
        ("leave-one-out", right.masked_fill(squares == 0, -math.inf)),
    ]


def wrong_averages(kernels):
    """Guesses that average the kernels (N, M) otherwise than over the data: (id, value)."""
    num_queries, num_data = kernels.shape
    total = kernels.logsumexp(1)
    right = total - math.log(num_data)
    return [
        ("no-log-m", total),
        ("log-m-added", total + math.log(num_data)),
        ("log-of-queries", total - math.log(num_queries)),
        ("divided-by-m", total / num_data),
        ("mean-of-logs", kernels.mean(1)),
        ("sum-of-logs", kernels.sum(1)),
        ("nearest-only", kernels.amax(1)),
        ("nearest-only", kernels.amax(1) - math.log(num_data)),
        ("no-log", right.exp()),
        ("no-log", total.exp()),
        ("wrong-axis", kernels.logsumexp(0)),
        ("wrong-axis", kernels.logsumexp(0) - math.log(num_queries)),
        ("wrong-axis", kernels.logsumexp(0) - math.log(num_data)),
        ("not-averaged", kernels),
        ("sign", -right),
        ("bits", right / math.log(2)),
        ("mean-over-queries", right.mean()),
        ("sum-over-queries", right.sum()),
        ("sum-over-queries", kernels.flatten().logsumexp(0) - math.log(num_data)),
        ("keeps-axis", right[:, None]),
    ]


class KdeLogProb(OracleCheck):
    name = "kde_log_prob"
    arguments = ("x", "data", "bandwidth")
    differentiable = ("x", "data")
    scalars = ("bandwidth",)
    far_gradient_rtol = 5e-3
    wrong_canary_mistake = "no-log-m"
    mistakes: ClassVar = {
        "no-normaliser": "the normaliser of the kernel is missing: each adds -D/2 log(2 pi) - D log(bandwidth), or the density does not integrate to 1.",
        "normaliser-once": "a term of the normaliser is there once: each of the D dimensions adds -1/2 log(2 pi) - log(bandwidth).",
        "no-bandwidth-in-normaliser": "the normaliser lacks the bandwidth: each dimension adds -log(bandwidth).",
        "no-constant": "the constant is missing: each dimension adds -1/2 log(2 pi).",
        "constant-without-half": "the constant lacks its factor 1/2: each dimension adds -1/2 log(2 pi).",
        "constant-sign": "the constant has the opposite sign: each dimension adds -1/2 log(2 pi).",
        "constant-pi": "the constant has pi where 2 pi is due: each dimension adds -1/2 log(2 pi).",
        "log-bandwidth-sign": "log(bandwidth) has the opposite sign in the normaliser: a wide kernel is a low one, -log(bandwidth) for each dimension.",
        "log-bandwidth-factor": "log(bandwidth) has the wrong factor in the normaliser: it is the log of a standard deviation, so each dimension adds -log(bandwidth).",
        "bandwidth-as-variance": "you take the bandwidth for a variance: it is a standard deviation, so divide the squared distance by 2 bandwidth^2.",
        "half-missing": "the factor 1/2 is missing: the exponent is -1/2 times the squared distance over bandwidth^2.",
        "exponent-sign": "the exponent has the opposite sign: a kernel falls as x moves away from its data point.",
        "not-squared": "the distance is not squared: the exponent is -1/2 times the squared distance over bandwidth^2.",
        "bandwidth-not-squared": "you divide the squared distance by the bandwidth: divide it by bandwidth^2.",
        "bandwidth-multiplied": "you multiply by the bandwidth: divide the squared distance by bandwidth^2.",
        "bandwidth-ignored": "the bandwidth has no effect on the distances: divide the squared distance by bandwidth^2.",
        "mean-over-dims": "you average over the dimensions: the squared distance and the normaliser are sums over them.",
        "absolute-distance": "you add up absolute differences: due is a Gaussian kernel, of the sum of squared differences.",
        "leave-one-out": "you leave out the data point that equals x: every data point counts here.",
        "no-log-m": "log M is missing: the density is the mean of the M kernels, so subtract the log of their number.",
        "log-m-added": "log M is added: to divide by the number of kernels M, subtract its log.",
        "log-of-queries": "you divide by the number N of queries: the mean is over the M data points.",
        "divided-by-m": "you divide the log by M: divide inside the log, that is, subtract log M.",
        "mean-of-logs": "you average the logs of the kernels: average the kernels first, then take the log (logsumexp).",
        "sum-of-logs": "you sum the logs of the kernels, which multiplies them: average the kernels, then take the log (logsumexp).",
        "nearest-only": "only the nearest data point counts: average the kernels of all of them.",
        "no-log": "the final log is missing: you return a density.",
        "wrong-axis": "you reduce over the queries: average over the data, and return one number for each x.",
        "not-averaged": "you return one number for each pair of x and data point: average over the data.",
        "per-dimension": "you estimate each dimension on its own and multiply: a kernel belongs to a whole data point, so sum over the dimensions before you average over the data.",
        "sign": "you return the negative log-density (a loss): due is log p(x) itself.",
        "bits": "your log-density is in bits: use the natural logarithm (nats).",
        "mean-over-queries": "you average over the queries: return one number for each x, and average later.",
        "sum-over-queries": "you sum over the queries: return one number for each x.",
        "keeps-axis": "you keep an axis of length 1: the result is (N,), so leave out `keepdim=True`.",
        "tensor-bandwidth": "the bandwidth may be a Python number, for which torch.log and tensor methods fail: take `math.log(bandwidth)`, which takes both.",
        "distance-root": "at a data point the gradient is not finite: the root in a distance has an infinite slope at 0; sum the squares and take no root.",
        "not-finite": "far from the data the result is not finite: the kernels vanish before the log; use logsumexp of their logs.",
        "eps-in-log": "far from the data the result stops falling: an eps or a clamp in the log hides small densities; use logsumexp of the log-kernels.",
        "precision": "far from the origin your distances lose their digits, as |x|^2 - 2 x y + |y|^2 does (and torch.cdist for many points): subtract first, then square.",
    }  # fmt: skip

    def cases(self, rng):
        cases = [self._draw(rng, *shape) for shape in ((5, 7, 3, 0.7), (6, 4, 2, 0.4), (3, 1, 2, 1.6), (4, 8, 1, 0.5))]
        cases[1]["x"][2:4] = cases[1]["data"][:2]
        return cases

    def _draw(self, rng, num_queries, num_data, dims, bandwidth):
        """Queries a bandwidth or two from some data point."""
        data = rng.normal(num_data, dims) + 0.3
        near = data[rng.integers(num_data, num_queries)]
        return {"x": near + bandwidth * rng.normal(num_queries, dims), "data": data, "bandwidth": bandwidth}

    def flat_cases(self, rng):
        case = self._draw(rng, 5, 3, 2, 0.6)
        return [{**case, "x": torch.cat([case["data"], case["x"][3:]])}]

    def far_cases(self, rng):
        sign = rng.normal(4, 3).sign()
        spread = self._draw(rng, 4, 5, 3, 0.5)
        away = {**spread, "x": spread["x"] + 60 * 0.5 * sign}
        further = {**spread, "x": spread["x"] + 75 * sign * 0.5}
        high = self._draw(rng, 3, 4, 300, 0.05)
        wide = self._draw(rng, 2, 4, 300, 30.0)
        return [away, further, high, wide, self._offset(rng)]

    def _offset(self, rng, offset=100.0):
        """Many points, all of them far from the origin but close to each other."""
        case = self._draw(rng, 30, 40, 2, 0.1)
        return {**case, "x": case["x"] + offset, "data": case["data"] + offset}

    def single_case(self, rng):
        return self._draw(rng, 1, 5, 2, 0.8)

    def oracle(self, x, data, bandwidth):
        return log_kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))

    def guesses(self, x, data, bandwidth):
        wrong = wrong_log_kernels(x, data, bandwidth)
        each = torch.stack([self.oracle(x[:, [d]], data[:, [d]], bandwidth) for d in range(x.shape[1])])
        guesses = [
            *wrong_averages(log_kernels(x, data, bandwidth)),
            *((name, kernels.logsumexp(1) - math.log(len(data))) for name, kernels in wrong),
            ("per-dimension", each.sum(0)),
            ("per-dimension", each.mean(0)),
            ("leave-one-out", wrong[-1][1].logsumexp(1) - math.log(max(len(data) - 1, 1))),
        ]
        return [((name,), value) for name, value in guesses]

    def double_guesses(self, x, data, bandwidth):
        wrong = wrong_log_kernels(x, data, bandwidth)
        return [((name, way), value) for name, kernels in wrong for way, value in wrong_averages(kernels)]

    def explain_error(self, trial, case, failure):
        text = failure.got
        of_number = "must be Tensor, not float" in text or "'float' object has no attribute" in text
        return "tensor-bandwidth" if of_number else None

    def explain_gradient(self, trial, case, name, got, expected):
        return None if got.isfinite().all() else "distance-root"

    def explain_far(self, trial, result):
        def at(case):
            return self.checked(trial, case).value

        if not result.value.isfinite().all():
            return "not-finite"
        if not self.is_close(self.checked(trial, self._offset(trial.rng)), self.far_rtol):
            return "precision"
        case = {**result.case, "bandwidth": 0.5}
        further = [at({**case, "x": case["x"] + step}) for step in (300.0, 310.0)]
        return "eps-in-log" if torch.allclose(*further, 1e-4) else None

    def is_close(self, result, rtol=None):
        atol = self.atol if rtol is None else 2e-3  # far out, float32 is that coarse where x and data are scaled first
        return torch.allclose(result.value, result.expected, rtol or self.rtol, atol)

    def right_canary(self, x, data, bandwidth):
        score = (x.unsqueeze(1) - data) / bandwidth
        log_kernel = -0.5 * (score.square() + math.log(2 * math.pi)).sum(2) - x.shape[1] * math.log(bandwidth)
        return log_kernel.logsumexp(1) - math.log(data.shape[0])

    def wrong_canary(self, x, data, bandwidth):
        return self.right_canary(x, data, bandwidth) + math.log(data.shape[0])
