import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Independent, Laplace, MultivariateNormal, Normal

from tests.answers.bank import wrong

LOG_TWO_PI = math.log(2 * math.pi)


def right_formula(x, mu, logvar):
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


def right_precision(x, mu, logvar):
    return (-0.5 * (LOG_TWO_PI + logvar + (mu - x).square() * torch.exp(-logvar))).sum(dim=-1)


def right_distribution(x, mu, logvar):
    return Normal(mu, torch.exp(0.5 * logvar)).log_prob(x).sum(-1)


def right_independent(x, mu, logvar):
    return Independent(Normal(mu, (logvar / 2).exp(), validate_args=False), 1).log_prob(x)


def right_full_covariance(x, mu, logvar):
    return MultivariateNormal(mu, scale_tril=torch.diag_embed((0.5 * logvar).exp())).log_prob(x)


def right_library_loss(x, mu, logvar):
    return -F.gaussian_nll_loss(mu, x, logvar.exp(), full=True, eps=1e-12, reduction="none").sum(-1)


def right_standard_score(x, mu, logvar):
    score = (x - mu) / torch.exp(0.5 * logvar)
    return -0.5 * (score**2).sum(-1) - 0.5 * logvar.sum(-1) - 0.5 * mu.size(-1) * LOG_TWO_PI


def right_change_of_variables(x, mu, logvar):
    score = (x - mu) * (-0.5 * logvar).exp()
    return Normal(0.0, 1.0).log_prob(score).sum(-1) - 0.5 * logvar.sum(-1)


def right_loop(x, mu, logvar):
    total = torch.zeros_like(x[..., 0])
    for d in range(x.shape[-1]):
        distance = x[..., d] - mu[..., d]
        total = total - 0.5 * LOG_TWO_PI - 0.5 * logvar[..., d] - 0.5 * distance**2 / torch.exp(logvar[..., d])
    return total


def right_flattened_points(x, mu, logvar):
    rows = [part.reshape(-1, x.shape[-1]) for part in (x, mu, logvar)]
    return torch.stack([right_formula(*row) for row in zip(*rows, strict=True)]).reshape(x.shape[:-1])


def right_float64_and_noise(x, mu, logvar):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    x, mu, logvar = x.double(), mu.double(), logvar.double()
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


def right_log_of_variance(x, mu, logvar):
    variance = logvar.exp()
    return -(0.5 * torch.log(2 * math.pi * variance) + (x - mu) ** 2 / (2 * variance)).sum(-1)


def right_loose_clamp(x, mu, logvar):
    return Normal(mu, (0.5 * logvar.clamp(-20, 20)).exp()).log_prob(x).sum(-1)


def right_einsum(x, mu, logvar):
    quadratic = torch.einsum("...i,...i,...i->...", x - mu, x - mu, (-logvar).exp())
    return -0.5 * (quadratic + logvar.sum(-1) + mu.shape[-1] * LOG_TWO_PI)


def terms(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / logvar.exp())


@wrong("no-constant")
def wrong_no_constant(x, mu, logvar):
    return -0.5 * (logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("no-constant")
def wrong_library_loss_without_constant(x, mu, logvar):
    return -F.gaussian_nll_loss(mu, x, logvar.exp(), reduction="none").sum(-1)


@wrong("no-constant")
def wrong_no_constant_and_mean(x, mu, logvar):
    return -0.5 * (logvar + (x - mu) ** 2 / logvar.exp()).mean(-1)


@wrong("constant-once")
def wrong_constant_once(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + (logvar + (x - mu) ** 2 / logvar.exp()).sum(-1))


@wrong("constant-once")
def wrong_constant_once_without_half(x, mu, logvar):
    return -LOG_TWO_PI - 0.5 * (logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("constant-without-half")
def wrong_power_of_two_pi(x, mu, logvar):
    return (-LOG_TWO_PI - 0.5 * logvar - 0.5 * (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("constant-sign")
def wrong_constant_sign(x, mu, logvar):
    return (0.5 * LOG_TWO_PI - 0.5 * logvar - 0.5 * (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("constant-pi")
def wrong_constant_pi(x, mu, logvar):
    return -0.5 * (math.log(math.pi) + logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("constant-no-log")
def wrong_constant_no_log(x, mu, logvar):
    return -0.5 * (2 * math.pi + logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("logvar-as-logstd")
def wrong_logvar_as_logstd(x, mu, logvar):
    return Normal(mu, logvar.exp()).log_prob(x).sum(-1)


@wrong("logvar-as-std")
def wrong_logvar_as_std(x, mu, logvar):
    return (-0.5 * LOG_TWO_PI - logvar.log() - 0.5 * ((x - mu) / logvar) ** 2).sum(-1)


@wrong("logvar-as-std")
def wrong_absolute_logvar_as_std(x, mu, logvar):
    return Normal(mu, logvar.abs()).log_prob(x).sum(-1)


@wrong("logvar-as-variance")
def wrong_logvar_as_variance(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar.log() + (x - mu) ** 2 / logvar).sum(-1)


@wrong("logvar-as-variance")
def wrong_no_exp(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / logvar).sum(-1)


@wrong("std-for-variance")
def wrong_std_for_variance(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / (0.5 * logvar).exp()).sum(-1)


@wrong("log-std")
def wrong_whole_logvar(x, mu, logvar):
    return (-0.5 * LOG_TWO_PI - logvar - 0.5 * (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("log-std")
def wrong_quarter_of_logvar(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + 0.5 * logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("log-term-missing")
def wrong_no_log_term(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("log-term-sign")
def wrong_log_term_sign(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI - logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("log-term-no-log")
def wrong_std_for_its_log(x, mu, logvar):
    std = (0.5 * logvar).exp()
    return (-0.5 * LOG_TWO_PI - std - 0.5 * ((x - mu) / std) ** 2).sum(-1)


@wrong("half-missing")
def wrong_no_half(x, mu, logvar):
    return -(LOG_TWO_PI + logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("half-missing")
def wrong_no_half_of_the_square(x, mu, logvar):
    return (-0.5 * (LOG_TWO_PI + logvar) - (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("half-twice")
def wrong_half_of_the_square_twice(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / (2 * logvar.exp())).sum(-1)


@wrong("quadratic-sign")
def wrong_quadratic_sign(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar - (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong("not-squared")
def wrong_not_squared(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) / logvar.exp()).sum(-1)


@wrong("variance-multiplied")
def wrong_multiplied(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 * logvar.exp()).sum(-1)


@wrong("no-variance")
def wrong_squared_error(x, mu, logvar):
    return -((x - mu) ** 2).sum(-1)


@wrong("no-variance")
def wrong_unit_variance(x, mu, logvar):
    return Normal(mu, 1.0).log_prob(x).sum(-1)


@wrong("sum-for-difference")
def wrong_plus(x, mu, logvar):
    return terms(x, -mu, logvar).sum(-1)


@wrong("mean-ignored")
def wrong_mean_ignored(x, mu, logvar):
    return terms(x, torch.zeros_like(mu), logvar).sum(-1)


@wrong("x-ignored")
def wrong_negative_entropy(x, mu, logvar):
    return -Normal(mu, (0.5 * logvar).exp()).entropy().sum(-1)


@wrong("no-log")
def wrong_density(x, mu, logvar):
    return terms(x, mu, logvar).sum(-1).exp()


@wrong("no-log")
def wrong_sum_of_densities(x, mu, logvar):
    return terms(x, mu, logvar).exp().sum(-1)


@wrong("laplace")
def wrong_laplace(x, mu, logvar):
    return Laplace(mu, (0.5 * logvar).exp()).log_prob(x).sum(-1)


@wrong("bits")
def wrong_bits(x, mu, logvar):
    return terms(x, mu, logvar).sum(-1) / math.log(2)


@wrong("sign")
def wrong_sign(x, mu, logvar):
    return -terms(x, mu, logvar).sum(-1)


@wrong("mean-over-dims")
def wrong_mean_over_dims(x, mu, logvar):
    return terms(x, mu, logvar).mean(-1)


@wrong("mean-over-batch")
def wrong_mean_over_batch(x, mu, logvar):
    return terms(x, mu, logvar).sum(-1).mean()


@wrong("mean-everything")
def wrong_mean_everything(x, mu, logvar):
    return terms(x, mu, logvar).mean()


@wrong("sum-everything")
def wrong_sum_everything(x, mu, logvar):
    return terms(x, mu, logvar).sum()


@wrong("not-summed")
def wrong_not_summed(x, mu, logvar):
    return terms(x, mu, logvar)


@wrong("keeps-axis")
def wrong_keepdim(x, mu, logvar):
    return terms(x, mu, logvar).sum(-1, keepdim=True)


@wrong("divided-by-batch")
def wrong_divided_by_batch(x, mu, logvar):
    return terms(x, mu, logvar).sum(-1) / len(mu)


@wrong("first-axis")
def wrong_axis(x, mu, logvar):
    return terms(x, mu, logvar).sum(0)


@wrong("all-but-first")
def wrong_sum_of_all_but_the_first(x, mu, logvar):
    values = terms(x, mu, logvar)
    return values.reshape(len(values), -1).sum(1)


@wrong("one-layout-only")
def wrong_axis_one(x, mu, logvar):
    return terms(x, mu, logvar).sum(1)


@wrong("one-layout-only")
def wrong_unpacks_two_axes(x, mu, logvar):
    _, dims = x.shape
    return -0.5 * (dims * LOG_TWO_PI + (logvar + (x - mu) ** 2 / logvar.exp()).sum(-1))


@wrong("clamped", credit=0.8)
def wrong_clamped(x, mu, logvar):
    return terms(x, mu, logvar.clamp(-2, 2)).sum(-1)


@wrong("clamped", credit=0.8)
def wrong_eps_of_the_library(x, mu, logvar):
    return -F.gaussian_nll_loss(mu, x, logvar.exp(), full=True, reduction="none").sum(-1)


@wrong("clamped", credit=0.8)
def wrong_eps_beside_the_variance(x, mu, logvar):
    return -0.5 * (LOG_TWO_PI + logvar + (x - mu) ** 2 / (logvar.exp() + 1e-8)).sum(-1)


@wrong("not-finite", credit=0.8)
def wrong_log_of_densities(x, mu, logvar):
    return Normal(mu, (0.5 * logvar).exp()).log_prob(x).exp().log().sum(-1)


@wrong("not-finite", credit=0.8)
def wrong_log_of_product_float64(x, mu, logvar):
    return terms(x.double(), mu.double(), logvar.double()).exp().prod(-1).log()


@wrong("not-finite", credit=0.8)
def wrong_determinant(x, mu, logvar):
    determinant = logvar.exp().prod(-1)
    quadratic = ((x - mu) ** 2 / logvar.exp()).sum(-1)
    return -0.5 * (mu.shape[-1] * LOG_TWO_PI + determinant.log() + quadratic)


@wrong("detached", credit=0.6)
def wrong_no_grad(x, mu, logvar):
    with torch.no_grad():
        return terms(x, mu, logvar).sum(-1)


@wrong("partly-detached", credit=0.6)
def wrong_detached_logvar(x, mu, logvar):
    return terms(x, mu, logvar.detach()).sum(-1)


@wrong("partly-detached", credit=0.6)
def wrong_detached_x(x, mu, logvar):
    return terms(x.detach(), mu, logvar).sum(-1)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(x, mu, logvar):
    x.sub_(mu)
    return -0.5 * (LOG_TWO_PI + logvar + x**2 / logvar.exp()).sum(-1)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(x, mu, logvar):
    return terms(x.float(), mu.float(), logvar.float()).sum(-1)


@wrong("single-example", credit=0.8)
def wrong_squeeze(x, mu, logvar):
    value = terms(x, mu, logvar).sum(-1)
    return value.squeeze() if value.shape == (1,) else value


@wrong("returns-tuple")
def wrong_tuple(x, mu, logvar):
    return terms(x, mu, logvar).sum(-1), logvar.exp()


@wrong("random-result")
def wrong_samples(x, mu, logvar):
    return terms(mu + torch.randn_like(mu) * (0.5 * logvar).exp(), mu, logvar).sum(-1)


@wrong(None)
def wrong_pi_cut_off(x, mu, logvar):
    return -0.5 * (math.log(2 * 3.14) + logvar + (x - mu) ** 2 / logvar.exp()).sum(-1)


@wrong(None)
def wrong_last_dimension_dropped(x, mu, logvar):
    return terms(x, mu, logvar)[..., :-1].sum(-1)
