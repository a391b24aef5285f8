"""The course's own functions pass their checks, are refused as answers, and every canary works."""

import importlib
import random

import numpy as np
import pytest
import torch

from course_utils import checks

CHECKS = {name: check for assignment in checks.ASSIGNMENTS for name, check in checks.of_assignment(assignment).items()}
HOMES = {
    "gaussian_log_prob": "density.gaussian",
    "kde_log_prob": "density.kde",
    "kmeans_step": "basics.kmeans",
    "gmm_log_prob": "density.mixture",
    "em_step": "density.mixture",
    "bits_per_dim": ".evaluation",  # beside course_utils.models
    "class_log_posterior": "density.bayes",
    "reject_outliers": "density.bayes",
    "made_masks": "autoregressive.made",
    "causal_mask": "autoregressive.masked",
    "MaskedConv2d": "autoregressive.masked",
    "pixel_log_prob": "autoregressive.levels",
    "sample_images": "autoregressive.levels",
    "discretized_logistic_log_prob": "autoregressive.logistics",
    "reconstruction_loss": "latent.autoencoder",
    "reparameterize": "latent.vae",
    "gaussian_kl": "latent.vae",
    "bernoulli_log_prob": "latent.vae",
    "elbo": "latent.vae",
    "beta_schedule": "latent.beta_vae",
    "importance_weighted_bound": "latent.iwae",
    "condition_on_label": "latent.cvae",
    "discriminator_loss": "adversarial.gan",
    "generator_loss": "adversarial.gan",
    "saturating_generator_loss": "adversarial.gan",
    "ls_discriminator_loss": "adversarial.lsgan",
    "ls_generator_loss": "adversarial.lsgan",
    "gradient_penalty": "adversarial.wgan_gp",
    "discriminator_step": "adversarial.gan",
    "generator_step": "adversarial.gan",
    "categorical_mutual_information": "adversarial.infogan",
    "gaussian_code_log_prob": "adversarial.infogan",
    "adain": "adversarial.stylegan",
    "mix_styles": "adversarial.stylegan",
    "receptive_field": "adversarial.patchgan",
    "pix2pix_generator_loss": "adversarial.pix2pix",
    "cycle_consistency_loss": "adversarial.cyclegan",
    "inpaint": "applications.inpainting",
}


def reference(name):
    return getattr(importlib.import_module(f".{HOMES[name]}", "course_utils.models"), name)


def test_every_exercise_has_a_reference():
    assert list(HOMES) == list(CHECKS)


@pytest.mark.parametrize("name", HOMES)
def test_reference_passes_when_allowed(name):
    for seed in range(20):
        CHECKS[name](reference(name), seed, allow_reference=True).assert_passed()


@pytest.mark.parametrize("name", HOMES)
def test_reference_is_no_answer(name):
    function = reference(name)

    def wrapped(*args, **kwargs):
        return function(*args, **kwargs)

    for answer in (function, wrapped):
        report = CHECKS[name](answer)
        assert report.mistake == "uses-reference"
        assert report.fraction == 0
        assert report.score(2) == 0
        assert "the course's own" in report.message


def test_reference_called_late_or_in_a_thread_costs_all():
    import threading

    from course_utils.models.latent import vae

    def far_only(mu, logvar):
        if mu.abs().max() > 30:
            return vae.gaussian_kl(mu, logvar)
        return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)

    def in_a_thread(mu, logvar):
        out = []
        thread = threading.Thread(target=lambda: out.append(vae.gaussian_kl(mu, logvar)))
        thread.start()
        thread.join()
        return out[0]

    def in_the_backward_pass(mu, logvar):
        class KL(torch.autograd.Function):
            @staticmethod
            def forward(ctx, mu, logvar):
                ctx.save_for_backward(mu, logvar)
                return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)

            @staticmethod
            def backward(ctx, grad):
                with torch.enable_grad():
                    leaves = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
                    return torch.autograd.grad((vae.gaussian_kl(*leaves) * grad).sum(), leaves)

        return KL.apply(mu, logvar)

    for answer in (far_only, in_a_thread, in_the_backward_pass):
        report = checks.vae.gaussian_kl(answer)
        assert report.mistake == "uses-reference", answer
        assert report.fraction == 0


def test_switching_off_the_watch_is_noticed():
    import sys

    from course_utils.models.latent import vae

    def sneaky(mu, logvar):
        sys.setprofile(None)
        return vae.gaussian_kl(mu, logvar)

    def late(mu, logvar):
        if len(mu) > 3:
            return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
        return sneaky(mu, logvar)

    for answer in (sneaky, late):
        report = checks.vae.gaussian_kl(answer)
        assert report.fraction == 0
        assert "setprofile" in report.message


def test_importing_the_course_is_no_answer_of_the_course():
    def kl(mu, logvar):
        from course_utils.models.latent import vae

        assert vae
        return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)

    checks.vae.gaussian_kl(kl).assert_passed()


@pytest.mark.parametrize("name", HOMES)
def test_canaries(name, monkeypatch):
    check = CHECKS[name]
    for seed in range(10):
        assert check._canary_trouble(seed) == ""
    monkeypatch.setattr(torch, "allclose", lambda *args, **kwargs: True)
    monkeypatch.setattr(type(check), "right_canary", type(check).wrong_canary)
    report = check.at_grading(check.wrong_canary)
    assert report.mistake == "tampered"
    assert report.score(3) == 0
    assert "tampered with" in report.message


def test_tampering_with_torch_is_noticed(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *args, **kwargs: True)
    report = checks.vae.gaussian_kl.at_grading(lambda mu, logvar: mu.sum(1) + logvar.sum(1))
    assert report.mistake == "tampered"
    monkeypatch.setattr(torch, "allclose", lambda *args, **kwargs: False)
    assert checks.vae.elbo.at_grading(lambda *args: None).mistake == "tampered"

    def broken(*args, **kwargs):
        raise RuntimeError("gone")

    monkeypatch.setattr(torch, "allclose", broken)
    report = checks.vae.elbo.at_grading(lambda *args: None)
    assert report.mistake == "tampered"
    assert report.fraction == 0


def test_grading_seed(monkeypatch):
    def kl(mu, logvar):
        return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)

    monkeypatch.setenv("COURSE_GRADING_SEED", "123")
    report = checks.vae.gaussian_kl.at_grading(kl)
    assert (report.passed, report.seed) == (True, 123)
    assert "seed=123" in str(report)
    monkeypatch.setenv("COURSE_GRADING_SEED", "spring term")
    first, second = (checks.vae.gaussian_kl.at_grading(kl) for _ in range(2))
    assert first.seed == second.seed != 123
    monkeypatch.delenv("COURSE_GRADING_SEED")
    fresh = [checks.vae.gaussian_kl.at_grading(kl).seed for _ in range(3)]
    assert len(set(fresh)) == 3


def test_a_failure_can_be_reproduced_from_the_stated_seed():
    def wrong(mu, logvar):
        return 0.7 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)

    graded = checks.vae.gaussian_kl.at_grading(wrong)
    again = checks.vae.gaussian_kl(wrong, seed=graded.seed)
    assert str(again) in str(graded)
    assert checks.vae.gaussian_kl(wrong, seed=graded.seed + 1).findings != again.findings


@pytest.mark.parametrize("name", HOMES)
def test_a_check_leaves_the_world_as_it_was(name):
    import signal
    import sys
    import warnings

    def state():
        numpy_state = np.random.get_state()
        return (
            torch.get_rng_state().tolist(),
            (numpy_state[1].tolist(), *numpy_state[2:]),
            random.getstate(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            signal.getsignal(signal.SIGALRM),
            signal.getsignal(signal.SIGINT),
            signal.getitimer(signal.ITIMER_REAL),
            sys.getprofile(),
            sys.stdout,
            sys.stderr,
            list(warnings.filters),
        )

    def rude(*args):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        warnings.simplefilter("error")

    before = state()
    check = CHECKS[name]
    check(check.right_canary, allow_reference=True)
    assert state() == before
    check(rude)
    assert state() == before
