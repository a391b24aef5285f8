"""The check of `receptive_field`: how much of the input one output of a stack of convolutions sees."""

# ruff: noqa: E501

import itertools
import math
from typing import ClassVar

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck

PATCHGAN = [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]


def span(layers):
    """The side of the patch that one output sees, from output to input."""
    side = 1
    for kernel_size, stride in reversed(layers):
        side = stride * (side - 1) + kernel_size
    return side


def grown(layers, start, step):
    """`step(side, kernel_size, stride)` of each layer in turn."""
    side = start
    for kernel_size, stride in layers:
        side = step(side, kernel_size, stride)
    return side


def jumps(layers):
    """For each layer, how far apart in the input its inputs are: the product of the strides before it."""
    return [math.prod(stride for _, stride in layers[:n]) for n in range(len(layers))]


def wrong_sides(layers):
    """Guesses at the result: (id, number), the most specific first."""
    right = span(layers)
    kernels, strides = zip(*layers, strict=True)
    turned, jump = layers[::-1], jumps(layers)
    own = [math.prod(strides[: n + 1]) for n in range(len(layers))]  # the layer's own stride counted in
    sums = [sum(strides[:n]) for n in range(len(layers))]
    less = [kernel - 1 for kernel in kernels]
    return [
        ("kernel-only", kernels[0]),
        ("kernel-only", kernels[-1]),
        ("kernel-only", max(kernels)),
        ("stride-ignored", 1 + sum(less)),
        ("kernels-summed", sum(kernels)),
        ("kernels-multiplied", math.prod(kernels)),
        ("stride-product", math.prod(strides)),
        ("stride-product", 1 + math.prod(strides)),
        ("wrong-order", span(turned)),
        ("own-stride", 1 + sum(k * j for k, j in zip(less, own, strict=True))),
        ("own-stride", 1 + sum(k * s for k, s in zip(less, strides, strict=True))),
        ("own-stride", sum(k * s for k, s in zip(kernels, strides, strict=True))),
        ("strides-summed", 1 + sum(k * max(j, 1) for k, j in zip(less, sums, strict=True))),
        ("strides-summed", 1 + sum(k * (1 + j) for k, j in zip(less, sums, strict=True))),
        ("strides-summed", 1 + sum(k * (1 + j - n) for n, (k, j) in enumerate(zip(less, sums, strict=True)))),
        ("one-missing", right - 1),
        ("one-too-many", right + 1),
        ("minus-one-missing", grown(turned, 1, lambda r, k, s: s * r + k)),
        ("minus-one-missing", grown(turned, 0, lambda r, k, s: s * r + k)),
        ("minus-one-missing", grown(turned, 1, lambda r, k, s: s * (r - 1) + k + 1)),
        ("minus-one-missing", grown(turned, 1, lambda r, k, s: s * r + k - 1)),
        ("minus-one-missing", sum(k * j for k, j in zip(kernels, jump, strict=True))),
        ("minus-one-missing", 1 + sum(k * j for k, j in zip(kernels, jump, strict=True))),
        ("minus-one-missing", grown(layers, 1, lambda r, k, s: s * r + k - 1)),
        ("minus-one-missing", grown(layers, 0, lambda r, k, s: s * r + k)),
        ("minus-one-missing", grown(layers, 1, lambda r, k, s: s * r + k)),
        ("starts-from-zero", grown(turned, 0, lambda r, k, s: s * (r - 1) + k)),
        ("kernel-for-stride", span([(stride, kernel) for kernel, stride in layers])),
        ("kernel-for-stride", span([(stride, kernel) for kernel, stride in turned])),
        ("layer-missing", span(layers[:-1]) if len(layers) > 1 else 1),
        ("layer-missing", span(layers[1:]) if len(layers) > 1 else 1),
        ("padding", right + 2 * sum((k // 2) for k in kernels)),
        ("padding", right - 2 * sum(((k - 1) // 2) for k in kernels)),
        ("padding", grown(turned, 1, lambda r, k, s: s * (r - 1) + k - 2 * ((k - 1) // 2))),
        ("padding", grown(turned, 1, lambda r, k, s: s * (r - 1) + k - 2)),
        ("half-side", right // 2),
        ("half-side", right / 2),
        ("half-side", (right - 1) // 2),
        ("area", right**2),
        ("seventy", 70),
        ("number-of-layers", len(layers)),
        ("stride-divided", 1 + sum(k / s for k, s in zip(less, strides, strict=True))),
        ("stride-divided", 1 + sum(k / j for k, j in zip(less, jump, strict=True))),
        ("stride-divided", sum(k / s for k, s in zip(kernels, strides, strict=True))),
        ("stride-of-neighbour", 1 + less[0] + sum(k * s for k, s in zip(less[1:], strides, strict=False))),
        ("last-stride-counts", right * strides[-1]),
        ("last-stride-counts", right + strides[-1] - 1),
    ]  # fmt: skip


class ReceptiveField(OracleCheck):
    name = "receptive_field"
    arguments = ("layers",)
    number_allowed = True
    rtol, atol = 1e-9, 1e-6
    weights: ClassVar = {"value": 8.0, "far out": 1.0, "contract": 1.0}
    wrong_canary_mistake = "stride-ignored"
    mistakes: ClassVar = {
        "kernel-only": "you return the kernel size of one layer: every layer makes the patch larger.",
        "stride-ignored": "the strides have no effect: behind a stride of 2, a step of one is a step of two in the input.",
        "kernels-summed": "you add up the kernel sizes: a layer adds kernel_size - 1, times the strides before it.",
        "kernels-multiplied": "you multiply the kernel sizes: patches of neighbours overlap; a layer adds kernel_size - 1, times the strides before it.",
        "stride-product": "you return the product of the strides: that is how far apart the patches of two neighbouring outputs are, not how large.",
        "wrong-order": "you go through the layers the wrong way round: the list runs from input to output. Coming from the output, r -> stride (r - 1) + kernel_size, the last layer is first.",
        "own-stride": "a layer's own stride does not enlarge what it sees, and all strides before it do: its kernel_size - 1 steps count as many pixels as the product of the strides of the layers before it.",
        "strides-summed": "you add up the strides: two layers of stride 2 make a step of 4 in the input, so multiply.",
        "stride-of-neighbour": "you count the stride of one layer before only: multiply the strides of all layers before.",
        "one-missing": "you return one pixel too few: one output alone sees one pixel, so begin with 1.",
        "one-too-many": "you return one pixel too many: a single layer sees kernel_size pixels.",
        "minus-one-missing": "a minus one is missing, or does not stand where it belongs: r outputs are r - 1 steps apart, stride (r - 1) + kernel_size.",
        "starts-from-zero": "you begin with 0: one output is one pixel wide, so begin with 1.",
        "kernel-for-stride": "kernel size and stride are swapped: a layer is (kernel_size, stride).",
        "layer-missing": "the first or the last layer is left out.",
        "padding": "you take padding into account: it moves the patch, or fills it with zeros, but does not change its side.",
        "half-side": "you return half of the side: the whole side is due, from the first to the last pixel.",
        "area": "you return the area: the side is due.",
        "seventy": "you return 70 whatever the layers are: that is the patch of one stack only.",
        "number-of-layers": "you return the number of layers.",
        "stride-divided": "you divide by a stride: going back to the input, strides multiply.",
        "last-stride-counts": "the stride of the last layer enlarges your patch: one single output takes no step, so it does not matter.",
        "single-layer": "it fails for one layer alone: there the patch is its kernel.",
        "returns-tuple": "it returns several numbers: the patch is square, return its side.",
        "not-whole": "the side of a patch is a whole number of pixels.",
    }  # fmt: skip

    def cases(self, rng):
        return [{"layers": layers} for layers in (list(PATCHGAN), *self._random(rng), *self._fixed(rng))]

    def _fixed(self, rng):
        """Layers of kernel size 1, of one layer, with a last stride that does not matter, and in an order that does."""
        kernel = 3 + int(rng.integers(5))
        return [
            [(kernel, 2)],
            [(1, 1)],
            [(3, 1), (3, 1), (3, 1)],
            [(1, 1), (5, 2), (1, 1), (3, 3)],
            [(7, 3), (2, 1), (3, 2), (1, 2)],
            [(4, 2), (4, 2), (4, 1), (4, 1)],
            [(2, 2), (2, 2), (6, 4)],
        ]

    def _random(self, rng, count=4):
        """Stacks of 2 to 5 layers without holes: no stride is larger than its kernel."""
        stacks = []
        for n in range(count):
            strides = (1 + rng.integers(3, 2 + n)).tolist()
            stacks.append([(stride + int(rng.integers(4)), stride) for stride in strides])
        return stacks

    def far_cases(self, rng):
        return [
            {"layers": [(3, 2)] * 12},
            {"layers": [(2 + int(rng.integers(3)), 1) for _ in range(40)]},
            {"layers": [(7, 2), (3, 2), *[(3, 1)] * 6, (3, 2), *[(3, 1)] * 7, (3, 2), *[(3, 1)] * 11, (3, 2)]},
            {"layers": [(101, 50), (31, 7)]},
        ]

    def oracle(self, layers):
        return torch.tensor(float(span(layers)), dtype=torch.float64)

    def guesses(self, layers):
        return [((name,), torch.tensor(float(value), dtype=torch.float64)) for name, value in wrong_sides(layers)]

    def double_guesses(self, layers):
        """Two mistakes at once: layers read wrongly, then the wrong formula."""
        readings = [
            ("wrong-order", layers[::-1]),
            ("kernel-for-stride", [(stride, kernel) for kernel, stride in layers]),
            *((("layer-missing", part) for part in (layers[1:], layers[:-1])) if len(layers) > 1 else ()),
        ]
        return [
            ((first, second), torch.tensor(float(value), dtype=torch.float64))
            for first, reading in readings
            for second, value in wrong_sides(reading)
        ]

    def judge_value(self, trial):
        try:
            super().judge_value(trial)
        except Failure as failure:
            if failure.mistake is None and any(r.value != r.value.round() for r in trial.results):
                failure.mistake, failure.message = "not-whole", self.sentence("not-whole")
            raise

    def explain_error(self, trial, case, failure):
        return "single-layer" if len(case["layers"]) == 1 else None

    def right_canary(self, layers):
        steps = itertools.accumulate((stride for _, stride in layers), int.__mul__, initial=1)
        return 1 + sum((kernel - 1) * step for (kernel, _), step in zip(layers, steps, strict=False))

    def wrong_canary(self, layers):
        return 1 + sum(kernel - 1 for kernel, _ in layers)
