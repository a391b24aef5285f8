import math
import warnings

import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from tests.answers.bank import wrong

LOG_TWO_PI = math.log(2 * math.pi)


def quadratic(x, mu, cov):
    diff = x[:, None] - mu
    return torch.einsum("nki,kij,nkj->nk", diff, torch.linalg.inv(cov), diff)


def components(x, mu, cov):
    return -0.5 * (quadratic(x, mu, cov) + torch.logdet(cov) + x.shape[1] * LOG_TWO_PI)


def right_inverse(x, log_weights, mu, cov):
    diff = x.unsqueeze(1) - mu.unsqueeze(0)
    form = torch.einsum("nki,kij,nkj->nk", diff, torch.inverse(cov), diff)
    log_probs = -0.5 * form - 0.5 * torch.logdet(cov) - 0.5 * x.shape[1] * math.log(2 * math.pi)
    return torch.logsumexp(log_weights + log_probs, dim=1)


def right_cholesky(x, log_weights, mu, cov):
    scale = torch.linalg.cholesky(cov)
    diff = (x[:, None] - mu).unsqueeze(-1)
    white = torch.linalg.solve_triangular(scale, diff, upper=False).squeeze(-1)
    half_log_det = scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    log_probs = -0.5 * white.square().sum(-1) - half_log_det - 0.5 * x.shape[1] * LOG_TWO_PI
    return (log_weights + log_probs).logsumexp(1)


def right_multivariate(x, log_weights, mu, cov):
    return torch.logsumexp(MultivariateNormal(mu, cov).log_prob(x[:, None]) + log_weights, dim=-1)


def right_mixture_of_the_library(x, log_weights, mu, cov):
    return MixtureSameFamily(Categorical(logits=log_weights), MultivariateNormal(mu, cov)).log_prob(x)


def right_loop(x, log_weights, mu, cov):
    columns = []
    for k in range(len(mu)):
        diff = x - mu[k]
        solved = torch.linalg.solve(cov[k], diff.T).T
        log_det = torch.linalg.slogdet(cov[k])[1]
        columns.append(log_weights[k] - 0.5 * ((diff * solved).sum(1) + log_det + x.size(1) * LOG_TWO_PI))
    return torch.stack(columns, 1).logsumexp(1)


def right_logaddexp(x, log_weights, mu, cov):
    total = None
    for weight, m, c in zip(log_weights, mu, cov, strict=True):
        term = weight + MultivariateNormal(m, c).log_prob(x)
        total = term if total is None else torch.logaddexp(total, term)
    return total


def right_eigenvectors(x, log_weights, mu, cov):
    values, vectors = torch.linalg.eigh(cov)
    rotated = torch.einsum("nki,kij->nkj", x[:, None] - mu, vectors)
    log_probs = -0.5 * (rotated**2 / values + values.log() + LOG_TWO_PI).sum(-1)
    return (log_probs + log_weights).logsumexp(1)


def right_precision(x, log_weights, mu, cov):
    precision = torch.linalg.inv(cov)
    precision = (precision + precision.mT) / 2
    return (log_weights + MultivariateNormal(mu, precision_matrix=precision).log_prob(x[:, None])).logsumexp(1)


def right_cholesky_solve(x, log_weights, mu, cov):
    scale = torch.linalg.cholesky(cov)
    diff = (x[:, None] - mu).unsqueeze(-1)
    form = (diff * torch.cholesky_solve(diff, scale.expand(len(x), *scale.shape))).sum((-2, -1))
    log_det = 2 * torch.diagonal(scale, dim1=1, dim2=2).log().sum(1)
    return (log_weights - 0.5 * (form + log_det + mu.shape[1] * LOG_TWO_PI)).logsumexp(1)


def right_float64_and_noise(x, log_weights, mu, cov):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    x, log_weights, mu, cov = x.double(), log_weights.double(), mu.double(), cov.double()
    return (log_weights + components(x, mu, cov)).logsumexp(1)


def right_weights_normalised_again(x, log_weights, mu, cov):
    joint = log_weights.log_softmax(0) + components(x, mu, cov)
    top = joint.amax(1, keepdim=True)
    return top[:, 0] + (joint - top).exp().sum(1).log()


def right_points_one_by_one(x, log_weights, mu, cov):
    rows = []
    for point in x:
        diff = (point - mu).unsqueeze(-1)
        form = (diff.mT @ torch.linalg.solve(cov, diff)).flatten()
        rows.append((log_weights - 0.5 * (form + cov.logdet() + len(point) * LOG_TWO_PI)).logsumexp(0))
    return torch.stack(rows)


def right_lower_triangle_only(x, log_weights, mu, cov):
    return (log_weights + MultivariateNormal(mu, cov.tril() + cov.tril(-1).mT).log_prob(x[:, None])).logsumexp(1)


def mixed(x, log_weights, mu, form, log_det):
    return (log_weights - 0.5 * (form + log_det + x.shape[1] * LOG_TWO_PI)).logsumexp(1)


def form_of(x, mu, matrix):
    diff = x[:, None] - mu
    return torch.einsum("nki,kij,nkj->nk", diff, matrix, diff)


@wrong("no-weights")
def wrong_no_weights(x, log_weights, mu, cov):
    return components(x, mu, cov).logsumexp(1)


@wrong("no-weights")
def wrong_equal_weights(x, log_weights, mu, cov):
    return components(x, mu, cov).logsumexp(1) - math.log(len(mu))


@wrong("weights-not-logged")
def wrong_weights_not_logged(x, log_weights, mu, cov):
    return (log_weights.exp() + components(x, mu, cov)).logsumexp(1)


@wrong("log-weights-multiplied")
def wrong_log_weights_multiplied(x, log_weights, mu, cov):
    return (log_weights * components(x, mu, cov)).logsumexp(1)


@wrong("weights-subtracted")
def wrong_weights_subtracted(x, log_weights, mu, cov):
    return (components(x, mu, cov) - log_weights).logsumexp(1)


@wrong("mean-of-logs")
def wrong_mean_of_logs(x, log_weights, mu, cov):
    return (log_weights.exp() * components(x, mu, cov)).sum(1)


@wrong("sum-of-logs")
def wrong_sum_of_logs(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).sum(1)


@wrong("mean-over-components")
def wrong_mean_over_components(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).exp().mean(1).log()


@wrong("largest-only")
def wrong_largest(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).amax(1)


@wrong("no-log")
def wrong_density(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).exp().sum(1)


@wrong("log-twice")
def wrong_log_twice(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1).log()


@wrong("log-twice")
def wrong_log_of_log_weights(x, log_weights, mu, cov):
    return (log_weights.log() + components(x, mu, cov)).logsumexp(1)


@wrong("wrong-axis")
def wrong_axis(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(0)


@wrong("not-mixed")
def wrong_not_mixed(x, log_weights, mu, cov):
    return log_weights + components(x, mu, cov)


@wrong("shares")
def wrong_shares(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).log_softmax(1)


@wrong("one-component")
def wrong_first_component(x, log_weights, mu, cov):
    return MultivariateNormal(mu[0], cov[0]).log_prob(x)


@wrong("sign")
def wrong_sign(x, log_weights, mu, cov):
    return -(log_weights + components(x, mu, cov)).logsumexp(1)


@wrong("bits")
def wrong_bits(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1) / math.log(2)


@wrong("mean-over-points")
def wrong_mean(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1).mean()


@wrong("sum-over-points")
def wrong_sum(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1).sum()


@wrong("keeps-axis")
def wrong_keepdim(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1, keepdim=True)


@wrong("precision-for-covariance")
def wrong_precision(x, log_weights, mu, cov):
    return (log_weights + MultivariateNormal(mu, precision_matrix=cov).log_prob(x[:, None])).logsumexp(1)


@wrong("covariance-not-inverted")
def wrong_not_inverted(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, form_of(x, mu, cov), cov.logdet())


@wrong("diagonal-only")
def wrong_diagonal(x, log_weights, mu, cov):
    std = cov.diagonal(dim1=1, dim2=2).sqrt()
    return (log_weights + Normal(mu, std).log_prob(x[:, None]).sum(2)).logsumexp(1)


@wrong("deviation-for-variance")
def wrong_variance_as_deviation(x, log_weights, mu, cov):
    return (log_weights + Normal(mu, cov.diagonal(dim1=1, dim2=2)).log_prob(x[:, None]).sum(2)).logsumexp(1)


@wrong("covariance-as-root")
def wrong_covariance_as_root(x, log_weights, mu, cov):
    return (log_weights + MultivariateNormal(mu, cov @ cov).log_prob(x[:, None])).logsumexp(1)


@wrong("root-as-covariance")
def wrong_root_as_covariance(x, log_weights, mu, cov):
    scale = torch.linalg.cholesky(cov)
    return mixed(x, log_weights, mu, form_of(x, mu, scale.inverse()), scale.logdet())


@wrong("wrong-triangle")
def wrong_transposed_factor(x, log_weights, mu, cov):
    scale = torch.linalg.cholesky(cov)
    white = torch.linalg.solve(scale.mT, (x[:, None] - mu).unsqueeze(-1)).squeeze(-1)
    return mixed(x, log_weights, mu, white.square().sum(2), cov.logdet())


@wrong("wrong-triangle")
def wrong_factor_of_the_inverse(x, log_weights, mu, cov):
    factor = torch.linalg.cholesky(torch.linalg.inv(cov))
    white = torch.einsum("kij,nkj->nki", factor, x[:, None] - mu)
    return mixed(x, log_weights, mu, white.square().sum(2), cov.logdet())


@wrong("root-multiplied")
def wrong_factor_multiplied(x, log_weights, mu, cov):
    white = torch.einsum("kij,nkj->nki", torch.linalg.cholesky(cov), x[:, None] - mu)
    return mixed(x, log_weights, mu, white.square().sum(2), cov.logdet())


@wrong("covariance-ignored")
def wrong_unit_covariance(x, log_weights, mu, cov):
    return (log_weights + Normal(mu, 1.0).log_prob(x[:, None]).sum(2)).logsumexp(1)


@wrong("log-det-missing")
def wrong_no_log_det(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), 0.0)


@wrong("log-det-sign")
def wrong_log_det_sign(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), -cov.logdet())


@wrong("log-det-factor")
def wrong_whole_log_det(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), 2 * cov.logdet())


@wrong("log-det-factor")
def wrong_quarter_of_log_det(x, log_weights, mu, cov):
    half = torch.linalg.cholesky(cov).diagonal(dim1=1, dim2=2).log().sum(1)
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), half)


@wrong("det-not-logged")
def wrong_det(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), cov.det())


@wrong("trace-for-det")
def wrong_trace(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), cov.diagonal(dim1=1, dim2=2).sum(1).log())


@wrong("no-constant")
def wrong_no_constant(x, log_weights, mu, cov):
    return (log_weights - 0.5 * (quadratic(x, mu, cov) + cov.logdet())).logsumexp(1)


@wrong("constant-once")
def wrong_constant_once(x, log_weights, mu, cov):
    return (log_weights - 0.5 * (quadratic(x, mu, cov) + cov.logdet() + LOG_TWO_PI)).logsumexp(1)


@wrong("constant-without-half")
def wrong_constant_without_half(x, log_weights, mu, cov):
    return (log_weights - 0.5 * (quadratic(x, mu, cov) + cov.logdet()) - x.shape[1] * LOG_TWO_PI).logsumexp(1)


@wrong("constant-sign")
def wrong_constant_sign(x, log_weights, mu, cov):
    return (log_weights - 0.5 * (quadratic(x, mu, cov) + cov.logdet() - x.shape[1] * LOG_TWO_PI)).logsumexp(1)


@wrong("constant-pi")
def wrong_constant_pi(x, log_weights, mu, cov):
    constant = x.shape[1] * math.log(math.pi)
    return (log_weights - 0.5 * (quadratic(x, mu, cov) + cov.logdet() + constant)).logsumexp(1)


@wrong("half-missing")
def wrong_no_half(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, 2 * quadratic(x, mu, cov), cov.logdet())


@wrong("half-twice")
def wrong_half_twice(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov) / 2, cov.logdet())


@wrong("quadratic-sign")
def wrong_quadratic_sign(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, -quadratic(x, mu, cov), cov.logdet())


@wrong("not-squared")
def wrong_root_of_the_form(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov).sqrt(), cov.logdet())


@wrong("mean-ignored")
def wrong_mean_ignored(x, log_weights, mu, cov):
    return (log_weights + components(x, 0 * mu, cov)).logsumexp(1)


@wrong("one-covariance")
def wrong_first_covariance(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov[:1])).logsumexp(1)


@wrong("one-covariance")
def wrong_mean_covariance(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov.mean(0, keepdim=True))).logsumexp(1)


@wrong("one-mean")
def wrong_first_mean(x, log_weights, mu, cov):
    return (log_weights + components(x, mu[:1], cov)).logsumexp(1)


@wrong("mean-over-dims")
def wrong_mean_over_dims(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov) / x.shape[1]).logsumexp(1)


@wrong("not-finite", credit=0.8)
def wrong_log_of_sum(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).exp().sum(1).log()


@wrong("not-finite", credit=0.8)
def wrong_log_of_sum_float64(x, log_weights, mu, cov):
    return (log_weights.double() + components(x.double(), mu.double(), cov.double())).exp().sum(1).log()


@wrong("not-finite", credit=0.8)
def wrong_log_of_det(x, log_weights, mu, cov):
    return mixed(x, log_weights, mu, quadratic(x, mu, cov), torch.linalg.det(cov).log())


@wrong("not-finite", credit=0.8)
def wrong_one_maximum_for_all(x, log_weights, mu, cov):
    joint = log_weights + components(x, mu, cov)
    joint = torch.cat([joint, joint.new_zeros(1, joint.shape[1])])
    return (joint.max() + (joint - joint.max()).exp().sum(1).log())[:-1]


@wrong("eps-in-log", credit=0.8)
def wrong_eps(x, log_weights, mu, cov):
    return ((log_weights + components(x, mu, cov)).exp().sum(1) + 1e-30).log()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1).clamp(min=-500)


@wrong("detached", credit=0.6)
def wrong_no_grad(x, log_weights, mu, cov):
    with torch.no_grad():
        return (log_weights + components(x, mu, cov)).logsumexp(1)


@wrong("partly-detached", credit=0.6)
def wrong_detached_cov(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov.detach())).logsumexp(1)


@wrong("partly-detached", credit=0.6)
def wrong_detached_weights(x, log_weights, mu, cov):
    return (log_weights.detach() + components(x, mu, cov)).logsumexp(1)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(x, log_weights, mu, cov):
    cov += 1e-6 * torch.eye(x.shape[1], dtype=x.dtype)
    return (log_weights + components(x, mu, cov)).logsumexp(1)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1).float()


@wrong("single-example", credit=0.8)
def wrong_squeeze(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1).squeeze()


@wrong(None)
def wrong_big_jitter(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov + 0.01 * torch.eye(x.shape[1], dtype=x.dtype))).logsumexp(1)


@wrong(None, credit=0.6)
def wrong_extra_gradient(x, log_weights, mu, cov):
    return (log_weights + components(x, mu, cov)).logsumexp(1) + 0.1 * (mu - mu.detach()).sum()
