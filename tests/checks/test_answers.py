"""Every right answer of the bank passes, every wrong one fails and is told its own mistake, whatever the seed."""

import pytest

from course_utils import checks
from course_utils.checks.autoregressive.patterns import CAUSAL_MISTAKES
from course_utils.checks.vae.kl import KL_MISTAKES
from course_utils.checks.vae.likelihood import LIKELIHOOD_MISTAKES
from tests.answers.bank import answers

SEEDS = range(20)
CHECKS = {name: check for assignment in checks.ASSIGNMENTS for name, check in checks.of_assignment(assignment).items()}
BANKS = {
    name: answers(assignment, name) for assignment in checks.ASSIGNMENTS for name in checks.of_assignment(assignment)
}
RIGHT = [(name, answer) for name, (right, _) in BANKS.items() for answer in right]
WRONG = [(name, answer) for name, (_, wrong) in BANKS.items() for answer in wrong]
# Tables that several functions share: the bank of one of them shows all.
SHARED = {"elbo": KL_MISTAKES | LIKELIHOOD_MISTAKES, "MaskedConv2d": CAUSAL_MISTAKES}


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answer_passes(name, answer):
    for seed in SEEDS:
        report = CHECKS[name](BANKS[name][0][answer], seed)
        report.assert_passed()
        assert report.fraction == 1
        assert report.mistake is None


@pytest.mark.parametrize(("name", "answer"), WRONG)
def test_wrong_answer_is_told_its_mistake(name, answer):
    function = BANKS[name][1][answer]
    for seed in SEEDS:
        report = CHECKS[name](function, seed)
        assert not report.passed
        assert report.mistake == function.mistake, f"seed {seed}: {report}"
        assert (report.fraction > 0) == (function.credit > 0), str(report)
        assert function.credit - 1e-9 <= report.fraction < 1, str(report)
        assert report.message[-1] in ".?)"


def test_banks_are_large_and_diverse():
    for name, (right, wrong) in BANKS.items():
        assert len(right) >= 10, name
        assert len(wrong) >= 20, name
        assert len({function.mistake for function in wrong.values()}) >= 10, name


def test_every_mistake_of_the_tables_is_in_the_bank():
    for name, (_, wrong) in BANKS.items():
        known = set(CHECKS[name].mistakes)
        shown = {function.mistake for function in wrong.values()}
        assert (known - shown) <= set(SHARED.get(name, ())), name


def test_every_mistake_has_a_sentence_of_its_own():
    for name, (_, wrong) in BANKS.items():
        check = CHECKS[name]
        ids = {function.mistake for function in wrong.values() if function.mistake} | set(check.mistakes)
        sentences = {check.sentence(mistake) for mistake in ids}
        assert len(sentences) == len(ids), name
        assert all(sentence.endswith((".", "?", ")")) for sentence in sentences)


def test_a_second_mistake_is_told_too():
    report = checks.vae.gaussian_kl(BANKS["gaussian_kl"][1]["wrong_no_half_and_mean"])
    assert "the factor 1/2 is missing" in report.message
    assert "averages over the batch" in report.message
