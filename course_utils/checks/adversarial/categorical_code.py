"""The check of `categorical_mutual_information`, InfoGAN's lower bound for a uniform categorical code."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck


class CategoricalMutualInformation(OracleCheck):
    name = "categorical_mutual_information"
    arguments = ("q_logits", "c")
    differentiable = ("q_logits",)
    wrong_canary_mistake = "no-log-k"
    mistakes: ClassVar = {
        "no-log-k": "log K is missing, the entropy of the uniform code: the bound is log K + E log q(c given x).",
        "log-k-subtracted": "log K is subtracted: it is the entropy of the uniform code, which is added.",
        "k-for-log-k": "you add K: add log K, the entropy of the uniform code.",
        "batch-for-k": "you take the batch size for K: K is the number of classes, q_logits.shape[1].",
        "k-from-codes": "you count the classes that occur in c: K is the number of classes there are, q_logits.shape[1].",
        "log-k-bits": "log K is in bits: use the natural logarithm (nats) in both terms.",
        "bits": "your bound is in bits: use the natural logarithm (nats).",
        "sign": "you return the negative bound (a loss): due is log K + E log q(c given x), to be maximised.",
        "likelihood-sign": "E log q(c given x) has the opposite sign: a cross-entropy is its negative, so subtract that from log K.",
        "softmax-twice": "softmax is applied twice: functions that take logits do it themselves.",
        "probs-for-logits": "you take the logits for probabilities: log q is log_softmax(q_logits).",
        "not-normalised": "you pick the logits themselves: they become log-probabilities by log_softmax.",
        "no-log": "the log is missing: you average the probability of the code, not its log.",
        "log-of-mean": "you take the log of the mean probability: take the log of each, then the mean.",
        "accuracy": "you count how often the largest logit is at the code: due is the mean log-probability of the code, which carries a gradient.",
        "sum": "you sum over the batch: take the mean.",
        "not-averaged": "you return one number for each example: take their mean.",
        "mean-over-classes": "you average over the K classes as well: pick the log-probability of the code, then average over the batch.",
        "code-ignored": "the result does not depend on the code: pick log q at the class c of each example.",
        "wrong-axis": "your softmax runs over the batch: the classes are axis 1.",
        "all-pairs": "you pick every code for every example (a table B by B): use gather, or q[torch.arange(B), c].",
        "sigmoid": "you give each class a sigmoid of its own: the classes compete, so log_softmax is due.",
        "c-as-one-hot": "you take c for one-hot vectors or numbers to multiply with: it holds the class of each example, (B,) integers.",
        "one-hot-without-classes": "it fails when the last class does not occur in c: tell one_hot the number of classes, q_logits.shape[1].",
        "not-finite": "far out the result is not finite: a probability rounds to 0 before the log, or exp overflows; use log_softmax or cross_entropy.",
        "eps-in-log": "far out the bound stops falling: a clamp or an eps in the log hides how wrong the logits are; use log_softmax or cross_entropy.",
        "clipped": "you cut the bound off at zero: where q is worse than a guess the bound is negative, and its gradient is needed.",
    }  # fmt: skip

    def cases(self, rng):
        return [
            self._draw(rng, 5, 3, last=True),
            self._draw(rng, 4, 7, last=True),
            self._draw(rng, 6, 2, last=True),
            self._draw(rng, 3, 5, last=False),
        ]

    def _draw(self, rng, batch, num_classes, last):
        """`last` says whether the last class occurs among the codes."""
        c = rng.integers(num_classes - 1, batch)
        if last:
            c[int(rng.integers(batch))] = num_classes - 1
        return {"q_logits": rng.normal(batch, num_classes, scale=2.0) + rng.normal(batch, 1, scale=2.0), "c": c}

    def far_cases(self, rng):
        """Logits that disagree with the code, milder ones, those that agree with it, and some of all kinds."""
        draws = []
        for scale in (-150.0, -1000.0, -22.5, 150.0):
            case = self._draw(rng, 4, 5, last=True)
            case["q_logits"] = rng.normal(4, 5, scale=0.5) + scale * F.one_hot(case["c"], 5)
            draws.append(case)
        mixed = self._draw(rng, 6, 3, last=True)
        mixed["q_logits"] = rng.normal(6, 3) + 150.0 * rng.normal(6, 3).sign()
        shifted = self._draw(rng, 3, 4, last=False)
        shifted["q_logits"] = shifted["q_logits"] + torch.tensor([[150.0], [-150.0], [1000.0]])
        return [*draws, mixed, shifted]

    def single_case(self, rng):
        return self._draw(rng, 1, 4, last=True)

    def oracle(self, q_logits, c):
        log_q = q_logits.log_softmax(1).gather(1, c[:, None])[:, 0]
        return math.log(q_logits.shape[1]) + log_q.mean()

    def guesses(self, q_logits, c):
        batch, num_classes = q_logits.shape
        log_k, ones = math.log(num_classes), F.one_hot(c, num_classes).double()
        every = q_logits.log_softmax(1)
        probs = every.exp()
        log_q = (ones * every).sum(1)
        right = log_k + log_q.mean()
        guesses = [
            ("no-log-k", log_q.mean()),
            ("no-log-k", -log_q.mean()),
            ("log-k-subtracted", log_q.mean() - log_k),
            ("k-for-log-k", log_q.mean() + num_classes),
            ("batch-for-k", log_q.mean() + math.log(batch)),
            ("k-from-codes", log_q.mean() + math.log(int(c.max()) + 1)),
            ("k-from-codes", log_q.mean() + math.log(len(c.unique()))),
            ("log-k-bits", log_q.mean() + math.log2(num_classes)),
            ("bits", right / math.log(2)),
            ("sign", -right),
            ("likelihood-sign", log_k - log_q.mean()),
            ("accuracy", (q_logits.argmax(1) == c).double().mean()),
            ("accuracy", log_k + (q_logits.argmax(1) == c).double().mean()),
            ("sum", log_k + log_q.sum()),
            ("sum", batch * right),
            ("not-averaged", log_k + log_q),
            ("not-averaged", (log_k + log_q)[:, None]),
            ("not-averaged", log_k + ones * every),
            ("mean-over-classes", log_k + (ones * every).mean()),
            ("clipped", right.clamp(min=0)),
            ("clipped", (log_k + log_q).clamp(min=0).mean()),
            ("code-ignored", log_k + every.mean()),
            ("code-ignored", log_k + every.sum(1).mean()),
            ("code-ignored", log_k + (probs * every).sum(1).mean()),
            ("code-ignored", log_k + every.amax(1).mean()),
            ("log-of-mean", log_k + (ones * probs).sum(1).mean().log()),
            ("all-pairs", log_k + every[:, c].mean()),
        ]
        picked = [
            ("softmax-twice", probs.log_softmax(1)),
            ("probs-for-logits", q_logits.log()),
            ("not-normalised", q_logits),
            ("no-log", probs),
            ("wrong-axis", q_logits.log_softmax(0)),
            ("sigmoid", F.logsigmoid(q_logits)),
        ]
        for name, terms in picked:
            chosen = terms.gather(1, c[:, None]).mean()
            guesses += [(name, log_k + chosen), (name, log_k - chosen), (name, chosen), (name, -chosen)]
        binary = F.binary_cross_entropy_with_logits(q_logits, ones, reduction="none")
        guesses += [("sigmoid", log_k - binary.sum(1).mean()), ("sigmoid", log_k - binary.mean())]
        return [((name,), value) for name, value in guesses]

    def explain_error(self, trial, case, failure):
        """Whether codes without the last class are to blame, or c taken for something that has a column each class."""
        full = self._draw(trial.rng, 5, 3, last=True)
        if int(case["c"].max()) < case["q_logits"].shape[1] - 1 and self._is_right(trial, full):
            return "one-hot-without-classes"
        square = self._draw(trial.rng, 4, 4, last=True)
        try:
            result = self.checked(trial, square)
        except Failure:
            return None
        every, numbers = square["q_logits"].double().log_softmax(1), square["c"].double()
        guesses = [(every * numbers).sum(1).mean(), (every * numbers).mean()]
        guesses += [math.log(4) + guess for guess in guesses]
        return "c-as-one-hot" if any(torch.allclose(result.value, guess, 1e-4) for guess in guesses) else None

    def _is_right(self, trial, case):
        try:
            return self.is_close(self.checked(trial, case))
        except Failure:
            return False

    def explain_far(self, trial, result):
        if not result.value.isfinite().all():
            return "not-finite"
        case = result.case
        ones = F.one_hot(case["c"], case["q_logits"].shape[1]).float()
        high, higher = (trial.call(-level * ones, case["c"].clone()).detach().double() for level in (900.0, 1000.0))
        if not higher.isfinite().all():
            return "not-finite"
        return "eps-in-log" if torch.allclose(high, higher, 1e-3) else None

    def right_canary(self, q_logits, c):
        return math.log(q_logits.shape[1]) - F.cross_entropy(q_logits, c)

    def wrong_canary(self, q_logits, c):
        return -F.cross_entropy(q_logits, c)
