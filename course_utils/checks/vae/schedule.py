"""The check of `beta_schedule`."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.oracle import OracleCheck


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
