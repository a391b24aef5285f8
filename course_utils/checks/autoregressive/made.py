"""The check of `made_masks`."""

# ruff: noqa: E501

import itertools
from typing import ClassVar

import torch

from course_utils.checks.autoregressive.masks import NOT_BINARY, plain_mask, require_mask
from course_utils.checks.core import Check, Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.randomness import derive_seed
from course_utils.checks.tensors import identical


def built(hidden, output):
    """The masks from two rules, for hidden layers and for the output, that compare degrees of units k and j."""

    def masks(degrees):
        pairs = list(itertools.pairwise(degrees))
        rules = [hidden] * (len(pairs) - 1) + [output]
        return [rule(k.unsqueeze(1), j) for rule, (j, k) in zip(rules, pairs, strict=True)]

    return masks


def at_least(k, j):
    return k >= j


def above(k, j):
    return k > j


def everything(k, j):
    return torch.ones(len(k), len(j), dtype=torch.bool)


def from_the_input(degrees, only_output=False):
    """Each layer compared with the input instead of the layer before."""
    masks = right_masks(degrees)
    if not only_output:
        masks[:-1] = [k.unsqueeze(1) >= degrees[0] for k in degrees[1:-1]]
    return [*masks[:-1], degrees[-1].unsqueeze(1) > degrees[0]]


def by_position(degrees):
    """The masks that belong to degrees 0, 1, 2, ... in every layer."""
    return right_masks([torch.arange(len(layer)) for layer in degrees])


def first_strict(degrees):
    """The strict comparison at the first layer instead of the last."""
    masks = built(at_least, at_least)(degrees)
    return [degrees[1].unsqueeze(1) > degrees[0], *masks[1:]]


right_masks = built(at_least, above)

# What each mistake makes of the masks; the most specific ones first.
WRONG_MASKS = [
    ("output-not-strict", built(at_least, at_least)),
    ("hidden-strict", built(above, above)),
    ("rules-swapped", built(above, at_least)),
    ("single-as-hidden", lambda degrees: (built(at_least, at_least) if len(degrees) == 2 else right_masks)(degrees)),
    ("first-strict", first_strict),
    ("first-strict", lambda degrees: (first_strict if len(degrees) > 2 else built(at_least, at_least))(degrees)),
    ("reversed", built(lambda k, j: k <= j, lambda k, j: k < j)),
    ("inverted", built(lambda k, j: k < j, lambda k, j: k <= j)),
    ("transposed", lambda degrees: [mask.mT for mask in right_masks(degrees)]),
    ("from-input", from_the_input),
    ("from-input", lambda degrees: from_the_input(degrees, only_output=True)),
    ("all-ones", built(everything, everything)),
    ("hidden-sees-all", built(everything, above)),
    ("output-sees-all", built(at_least, everything)),
    ("equal-only", built(torch.eq, above)),
    ("equal-only", built(torch.eq, torch.eq)),
    ("by-position", by_position),
    ("reversed-list", lambda degrees: right_masks(degrees)[::-1]),
    ("output-missing", lambda degrees: right_masks(degrees)[:-1]),
    ("output-missing", lambda degrees: built(at_least, at_least)(degrees)[:-1]),
    ("output-missing", lambda degrees: built(at_least, at_least)([*degrees, degrees[-1]])[:-2]),
    ("additive", lambda degrees: [torch.zeros(mask.shape).masked_fill(~mask, -torch.inf) for mask in right_masks(degrees)]),
    *(
        ("off-by-one", built(hidden, output))
        for hidden, output in (
            (lambda k, j: k >= j - 1, above),
            (lambda k, j: k >= j - 1, at_least),
            (lambda k, j: k >= j + 1, lambda k, j: k > j + 1),
            (at_least, lambda k, j: k > j + 1),
            (at_least, lambda k, j: k >= j - 1),
        )
    ),
]  # fmt: skip


class MadeMasks(Check):
    name = "made_masks"
    arguments = ("degrees",)
    wrong_canary_mistake = "output-not-strict"
    mistakes: ClassVar = {
        "output-not-strict": "the output sees its own degree: pixel d would see itself. There the comparison is strict, >, and only there.",
        "hidden-strict": "the hidden layers compare strictly: a hidden unit sees units of its own degree too, >=.",
        "rules-swapped": "> and >= are swapped: hidden layers compare with >=, the output with >.",
        "single-as-hidden": "a single layer compares with >=: it is an output layer, and so strict.",
        "first-strict": "the first layer compares strictly instead of the last: >= everywhere, and > at the output.",
        "reversed": "the comparison is the wrong way round: unit k sees unit j if degree_k >= degree_j, k being in the later layer.",
        "inverted": "zeros and ones are swapped: 1 where unit k sees unit j.",
        "transposed": "the masks are transposed: like the weight of nn.Linear, a mask is (out, in).",
        "from-input": "layers are compared with the input: each is to be compared with the layer just before.",
        "all-ones": "every unit sees every other: nothing is masked.",
        "hidden-sees-all": "the hidden layers are not masked: only the output is.",
        "output-sees-all": "the output layer is not masked: it sees hidden units of smaller degree only.",
        "equal-only": "units see units of the same degree only: those of smaller degree too, so >= instead of ==.",
        "by-position": "the masks depend on the places of the units, not on their degrees, which may be in any order.",
        "reversed-list": "the list runs from output to input: the first mask belongs to the input.",
        "output-missing": "one mask is missing: L + 1 layers have L masks between them, the last for the output.",
        "wrong-count": "the number of masks is wrong: L + 1 layers have L masks between them.",
        "not-a-list": "a list of masks is due, one for each pair of neighbouring layers, also where there is one only.",
        "additive": "the masks hold minus infinity: zeros and ones are due, to be multiplied with weights.",
        "not-binary": NOT_BINARY,
        "off-by-one": "degrees are compared with one more or one less: degree_k >= degree_j in hidden layers, degree_k > degree_j at the output.",
    }  # fmt: skip

    def criteria(self):
        return [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("type", self.judge_type, needed=True),
            Criterion("shape", self.judge_shape, needed=True),
            Criterion("value", self.judge_value, 9.0, needed=True),
            Criterion("contract", self.judge_contract, 1.0),
        ]

    def cases(self, rng):
        """Lists of degrees: in order and shuffled, with one and more layers, with gaps, from 0, with repeated outputs."""

        def order(count, low=1):
            return torch.randperm(count, generator=rng.generator) + low

        def some(count, low, high):
            return low + rng.integers(high - low + 1, count)

        shuffled, square, gaps = order(4), order(5, low=0), torch.tensor([300, 7, 10, 40])
        return [
            [torch.arange(1, 6), torch.tensor([1, 2, 3, 4, 2, 3, 1]), torch.arange(1, 6)],
            [shuffled, some(6, 1, 3), some(3, 1, 3), shuffled.clone()],
            [order(5), order(5)],
            [square, some(5, 0, 3), square.flip(0)],
            [torch.tensor([1]), torch.tensor([1, 1]), torch.tensor([1])],
            [order(3), torch.tensor([2]), torch.cat([order(3), order(3)])],
            [gaps, gaps[some(8, 0, 3)], gaps[some(5, 0, 3)], gaps[some(3, 0, 3)], gaps.flip(0)],
            [order(3), some(2, 1, 3), order(3)],
        ]

    def judge_runs(self, trial):
        trial.results = []
        for degrees in self.cases(trial.rng):
            try:
                output = trial.call([layer.clone() for layer in degrees])
            except Failure as failure:
                failure.where = "; ".join(part for part in (failure.where, shown(degrees)) if part)
                raise
            trial.results.append((degrees, output))

    def judge_type(self, trial):
        for degrees, output in trial.results:
            if output is None:
                raise Failure(mistake="returns-nothing", where=shown(degrees), got="None", expected="a list of masks")
            if not isinstance(output, list | tuple):
                got = type(output).__name__
                raise Failure(mistake="not-a-list", where=shown(degrees), got=got, expected="a list of masks")
            for mask in output:
                require_mask(mask, shown(degrees))
        trial.results = [(degrees, [plain_mask(mask) for mask in output]) for degrees, output in trial.results]

    def judge_shape(self, trial):
        for degrees, masks in trial.results:
            got = [tuple(mask.shape) for mask in masks]
            due = [(len(after), len(before)) for before, after in itertools.pairwise(degrees)]
            if got != due:
                mistake = self.explain(trial.results) or (None if len(got) == len(due) else "wrong-count")
                message = "" if mistake else "the shapes of the masks are wrong: each is (out, in)."
                raise Failure(message, mistake, shown(degrees), f"shapes {got}", f"shapes {due}")

    def judge_value(self, trial):
        for degrees, masks in trial.results:
            for number, (got, due) in enumerate(zip(masks, right_masks(degrees), strict=True)):
                if torch.equal(got, due.double()):
                    continue
                mistake = self._unsteady(trial) or self.explain(trial.results)
                if mistake is None and not ((got == 0) | (got == 1)).all():
                    mistake = "not-binary"
                k, j = (got != due).nonzero()[0].tolist()
                raise Failure(
                    "" if mistake else "the masks are wrong.",
                    mistake,
                    f"mask {number}, unit {k} of degree {degrees[number + 1][k]}, which looks at unit {j} of degree "
                    f"{degrees[number][j]}; {shown(degrees)}",
                    f"{got[k, j]:g}",
                    f"{int(due[k, j])}",
                )

    def explain(self, results):
        """The first mistake that explains all results, or None."""
        for mistake, masks_of in WRONG_MASKS:
            if all(equal(masks, masks_of(degrees)) for degrees, masks in results):
                return mistake
        return None

    def _unsteady(self, trial):
        degrees, first = trial.results[0]
        before = trial.generator_states()
        again = trial.call([layer.clone() for layer in degrees])
        if isinstance(again, list | tuple) and equal([plain_mask(mask) for mask in again], first):
            return None
        return "random-result" if trial.generator_states() != before else "keeps-state"

    def judge_contract(self, trial):
        for count, degrees in enumerate(self.cases(trial.rng)):
            given = [layer.clone() for layer in degrees]
            layers = list(given)
            trial.seed_generators(derive_seed(trial.seed, count))
            before = trial.generator_states()
            output = trial.call(layers)
            if trial.generator_states() != before:
                raise Failure(mistake="touches-rng", where=shown(degrees))
            kept = len(layers) == len(given) and all(a is b for a, b in zip(layers, given, strict=True))
            if not kept or not all(identical(a, b) for a, b in zip(given, degrees, strict=True)):
                raise Failure(mistake="changes-arguments", where=shown(degrees))
            if not equal([plain_mask(mask) for mask in output], right_masks(degrees)):
                raise Failure(mistake="keeps-state", where=shown(degrees))
        try:
            trial.call(degrees=given)
        except Failure as failure:
            if failure.got.startswith("TypeError"):
                raise Failure(mistake="wrong-names", got=failure.got, expected=self.signature) from None
            raise

    right_canary = staticmethod(right_masks)
    wrong_canary = staticmethod(built(at_least, at_least))


def equal(masks, others):
    return len(masks) == len(others) and all(
        a.shape == b.shape and bool((a == b).all()) for a, b in zip(masks, others, strict=True)
    )


def shown(degrees):
    return f"degrees {[layer.tolist() for layer in degrees]}"
