import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Independent, Laplace, MultivariateNormal, Normal

from tests.answers.bank import wrong

LOG_TWO_PI = math.log(2 * math.pi)


def right_formula(mu, logvar, c):
    return -0.5 * (math.log(2 * math.pi) + logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


def right_precision(mu, logvar, c):
    return (-0.5 * (LOG_TWO_PI + logvar + (mu - c).square() * torch.exp(-logvar))).sum(dim=-1)


def right_distribution(mu, logvar, c):
    return Normal(mu, torch.exp(0.5 * logvar)).log_prob(c).sum(1)


def right_independent(mu, logvar, c):
    return Independent(Normal(mu, (logvar / 2).exp(), validate_args=False), 1).log_prob(c)


def right_full_covariance(mu, logvar, c):
    return MultivariateNormal(mu, scale_tril=torch.diag_embed((0.5 * logvar).exp())).log_prob(c)


def right_library_loss(mu, logvar, c):
    return -F.gaussian_nll_loss(mu, c, logvar.exp(), full=True, eps=1e-12, reduction="none").sum(1)


def right_standard_score(mu, logvar, c):
    score = (c - mu) / torch.exp(0.5 * logvar)
    return -0.5 * (score**2).sum(1) - 0.5 * logvar.sum(1) - 0.5 * mu.size(1) * LOG_TWO_PI


def right_change_of_variables(mu, logvar, c):
    score = (c - mu) * (-0.5 * logvar).exp()
    return Normal(0.0, 1.0).log_prob(score).sum(1) - 0.5 * logvar.sum(1)


def right_loop(mu, logvar, c):
    log_probs = []
    for m, s, code in zip(mu, logvar, c, strict=True):
        log_prob = 0.0
        for i in range(len(m)):
            log_prob = log_prob - 0.5 * LOG_TWO_PI - 0.5 * s[i] - 0.5 * (code[i] - m[i]) ** 2 / torch.exp(s[i])
        log_probs.append(log_prob)
    return torch.stack(log_probs)


def right_float64_and_noise(mu, logvar, c):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    mu, logvar, c = mu.double(), logvar.double(), c.double()
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


def right_log_of_variance(mu, logvar, c):
    variance = logvar.exp()
    return -(0.5 * torch.log(2 * math.pi * variance) + (c - mu) ** 2 / (2 * variance)).sum(1)


def right_loose_clamp(mu, logvar, c):
    logvar = logvar.clamp(-20, 20)
    return Normal(mu, (0.5 * logvar).exp()).log_prob(c).sum(1)


def right_tiny_eps(mu, logvar, c):
    std = torch.exp(0.5 * logvar) + 1e-8
    return (-0.5 * LOG_TWO_PI - std.log() - 0.5 * ((c - mu) / std).square()).sum(1)


def right_einsum(mu, logvar, c):
    quadratic = torch.einsum("bi,bi,bi->b", c - mu, c - mu, (-logvar).exp())
    return -0.5 * (quadratic + logvar.sum(1) + mu.shape[1] * LOG_TWO_PI)


def right_split_over_dims(mu, logvar, c):
    return sum(Normal(m, (0.5 * s).exp()).log_prob(x) for m, s, x in zip(mu.T, logvar.T, c.T, strict=True))


def right_expanded(mu, logvar, c):
    square = c * c - 2 * c * mu + mu * mu
    return -0.5 * (LOG_TWO_PI + logvar + square * (-logvar).exp()).sum(1)


def right_covariance_matrix(mu, logvar, c):
    return MultivariateNormal(mu, covariance_matrix=logvar.exp().diag_embed()).log_prob(c)


def terms(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 / logvar.exp())


@wrong("no-constant")
def wrong_no_constant(mu, logvar, c):
    return -0.5 * (logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("no-constant")
def wrong_library_loss_without_constant(mu, logvar, c):
    return -F.gaussian_nll_loss(mu, c, logvar.exp(), reduction="none").sum(1)


@wrong("constant-once")
def wrong_constant_once(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + (logvar + (c - mu) ** 2 / logvar.exp()).sum(1))


@wrong("constant-once")
def wrong_constant_once_without_half(mu, logvar, c):
    return -LOG_TWO_PI - 0.5 * (logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("constant-without-half")
def wrong_constant_without_half(mu, logvar, c):
    return (-LOG_TWO_PI - 0.5 * logvar - 0.5 * (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("constant-sign")
def wrong_constant_sign(mu, logvar, c):
    return (0.5 * LOG_TWO_PI - 0.5 * logvar - 0.5 * (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("constant-pi")
def wrong_constant_pi(mu, logvar, c):
    return -0.5 * (math.log(math.pi) + logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("constant-no-log")
def wrong_constant_no_log(mu, logvar, c):
    return -0.5 * (2 * math.pi + logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("logvar-as-logstd")
def wrong_logvar_as_logstd(mu, logvar, c):
    return Normal(mu, logvar.exp()).log_prob(c).sum(1)


@wrong("logvar-as-std")
def wrong_logvar_as_std(mu, logvar, c):
    return (-0.5 * LOG_TWO_PI - logvar.log() - 0.5 * ((c - mu) / logvar) ** 2).sum(1)


@wrong("logvar-as-std")
def wrong_absolute_logvar_as_std(mu, logvar, c):
    return Normal(mu, logvar.abs()).log_prob(c).sum(1)


@wrong("logvar-as-variance")
def wrong_logvar_as_variance(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar.log() + (c - mu) ** 2 / logvar).sum(1)


@wrong("logvar-as-variance")
def wrong_no_exp(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 / logvar).sum(1)


@wrong("std-for-variance")
def wrong_std_for_variance(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 / (0.5 * logvar).exp()).sum(1)


@wrong("log-std")
def wrong_whole_logvar(mu, logvar, c):
    return (-0.5 * LOG_TWO_PI - logvar - 0.5 * (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("log-std")
def wrong_quarter_of_logvar(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + 0.5 * logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("log-term-missing")
def wrong_no_log_term(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("log-term-sign")
def wrong_log_term_sign(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI - logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("log-term-no-log")
def wrong_std_for_its_log(mu, logvar, c):
    std = (0.5 * logvar).exp()
    return (-0.5 * LOG_TWO_PI - std - 0.5 * ((c - mu) / std) ** 2).sum(1)


@wrong("half-missing")
def wrong_no_half(mu, logvar, c):
    return -(LOG_TWO_PI + logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("half-missing")
def wrong_no_half_of_the_square(mu, logvar, c):
    return (-0.5 * (LOG_TWO_PI + logvar) - (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("half-twice")
def wrong_half_twice(mu, logvar, c):
    return 0.5 * terms(mu, logvar, c).sum(1)


@wrong("half-twice")
def wrong_half_of_the_square_twice(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 / (2 * logvar.exp())).sum(1)


@wrong("quadratic-sign")
def wrong_quadratic_sign(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar - (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong("not-squared")
def wrong_not_squared(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) / logvar.exp()).sum(1)


@wrong("variance-multiplied")
def wrong_multiplied(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 * logvar.exp()).sum(1)


@wrong("no-variance")
def wrong_squared_error(mu, logvar, c):
    return -((c - mu) ** 2).sum(1)


@wrong("no-variance")
def wrong_unit_variance(mu, logvar, c):
    return Normal(mu, 1.0).log_prob(c).sum(1)


@wrong("sum-for-difference")
def wrong_plus(mu, logvar, c):
    return terms(-mu, logvar, c).sum(1)


@wrong("mean-ignored")
def wrong_mean_ignored(mu, logvar, c):
    return terms(torch.zeros_like(mu), logvar, c).sum(1)


@wrong("x-ignored")
def wrong_negative_entropy(mu, logvar, c):
    return -Normal(mu, (0.5 * logvar).exp()).entropy().sum(1)


@wrong("no-log")
def wrong_density(mu, logvar, c):
    return terms(mu, logvar, c).sum(1).exp()


@wrong("no-log")
def wrong_sum_of_densities(mu, logvar, c):
    return terms(mu, logvar, c).exp().sum(1)


@wrong("laplace")
def wrong_laplace(mu, logvar, c):
    return Laplace(mu, (0.5 * logvar).exp()).log_prob(c).sum(1)


@wrong("bits")
def wrong_bits(mu, logvar, c):
    return terms(mu, logvar, c).sum(1) / math.log(2)


@wrong("sign")
def wrong_sign(mu, logvar, c):
    return -terms(mu, logvar, c).sum(1)


@wrong("sign")
def wrong_library_loss(mu, logvar, c):
    return F.gaussian_nll_loss(mu, c, logvar.exp(), full=True, reduction="none").sum(1)


@wrong("mean-over-dims")
def wrong_mean_over_dims(mu, logvar, c):
    return terms(mu, logvar, c).mean(1)


@wrong("mean-over-batch")
def wrong_mean_over_batch(mu, logvar, c):
    return terms(mu, logvar, c).sum(1).mean()


@wrong("mean-everything")
def wrong_mean_everything(mu, logvar, c):
    return terms(mu, logvar, c).mean()


@wrong("sum-everything")
def wrong_sum_everything(mu, logvar, c):
    return terms(mu, logvar, c).sum()


@wrong("not-summed")
def wrong_not_summed(mu, logvar, c):
    return terms(mu, logvar, c)


@wrong("keeps-axis")
def wrong_keepdim(mu, logvar, c):
    return terms(mu, logvar, c).sum(1, keepdim=True)


@wrong("divided-by-batch")
def wrong_divided_by_batch(mu, logvar, c):
    return terms(mu, logvar, c).sum(1) / len(mu)


@wrong("summed-over-batch-axis")
def wrong_axis(mu, logvar, c):
    return terms(mu, logvar, c).sum(0)


@wrong("no-constant")
def wrong_no_constant_and_mean(mu, logvar, c):
    return -0.5 * (logvar + (c - mu) ** 2 / logvar.exp()).sum(1).mean()


@wrong("x-ignored")
def wrong_code_for_the_mean(mu, logvar, c):
    return terms(c, logvar, c).sum(1)


@wrong("clamped", credit=0.8)
def wrong_clamped(mu, logvar, c):
    return terms(mu, logvar.clamp(-2, 2), c).sum(1)


@wrong("clamped", credit=0.8)
def wrong_clamped_at_ten(mu, logvar, c):
    return terms(mu, logvar.clamp(-10, 10), c).sum(1)


@wrong("clamped", credit=0.8)
def wrong_eps_of_the_library(mu, logvar, c):
    return -F.gaussian_nll_loss(mu, c, logvar.exp(), full=True, reduction="none").sum(1)


@wrong("clamped", credit=0.8)
def wrong_eps_beside_the_variance(mu, logvar, c):
    return -0.5 * (LOG_TWO_PI + logvar + (c - mu) ** 2 / (logvar.exp() + 1e-8)).sum(1)


@wrong("clamped", credit=0.8)
def wrong_clamped_from_above(mu, logvar, c):
    return terms(mu, logvar.clamp(max=15), c).sum(1)


@wrong("not-finite", credit=0.8)
def wrong_log_of_densities(mu, logvar, c):
    return Normal(mu, (0.5 * logvar).exp()).log_prob(c).exp().log().sum(1)


@wrong("not-finite", credit=0.8)
def wrong_log_of_product_float64(mu, logvar, c):
    return terms(mu.double(), logvar.double(), c.double()).exp().prod(1).log()


@wrong("not-finite", credit=0.8)
def wrong_determinant(mu, logvar, c):
    determinant = logvar.exp().prod(1)
    quadratic = ((c - mu) ** 2 / logvar.exp()).sum(1)
    return -0.5 * (mu.shape[1] * LOG_TWO_PI + determinant.log() + quadratic)


@wrong("detached", credit=0.6)
def wrong_no_grad(mu, logvar, c):
    with torch.no_grad():
        return terms(mu, logvar, c).sum(1)


@wrong("partly-detached", credit=0.6)
def wrong_detached_logvar(mu, logvar, c):
    return terms(mu, logvar.detach(), c).sum(1)


@wrong("partly-detached", credit=0.6)
def wrong_detached_mu(mu, logvar, c):
    return Normal(mu.detach(), (0.5 * logvar).exp()).log_prob(c).sum(1)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(mu, logvar, c):
    mu.sub_(c)
    return -0.5 * (LOG_TWO_PI + logvar + mu**2 / logvar.exp()).sum(1)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(mu, logvar, c):
    return terms(mu.float(), logvar.float(), c.float()).sum(1)


@wrong("single-example", credit=0.8)
def wrong_squeeze(mu, logvar, c):
    return terms(mu, logvar, c).sum(1).squeeze()


@wrong("returns-tuple")
def wrong_tuple(mu, logvar, c):
    return terms(mu, logvar, c).sum(1), logvar.exp()


@wrong("random-result")
def wrong_samples(mu, logvar, c):
    return terms(mu, logvar, mu + torch.randn_like(mu) * (0.5 * logvar).exp()).sum(1)


@wrong(None)
def wrong_pi_cut_off(mu, logvar, c):
    return -0.5 * (math.log(2 * 3.14) + logvar + (c - mu) ** 2 / logvar.exp()).sum(1)


@wrong(None)
def wrong_last_dimension_dropped(mu, logvar, c):
    return terms(mu, logvar, c)[:, :-1].sum(1)


@wrong(None, credit=0.6)
def wrong_extra_gradient(mu, logvar, c):
    return terms(mu, logvar, c).sum(1) + 0.1 * (mu - mu.detach()).sum(1)
