"""The check of `bits_per_dim`."""

# ruff: noqa: E501

import math
from typing import ClassVar

from course_utils.checks.oracle import OracleCheck


class BitsPerDim(OracleCheck):
    name = "bits_per_dim"
    arguments = ("nll", "num_dims")
    differentiable = ("nll",)
    scalars = ("num_dims",)
    atol = 1e-6
    wrong_canary_mistake = "nats"
    mistakes: ClassVar = {
        "nats": "your result is in nats per dimension: divide by log 2 to get bits.",
        "multiplied-by-log-two": "you multiply by log 2: a bit is log 2 = 0.69 nats, so there are more bits than nats; divide.",
        "dims-ignored": "num_dims has no effect: divide by the number of dimensions.",
        "nothing-done": "you return the nll as it came: divide by num_dims and by log 2.",
        "multiplied-by-dims": "you multiply by num_dims: divide by it.",
        "log-ten": "you use a logarithm to base 10: a bit is log 2 nats, with the natural logarithm.",
        "log-two-twice": "you divide by log 2 twice.",
        "two-for-log-two": "you divide by 2: one bit is log 2 = 0.69 nats.",
        "bytes": "you divide by 8 as for bytes, or by log 256 = 8 log 2: one bit is log 2 nats.",
        "levels": "you divide by 256, the number of levels of a pixel: divide by num_dims and by log 2 only.",
        "log-of-nll": "you take the logarithm of the nll, which is a logarithm already: divide it by log 2.",
        "exponent": "you take an exponential (a perplexity): bits are nats divided by log 2.",
        "log-of-dims": "you divide by the log of num_dims: divide by num_dims itself.",
        "sign": "the sign is turned: the nll is negative log-likelihood already.",
        "absolute": "you take the absolute value: densities above 1 have a negative nll, and so negative bits.",
        "inverted": "the division is upside down: nll / (num_dims log 2).",
        "mean": "you average over the batch: return one number for each that came.",
        "sum": "you sum over the batch: return one number for each that came.",
        "divided-by-batch": "you divide by the batch size: divide by num_dims and log 2 only.",
        "dims-from-shape": "you divide by a size of the tensor nll: the number of dimensions is num_dims.",
        "rounded": "your result is rounded to whole numbers: use / instead of //.",
        "flattened": "your result has another shape: it is elementwise, so it keeps the shape of nll.",
        "one-layout-only": "it works for one shape of nll and fails for another: the formula is elementwise, so no axis needs a name.",
        "tensor-dims": "num_dims may be a Python number, which has no tensor methods: just divide by it.",
    }  # fmt: skip

    def cases(self, rng):
        return [
            {"nll": 900 * rng.uniform(5, low=0.5), "num_dims": 784},
            {"nll": 40 * rng.normal(2, 3), "num_dims": 12},
            {"nll": 50 * rng.uniform(low=0.5), "num_dims": 64},
            {"nll": 70 * rng.normal(2, 1, 4), "num_dims": 48},
            {"nll": 20 * rng.uniform(6, 1, low=0.2), "num_dims": 3},
            {"nll": 5 * rng.normal(4) + 3, "num_dims": 5},
        ]

    def far_cases(self, rng):
        return [
            {"nll": 1e4 * rng.normal(4), "num_dims": 3 * 32 * 32},
            {"nll": 1e6 * rng.uniform(3, low=0.5), "num_dims": 3 * 256 * 256},
            {"nll": 1e4 * rng.normal(3, 2), "num_dims": 1},
        ]

    def single_case(self, rng):
        return {"nll": 30 * rng.uniform(1, low=0.5), "num_dims": 17}

    def oracle(self, nll, num_dims):
        return nll / (num_dims * math.log(2))

    def guesses(self, nll, num_dims):
        right, log_two = self.oracle(nll, num_dims), math.log(2)
        guesses = [
            ("nats", nll / num_dims),
            ("multiplied-by-log-two", nll * log_two / num_dims),
            ("multiplied-by-log-two", nll * log_two),
            ("dims-ignored", nll / log_two),
            ("nothing-done", nll),
            ("multiplied-by-dims", nll * num_dims / log_two),
            ("multiplied-by-dims", nll * num_dims),
            ("multiplied-by-dims", nll / log_two * num_dims),
            ("log-ten", nll / (num_dims * math.log10(2))),
            ("log-ten", nll / (num_dims * math.log(10))),
            ("log-two-twice", right / log_two),
            ("two-for-log-two", nll / (num_dims * 2)),
            ("two-for-log-two", nll * 2 / num_dims),
            ("bytes", right / 8),
            ("levels", nll / (num_dims * 256)),
            ("levels", right / 256),
            ("log-of-nll", nll.log2() / num_dims),
            ("log-of-nll", nll.abs().log2() / num_dims),
            ("log-of-nll", nll.log() / (num_dims * log_two)),
            ("log-of-nll", (nll / num_dims).log2()),
            ("exponent", (nll / num_dims).exp()),
            ("exponent", 2 ** (nll / num_dims)),
            ("exponent", right.exp2()),
            ("log-of-dims", nll / (math.log(num_dims) * log_two)),
            ("log-of-dims", nll / math.log(num_dims)),
            ("log-of-dims", nll / math.log2(num_dims)),
            ("sign", -right),
            ("absolute", right.abs()),
            ("inverted", num_dims * log_two / nll),
            ("inverted", num_dims / (nll * log_two)),
            ("mean", right.mean()),
            ("sum", right.sum()),
            ("divided-by-batch", right / (nll.shape[0] if nll.ndim else 1)),
            ("divided-by-batch", right / nll.numel()),
            ("dims-from-shape", nll / (nll.numel() * log_two)),
            ("dims-from-shape", nll / ((nll.shape[0] if nll.ndim else 1) * log_two)),
            ("dims-from-shape", nll / ((nll.shape[-1] if nll.ndim else 1) * log_two)),
            ("rounded", right.floor()),
            ("rounded", right.round()),
            ("rounded", (nll / num_dims).floor() / log_two),
            ("flattened", right.flatten() if right.ndim else right),  # (1,) counts as a scalar
            ("flattened", right.unsqueeze(-1) if right.ndim else right),
            ("flattened", right.squeeze()),
        ]
        return [((name,), value) for name, value in guesses]

    def explain_error(self, trial, case, failure):
        of_number = "must be Tensor, not int" in failure.got or "'int' object has no attribute" in failure.got
        return "tensor-dims" if of_number else None

    def right_canary(self, nll, num_dims):
        return nll / num_dims * (1 / math.log(2))

    def wrong_canary(self, nll, num_dims):
        return nll / num_dims
