"""The check of `importance_weighted_bound`."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.oracle import OracleCheck


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
