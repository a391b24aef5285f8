"""What the checks of losses on a discriminator's scores share: means over one batch, or one mean for each of two."""

# ruff: noqa: E501

import math

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import copies

# Shapes of the real and of the fake scores: vectors, columns, patch maps; the batches differ in size.
SHAPES = [((5,), (3,)), ((4, 1), (6, 1)), ((2, 1, 3, 4), (5, 1, 3, 4))]

# Ways to average wrongly, for any loss: id -> sentence.
MEAN_MISTAKES = {
    "sum": "you sum over the batch: take the mean, so that the loss does not grow with the batch.",
    "not-averaged": "you return one loss for each score: take the mean of all, which is one number.",
    "first-axis": "you average over the batch axis alone: for patch maps that leaves a map; take the mean over all axes.",
    "sum-over-patches": "you sum over the patches of an example, or divide a sum by the batch size: every score of a patch map counts in the mean.",
    "keeps-axes": "you keep the averaged axes with length 1: the loss is one number, so leave out `keepdim=True`.",
    "doubled": "your loss is twice what is due.",
    "halved": "your loss is half of what is due.",
}  # fmt: skip

# And with two batches.
PAIR_MISTAKES = {
    "mean-over-both": "you take one mean over real and fake together: take the mean of each batch and add the two, since the batches may differ in size.",
    "one-divisor": "you divide both sums by the size of one batch: the real and the fake batch may differ in size, so take the mean of each.",
    "only-real": "only the term of the real batch is there: add the mean over the fakes.",
    "only-fake": "only the term of the fakes is there: add the mean over the real batch.",
    "real-subtracted": "the term of the real batch has the opposite sign: both terms are added.",
    "fake-subtracted": "the term of the fakes has the opposite sign: both terms are added.",
    "product": "you multiply the two means: add them.",
    "unequal-batches": "it fails where the real and the fake batch differ in size: make the targets of each from its own scores, and take each mean before you add.",
}  # fmt: skip


class ScoreLoss(OracleCheck):
    """The check of a loss that is a mean over each batch of scores, and the sum of those means.

    Subclasses give `terms`, the loss of each score: a tuple with one tensor for each argument, and `wrong_terms`.
    """

    far_levels = (150.0,)
    easy_signs = ()  # for each argument, the sign of the scores that cost nothing

    def cases(self, rng):
        return [self._draw(rng, shapes) for shapes in SHAPES]

    def _draw(self, rng, shapes):
        """Scores on both sides of 0, most of them away from it."""
        shapes = shapes[-len(self.arguments) :]
        return {
            name: spread(rng, *shape) if len(shape) > 2 else rng.normal(*shape, scale=2.0) + shift
            for name, shape, shift in zip(self.arguments, shapes, (0.7, -0.5)[-len(shapes) :], strict=True)
        }

    def far_cases(self, rng):
        """Scores that cost nothing, those that cost most, milder ones of that kind, and some of all kinds together."""
        easy = self._far(((4,), (3,)))
        mixed = self._draw(rng, ((3, 1, 2, 2), (2, 1, 2, 2)))
        extremes = self._far(((3, 1, 2, 2), (2, 1, 2, 2)))
        mixed = {
            name: torch.where(rng.bits(*value.shape) > 0, value, extremes[name] * rng.normal(*value.shape).sign())
            for name, value in mixed.items()
        }
        return [
            easy,
            {name: -value for name, value in easy.items()},
            {name: -0.15 * value for name, value in easy.items()},
            mixed,
        ]

    def _far(self, shapes):
        """Scores that cost nothing, all levels in turn."""
        levels = torch.tensor(self.far_levels)
        shapes = shapes[-len(self.arguments) :]
        return {
            name: sign * levels[torch.arange(math.prod(shape)) % len(levels)].reshape(shape)
            for name, shape, sign in zip(self.arguments, shapes, self.easy_signs, strict=True)
        }

    def single_case(self, rng):
        return self._draw(rng, ((1, 1), (1, 1)))

    def terms(self, *scores):
        raise NotImplementedError

    def wrong_terms(self, *scores):
        """Guesses at the loss of each score: (id, one tensor for each argument), the most specific first."""
        raise NotImplementedError

    def wrong_totals(self, *scores):
        """Guesses that are no means of losses of each score: (id, value)."""
        return []

    def oracle(self, **scores):
        return total(self.terms(*scores.values()))

    def guesses(self, **scores):
        scores = tuple(scores.values())
        return [
            *wrong_means(self.terms(*scores)),
            *(((name,), total(terms)) for name, terms in self.wrong_terms(*scores)),
            *(((name,), as_scalar(value)) for name, value in self.wrong_totals(*scores)),
        ]

    def double_guesses(self, **scores):
        wrong = self.wrong_terms(*scores.values())
        return [((name, *ids), value) for name, terms in wrong for ids, value in wrong_means(terms)]

    def explain_error(self, trial, case, failure):
        """Whether it fails because the two batches differ in size."""
        if len(case) == 1:
            return None
        first = next(iter(case.values()))
        try:
            self.checked(trial, {name: first.clone() for name in case})
        except Failure:
            return None
        return "unequal-batches"

    def at(self, trial, case, name, level):
        """The student's loss where all scores of one batch are `level`, and 0 in the other."""
        arguments = {other: torch.zeros_like(value) for other, value in copies(case).items()}
        arguments[name] = torch.full_like(case[name], level)
        return torch.as_tensor(trial.call(*arguments.values())).detach().double()


def spread(rng, *shape):
    """Scores all over [-8, 8], so that none of the places where a loss bends goes unseen."""
    steps = torch.linspace(-7.5, 7.5, math.prod(shape)).reshape(shape)
    return steps + rng.uniform(*shape, low=-0.5, high=0.5)


def total(terms):
    return sum(term.mean() for term in terms)


def as_scalar(value):
    """A result of shape (1,) counts as a scalar."""
    return value.reshape(()) if value.shape == (1,) else value


def wrong_means(terms):
    """Guesses from the losses of each score: (ids, value)."""
    right = total(terms)
    guesses = [
        ("doubled", 2 * right),
        ("halved", right / 2),
        ("sum", sum(term.sum() for term in terms)),
        ("first-axis", sum(term.mean(0) for term in terms)),
        ("sum-over-patches", sum(term.sum() / len(term) for term in terms)),
        ("keeps-axes", right.reshape([1] * terms[0].ndim)),
        ("keeps-axes", right.reshape(1, 1)),
    ]
    if len(terms) == 1:
        guesses += [("not-averaged", terms[0])]
    else:
        guesses += wrong_pairs(*terms)
    return [((name,), as_scalar(value)) for name, value in guesses]


def wrong_pairs(real, fake):
    both = torch.cat([real, fake])
    return [
        ("mean-over-both", both.mean()),
        ("mean-over-both", 2 * both.mean()),
        ("sum", both.sum() / 2),
        ("one-divisor", (real.sum() + fake.sum()) / real.numel()),
        ("one-divisor", (real.sum() + fake.sum()) / fake.numel()),
        ("one-divisor", (real.sum() + fake.sum()) / len(real)),
        ("one-divisor", (real.sum() + fake.sum()) / len(fake)),
        ("only-real", real.mean()),
        ("only-fake", fake.mean()),
        ("real-subtracted", fake.mean() - real.mean()),
        ("fake-subtracted", real.mean() - fake.mean()),
        ("product", real.mean() * fake.mean()),
        ("not-averaged", both),
    ]
