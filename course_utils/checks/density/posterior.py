"""The check of `class_log_posterior`: Bayes' rule for classes, in logs."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.oracle import OracleCheck


class ClassLogPosterior(OracleCheck):
    name = "class_log_posterior"
    arguments = differentiable = ("log_px_given_y", "log_py")
    atol = 2e-4  # float32 is that coarse where the log-densities are in the hundreds
    wrong_canary_mistake = "no-prior"
    mistakes: ClassVar = {
        "no-prior": "the prior is left out: add log p(y) to log p(x given y) before you normalise.",
        "prior-twice": "the prior counts twice: add log p(y) once.",
        "prior-subtracted": "the prior is subtracted: Bayes' rule multiplies by p(y), so add its log.",
        "prior-not-logged": "you add the prior's probabilities to logs: log_py is a log already, add it as it is.",
        "prior-multiplied": "you multiply the logs: a product of probabilities is a sum of logs.",
        "prior-after": "the prior is added after you normalised, or your p(x) lacks it: p(x) is the sum over y of p(x given y) p(y), so add it first.",
        "prior-by-examples": "the prior goes along the wrong axis: its K numbers belong to the K classes, axis 1.",
        "only-prior": "the likelihood has no effect: you return the prior.",
        "joint": "you return log p(x, y): subtract log p(x), the logsumexp over the classes, so that each row sums to 1.",
        "evidence": "you return log p(x), one number for each example: due is log p(y given x) for each class.",
        "likelihood": "you return the likelihood as it came: add the prior and normalise.",
        "normalised-over-batch": "you normalise over the batch: the probabilities of the classes of one example sum to 1, `dim=1`.",
        "normalised-over-all": "you normalise over the whole table: each row, that is each example, sums to 1 on its own.",
        "divided-by-sum": "you divide logs by their sum: divide probabilities, which subtracts the log of their sum.",
        "logs-summed": "you subtract the sum of the logs: due is the log of the sum of probabilities, logsumexp.",
        "max-subtracted": "you subtract the largest log: that is not the sum of all, use logsumexp.",
        "evidence-added": "log p(x) is added: Bayes' rule divides by p(x), so subtract its log.",
        "mean-evidence": "you divide by the mean over the classes: p(x) is their sum.",
        "probabilities": "you return probabilities: their logs are due.",
        "log-twice": "you take a log of what is a log already.",
        "hard": "you return the most probable class as sure: due are the log-probabilities of all classes.",
        "sign": "your log-probabilities have the opposite sign.",
        "bits": "your logs are to base 2: use the natural logarithm (nats).",
        "transposed": "the axes are swapped: the result is (N, K).",
        "averaged": "you average over the batch: each example has its own posterior.",
        "not-finite": "far out the result is not finite: densities vanish, or overflow, before the log; use log_softmax or logsumexp.",
        "eps-in-log": "far out small probabilities come out too large: an eps or a clamp in the log hides them; use log_softmax or logsumexp.",
    }  # fmt: skip

    def cases(self, rng):
        return [self._draw(rng, *shape) for shape in ((5, 3), (3, 4), (6, 2), (2, 5))]

    def _draw(self, rng, num_examples, num_classes, level=-3.0, spread=1.5):
        prior = (1.2 * rng.normal(num_classes)).double().log_softmax(0).float()
        return {"log_px_given_y": level + spread * rng.normal(num_examples, num_classes), "log_py": prior}

    def _sure(self, rng, num_examples, num_classes, level):
        """Classes hundreds of nats apart: float32 is too coarse near `level` to say more than which one it is."""
        order = rng.uniform(num_examples, num_classes).argsort(1)
        case = self._draw(rng, num_examples, num_classes, level)
        return {**case, "log_px_given_y": case["log_px_given_y"] + 200.0 * order}

    def far_cases(self, rng):
        rare = self._draw(rng, 3, 3)
        return [
            self._draw(rng, 4, 3, level=torch.tensor([[-150.0], [-400.0], [10.0], [-900.0]])),
            self._draw(rng, 4, 3, level=120.0),
            self._sure(rng, 5, 4, level=-1e4),
            self._sure(rng, 5, 4, level=1e3),
            {**rare, "log_py": torch.tensor([-150.0, -130.0, 0.0])},
            self._draw(rng, 2, 300),
        ]

    def single_case(self, rng):
        return self._draw(rng, 1, 3)

    def oracle(self, log_px_given_y, log_py):
        return (log_px_given_y + log_py).log_softmax(1)

    def guesses(self, log_px_given_y, log_py):
        joint, right = log_px_given_y + log_py, self.oracle(log_px_given_y, log_py)
        evidence = joint.logsumexp(1, keepdim=True)
        alone = log_px_given_y.log_softmax(1)
        prior = log_py.expand_as(joint)
        classes = joint.shape[1]
        sure = torch.zeros_like(joint).scatter(1, joint.argmax(1, keepdim=True), 1.0)
        return [
            ((name,), value)
            for name, value in (
                ("no-prior", alone),
                ("prior-twice", (joint + log_py).log_softmax(1)),
                ("prior-subtracted", (log_px_given_y - log_py).log_softmax(1)),
                ("prior-not-logged", (log_px_given_y + log_py.exp()).log_softmax(1)),
                ("prior-multiplied", (log_px_given_y * log_py).log_softmax(1)),
                ("prior-multiplied", log_px_given_y * log_py),
                ("prior-multiplied", (log_px_given_y * log_py.exp()).log_softmax(1)),
                ("prior-after", alone + log_py),
                ("prior-after", alone - log_py),
                ("only-prior", prior),
                ("joint", joint),
                ("joint", joint.exp()),
                ("evidence", evidence[:, 0]),
                ("evidence", evidence),
                ("likelihood", log_px_given_y),
                ("normalised-over-batch", joint.log_softmax(0)),
                ("normalised-over-batch", log_px_given_y.log_softmax(0)),
                ("normalised-over-batch", joint.softmax(0)),
                ("normalised-over-all", joint - joint.flatten().logsumexp(0)),
                ("divided-by-sum", joint / joint.sum(1, keepdim=True)),
                ("divided-by-sum", joint / evidence),
                ("logs-summed", joint - joint.sum(1, keepdim=True)),
                ("logs-summed", joint - joint.mean(1, keepdim=True)),
                ("max-subtracted", joint - joint.amax(1, keepdim=True)),
                ("evidence-added", joint + evidence),
                ("mean-evidence", right + math.log(classes)),
                ("mean-evidence", right - math.log(classes)),
                ("probabilities", right.exp()),
                ("probabilities", alone.exp()),
                ("log-twice", joint.log().log_softmax(1)),
                ("log-twice", (log_px_given_y + log_py.log()).log_softmax(1)),
                ("log-twice", right.log()),
                ("log-twice", right.log_softmax(1).log()),
                ("log-twice", right.exp().log_softmax(1)),
                ("hard", sure),
                ("hard", sure.log()),
                ("hard", joint.argmax(1).double()),
                ("sign", -right),
                ("bits", right / math.log(2)),
                ("transposed", right.T),
                ("averaged", right.mean(0)),
                ("averaged", right.mean()),
                ("averaged", right.mean(1)),
            )
        ]

    def explain_error(self, trial, case, failure):
        if "must match the size" not in failure.got:
            return None
        square = self._draw(trial.rng, 3, 3)
        joint = square["log_px_given_y"] + square["log_py"][:, None]
        for wrong in (joint.log_softmax(1), joint.log_softmax(0)):
            if torch.allclose(self.checked(trial, square).value, wrong.double(), 1e-3, 1e-3):
                return "prior-by-examples"
        return None

    def explain_far(self, trial, result):
        if not result.value.isfinite().all():
            return "not-finite"
        return "eps-in-log" if (result.value - result.expected).max() > 1 else None

    def right_canary(self, log_px_given_y, log_py):
        joint = log_px_given_y + log_py
        return joint - joint.logsumexp(1, keepdim=True)

    def wrong_canary(self, log_px_given_y, log_py):
        return log_px_given_y - log_px_given_y.logsumexp(1, keepdim=True)
