"""The part of the check of `gradient_penalty` that asks where between real and fake the critic is differentiated.

Each example's penalty of a `QuadraticCritic` with one form is a known function of its alpha. Under the null hypothesis
of independent uniform alphas the scores below are standard normal or chi-squared; a right answer fails with a
probability of some 1e-6.
"""

import math

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.stubs import QuadraticCritic
from course_utils.checks.tensors import number, require_tensor, shapes

SIGMAS = 5.5
SINGLES = 60  # calls with one example each
BATCHES, BATCH = 5, 120  # calls with a batch, for each of the two statistics
SPREAD = 45.0  # a bound on the sum of 2 * (BATCHES - 1) squares of standard normal scores: p = 4e-7
STILL = 1e-3
EDGE = 0.1  # all single draws keep this distance from 0 and 1 with p = 0.8^60 = 2e-6


def constant_images(rng, contrast):
    """Images that are each of one constant, and a critic that sees contrasts only: its gradient is its slope."""
    shape = (3, 4, 5)
    critic = QuadraticCritic(shape=shape, num_forms=4, seed=int(rng.integers(10**6)))
    with torch.no_grad():
        critic.slope *= 1.7 / critic.slope.norm()
        if contrast == "pixels":
            critic.forms -= critic.forms.mean((2, 3), keepdim=True)
        else:
            channels = critic.forms.mean((2, 3), keepdim=True)
            critic.forms.copy_((channels - channels.mean(1, keepdim=True)).expand_as(critic.forms))
            critic.forms /= critic.forms.norm() / 4
    level = 2.0 + rng.uniform(6, 1, 1, 1)
    real = level.expand(6, *shape).clone()
    return {"critic": critic, "real": real, "fake": -real}


def along_a_form(rng, num_examples, start, end):
    """Images and a critic of which the gradient norm goes from `start` at the fakes to `end` at the real ones."""
    shape = (2, 3, 4)
    critic = QuadraticCritic(shape=shape, seed=int(rng.integers(10**6)))
    with torch.no_grad():
        critic.slope.zero_()
        form = critic.forms[0]
        form /= form.norm()

        def image(size):
            x = rng.normal(num_examples, *shape)
            return x + (size - (x * form).sum((1, 2, 3), keepdim=True)) * form

        return {"critic": critic, "real": image(end), "fake": image(start)}


class InterpolationJudge:
    """`judge_interpolation` for an oracle check whose oracle holds where real = fake, and which has `sets_seed`."""

    def judge_interpolation(self, trial):
        self._judge_constant_images(trial)
        self._judge_batch_of_one(trial)
        self._judge_singles(trial)
        self._judge_batches(trial)

    def _judge_constant_images(self, trial):
        for contrast in ("pixels", "channels"):
            case = constant_images(trial.rng, contrast)
            got, due = self._value(trial, case), 0.7**2
            if abs(got - due) > 2e-3:
                raise Failure(
                    mistake=f"alpha-per-{contrast[:-1]}",
                    where=f"a critic that sees contrasts between {contrast} only, images of one constant each, "
                    f"input {shapes(case)}",
                    got=number(got),
                    expected=number(due),
                )

    def _judge_batch_of_one(self, trial):
        case = self.single_case(trial.rng)
        try:
            result = self.checked(trial, case)
        except Failure as failure:
            raise Failure(mistake="single-example", where=f"input {shapes(case)}", got=failure.got) from None
        if not self.is_close(result):
            raise self.difference(result, mistake="single-example")

    def _judge_singles(self, trial):
        case = along_a_form(trial.rng, 1, 2.0, 4.0)
        values = [self._value(trial, case) for _ in range(SINGLES)]
        # The norm is 2 + 2 alpha, so the penalty is (1 + 2 alpha)^2.
        alphas = [(math.sqrt(max(value, 0.0)) - 1) / 2 for value in values]
        mistake = self._name_alphas(trial, alphas, case)
        if mistake:
            raise Failure(
                mistake=mistake,
                where=f"{SINGLES} calls, a critic whose penalty tells alpha, input {shapes(case)}",
                got=f"alpha from {min(alphas):.3f} to {max(alphas):.3f}, mean {sum(alphas) / SINGLES:.3f}",
                expected="independent draws, uniform between 0 and 1",
            )

    def _name_alphas(self, trial, alphas, case):
        low, high = min(alphas), max(alphas)
        if high - low < STILL:
            for value, mistake in ((1.0, "real-only"), (0.0, "fake-only"), (0.5, "midpoint")):
                if abs(low - value) < STILL:
                    return mistake
            return "fixed-seed" if self.sets_seed(trial, case) else "same-alpha"
        if low < -STILL or high > 1 + STILL:
            return "alpha-outside"
        if all(min(alpha, 1 - alpha) < STILL for alpha in alphas):
            return "coin"
        narrow = low > EDGE - STILL and high < 1 - EDGE + STILL
        return "not-uniform" if narrow or max(map(abs, single_scores(alphas))) > SIGMAS else None

    def _judge_batches(self, trial):
        """Two statistics of many alphas, and whether those of a batch are as independent as those of two batches."""
        scores = []
        for start, end, mean, variance in ((2.0, 4.0, *moments(1.0)), (0.0, 2.0, *moments(-1.0))):
            error = math.sqrt(variance / BATCH)
            case = along_a_form(trial.rng, BATCH, start, end)
            scores.append([(self._value(trial, case) - mean) / error for _ in range(BATCHES)])
        spread, pooled = batch_scores(scores)
        mistake = (
            "alpha-shared"
            if spread > SPREAD
            else "alpha-evenly-spaced"
            if spread < 1e-3
            else "not-uniform"
            if max(map(abs, pooled)) > SIGMAS
            else None
        )
        if mistake:
            flat = [score for row in scores for score in row]
            raise Failure(
                mistake=mistake,
                where=f"{2 * BATCHES} calls, input {shapes(case)}",
                got=f"a penalty {min(flat):.2f} to {max(flat):.2f} standard errors from its mean",
                expected="within about 3 standard errors, and not always the same",
            )

    def _value(self, trial, case):
        output = trial.call(*(value.clone() if isinstance(value, torch.Tensor) else value for value in case.values()))
        require_tensor(output, f"input {shapes(case)}")
        if output.numel() != 1:
            raise Failure(got=f"shape {tuple(output.shape)}", expected="shape ()", where=f"input {shapes(case)}")
        return output.detach().double().item()


def moments(offset):
    """Mean and variance of (offset + 2 alpha)^2 for uniform alpha."""

    def power(n):
        return ((offset + 2) ** (n + 1) - offset ** (n + 1)) / (2 * (n + 1))

    return power(2), power(4) - power(2) ** 2


def single_scores(alphas):
    """Scores of mean and variance of uniform draws, standard normal if they are."""
    count = len(alphas)
    centred = [alpha - 0.5 for alpha in alphas]
    mean = sum(centred) / count / math.sqrt(1 / 12 / count)
    variance = (sum(a * a for a in centred) / count - 1 / 12) / math.sqrt((1 / 80 - 1 / 144) / count)
    return mean, variance


def batch_scores(scores):
    """The sum of squares within the rows, chi-squared, and the mean of each row as a standard normal score."""
    means = [sum(row) / len(row) for row in scores]
    spread = sum((score - mean) ** 2 for row, mean in zip(scores, means, strict=True) for score in row)
    return spread, [mean * math.sqrt(len(row)) for row, mean in zip(scores, means, strict=True)]
