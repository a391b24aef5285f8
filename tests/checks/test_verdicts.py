"""What a check says of functions that are no answers at all: stubs, wrong types, exceptions, endless loops."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from course_utils import checks
from course_utils.checks.vae.sampling import dependence_scores

kl = checks.vae.gaussian_kl
CHECKS = {name: check for assignment in checks.ASSIGNMENTS for name, check in checks.of_assignment(assignment).items()}


def formula(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


@pytest.mark.parametrize("name", CHECKS)
def test_stub(name):
    def stub(*args, **kwargs):
        raise NotImplementedError()

    report = CHECKS[name](stub)
    assert report.mistake == "not-attempted"
    assert report.fraction == 0
    assert "not attempted" in report.message


def test_stub_called_by_the_function():
    def gaussian_kl(mu, logvar):
        raise NotImplementedError()

    def elbo(logits, x, mu, logvar, beta=1.0):
        return logits.flatten(1).sum(1) - gaussian_kl(mu, logvar)

    report = checks.vae.elbo(elbo)
    assert report.mistake == "not-attempted"
    assert report.message == "elbo calls gaussian_kl, which is still to be written."


@pytest.mark.parametrize("name", CHECKS)
def test_no_function(name):
    for thing in (None, 3, "text", torch.zeros(2)):
        report = CHECKS[name](thing)
        assert report.mistake == "not-a-function"
        assert report.fraction == 0


@pytest.mark.parametrize("name", CHECKS)
def test_wrong_arguments(name):
    check = CHECKS[name]
    assert check(lambda: None).mistake == "wrong-arguments"
    assert check(lambda a, b, c, d, e, f, g: None).mistake == "wrong-arguments"


class Odd:
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("name", checks.vae.CHECKS)
@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        (None, "returns-nothing"),
        (np.zeros((5, 3)), "returns-array"),
        ((torch.zeros(5), torch.zeros(5)), "returns-tuple"),
        ([1.0, 2.0], "returns-tuple"),
        ("text", None),
        (Odd(), None),
        (1j, "returns-number"),
        ({}, None),
        (torch.zeros(5).to_sparse(), None),
        (torch.zeros(5, dtype=torch.complex64), None),
        (torch.zeros(0), None),
        (torch.full((5,), torch.nan), None),
        (torch.zeros(5, dtype=torch.float16), "half-precision"),
    ],
)
def test_wrong_results(name, value, mistake):
    report = checks.vae.CHECKS[name](lambda *args, **kwargs: value)
    assert not report.passed
    assert report.fraction == 0
    if mistake:
        assert report.mistake == mistake
    assert report._repr_html_()
    assert str(report)


@pytest.mark.parametrize("name", CHECKS)
def test_senseless_results(name):
    masks = [torch.ones(2, 3).to_sparse(), torch.ones(2, dtype=torch.complex64), np.array(["a"]), [None], ["a", 1]]
    for value in (None, "text", Odd(), 1j, {}, (), [], object, torch.zeros(0), torch.nn.Linear(1, 1), *masks):
        report = CHECKS[name](lambda *args, value=value, **kwargs: value)
        assert not report.passed
        assert report.fraction == 0
        assert report._repr_html_()
        assert str(report)


def test_number_for_a_tensor():
    assert kl(lambda mu, logvar: 3.0).mistake == "returns-number"
    assert kl(lambda mu, logvar: torch.zeros(len(mu), dtype=torch.int64)).mistake == "integer-result"
    report = checks.vae.beta_schedule(lambda step, warmup_steps, beta_max=1.0: "0.5")
    assert (report.fraction, report.mistake) == (0, "no-tensor")


class NamelessError(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "error",
    [ValueError("some text"), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), NamelessError(), RecursionError()],
)
def test_exceptions_are_named_with_their_line(error):
    def helper():
        raise error  # the line to be named

    def answer(mu, logvar):
        return helper()

    report = kl(answer)
    assert report.fraction == 0
    assert type(error).__name__ in report.message
    assert "raise error  # the line to be named" in report.failures[0].where
    assert "mu (5, 3)" in report.failures[0].where


def test_exception_inside_a_library_names_the_students_line():
    def answer(mu, logvar):
        return torch.distributions.Normal(mu, logvar).log_prob(mu)  # wrong here

    assert "# wrong here" in kl(answer).failures[0].where


def test_exception_after_the_value_keeps_partial_credit():
    def answer(mu, logvar):
        if len(mu) == 1:
            raise ValueError("one example")
        return formula(mu, logvar)

    report = kl(answer)
    assert report.fraction == pytest.approx(0.9)
    assert report.mistake == "single-example"


def test_endless_loop(monkeypatch):
    monkeypatch.setenv("COURSE_CHECK_SECONDS", "0.3")

    def endless(mu, logvar):
        while True:
            pass

    def swallowing(mu, logvar):
        for _ in range(5):
            try:
                while True:
                    pass
            except BaseException:
                continue
        return formula(mu, logvar)

    def sleeping(mu, logvar):
        time.sleep(60)

    for answer in (endless, swallowing, sleeping):
        started = time.monotonic()
        report = kl(answer)
        assert time.monotonic() - started < 5
        assert report.mistake == "endless"
        assert report.fraction == 0
        assert "0.3 s" in report.message


def test_endless_loop_in_the_backward_pass(monkeypatch):
    monkeypatch.setenv("COURSE_CHECK_SECONDS", "0.5")

    class Endless(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, grad):
            while True:
                pass

    report = kl(lambda mu, logvar: Endless.apply(formula(mu, logvar)))
    assert report.mistake == "endless"
    assert report.fraction == pytest.approx(0.6)  # the value was right


def test_time_limit_counts_all_calls(monkeypatch):
    monkeypatch.setenv("COURSE_CHECK_SECONDS", "0.4")

    def slow(mu, logvar):
        time.sleep(0.15)
        return formula(mu, logvar)

    assert kl(slow).mistake == "endless"


def test_outer_alarm_survives():
    rung = []
    old = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 30)
        kl(formula).assert_passed()
        assert 20 < signal.getitimer(signal.ITIMER_REAL)[0] <= 30
        signal.setitimer(signal.ITIMER_REAL, 5)  # sooner than the check's own limit

        kl(formula).assert_passed()
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5
        assert not rung
        signal.raise_signal(signal.SIGALRM)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_outer_alarm_that_rings_first_gets_through():
    class OuterError(Exception):
        pass

    def ring(*_):
        raise OuterError

    def endless(mu, logvar):
        while True:
            pass

    old = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(OuterError):
            kl(endless)
        assert signal.getsignal(signal.SIGALRM) is ring
        kl(formula).assert_passed()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_other_default_types_of_the_notebook_do_not_matter():
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        for check in CHECKS.values():
            check(check.right_canary, allow_reference=True).assert_passed()
        assert torch.get_default_dtype() == torch.float64
        assert not torch.is_grad_enabled()
        torch.set_default_device("meta")
        kl(formula).assert_passed()
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


def test_a_real_interrupt_gets_through():
    def answer(mu, logvar):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
        return formula(mu, logvar)

    with pytest.raises(KeyboardInterrupt):
        kl(answer)


def test_works_in_a_thread():
    reports = []
    thread = threading.Thread(target=lambda: reports.append(kl(formula)))
    thread.start()
    thread.join()
    assert reports[0].passed


def test_prints_of_the_first_call_only(capfd):
    def answer(mu, logvar):
        print("shape", tuple(mu.shape))
        return formula(mu, logvar)

    kl(answer).assert_passed()
    out, err = capfd.readouterr()
    assert (out, err) == ("shape (5, 3)\n", "")


def test_find():
    assert checks.find("a3_vae", "elbo") is checks.vae.elbo
    assert list(checks.vae.CHECKS) == [
        "reconstruction_loss",
        "reparameterize",
        "gaussian_kl",
        "bernoulli_log_prob",
        "elbo",
        "beta_schedule",
        "importance_weighted_bound",
        "condition_on_label",
    ]
    with pytest.raises(KeyError, match="a9"):
        checks.find("a9", "elbo")
    with pytest.raises(KeyError, match="no function 'nothing'"):
        checks.find("a3_vae", "nothing")


def test_an_unknown_mistake_shows_where_got_and_expected():
    def answer(mu, logvar):
        return formula(mu, logvar) + 0.125

    report = kl(answer)
    finding = report.failures[0]
    assert (report.mistake, finding.name) == (None, "value")
    assert "result[" in finding.where
    assert "mu[" in finding.where
    assert float(finding.expected.split()[0]) + 0.125 == pytest.approx(float(finding.got), abs=1e-4)
    assert "largest error 0.125" in finding.expected


def test_unknown_mistake_in_the_elbo_says_which_term():
    def terms(logits, x, mu, logvar):
        return torch.distributions.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1), formula(mu, logvar)

    def wrong_kl(logits, x, mu, logvar, beta=1.0):
        likelihood, kl = terms(logits, x, mu, logvar)
        return likelihood - beta * (kl + 0.3)

    def wrong_likelihood(logits, x, mu, logvar, beta=1.0):
        likelihood, kl = terms(logits, x, mu, logvar)
        return likelihood + 0.3 - beta * kl

    assert "look at the KL" in checks.vae.elbo(wrong_kl).message
    assert "At beta = 0, where only the log-likelihood counts" in checks.vae.elbo(wrong_likelihood).message


def test_small_errors_in_the_kl_do_not_hide_behind_the_likelihood():
    def answer(logits, x, mu, logvar, beta=1.0):
        likelihood = torch.distributions.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
        return likelihood - 1.002 * beta * formula(mu, logvar)

    for seed in range(20):
        assert not checks.vae.elbo(answer, seed).passed


def test_a_function_that_asks_for_a_gpu_is_told_so():
    def raises(mu, logvar):
        raise AssertionError("Torch not compiled with CUDA enabled")

    report = kl(raises)
    assert report.mistake == "cuda"
    assert "take the device from the input" in report.message


def test_dependence_scores_are_standard_normal_for_independent_noise():
    """Odd and even sides; a score with a bias would fail right answers now and then."""
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(6, 11, 7, generator=generator, dtype=torch.float64) for _ in range(2000)]
    scores = torch.stack([torch.stack(dependence_scores(noise)) for noise in draws])
    count = len(draws)
    assert scores.mean(0).abs().max() < 4.5 / count**0.5
    assert (scores.var(0) - 1).abs().max() < 4.5 * (2.1 / count) ** 0.5


def test_dependence_scores_find_mirrored_noise():
    noise = torch.randn(6, 11, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for axis in range(3):
        mirrored = torch.where(
            torch.arange(noise.shape[axis]).reshape([-1 if n == axis else 1 for n in range(3)])
            < noise.shape[axis] // 2,
            noise,
            noise.flip(axis),
        )
        assert max(abs(score) for score in dependence_scores(mirrored)) > 6
