"""The check of `pix2pix_generator_loss`, which judges each of its two terms."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.adversarial.cross_entropy import SCORE_MISTAKES, cross_entropy, wrong_scores
from course_utils.checks.adversarial.scores import as_scalar, spread, wrong_means
from course_utils.checks.translation.distances import DISTANCE_MISTAKES, DistanceLoss, draw_pair, l1, wrong_distances

# Ways to average the cross-entropies wrongly, by their ids in `wrong_means`.
AVERAGES = {
    "sum": "adversarial-sum",
    "sum-over-patches": "adversarial-sum",
    "first-axis": "not-averaged",
    "not-averaged": "not-averaged",
    "doubled": "adversarial-factor",
    "halved": "adversarial-factor",
}


class Pix2PixGeneratorLoss(DistanceLoss):
    name = "pix2pix_generator_loss"
    arguments = ("logits_fake", "fake", "target", "l1_weight")
    differentiable = ("logits_fake", "fake")
    defaults: ClassVar = {"l1_weight": 100.0}
    scalars = ("l1_weight",)
    wrong_canary_mistake = "labelled-fake"
    mistakes: ClassVar = {
        **SCORE_MISTAKES,
        **DISTANCE_MISTAKES,
        "constant": "the adversarial term is log 2 or another constant, whatever the logits: it must depend on them.",
        "labelled-fake": "the fakes are labelled 0, as the discriminator has them: the generator wants them to be taken for real, target 1.",
        "saturating": "you take the minimax loss, E log(1 - D), which saturates: due is the cross-entropy with target 1, -E log D.",
        "adversarial-sign": "the adversarial term has the opposite sign: due is -E log D, which is never below zero.",
        "both-targets": "you add the cross-entropies with target 1 and with target 0: the generator wants target 1 alone.",
        "adversarial-sum": "you sum the cross-entropies over scores or patches: take the mean over all logits, or l1_weight means something else for each size of the map.",
        "adversarial-factor": "the adversarial term is twice or half of what is due: it is the mean cross-entropy as it is.",
        "not-averaged": "not everything is averaged: each term is a mean over all axes, and the loss is one number.",
        "keeps-axes": "you keep the averaged axes with length 1: the loss is one number, so leave out `keepdim=True`.",
        "no-l1": "the L1 term is missing: add l1_weight times the mean of |fake - target|.",
        "no-adversarial": "the adversarial term is missing: add the cross-entropy of logits_fake with target 1.",
        "weight-on-adversarial": "l1_weight multiplies the adversarial term: it belongs to the L1 term.",
        "weight-on-both": "l1_weight multiplies both terms: it belongs to the L1 term alone.",
        "weight-ignored": "l1_weight has no effect, or is a fixed number: multiply the L1 term by the argument.",
        "weight-squared": "l1_weight is applied twice: multiply the L1 term by it once.",
        "weight-added": "l1_weight is added, or the L1 term is divided by it: multiply.",
        "weights-sum-to-one": "the adversarial term is weighed too, so that weights add up to 1: only the L1 term has a weight.",
        "l1-subtracted": "the L1 term is subtracted: both terms are minimised, so add it.",
        "sign": "your loss has the opposite sign: it is minimised, and never below zero.",
        "halved": "you average the two terms: add them.",
        "product": "you multiply the two terms: add them.",
        "labels-of-image": "the labels have the shape of the images: there is one for each logit, so make them from logits_fake.",
        "partly-detached": "no gradient reaches logits_fake or fake: fakes are detached for the discriminator's step, but here both terms must reach the generator.",
    }  # fmt: skip

    def cases(self, rng):
        small = self._draw(rng, (5,), (5, 3, 4, 6), 0.02)  # an L1 term that does not hide the other
        patches = self._draw(rng, (2, 1, 3, 4), (2, 3, 6, 5), 0.3)
        sure = self._draw(rng, (3, 1, 2, 2), (3, 2, 3, 4), 0.8)
        sure["logits_fake"] = 40 + sure["logits_fake"]  # the cross-entropy is 0: nothing hides the L1 term
        return [
            {**small, "l1_weight": 100.0},
            {**self._draw(rng, (4, 1), (4, 1, 5, 3), 1.0), "l1_weight": 0.0},
            {**sure, "l1_weight": 0.5},
            {**patches, "l1_weight": 10.0},
        ]

    def _draw(self, rng, scores, images, scale):
        fake, target = draw_pair(rng, *images, scale=scale)
        return {"logits_fake": 0.5 * spread(rng, *scores) - 0.4, "fake": fake, "target": target}

    def far_cases(self, rng):
        """Logits that cost nothing, logits that cost most, and all kinds of them together."""
        levels = torch.tensor([150.0, 1000.0, 150.0, 1000.0])
        cases = [self._draw(rng, (4,), (4, 1, 3, 4), 0.02) for _ in range(3)]
        for case, signs in zip(cases, ([1, 1, 1, 1], [-1, -1, -1, -1], [1, -1, -1, 1]), strict=True):
            case["logits_fake"] = levels * torch.tensor(signs)
        return [{**case, "l1_weight": 100.0} for case in cases]

    def single_case(self, rng):
        return {**self._draw(rng, (1, 1), (1, 3, 2, 4), 0.5), "l1_weight": 10.0}

    def meeting_case(self, rng):
        case = self._draw(rng, (3, 1), (3, 1, 4, 3), 0.5)
        case["target"][:, :, 1:3] = case["fake"][:, :, 1:3]
        return {**case, "l1_weight": 10.0}

    def oracle(self, logits_fake, fake, target, l1_weight):
        return cross_entropy(logits_fake, 1).mean() + l1_weight * l1(fake, target)

    def guesses(self, logits_fake, fake, target, l1_weight):
        adversarial, distance = cross_entropy(logits_fake, 1).mean(), l1(fake, target)
        guesses = [
            *wrong_totals(adversarial, distance, l1_weight),
            *((name, value + l1_weight * distance) for name, value in wrong_adversarial(logits_fake)),
            *((name, adversarial + l1_weight * value) for name, value in wrong_distances(fake, target)),
            ("keeps-axes", (adversarial + l1_weight * distance).reshape(1, 1, 1, 1)),
            ("keeps-axes", (adversarial + l1_weight * distance).reshape([1] * logits_fake.ndim)),
        ]
        return [((name,), as_scalar(value)) for name, value in guesses]

    def double_guesses(self, logits_fake, fake, target, l1_weight):
        adversarial, distance = cross_entropy(logits_fake, 1).mean(), l1(fake, target)
        adversarials = [guess for guess in wrong_adversarial(logits_fake) if guess[0] != "not-averaged"]
        distances = [guess for guess in wrong_distances(fake, target) if guess[0] != "not-averaged"]
        guesses = [
            ((other, name), total)
            for name, value in adversarials
            for other, total in wrong_totals(value, distance, l1_weight)
        ]
        guesses += [
            ((other, name), total)
            for name, value in distances
            for other, total in wrong_totals(adversarial, value, l1_weight)
        ]
        guesses += [
            ((first, second), value + l1_weight * distance)
            for first, value in adversarials
            for second, distance in distances
        ]
        return guesses

    def hint(self, results):
        """Which of the two terms is to blame: at l1_weight = 0 the first stands alone, at sure logits the second."""
        if not self.is_close(results[1]):
            return " At l1_weight = 0, where only the adversarial term counts, the result is wrong."
        if not self.is_close(results[2]):
            return " Where the discriminator is fooled, so that only the L1 term counts, the result is wrong."
        return ""

    def explain_error(self, trial, case, failure):
        text = failure.got + failure.message
        if "between 0 and 1" in text or "within the support" in text or "Interval(lower_bound=0" in text:
            return "probs-for-logits"
        return "labels-of-image" if "must be the same as input size" in text else None

    def explain_far(self, trial, result):
        low, lower = (
            torch.as_tensor(
                trial.call(torch.full((4,), level), result.case["fake"].clone(), result.case["target"].clone(), 0.0)
            )
            for level in (-900.0, -1000.0)
        )
        if not (low.isfinite().all() and lower.isfinite().all() and result.value.isfinite().all()):
            return "not-finite"
        if torch.allclose(low, lower, 1e-3):
            return "bce-of-sigmoid" if abs(low.abs().mean() - 100) < 1 else "eps-in-log"
        return None

    def right_canary(self, logits_fake, fake, target, l1_weight=100.0):
        return -F.logsigmoid(logits_fake).mean() + l1_weight * (target - fake).abs().mean()

    def wrong_canary(self, logits_fake, fake, target, l1_weight=100.0):
        return -F.logsigmoid(-logits_fake).mean() + l1_weight * (target - fake).abs().mean()


def wrong_totals(adversarial, distance, weight):
    """Guesses at how the two terms were put together: (id, value)."""
    right = adversarial + weight * distance
    return [
        ("no-l1", adversarial),
        ("no-adversarial", weight * distance),
        ("no-adversarial", distance),
        ("weight-on-adversarial", weight * adversarial + distance),
        ("weight-on-both", weight * (adversarial + distance)),
        ("weight-ignored", adversarial + distance),
        ("weight-ignored", adversarial + 100 * distance),
        ("weight-squared", adversarial + weight**2 * distance),
        ("weight-added", adversarial + weight + distance),
        ("weight-added", adversarial + distance / weight),
        ("weights-sum-to-one", (1 - weight) * adversarial + weight * distance),
        ("weights-sum-to-one", right / (1 + weight)),
        ("l1-subtracted", adversarial - weight * distance),
        ("sign", -right),
        ("halved", right / 2),
        ("product", adversarial * distance * weight),
        ("product", adversarial * distance),
    ]


def wrong_adversarial(logits):
    """Guesses at what came for the mean cross-entropy of the fakes with target 1: (id, value)."""
    right, other = cross_entropy(logits, 1), cross_entropy(logits, 0)
    guesses = [
        ("labelled-fake", other.mean()),
        ("saturating", -other.mean()),
        ("adversarial-sign", -right.mean()),
        ("both-targets", (right + other).mean()),
        *((name, losses.mean()) for name, losses in wrong_scores(logits, 1)),
        ("log-of-mean", -logits.sigmoid().mean().log()),
        ("log-of-mean", cross_entropy(logits.mean(), 1)),
        *(("constant", logits.new_tensor(number * math.log(2))) for number in (1, 2)),
    ]
    return guesses + [(AVERAGES[name], value) for (name,), value in wrong_means((right,)) if name in AVERAGES]
