"""The check of `mix_styles`: the coarse layers of one image, the fine ones of another."""

# ruff: noqa: E501

from typing import ClassVar

import torch

from course_utils.checks.core import Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import copies, shapes


def mixed(w_a, w_b, crossover, axis=1):
    """What lies before `crossover` along an axis from w_a, the rest from w_b."""
    size = w_a.shape[axis]
    cut = min(max(crossover, 0), size)
    return torch.cat([w_a.narrow(axis, 0, cut), w_b.narrow(axis, cut, size - cut)], axis)


class MixStyles(OracleCheck):
    name = "mix_styles"
    arguments = ("w_a", "w_b", "crossover")
    differentiable = ("w_a", "w_b")
    scalars = ("crossover",)
    atol = 1e-6
    weights: ClassVar = {"value": 5.0, "gradient": 1.0, "far out": 1.0, "contract": 1.0}
    wrong_canary_mistake = "swapped"
    mistakes: ClassVar = {
        "swapped": "the two sources are swapped: the layers before crossover come from w_a, the rest from w_b.",
        "off-by-one": "the change comes one layer too early or too late: layers 0 ... crossover - 1 are from w_a, layer crossover is the first from w_b.",
        "mixes-batch": "you cut the batch (axis 0): every example has both parents; cut the layers, axis 1.",
        "mixes-channels": "you cut the style vectors (axis 2): a layer's style stays whole; cut the layers, axis 1.",
        "counted-from-end": "crossover is counted from the last layer: count from the first, layer 0.",
        "one-layer": "one layer only comes from the other parent: all layers from crossover on come from w_b.",
        "crossover-ignored": "crossover has no effect, or not its own: the place of the change is given.",
        "only-w-a": "w_b has no effect: the layers from crossover on come from it.",
        "only-w-b": "w_a has no effect: the layers before crossover come from it.",
        "averaged": "you average or add the two styles: every layer has the style of one parent, whole.",
        "interpolated": "you pass gradually from one style to the other: every layer has the style of one parent, whole.",
        "alternating": "the layers take turns: those before crossover are all from w_a, the rest all from w_b.",
        "w-b-from-start": "the first layers of w_b stand where its last are due: every layer keeps its place, w_b[:, crossover:].",
        "w-a-from-end": "the last layers of w_a stand where its first are due: every layer keeps its place, w_a[:, :crossover].",
        "layers-reversed": "the order of the layers is turned round: every layer keeps its place.",
        "order-of-parts": "the part of w_b stands before that of w_a: the layers keep their order.",
        "joined-whole": "both styles are there with all their layers: take the first `crossover` layers of w_a and the last of w_b, L in all.",
        "one-part": "you return one of the two parts: join them along the layers, axis 1.",
        "batch-joined": "you join along the batch, or along the style vectors: join the two parts along the layers, axis 1.",
        "layer-count": "a layer is there twice, or missing: w_a ends before layer crossover, where w_b begins.",
        "zeroed": "the layers of one parent are zero: they come from w_b (from crossover on) or from w_a (before it).",
        "layers-summed": "the axis of the layers is gone: the result is (B, L, W), a style for each layer.",
        "all-from-one": "at crossover 0 all layers come from w_b, at crossover L all from w_a: one of these ends goes wrong.",
        "clamped-crossover": "you do not let crossover reach its ends: at 0 all layers come from w_b, at L all from w_a.",
        "zero-as-none": "crossover 0 counts as no crossover at all: there all layers come from w_b.",
        "minus-zero": "at one end a slice that counts from the end, such as `[-n:]`, takes everything where n = 0: count from the start.",
        "returns-parts": "you return the two parts: join them along the layers, axis 1.",
    }  # fmt: skip

    def criteria(self):
        *first, gradient, far, contract = super().criteria()
        return [*first, gradient, Criterion("ends", self.judge_ends, 2.0), far, contract]

    def cases(self, rng):
        inputs = [((3, 5, 4), 2), ((2, 6, 3), 1), ((4, 4, 4), 3), ((2, 7, 5), 4), ((3, 8, 2), 1 + int(rng.integers(7)))]
        return [self._draw(rng, *values) for values in inputs]

    def _draw(self, rng, shape, crossover, scale=1.0):
        return {"w_a": rng.normal(*shape, scale=scale), "w_b": rng.normal(*shape, scale=scale), "crossover": crossover}

    def end_cases(self, rng):
        inputs = [((3, 5, 2), 0), ((3, 5, 2), 5), ((2, 1, 4), 0), ((2, 1, 4), 1), ((2, 3, 3), 0), ((2, 3, 3), 3)]
        return [self._draw(rng, *values) for values in inputs]

    def far_cases(self, rng):
        return [self._draw(rng, (2, 18, 512), 8), self._draw(rng, (3, 5, 4), 3, scale=1e4)]

    def single_case(self, rng):
        return self._draw(rng, (1, 4, 3), 2)

    def oracle(self, w_a, w_b, crossover):
        return mixed(w_a, w_b, crossover)

    def guesses(self, w_a, w_b, crossover):
        layers, c = w_a.shape[1], crossover
        right, half = mixed(w_a, w_b, c), (w_a + w_b) / 2
        place = torch.arange(layers)
        steps = torch.linspace(0, 1, layers, dtype=torch.float64)[:, None]
        odd, here = (place % 2 == 1)[:, None], (place == c)[:, None]
        before = (place < c)[:, None]
        head, tail = w_a[:, :c], w_b[:, c:]
        guesses = [
            ("swapped", mixed(w_b, w_a, c)),
            ("off-by-one", mixed(w_a, w_b, c + 1)),
            ("off-by-one", mixed(w_a, w_b, c - 1)),
            ("mixes-batch", mixed(w_a, w_b, c, 0)),
            ("mixes-batch", mixed(w_b, w_a, c, 0)),
            ("mixes-channels", mixed(w_a, w_b, c, 2)),
            ("mixes-channels", mixed(w_b, w_a, c, 2)),
            ("counted-from-end", mixed(w_a, w_b, layers - c)),
            ("counted-from-end", mixed(w_b, w_a, layers - c)),
            ("one-layer", torch.where(here, w_b, w_a)),
            ("one-layer", torch.where(here, w_a, w_b)),
            *(("crossover-ignored", mixed(w_a, w_b, n)) for n in (1, 2, 3, layers // 2, (layers + 1) // 2)),
            ("only-w-a", w_a),
            ("only-w-b", w_b),
            ("averaged", half),
            ("averaged", 2 * half),
            ("averaged", torch.where(before, w_a, half)),
            ("averaged", torch.where(before, half, w_b)),
            ("averaged", torch.where(before, w_a, 2 * half)),
            ("interpolated", w_a + steps * (w_b - w_a)),
            ("interpolated", w_b + steps * (w_a - w_b)),
            ("interpolated", w_a + c / layers * (w_b - w_a)),
            ("interpolated", w_b + c / layers * (w_a - w_b)),
            ("alternating", torch.where(odd, w_b, w_a)),
            ("alternating", torch.where(odd, w_a, w_b)),
            ("w-b-from-start", torch.cat([head, w_b[:, : layers - c]], 1)),
            ("w-a-from-end", torch.cat([w_a[:, layers - c :], tail], 1)),
            ("layers-reversed", right.flip(1)),
            ("layers-reversed", mixed(w_a, w_b.flip(1), c)),
            ("order-of-parts", torch.cat([tail, head], 1)),
            ("joined-whole", torch.cat([w_a, w_b], 1)),
            ("joined-whole", torch.cat([head, w_b], 1)),
            ("joined-whole", torch.cat([w_a, tail], 1)),
            ("layer-count", torch.cat([w_a[:, : c + 1], tail], 1)),
            ("layer-count", torch.cat([head, w_b[:, c + 1 :]], 1)),
            ("layer-count", torch.cat([head, w_b[:, c - 1 :]], 1)),
            ("layer-count", torch.cat([w_a[:, : c - 1], tail], 1)),
            ("one-part", head),
            ("one-part", tail),
            ("zeroed", torch.where(before, w_a, 0 * w_a)),
            ("zeroed", torch.where(before, 0 * w_b, w_b)),
            ("batch-joined", torch.cat([w_a, w_b], 0)),
            ("batch-joined", torch.cat([w_a, w_b], 2)),
            ("layers-summed", right.mean(1)),
            ("layers-summed", right.sum(1)),
            ("layers-summed", right.flatten(1)),
        ]
        return [((name,), value) for name, value in guesses]

    def explain_error(self, trial, case, failure):
        return "batch-joined" if "Sizes of tensors must match except in dimension" in failure.got else None

    def require_type(self, output, where):
        if isinstance(output, tuple | list) and len(output) == 2:
            raise Failure(mistake="returns-parts", where=where, got="a pair", expected="a tensor (B, L, W)")
        super().require_type(output, where)

    def judge_ends(self, trial):
        for case in self.end_cases(trial.rng):
            w_a, w_b, crossover = case.values()
            layers = w_a.shape[1]
            try:
                output = trial.call(*copies(case).values())
            except Failure as failure:
                failure.where = f"input {shapes(case)}"
                raise
            self.require_type(output, shapes(case))
            result = self.result(case, output)
            if self.is_close(result):
                continue
            clamped = mixed(w_a, w_b, min(max(crossover, 1), max(layers - 1, 1)))
            guesses = [
                ("minus-zero", torch.cat([w_a, w_b], 1)),
                ("minus-zero", torch.cat([w_b, w_a], 1)),
                ("zero-as-none" if crossover == 0 else "clamped-crossover", w_a if crossover == 0 else clamped),
                ("clamped-crossover", clamped),
            ]
            named = (name for name, guess in guesses if self._matches(result.value, guess.double()))
            raise self.difference(result, mistake=next(named, "all-from-one"))

    def right_canary(self, w_a, w_b, crossover):
        first = torch.arange(w_a.shape[1], device=w_a.device)[:, None] < crossover
        return torch.where(first, w_a, w_b)

    def wrong_canary(self, w_a, w_b, crossover):
        return torch.cat([w_b[:, :crossover], w_a[:, crossover:]], 1)
