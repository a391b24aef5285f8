"""The check of `elbo`, which judges each of its two terms."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.oracle import IMAGE_SHAPES, OracleCheck
from course_utils.checks.reductions import sum_examples
from course_utils.checks.vae.kl import KL_MISTAKES, GaussianKL, kl_terms, wrong_kl_terms
from course_utils.checks.vae.likelihood import (
    LIKELIHOOD_MISTAKES,
    bernoulli_terms,
    explain_extreme_logits,
    extreme_logits,
    wrong_bernoulli_terms,
)
from course_utils.checks.vae.sampling import gaussian


class Elbo(OracleCheck):
    name = "elbo"
    arguments = ("logits", "x", "mu", "logvar", "beta")
    differentiable = ("logits", "mu", "logvar")
    defaults: ClassVar = {"beta": 1.0}
    scalars = ("beta",)
    wrong_canary_mistake = "kl-added"
    mistakes: ClassVar = {
        **KL_MISTAKES,
        **LIKELIHOOD_MISTAKES,
        "elbo-sign": "you return the negative ELBO (a loss): due is log-likelihood - beta KL, to be maximised.",
        "kl-added": "the KL is added: the bound is log-likelihood minus beta KL.",
        "beta-on-likelihood": "beta weighs the log-likelihood: it belongs to the KL.",
        "beta-on-both": "beta weighs both terms: it belongs to the KL alone.",
        "beta-ignored": "beta has no effect: the KL is to be multiplied by it.",
        "beta-added": "beta is added or divided: the KL is to be multiplied by it.",
        "beta-squared": "beta is applied twice: multiply the KL by it once.",
        "no-kl": "the KL term is missing: subtract beta KL.",
        "no-likelihood": "the log-likelihood is missing: only the KL came.",
        "kl-over-batch": "the KL is summed or averaged over the batch: subtract from each example its own KL.",
        "likelihood-over-batch": "the log-likelihood is summed or averaged over the batch: each example has its own.",
        "kl-mean-over-dims": "the KL is averaged over the latent dimensions: sum them.",
        "likelihood-mean-over-dims": "the log-likelihood is averaged over the pixels: sum them, or it weighs too little against the KL.",
    }  # fmt: skip

    def cases(self, rng):
        first = {**self._likelihood(rng, *IMAGE_SHAPES[0]), **gaussian(rng, 5, 3)}
        second = {**self._likelihood(rng, *IMAGE_SHAPES[1]), **gaussian(rng, 3, 4)}
        agreeing, x = extreme_logits(rng, 4, 3)
        only_kl = {"logits": agreeing * 0.2, "x": x, **gaussian(rng, 4, 5)}  # the likelihood is 1: nothing hides the KL
        return [{**first, "beta": 0.0}, {**first, "beta": 1.0}, {**second, "beta": 4.0}, {**only_kl, "beta": 0.5}]

    def _likelihood(self, rng, *shape):
        return {"logits": rng.normal(*shape, scale=1.5), "x": rng.bits(*shape)}

    def far_cases(self, rng):
        agreeing, x = extreme_logits(rng, 4, 6)
        moderate = {"logits": rng.normal(4, 6), "x": x}
        tiny = {"mu": rng.normal(4, 2), "logvar": rng.uniform(4, 2, low=-19.9, high=-3.0)}
        wide = {"mu": 60 * rng.normal(4, 1).sign(), "logvar": torch.tensor([[3.0], [7.0], [14.0], [19.9]])}
        return [
            {"logits": agreeing, "x": x, **gaussian(rng, 4, 3), "beta": 1.0},
            {"logits": -agreeing, "x": x, **gaussian(rng, 4, 3), "beta": 1.0},
            {**moderate, **tiny, "beta": 1.0},
            {**moderate, **wide, "beta": 2.0},
        ]

    def single_case(self, rng):
        return {**self._likelihood(rng, 1, 3, 2, 4), **gaussian(rng, 1, 3), "beta": 2.0}

    def oracle(self, logits, x, mu, logvar, beta):
        return sum_examples(bernoulli_terms(logits, x)) - beta * sum_examples(kl_terms(mu, logvar))

    def guesses(self, logits, x, mu, logvar, beta):
        likelihoods, kls = bernoulli_terms(logits, x), kl_terms(mu, logvar)
        likelihood, kl = sum_examples(likelihoods), sum_examples(kls)
        elbo = likelihood - beta * kl
        guesses = [
            (("elbo-sign",), -elbo),
            (("kl-added",), likelihood + beta * kl),
            (("beta-on-likelihood",), beta * likelihood - kl),
            (("beta-on-both",), beta * (likelihood - kl)),
            (("beta-ignored",), likelihood - kl),
            (("beta-added",), likelihood - (beta + kl)),
            (("beta-added",), likelihood - kl / beta if beta else likelihood - kl * math.inf),
            (("beta-squared",), likelihood - beta**2 * kl),
            (("no-kl",), likelihood),
            (("no-likelihood",), -beta * kl),
            (("no-likelihood",), beta * kl),
        ]
        wrong_kls, wrong_likelihoods = wrong_kl_terms(mu, logvar), wrong_bernoulli_terms(logits, x)
        own_sign = [(name, sum_examples(terms)) for name, terms in wrong_likelihoods]
        guesses += [((name,), likelihood - beta * sum_examples(terms)) for name, terms in wrong_kls]
        guesses += [((name,), terms - beta * kl) for name, terms in own_sign]
        guesses += [
            (("likelihood-mean-over-dims",), likelihoods.flatten(1).mean(1) - beta * kl),
            (("kl-mean-over-dims",), likelihood - beta * kls.mean(1)),
            (("likelihood-mean-over-dims", "kl-mean-over-dims"), likelihoods.flatten(1).mean(1) - beta * kls.mean(1)),
        ]
        for ways in (torch.sum, torch.mean):
            guesses += [
                (("kl-over-batch",), likelihood - beta * ways(kl)),
                (("kl-over-batch",), likelihood - beta * ways(kls)),
                (("likelihood-over-batch",), ways(likelihood) - beta * kl),
                (("likelihood-over-batch",), ways(likelihoods) - beta * kl),
            ]
        guesses += self._for_the_whole_batch(elbo, likelihoods, likelihood, kls, kl, beta)
        return guesses

    def double_guesses(self, logits, x, mu, logvar, beta):
        likelihood = sum_examples(bernoulli_terms(logits, x))
        wrong_kls = [(name, sum_examples(terms)) for name, terms in wrong_kl_terms(mu, logvar)]
        wrong_likelihoods = [(name, sum_examples(terms)) for name, terms in wrong_bernoulli_terms(logits, x)]
        guesses = []
        for name, kl in wrong_kls:
            guesses += [((other, name), terms - beta * kl) for other, terms in wrong_likelihoods]
            wrong = likelihood - beta * kl
            guesses.append(((name, "elbo-sign"), -wrong))
            guesses += [((name, "mean-over-batch"), sign * wrong.mean()) for sign in (-1, 1)]
            guesses += [((name, "sum-everything"), sign * wrong.sum()) for sign in (-1, 1)]
        for name, terms in wrong_likelihoods:
            wrong = terms - beta * sum_examples(kl_terms(mu, logvar))
            guesses += [((name, "mean-over-batch"), wrong.mean()), ((name, "sum-everything"), wrong.sum())]
        return guesses

    def _for_the_whole_batch(self, elbo, likelihoods, likelihood, kls, kl, beta):
        guesses = []
        for sign, extra in ((1, ()), (-1, ("elbo-sign",))):
            guesses += [
                (("mean-over-batch", *extra), sign * elbo.mean()),
                (("mean-over-batch", *extra), sign * elbo.mean().expand(len(elbo))),
                (("sum-everything", *extra), sign * elbo.sum()),
                (("mean-everything", *extra), sign * (likelihoods.mean() - beta * kls.mean())),
                (("mean-everything", *extra), sign * (likelihoods.mean() - beta * kl.mean())),
                (("mean-everything", *extra), sign * (likelihoods.mean() - beta * kl.sum())),
                (("mean-everything", *extra), sign * (likelihood.mean() - beta * kls.mean())),
                (("divided-by-batch", *extra), sign * elbo / len(elbo)),
                (("keeps-axis", *extra), sign * elbo[:, None]),
            ]
        return guesses

    def hint(self, results):
        """Which of the two terms is to blame: at beta = 0 the first stands alone, at extreme logits the second."""
        if not self.is_close(results[0]):
            return " At beta = 0, where only the log-likelihood counts, the result is wrong."
        return " At beta = 0 the result is right: look at the KL term and at beta."

    def explain_far(self, trial, result):
        if result.case["logits"].abs().max() > 100:
            return explain_extreme_logits(trial, result)
        return GaussianKL.explain_far(self, trial, result)

    def right_canary(self, logits, x, mu, logvar, beta=1.0):
        likelihood = torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).flatten(1).sum(1)
        return likelihood - beta * (mu.square() + torch.expm1(logvar) - logvar).sum(1) / 2

    def wrong_canary(self, logits, x, mu, logvar, beta=1.0):
        likelihood = torch.where(x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)).flatten(1).sum(1)
        return likelihood + beta * (mu.square() + torch.expm1(logvar) - logvar).sum(1) / 2
