"""The check of `cycle_consistency_loss`."""

# ruff: noqa: E501

from typing import ClassVar

import torch

from course_utils.checks.adversarial.scores import as_scalar
from course_utils.checks.failures import Failure
from course_utils.checks.tensors import copies
from course_utils.checks.translation.distances import DISTANCE_MISTAKES, DistanceLoss, draw_pair, l1, wrong_distances


class CycleConsistencyLoss(DistanceLoss):
    name = "cycle_consistency_loss"
    arguments = ("source", "source_cycled", "target", "target_cycled", "weight")
    differentiable = ("source_cycled", "target_cycled")
    defaults: ClassVar = {"weight": 10.0}
    scalars = ("weight",)
    wrong_canary_mistake = "only-source"
    mistakes: ClassVar = {
        **DISTANCE_MISTAKES,
        "only-source": "only the sources come back: add the distance of targets and cycled targets.",
        "only-target": "only the targets come back: add the distance of sources and cycled sources.",
        "averaged": "you average the two distances: add them.",
        "pooled": "you take one mean over both domains together, where a larger domain counts more: take the mean of each and add the two.",
        "product": "you multiply the two distances: add them.",
        "target-subtracted": "one distance is subtracted: both are added.",
        "sign": "your loss has the opposite sign: distances are never below zero.",
        "larger-only": "you take the larger or the smaller of the two distances: add them.",
        "crossed": "the pairs are crossed: sources belong to source_cycled, targets to target_cycled.",
        "domains-compared": "you compare one domain with the other: each image is compared with what came back of it.",
        "weight-ignored": "weight has no effect, or is a fixed number: multiply the sum by the argument.",
        "weight-on-one": "weight multiplies one distance only: it belongs to both.",
        "weight-squared": "weight is applied twice: multiply the sum by it once.",
        "weight-added": "weight is added, or the sum is divided by it: multiply.",
        "unequal-domains": "it fails where the two domains differ in the number or the size of images: take the mean of each domain before you add.",
        "partly-detached": "no gradient reaches source_cycled or target_cycled: both cycles teach the generators, so detach neither.",
    }  # fmt: skip

    def cases(self, rng):
        """As many images of one size in both domains; then more in the one; then of other sizes and channels."""
        return [
            {**draw(rng, (3, 2, 4, 5), (3, 2, 4, 5), 1.0, 0.3), "weight": 3.0},
            {**draw(rng, (5, 3, 4, 2), (2, 3, 4, 2), 0.1, 0.6), "weight": 10.0},
            {**draw(rng, (4, 1, 3, 5), (4, 3, 6, 2), 0.5, 0.2), "weight": 0.5},
        ]

    def far_cases(self, rng):
        """Images in grey levels up to 255."""
        case = draw(rng, (2, 3, 4, 3), (3, 3, 4, 3), 1.0, 0.4)
        return [{**{name: 100 * value for name, value in case.items()}, "weight": 10.0}]

    def single_case(self, rng):
        return {**draw(rng, (1, 3, 2, 4), (1, 3, 2, 4), 0.4, 0.8), "weight": 4.0}

    def meeting_case(self, rng):
        case = draw(rng, (2, 3, 4, 3), (3, 3, 4, 3), 1.0, 0.4)
        case["source_cycled"][:, :, 1:3] = case["source"][:, :, 1:3]
        case["target_cycled"] = case["target"].clone()
        return {**case, "weight": 10.0}

    def oracle(self, source, source_cycled, target, target_cycled, weight):
        return weight * (l1(source_cycled, source) + l1(target_cycled, target))

    def guesses(self, source, source_cycled, target, target_cycled, weight):
        pairs = (source_cycled, source), (target_cycled, target)
        one, other = (l1(*pair) for pair in pairs)
        guesses = [
            *wrong_totals(one, other, weight),
            *pooled(pairs, weight),
            *wrong_pairs(source, source_cycled, target, target_cycled, weight),
            *((name, weight * value) for name, value in wrong_sums(pairs)),
            *((name, weight * (one + value)) for name, value in wrong_distances(*pairs[1])),
            *((name, weight * (value + other)) for name, value in wrong_distances(*pairs[0])),
        ]
        return [((name,), as_scalar(value)) for name, value in guesses]

    def double_guesses(self, source, source_cycled, target, target_cycled, weight):
        pairs = (source_cycled, source), (target_cycled, target)
        both = [wrong_distances(*pair) for pair in pairs]
        return [
            ((other, name), total)
            for (name, one), (_, two) in zip(*both, strict=True)
            if name != "not-averaged"
            for other, total in wrong_totals(one, two, weight)
        ]

    def explain_error(self, trial, case, failure):
        """Whether it fails because the domains differ in size, and what it does where they do not."""
        equal = self.cases(trial.rng)[0]
        try:
            result = self.result(equal, trial.call(*copies(equal).values()))
        except Failure:
            return None
        return "unequal-domains" if self.is_close(result) else next(iter(self.name_mistake([result])), None)

    def right_canary(self, source, source_cycled, target, target_cycled, weight=10.0):
        return weight * (source - source_cycled).abs().mean() + weight * (target - target_cycled).abs().mean()

    def wrong_canary(self, source, source_cycled, target, target_cycled, weight=10.0):
        return weight * (source - source_cycled).abs().mean()


NEVER = torch.zeros([1] * 9)  # a guess of a shape that no result has


def draw(rng, source_shape, target_shape, source_scale, target_scale):
    source_cycled, source = draw_pair(rng, *source_shape, scale=source_scale)
    target_cycled, target = draw_pair(rng, *target_shape, scale=target_scale)
    return {"source": source, "source_cycled": source_cycled, "target": target, "target_cycled": target_cycled}


def wrong_totals(one, other, weight):
    """Guesses at how the two distances were put together: (id, value)."""
    total = one + other
    return [
        ("only-source", weight * one),
        ("only-source", one),
        ("only-target", weight * other),
        ("only-target", other),
        ("averaged", weight * total / 2),
        ("product", weight * one * other),
        ("product", one * other),
        ("target-subtracted", weight * (one - other)),
        ("target-subtracted", weight * (other - one)),
        ("target-subtracted", weight * (one - other).abs()),
        ("sign", -weight * total),
        ("larger-only", weight * torch.maximum(one, other)),
        ("larger-only", weight * torch.minimum(one, other)),
        ("weight-ignored", total),
        ("weight-ignored", 10 * total),
        ("weight-on-one", weight * one + other),
        ("weight-on-one", one + weight * other),
        ("weight-squared", weight**2 * total),
        ("weight-added", weight + total),
        ("weight-added", total / weight),
    ]


def wrong_sums(pairs):
    """Guesses with one wrong distance in both domains: (id, value)."""
    for (name, one), (_, other) in zip(*(wrong_distances(*pair) for pair in pairs), strict=True):
        if one.shape == other.shape:
            yield name, one + other
        else:
            yield name, NEVER


def pooled(pairs, weight):
    """Guesses with one divisor for both domains: (id, value)."""
    one, other = ((a - b).abs() for a, b in pairs)
    total = one.sum() + other.sum()
    sizes = (one.numel() + other.numel(), one.numel(), other.numel())
    return [("pooled", weight * factor * total / size) for size in sizes for factor in (1, 2)]


def wrong_pairs(source, source_cycled, target, target_cycled, weight):
    """Guesses at which images were compared: (id, value); no match where their shapes differ."""
    pairs = [
        ("crossed", ((source, target_cycled), (target, source_cycled))),
        ("crossed", ((source, target_cycled),)),
        ("crossed", ((target, source_cycled),)),
        ("domains-compared", ((source, target), (source_cycled, target_cycled))),
        ("domains-compared", ((source, target),)),
        ("domains-compared", ((source_cycled, target_cycled),)),
    ]
    alike = source.shape == target.shape
    return [(name, weight * sum(l1(*pair) for pair in compared) if alike else NEVER) for name, compared in pairs]
