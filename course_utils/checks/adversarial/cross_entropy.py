"""The checks of the losses that are cross-entropies: of the discriminator, and of the generator in both forms."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.adversarial.scores import MEAN_MISTAKES, PAIR_MISTAKES, ScoreLoss

FAR_MISTAKES = {
    "not-finite": "far out the result is not finite: a probability rounds to 0 or 1 before the log, or exp overflows; use logsigmoid, softplus or a loss that takes logits.",
    "bce-of-sigmoid": "far out each score stops at a loss of 100: `binary_cross_entropy` of probabilities is cut off there; use the form that takes logits.",
    "eps-in-log": "far out the loss stops changing: a clamp or an eps in the log hides how wrong the logits are; use logsigmoid or a loss that takes logits.",
}  # fmt: skip

# What goes wrong with the cross-entropy of a score, whatever its target.
SCORE_MISTAKES = {
    "sigmoid-twice": "sigmoid is applied twice: functions that take logits do it themselves.",
    "probs-for-logits": "you take the logits for probabilities: the discriminator's probability is sigmoid(logits).",
    "no-log": "the log is missing: you average probabilities, not their logs.",
    "log-of-mean": "you take the log of the mean probability: take the log of each, then the mean.",
    "bits": "your loss is in bits: use the natural logarithm (nats).",
    "smoothed": "you smooth the labels: the targets are exactly 1 and 0 here.",
    "least-squares": "you compute a squared error, the loss of LSGAN: due is the cross-entropy.",
    "hinge": "you compute a hinge loss: due is the cross-entropy.",
    "wasserstein": "you average the scores themselves, as a Wasserstein critic does: due is the cross-entropy.",
    "constant": "your loss is log 2 or another constant, whatever the logits: it must depend on what comes in.",
    **FAR_MISTAKES,
}  # fmt: skip


def cross_entropy(logits, target):
    """Of a Bernoulli variable with these logits, with a target in [0, 1], one for each score."""
    return F.softplus(logits) - target * logits


def as_logs(probs, target):
    return -(target * probs.log() + (1 - target) * (1 - probs).log())


def cut_off(probs, target):
    """`binary_cross_entropy` of clamped probabilities, whose logs stop at -100."""
    return -(target * probs.log().clamp(min=-100) + (1 - target) * (1 - probs).log().clamp(min=-100))


def probability(logits, target):
    return logits.sigmoid() if target else 1 - logits.sigmoid()


def wrong_scores(logits, target):
    """Guesses at the cross-entropy of each score with `target`, 0 or 1: (id, losses)."""
    sign = 2 * target - 1
    probs = logits.sigmoid()
    return [
        ("sigmoid-twice", cross_entropy(probs, target)),
        ("probs-for-logits", as_logs(logits, target)),
        ("probs-for-logits", -(logits if target else 1 - logits).log()),
        ("probs-for-logits", cut_off(logits.clamp(0, 1), target)),
        ("no-log", -probability(logits, target)),
        ("no-log", probability(logits, 1 - target)),
        ("bits", cross_entropy(logits, target) / math.log(2)),
        ("smoothed", cross_entropy(logits, 0.9 if target else 0.1)),
        ("least-squares", (logits - target).square()),
        ("least-squares", (logits - target).square() / 2),
        ("least-squares", (probs - target).square()),
        ("least-squares", (probs - target).square() / 2),
        ("hinge", F.relu(1 - sign * logits)),
        ("wasserstein", -sign * logits),
        ("wasserstein", sign * logits),
    ]


class CrossEntropyLoss(ScoreLoss):
    far_levels = (150.0, 1000.0)

    def explain_error(self, trial, case, failure):
        text = failure.got + failure.message
        if "between 0 and 1" in text or "within the support" in text or "Interval(lower_bound=0" in text:
            return "probs-for-logits"
        return super().explain_error(trial, case, failure)

    def explain_far(self, trial, result):
        others = math.log(2) * (len(self.arguments) - 1)
        for name, sign in zip(self.arguments, self.easy_signs, strict=True):
            high, higher = (self.at(trial, result.case, name, -sign * level) for level in (900.0, 1000.0))
            if not (high.isfinite().all() and higher.isfinite().all()):
                return "not-finite"
            if torch.allclose(high, higher, 1e-3):
                return "bce-of-sigmoid" if abs(high.abs().mean() - others - 100) < 1 else "eps-in-log"
        return None if result.value.isfinite().all() else "not-finite"


class DiscriminatorLoss(CrossEntropyLoss):
    name = "discriminator_loss"
    arguments = differentiable = ("logits_real", "logits_fake")
    easy_signs = (1, -1)
    wrong_canary_mistake = "swapped"
    mistakes: ClassVar = {
        **MEAN_MISTAKES,
        **PAIR_MISTAKES,
        **SCORE_MISTAKES,
        "halved": "you take half the sum of the two terms: add the two means as they are.",
        "sign": "your loss has the opposite sign: it is the value that the discriminator maximises; the loss is its negative, never below zero.",
        "swapped": "the labels are swapped: real is 1, fake is 0.",
        "fake-as-real": "the fakes are labelled as real: that is the generator's wish; for the discriminator they are 0.",
        "real-as-fake": "the real batch is labelled as fake: for the discriminator it is 1.",
        "relativistic": "you judge the difference of real and fake scores: each batch has a cross-entropy of its own.",
        "real-for-fake": "both terms are made from the same batch: the first takes logits_real, the second logits_fake.",
    }  # fmt: skip

    def terms(self, real, fake):
        return cross_entropy(real, 1), cross_entropy(fake, 0)

    def wrong_terms(self, real, fake):
        right_real, right_fake = self.terms(real, fake)
        pairs = zip(wrong_scores(real, 1), wrong_scores(fake, 0), strict=True)
        return [
            ("sign", (-right_real, -right_fake)),
            ("swapped", (cross_entropy(real, 0), cross_entropy(fake, 1))),
            ("swapped", (-cross_entropy(real, 0), -cross_entropy(fake, 1))),
            ("fake-as-real", (right_real, cross_entropy(fake, 1))),
            ("real-as-fake", (cross_entropy(real, 0), right_fake)),
            *((name, (real_terms, fake_terms)) for (name, real_terms), (_, fake_terms) in pairs),
            ("smoothed", (cross_entropy(real, 0.9), right_fake)),
            *((name, (terms, right_fake)) for name, terms in wrong_scores(real, 1)),
            *((name, (right_real, terms)) for name, terms in wrong_scores(fake, 0)),
        ]

    def wrong_totals(self, real, fake):
        right_real, right_fake = (term.mean() for term in self.terms(real, fake))
        log_two = torch.tensor(math.log(2), dtype=torch.float64)
        difference = real.mean() - fake.mean()
        return [
            ("log-of-mean", -real.sigmoid().mean().log() - (1 - fake.sigmoid().mean()).log()),
            ("log-of-mean", cross_entropy(real.mean(), 1) + cross_entropy(fake.mean(), 0)),
            ("real-for-fake", right_real + cross_entropy(real, 0).mean()),
            ("real-for-fake", cross_entropy(fake, 1).mean() + right_fake),
            ("relativistic", cross_entropy(difference, 1)),
            ("relativistic", cross_entropy(real - fake.mean(), 1).mean() + cross_entropy(fake - real.mean(), 0).mean()),
            *(("constant", number * log_two) for number in (1, 2)),
        ]

    def right_canary(self, logits_real, logits_fake):
        return -F.logsigmoid(logits_real).mean() - F.logsigmoid(-logits_fake).mean()

    def wrong_canary(self, logits_real, logits_fake):
        return -F.logsigmoid(-logits_real).mean() - F.logsigmoid(logits_fake).mean()


class GeneratorLoss(CrossEntropyLoss):
    name = "generator_loss"
    arguments = differentiable = ("logits_fake",)
    easy_signs = (1,)
    wrong_canary_mistake = "saturating"
    mistakes: ClassVar = {
        **MEAN_MISTAKES,
        **SCORE_MISTAKES,
        "saturating": "you return the minimax loss, E log(1 - D(G(z))), which saturates: the non-saturating one is -E log D(G(z)).",
        "labelled-fake": "the fakes are labelled 0, as the discriminator has them: the generator wants them to be taken for real, target 1.",
        "sign": "your loss has the opposite sign: due is -E log D(G(z)), which is never below zero.",
        "both-targets": "you add the cross-entropies with target 1 and with target 0: only -E log D(G(z)) is due.",
    }  # fmt: skip

    def terms(self, fake):
        return (cross_entropy(fake, 1),)

    def wrong_terms(self, fake):
        right, other = cross_entropy(fake, 1), cross_entropy(fake, 0)
        wrong = [
            ("saturating", -other),
            ("labelled-fake", other),
            ("sign", -right),
            ("both-targets", right + other),
            *wrong_scores(fake, 1),
            ("smoothed", cross_entropy(fake, 0.8)),
        ]
        return [(name, (terms,)) for name, terms in wrong]

    def wrong_totals(self, fake):
        log_two = torch.tensor(math.log(2), dtype=torch.float64)
        return [
            ("log-of-mean", -fake.sigmoid().mean().log()),
            ("log-of-mean", cross_entropy(fake.mean(), 1)),
            *(("constant", number * log_two) for number in (1, 2)),
        ]

    def right_canary(self, logits_fake):
        return -F.logsigmoid(logits_fake).mean()

    def wrong_canary(self, logits_fake):
        return F.logsigmoid(-logits_fake).mean()


class SaturatingGeneratorLoss(CrossEntropyLoss):
    name = "saturating_generator_loss"
    arguments = differentiable = ("logits_fake",)
    easy_signs = (-1,)
    wrong_canary_mistake = "non-saturating"
    mistakes: ClassVar = {
        **MEAN_MISTAKES,
        **SCORE_MISTAKES,
        "non-saturating": "you return the non-saturating loss, -E log D(G(z)): due is the minimax loss, E log(1 - D(G(z))).",
        "sign": "your loss has the opposite sign: the cross-entropy with target 0 is what the discriminator minimises; the generator minimises E log(1 - D(G(z))), which is never above zero.",
        "log-probability": "you return E log D(G(z)): inside the log stands 1 - D(G(z)).",
        "both-targets": "you add the terms of both targets: only E log(1 - D(G(z))) is due.",
    }  # fmt: skip

    def terms(self, fake):
        return (-cross_entropy(fake, 0),)

    def wrong_terms(self, fake):
        right, other = -cross_entropy(fake, 0), cross_entropy(fake, 1)
        wrong = [
            ("non-saturating", other),
            ("log-probability", -other),
            ("sign", -right),
            ("both-targets", right - other),
            ("both-targets", other - right),
            *((name, -terms) for name, terms in wrong_scores(fake, 0)),
            *wrong_scores(fake, 0),
        ]
        return [(name, (terms,)) for name, terms in wrong]

    def wrong_totals(self, fake):
        log_two = torch.tensor(math.log(2), dtype=torch.float64)
        return [
            ("log-of-mean", (1 - fake.sigmoid().mean()).log()),
            ("log-of-mean", -cross_entropy(fake.mean(), 0)),
            *(("constant", number * log_two) for number in (-1, 1)),
        ]

    def right_canary(self, logits_fake):
        return F.logsigmoid(-logits_fake).mean()

    def wrong_canary(self, logits_fake):
        return -F.logsigmoid(logits_fake).mean()
