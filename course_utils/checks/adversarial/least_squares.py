"""The checks of LSGAN's losses, squared distances of scores to their targets."""

# ruff: noqa: E501

from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.adversarial.scores import MEAN_MISTAKES, PAIR_MISTAKES, ScoreLoss

DISTANCE_MISTAKES = {
    "doubled": "the factor 1/2 is missing: your loss is twice what is due.",
    "halved": "the factor 1/2 is there twice: your loss is half of what is due.",
    "sigmoid-first": "you put the scores through a sigmoid: a least-squares discriminator has none, its scores are any numbers.",
    "sign": "your loss has the opposite sign: a squared distance is never below zero.",
    "root": "you take a root: the loss is the mean of the squares as it is.",
    "absolute": "you take absolute distances: square them.",
    "not-squared": "the distances are not squared: those above and below the target cancel.",
    "target-minus-one": "you take -1 for the label of fakes: here it is 0, and that of real ones 1.",
    "cross-entropy": "you compute a cross-entropy: due are squared distances of the scores to 1 and 0.",
    "hinge": "you compute a hinge loss: due are squared distances of the scores to 1 and 0.",
    "wasserstein": "you average the scores themselves, as a Wasserstein critic does: due are squared distances to 1 and 0.",
    "square-of-mean": "you square after the mean: square each distance, then take the mean, or distances above and below cancel.",
    "smoothed": "you smooth the labels: the targets are exactly 1 and 0 here.",
    "variance": "you measure how far the scores are from their own mean: due is their distance from the target.",
    "clamped": "far out your loss is wrong: the scores or their squares are clamped, or computed in too coarse a way.",
}  # fmt: skip


def half_square(scores, target):
    return (scores - target).square() / 2


def wrong_distances(scores, target):
    """Guesses at the loss of each score with `target`, 0 or 1: (id, losses)."""
    sign = 2 * target - 1
    distance = scores - target
    return [
        ("sigmoid-first", half_square(scores.sigmoid(), target)),
        ("sigmoid-first", half_square(scores.tanh(), target)),
        ("absolute", distance.abs()),
        ("absolute", distance.abs() / 2),
        ("not-squared", distance),
        ("not-squared", distance / 2),
        ("not-squared", -distance),
        ("cross-entropy", F.softplus(-sign * scores)),
        ("hinge", F.relu(1 - sign * scores)),
        ("hinge", F.relu(1 - sign * scores).square()),
        ("wasserstein", -sign * scores),
        ("wasserstein", sign * scores),
        ("smoothed", half_square(scores, 0.9 if target else 0.1)),
        ("absolute", F.smooth_l1_loss(scores, torch.full_like(scores, target), reduction="none")),
    ]


class LeastSquaresLoss(ScoreLoss):
    def explain_far(self, trial, result):
        return "clamped"


class LSDiscriminatorLoss(LeastSquaresLoss):
    name = "ls_discriminator_loss"
    arguments = differentiable = ("scores_real", "scores_fake")
    easy_signs = (1, -1)
    wrong_canary_mistake = "swapped"
    mistakes: ClassVar = {
        **MEAN_MISTAKES,
        **PAIR_MISTAKES,
        **DISTANCE_MISTAKES,
        "one-half": "the factor 1/2 stands before one of the two terms only: it belongs to both.",
        "swapped": "the targets are swapped: real scores go to 1, fake scores to 0.",
        "fake-to-one": "the fake scores go to 1: that is the generator's wish; for the discriminator their target is 0.",
        "real-to-zero": "the real scores go to 0: their target is 1.",
        "relativistic": "you square the distance between real and fake scores: each batch has a target of its own.",
        "real-for-fake": "both terms are made from the same batch: the first takes scores_real, the second scores_fake.",
    }  # fmt: skip

    def terms(self, real, fake):
        return half_square(real, 1), half_square(fake, 0)

    def wrong_terms(self, real, fake):
        right_real, right_fake = self.terms(real, fake)
        pairs = zip(wrong_distances(real, 1), wrong_distances(fake, 0), strict=True)
        return [
            ("sign", (-right_real, -right_fake)),
            ("one-half", (right_real, 2 * right_fake)),
            ("one-half", (2 * right_real, right_fake)),
            ("swapped", (half_square(real, 0), half_square(fake, 1))),
            ("fake-to-one", (right_real, half_square(fake, 1))),
            ("real-to-zero", (half_square(real, 0), right_fake)),
            ("target-minus-one", (right_real, half_square(fake, -1))),
            *((name, (real_terms, fake_terms)) for (name, real_terms), (_, fake_terms) in pairs),
            ("smoothed", (half_square(real, 0.9), right_fake)),
            *((name, (terms, right_fake)) for name, terms in wrong_distances(real, 1)),
            *((name, (right_real, terms)) for name, terms in wrong_distances(fake, 0)),
        ]

    def wrong_totals(self, real, fake):
        right_real, right_fake = (term.mean() for term in self.terms(real, fake))
        squares = [2 * right_real, 2 * right_fake]
        difference = real.mean() - fake.mean()
        return [
            ("square-of-mean", half_square(real.mean(), 1) + half_square(fake.mean(), 0)),
            ("square-of-mean", 2 * half_square(real.mean(), 1) + 2 * half_square(fake.mean(), 0)),
            ("root", sum(value.sqrt() for value in squares)),
            ("root", sum(value.sqrt() for value in squares) / 2),
            ("root", sum(squares).sqrt()),
            ("root", (right_real + right_fake).sqrt()),
            ("variance", real.var(correction=0) / 2 + fake.var(correction=0) / 2),
            ("variance", real.var(correction=0) + fake.var(correction=0)),
            ("real-for-fake", right_real + half_square(real, 0).mean()),
            ("real-for-fake", half_square(fake, 1).mean() + right_fake),
            ("relativistic", half_square(difference, 1)),
            ("relativistic", half_square(difference, 0)),
            ("relativistic", 2 * half_square(difference, 0)),
            ("relativistic", 2 * half_square(difference, 1)),
            ("relativistic", half_square(real - fake.mean(), 1).mean() + half_square(fake - real.mean(), -1).mean()),
        ]

    def right_canary(self, scores_real, scores_fake):
        return ((scores_real - 1) ** 2).mean() / 2 + (scores_fake**2).mean() / 2

    def wrong_canary(self, scores_real, scores_fake):
        return (scores_real**2).mean() / 2 + ((scores_fake - 1) ** 2).mean() / 2


class LSGeneratorLoss(LeastSquaresLoss):
    name = "ls_generator_loss"
    arguments = differentiable = ("scores_fake",)
    easy_signs = (1,)
    wrong_canary_mistake = "target-zero"
    mistakes: ClassVar = {
        **MEAN_MISTAKES,
        **DISTANCE_MISTAKES,
        "target-zero": "the scores go to 0, as the discriminator wants them: the generator wants its fakes to score 1.",
    }  # fmt: skip

    def terms(self, fake):
        return (half_square(fake, 1),)

    def wrong_terms(self, fake):
        wrong = [
            ("sign", -half_square(fake, 1)),
            ("target-zero", half_square(fake, 0)),
            ("target-zero", -half_square(fake, 0)),
            ("target-minus-one", half_square(fake, -1)),
            *wrong_distances(fake, 1),
        ]
        return [(name, (terms,)) for name, terms in wrong]

    def wrong_totals(self, fake):
        square = (fake - 1).square().mean()
        return [
            ("square-of-mean", half_square(fake.mean(), 1)),
            ("square-of-mean", 2 * half_square(fake.mean(), 1)),
            ("root", square.sqrt()),
            ("root", square.sqrt() / 2),
            ("root", (square / 2).sqrt()),
            ("root", (fake - 1).norm()),
            ("variance", fake.var(correction=0)),
            ("variance", fake.var(correction=0) / 2),
        ]

    def right_canary(self, scores_fake):
        return ((scores_fake - 1) ** 2).mean() / 2

    def wrong_canary(self, scores_fake):
        return (scores_fake**2).mean() / 2
