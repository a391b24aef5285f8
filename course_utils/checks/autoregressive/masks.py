"""The check of `causal_mask`, and what masks are as values."""

# ruff: noqa: E501

from typing import ClassVar

import numpy as np
import torch

from course_utils.checks.autoregressive.patterns import CAUSAL_MISTAKES, causal, two_mistakes, wrong_masks
from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck

NOT_BINARY = "a mask holds zeros and ones, and nothing else: it is multiplied with weights."


def require_mask(output, where):
    """Raise Failure unless `output` is a tensor or an array of numbers or truth values."""
    kind = type(output).__name__
    if isinstance(output, torch.Tensor):
        if output.layout != torch.strided or output.is_complex():
            raise Failure(f"a mask is a {output.layout} tensor of {output.dtype}.", where=where, got=kind)
    elif output is None:
        raise Failure(mistake="returns-nothing", where=where, got="None", expected="zeros and ones")
    elif not isinstance(output, np.ndarray) or output.dtype.kind not in "biuf":
        raise Failure(f"a mask is a {kind}, but a tensor is due.", "no-tensor", where, got=kind, expected="a tensor")


def plain_mask(mask):
    """A float64 copy on the CPU."""
    if isinstance(mask, torch.Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            return mask.detach().as_subclass(torch.Tensor).to("cpu", torch.float64, copy=True)
    return torch.from_numpy(mask.astype(np.float64))


class CausalMask(OracleCheck):
    name = "causal_mask"
    arguments = ("mask_type", "in_channels", "out_channels", "kernel_size", "num_colors")
    defaults: ClassVar = {"num_colors": 1}
    weights: ClassVar = {"value": 9.0, "far out": 0.0, "contract": 1.0}
    wrong_canary_mistake = "types-swapped"
    mistakes: ClassVar = {
        **CAUSAL_MISTAKES,
        "channels-transposed": "output and input channels are swapped: like a weight of nn.Conv2d, a mask is (out, in, k, k).",
        "not-expanded": "the axes of the channels are missing: like a weight of nn.Conv2d, a mask is (out, in, k, k).",
        "additive": "it holds minus infinity: zeros and ones are due, to be multiplied with weights.",
        "not-binary": NOT_BINARY,
    }  # fmt: skip

    def criteria(self):
        return [criterion for criterion in super().criteria() if criterion.name != "far out"]

    def cases(self, rng):
        few, many = (1 + int(rng.integers(3)) for _ in range(2))
        inputs = [
            *(("A", 1, 1, 3, 1), ("B", 1, 1, 3, 1), ("A", 2, 4, 5, 1), ("B", 3 + few, 2, 7, 1), ("A", 1, 3, 1, 1)),
            *(("B", 3, 6, 3, 1), ("A", 3, 6, 3, 3), ("B", 9, 3, 5, 3), ("A", 6, 3 * many, 7, 3), ("B", 3, 3, 1, 3)),
            ("B", 6, 12, 3, 3),
        ]
        return [dict(zip(self.arguments, values, strict=True)) for values in inputs]

    def oracle(self, **arguments):
        return causal(**arguments).double()

    def guesses(self, **arguments):
        right = causal(**arguments)
        hidden = torch.zeros_like(right, dtype=torch.float64)
        return [
            *(((name,), mask.double()) for name, mask in wrong_masks(**arguments)),
            (("channels-transposed",), right.double().transpose(0, 1)),
            (("not-expanded",), right[-1, 0].double()),
            (("not-expanded",), right[-1:, :1].double()),
            (("not-expanded",), right[0, 0].double()),
            (("not-expanded",), right[:1, :1].double()),
            (("additive",), hidden.masked_fill(~right, -torch.inf)),
            (("additive",), (hidden + 1).masked_fill(~right, -torch.inf)),
        ]

    def double_guesses(self, **arguments):
        return [(ids, mask.double()) for ids, mask in two_mistakes(**arguments)]

    def require_type(self, output, where):
        require_mask(output, where)

    def result(self, case, output):
        return super().result(case, plain_mask(output) if isinstance(output, np.ndarray | torch.Tensor) else output)

    def judge_value(self, trial):
        try:
            super().judge_value(trial)
        except Failure as failure:
            values = [value for result in trial.results for value in result.value.unique().tolist()]
            if failure.mistake is None and not set(values) <= {0.0, 1.0}:
                failure.mistake, failure.message = "not-binary", NOT_BINARY
            raise

    right_canary = staticmethod(causal)

    @staticmethod
    def wrong_canary(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
        return causal("B" if mask_type == "A" else "A", in_channels, out_channels, kernel_size, num_colors)
