"""The check of `reject_outliers`."""

# ruff: noqa: E501

from typing import ClassVar

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import as_double, require_tensor


class RejectOutliers(OracleCheck):
    name = "reject_outliers"
    arguments = ("log_px", "threshold")
    scalars = ("threshold",)
    wrong_canary_mistake = "reversed"
    mistakes: ClassVar = {
        "reversed": "the comparison is the wrong way round: true (rejected) where log p(x) is below the threshold.",
        "equality-rejected": "at equality you reject: only what lies below the threshold is rejected, < instead of <=.",
        "reversed-equality": "you mark what is above or at the threshold, that is what is kept: true where log p(x) is below it.",
        "two-sided": "you look at the distance from 0 or from the threshold: only small log-densities are rejected, however large the others are.",
        "sign": "you compare with the sign turned: log-densities are compared with the threshold as they are.",
        "absolute": "you compare absolute values: log-densities may be negative, take them as they are.",
        "density-for-log": "you take exp of the log-densities, or the log of the threshold: both are logs, compare them as they are.",
        "threshold-as-density": "you take exp of the threshold: it is a log-density already.",
        "threshold-ignored": "the threshold has no effect: compare with it, not with 0 or with a number of your own.",
        "mean-for-threshold": "you compare with the mean or the median of the batch: compare with the threshold.",
        "relative-threshold": "you measure the threshold from the mean, the spread or the maximum of the batch: it is a log-density, compare with it directly.",
        "quantile": "you take the threshold for a share of the batch: it is a log-density, compare with it directly.",
        "one-answer": "you give one answer for the whole batch: each point has its own.",
        "nothing-rejected": "no point is rejected at all: true where log p(x) is below the threshold.",
        "all-rejected": "every point is rejected: true only where log p(x) is below the threshold.",
        "not-boolean": "the result is not boolean: due is a mask of true and false, as a comparison gives it.",
        "indices": "you return the places of the outliers: due is a mask, one true or false for each point.",
        "filtered": "you return the log-densities themselves: due is a mask, one true or false for each point.",
        "returns-array": "it returns a NumPy array: return a tensor, so compare tensors.",
        "returns-number": "it returns one Python value for the whole batch: each point has its own answer, (N,).",
        "keeps-axis": "the mask has an axis too many: it is (N,), like log_px.",
    }  # fmt: skip

    def cases(self, rng):
        """Log-densities on both sides of the threshold, some equal to it, in steps that float32 holds exactly."""
        return [
            self._draw(rng, num_points, threshold)
            for num_points, threshold in ((12, -3.5), (11, 2.25), (14, -40), (13, -0.5), (10, 0.75))
        ]

    def _draw(self, rng, num_points, threshold, step=0.25):
        steps = 1 + rng.integers(12, num_points)
        signs = torch.where(torch.arange(num_points) % 3 == 0, 1, -1) * (1 - 2 * (num_points % 2))
        offsets = step * (steps * signs).float()
        offsets[-3:] = torch.tensor([0.0, 9 * step, -11 * step])  # also at equality, and beyond the mirrored threshold
        log_px, size = threshold + offsets, abs(threshold)
        log_px[:4] = torch.tensor([size + 2 * step, -size - 3 * step, size / 2, -size / 2])
        return {"log_px": log_px[torch.randperm(num_points, generator=rng.generator)], "threshold": threshold}

    def far_cases(self, rng):
        return [
            self._draw(rng, 11, -1e4),
            self._draw(rng, 11, 1e3),
            {"log_px": self._draw(rng, 11, -7.5)["log_px"], "threshold": -1e4},
            {"log_px": self._draw(rng, 11, -7.5)["log_px"], "threshold": 1e4},
        ]

    def single_case(self, rng):
        return {"log_px": torch.tensor([-6.25]), "threshold": -6.0}

    def oracle(self, log_px, threshold):
        return (log_px < threshold).double()

    def guesses(self, log_px, threshold):
        mean, spread = log_px.mean(), log_px.std()
        limit = torch.tensor(float(threshold), dtype=torch.float64)
        guesses = [
            ("reversed", log_px > threshold),
            ("equality-rejected", log_px <= threshold),
            ("reversed-equality", log_px >= threshold),
            ("two-sided", log_px.abs() > abs(threshold)),
            ("two-sided", log_px != threshold),
            ("absolute", log_px.abs() < abs(threshold)),
            ("absolute", log_px.abs() < threshold),
            ("absolute", log_px.abs() > threshold),
            ("absolute", log_px < abs(threshold)),
            ("absolute", log_px > abs(threshold)),
            ("sign", -log_px < threshold),
            ("sign", log_px < -threshold),
            ("sign", -log_px > threshold),
            ("sign", log_px > -threshold),
            ("density-for-log", log_px.exp() < threshold),
            ("density-for-log", log_px.exp() > threshold),
            ("density-for-log", log_px < limit.abs().log()),
            ("threshold-as-density", log_px < limit.exp()),
            ("mean-for-threshold", log_px < mean),
            ("mean-for-threshold", log_px < log_px.median()),
            ("threshold-ignored", log_px < 0),
            ("threshold-ignored", log_px > 0),
            ("relative-threshold", log_px < mean + threshold),
            ("relative-threshold", log_px < mean - threshold),
            ("relative-threshold", log_px < mean + threshold * spread),
            ("relative-threshold", log_px < mean - threshold * spread),
            ("relative-threshold", (log_px - mean) / spread < threshold),
            ("relative-threshold", log_px < log_px.max() + threshold),
            ("relative-threshold", log_px < log_px.max() - threshold),
            ("relative-threshold", log_px - log_px.max() < threshold),
            ("quantile", log_px < log_px.quantile(float(limit.clamp(0, 1)))),
            ("nothing-rejected", torch.zeros_like(log_px)),
            ("all-rejected", torch.ones_like(log_px)),
            ("one-answer", (log_px < threshold).any()),
            ("one-answer", (log_px < threshold).all()),
            ("one-answer", mean < threshold),
            ("one-answer", (mean < threshold).expand_as(log_px)),
            ("one-answer", (log_px < threshold).any().expand_as(log_px)),
            ("keeps-axis", (log_px < threshold)[:, None]),
            ("keeps-axis", (log_px < threshold)[None]),
        ]
        return [((name,), value.double()) for name, value in guesses]

    def require_type(self, output, where):
        if isinstance(output, bool):
            raise Failure(mistake="returns-number", where=where, got="a bool", expected="a tensor")
        require_tensor(output, where, number_allowed=True)
        if not isinstance(output, torch.Tensor):
            mistake = "returns-array" if type(output).__module__ == "numpy" else "returns-number"
            raise Failure(mistake=mistake, where=where, got=type(output).__name__, expected="a boolean tensor")
        if output.dtype != torch.bool:
            raise Failure(mistake="not-boolean", where=where, got=str(output.dtype), expected="torch.bool")

    def judge_type(self, trial):
        try:
            super().judge_type(trial)
        except Failure as failure:
            if failure.mistake == "not-boolean":
                failure.mistake = self._name_numbers(trial.outputs)
                failure.message = self.sentence(failure.mistake)
            raise

    def _name_numbers(self, outputs):
        """What the numbers are that came for a mask."""
        for name, of in (
            ("indices", lambda log_px, threshold: (log_px < threshold).nonzero()[:, 0]),
            ("filtered", lambda log_px, threshold: log_px[log_px < threshold]),
            ("filtered", lambda log_px, threshold: log_px[log_px >= threshold]),
            ("indices", lambda log_px, threshold: (log_px >= threshold).nonzero()[:, 0]),
        ):
            if all(
                isinstance(output, torch.Tensor)
                and output.layout == torch.strided
                and not output.is_complex()
                and output.numel() == len(of(**case))
                and torch.equal(as_double(output).flatten(), of(**case).double())
                for case, output in outputs
            ):
                return name
        return "not-boolean"

    def float_parts(self, output):
        return []

    def right_canary(self, log_px, threshold):
        return torch.lt(log_px, threshold)

    def wrong_canary(self, log_px, threshold):
        return log_px > threshold
