import math
import warnings

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from tests.answers.bank import wrong

LOG_TWO_PI = math.log(2 * math.pi)


def kernels(x, data, bandwidth):
    squares = (x[:, None] - data[None]).square().sum(-1)
    return -0.5 * squares / bandwidth**2 - data.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))


def right_formula(x, data, bandwidth):
    squares = ((x.unsqueeze(1) - data.unsqueeze(0)) ** 2).sum(2)
    log_norm = 0.5 * x.shape[1] * math.log(2 * math.pi * float(bandwidth) ** 2)
    return torch.logsumexp(-squares / (2 * bandwidth**2), 1) - log_norm - math.log(len(data))


def right_normal(x, data, bandwidth):
    log_probs = Normal(data, bandwidth).log_prob(x[:, None]).sum(-1)
    return log_probs.logsumexp(1) - math.log(data.size(0))


def right_mixture_of_the_library(x, data, bandwidth):
    kernel = Independent(Normal(data, torch.full_like(data, float(bandwidth))), 1)
    weights = Categorical(logits=torch.zeros_like(data[:, 0]))
    return MixtureSameFamily(weights, kernel).log_prob(x)


def right_multivariate(x, data, bandwidth):
    cov = torch.eye(x.shape[1], dtype=x.dtype, device=x.device) * bandwidth**2
    return MultivariateNormal(data, cov).log_prob(x[:, None]).logsumexp(1) - math.log(len(data))


def right_loop_over_data(x, data, bandwidth):
    total = None
    for point in data:
        score = (x - point) / bandwidth
        log_kernel = -0.5 * (score**2).sum(1) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))
        total = log_kernel if total is None else torch.logaddexp(total, log_kernel)
    return total - math.log(len(data))


def right_loop_over_queries(x, data, bandwidth):
    h = torch.as_tensor(bandwidth, dtype=x.dtype)
    rows = []
    for point in x:
        log_kernel = -((point - data) ** 2).sum(1) / (2 * h**2) - data.shape[1] * torch.log(h * math.sqrt(2 * math.pi))
        rows.append(torch.logsumexp(log_kernel, 0) - math.log(data.shape[0]))
    return torch.stack(rows)


def right_largest_first(x, data, bandwidth):
    log_kernel = kernels(x, data, bandwidth)
    top = log_kernel.max(1, keepdim=True).values
    return (top + (log_kernel - top).exp().mean(1, keepdim=True).log()).squeeze(1)


def right_scaled_first(x, data, bandwidth):
    squares = (x[:, None] / bandwidth - data / bandwidth).pow(2).sum(-1)
    h = float(bandwidth)
    return (-0.5 * squares - math.log(len(data))).logsumexp(-1) - data.size(1) * math.log(h * (2 * math.pi) ** 0.5)


def right_einsum(x, data, bandwidth):
    diff = x[:, None] - data
    exponent = -torch.einsum("nmd,nmd->nm", diff, diff) / (2 * bandwidth**2)
    return exponent.logsumexp(1) - math.log(len(data)) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))


def right_float64_and_noise(x, data, bandwidth):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return kernels(x.double(), data.double(), float(bandwidth)).logsumexp(1) - math.log(len(data))


def right_library_norm(x, data, bandwidth):
    distance = torch.linalg.vector_norm(x[:, None] - data, dim=2)
    exponent = -0.5 * (distance / bandwidth) ** 2
    return exponent.logsumexp(1) - math.log(len(data)) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))


def right_exact_cdist(x, data, bandwidth):
    distance = torch.cdist(x, data, compute_mode="donot_use_mm_for_euclid_dist")
    exponent = -0.5 * (distance / bandwidth) ** 2
    return exponent.logsumexp(1) - math.log(len(data)) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))


def right_vmap(x, data, bandwidth):
    def one(point):
        return (-0.5 * ((point - data) / bandwidth).square().sum(1)).logsumexp(0)

    constant = x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth)) + math.log(len(data))
    return torch.vmap(one)(x) - constant


def exponents(x, data, bandwidth):
    return -0.5 * (x[:, None] - data).square().sum(-1) / bandwidth**2


@wrong("no-log-m")
def wrong_no_log_m(x, data, bandwidth):
    return kernels(x, data, bandwidth).logsumexp(1)


@wrong("log-m-added")
def wrong_log_m_added(x, data, bandwidth):
    return kernels(x, data, bandwidth).logsumexp(1) + math.log(len(data))


@wrong("log-of-queries")
def wrong_log_n(x, data, bandwidth):
    return kernels(x, data, bandwidth).logsumexp(1) - math.log(len(x))


@wrong("divided-by-m")
def wrong_divided_by_m(x, data, bandwidth):
    return kernels(x, data, bandwidth).logsumexp(1) / len(data)


@wrong("mean-of-logs")
def wrong_mean_of_logs(x, data, bandwidth):
    return kernels(x, data, bandwidth).mean(1)


@wrong("sum-of-logs")
def wrong_sum_of_logs(x, data, bandwidth):
    return Normal(data, bandwidth).log_prob(x[:, None]).sum((1, 2))


@wrong("nearest-only")
def wrong_nearest(x, data, bandwidth):
    return kernels(x, data, bandwidth).amax(1) - math.log(len(data))


@wrong("no-log")
def wrong_density(x, data, bandwidth):
    return kernels(x, data, bandwidth).exp().mean(1)


@wrong("no-log")
def wrong_sum_of_densities(x, data, bandwidth):
    return kernels(x, data, bandwidth).exp().sum(1)


@wrong("wrong-axis")
def wrong_axis(x, data, bandwidth):
    return kernels(x, data, bandwidth).logsumexp(0) - math.log(len(data))


@wrong("not-averaged")
def wrong_not_averaged(x, data, bandwidth):
    return kernels(x, data, bandwidth)


@wrong("per-dimension")
def wrong_product_of_dimensions(x, data, bandwidth):
    log_probs = Normal(data, bandwidth).log_prob(x[:, None])
    return (log_probs.logsumexp(1) - math.log(len(data))).sum(1)


@wrong("sign")
def wrong_sign(x, data, bandwidth):
    return math.log(len(data)) - kernels(x, data, bandwidth).logsumexp(1)


@wrong("bits")
def wrong_bits(x, data, bandwidth):
    return (kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))) / math.log(2)


@wrong("mean-over-queries")
def wrong_mean(x, data, bandwidth):
    return (kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))).mean()


@wrong("sum-over-queries")
def wrong_sum(x, data, bandwidth):
    return (kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))).sum()


@wrong("keeps-axis")
def wrong_keepdim(x, data, bandwidth):
    return kernels(x, data, bandwidth).logsumexp(1, keepdim=True) - math.log(len(data))


@wrong("no-normaliser")
def wrong_no_normaliser(x, data, bandwidth):
    return exponents(x, data, bandwidth).logsumexp(1) - math.log(len(data))


@wrong("no-normaliser")
def wrong_mean_of_unnormalised_kernels(x, data, bandwidth):
    return exponents(x, data, bandwidth).exp().mean(1).log()


@wrong("normaliser-once")
def wrong_normaliser_of_one_dimension(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - 0.5 * LOG_TWO_PI - math.log(bandwidth)
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("normaliser-once")
def wrong_log_bandwidth_once(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - 0.5 * x.shape[1] * LOG_TWO_PI - math.log(bandwidth)
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("no-bandwidth-in-normaliser")
def wrong_no_bandwidth_in_the_normaliser(x, data, bandwidth):
    return (exponents(x, data, bandwidth) - 0.5 * x.shape[1] * LOG_TWO_PI).logsumexp(1) - math.log(len(data))


@wrong("no-constant")
def wrong_no_constant(x, data, bandwidth):
    return (exponents(x, data, bandwidth) - x.shape[1] * math.log(bandwidth)).logsumexp(1) - math.log(len(data))


@wrong("constant-without-half")
def wrong_power_of_two_pi(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - x.shape[1] * (LOG_TWO_PI + math.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("constant-sign")
def wrong_constant_sign(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) + x.shape[1] * (0.5 * LOG_TWO_PI - math.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("constant-pi")
def wrong_constant_pi(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - x.shape[1] * (0.5 * math.log(math.pi) + math.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("log-bandwidth-sign")
def wrong_log_bandwidth_sign(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - x.shape[1] * (0.5 * LOG_TWO_PI - math.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("log-bandwidth-factor")
def wrong_log_of_squared_bandwidth(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth**2))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("bandwidth-as-variance")
def wrong_bandwidth_as_variance(x, data, bandwidth):
    return Normal(data, math.sqrt(bandwidth)).log_prob(x[:, None]).sum(2).logsumexp(1) - math.log(len(data))


@wrong("half-missing")
def wrong_no_half(x, data, bandwidth):
    log_kernel = 2 * exponents(x, data, bandwidth) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("exponent-sign")
def wrong_exponent_sign(x, data, bandwidth):
    log_kernel = -exponents(x, data, bandwidth) - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("not-squared")
def wrong_distance_not_squared(x, data, bandwidth):
    exponent = -0.5 * torch.cdist(x, data) / bandwidth**2
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("bandwidth-not-squared")
def wrong_bandwidth_not_squared(x, data, bandwidth):
    exponent = bandwidth * exponents(x, data, bandwidth)
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("bandwidth-multiplied")
def wrong_multiplied(x, data, bandwidth):
    exponent = -0.5 * (x[:, None] - data).square().sum(2) * bandwidth**2
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("bandwidth-ignored")
def wrong_unit_bandwidth(x, data, bandwidth):
    return kernels(x, data, 1.0).logsumexp(1) - math.log(len(data))


@wrong("mean-over-dims")
def wrong_mean_over_dims(x, data, bandwidth):
    exponent = exponents(x, data, bandwidth) / x.shape[1]
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("absolute-distance")
def wrong_absolute(x, data, bandwidth):
    exponent = -(x[:, None] - data).abs().sum(2) / bandwidth
    return (exponent - x.shape[1] * math.log(2 * bandwidth)).logsumexp(1) - math.log(len(data))


@wrong("leave-one-out")
def wrong_leaves_one_out(x, data, bandwidth):
    log_kernel = kernels(x, data, bandwidth)
    log_kernel = log_kernel.masked_fill((x[:, None] == data).all(2), -torch.inf)
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("tensor-bandwidth")
def wrong_log_of_a_number(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - x.shape[1] * (0.5 * LOG_TWO_PI + torch.log(bandwidth))
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("tensor-bandwidth")
def wrong_method_of_a_number(x, data, bandwidth):
    log_kernel = exponents(x, data, bandwidth) - x.shape[1] * (0.5 * LOG_TWO_PI + bandwidth.log())
    return log_kernel.logsumexp(1) - math.log(len(data))


@wrong("distance-root", credit=0.6)
def wrong_root(x, data, bandwidth):
    distance = (x[:, None] - data).square().sum(2).sqrt()
    exponent = -0.5 * (distance / bandwidth) ** 2
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("not-finite", credit=0.8)
def wrong_mean_of_kernels(x, data, bandwidth):
    return kernels(x, data, bandwidth).exp().mean(1).log()


@wrong("not-finite", credit=0.8)
def wrong_mean_of_kernels_float64(x, data, bandwidth):
    return kernels(x.double(), data.double(), float(bandwidth)).exp().mean(1).log()


@wrong("eps-in-log", credit=0.8)
def wrong_eps(x, data, bandwidth):
    return (kernels(x.double(), data.double(), float(bandwidth)).exp().mean(1) + 1e-12).log()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped(x, data, bandwidth):
    return (kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))).clamp(min=-100)


@wrong("not-finite", credit=0.8)
def wrong_one_maximum_for_all(x, data, bandwidth):
    log_kernel = kernels(x, data, bandwidth)
    return log_kernel.max() + (log_kernel - log_kernel.max()).exp().mean(1).log()


@wrong("precision", credit=0.8)
def wrong_matrix_product(x, data, bandwidth):
    squares = (x**2).sum(1, keepdim=True) - 2 * x @ data.T + (data**2).sum(1)
    exponent = -0.5 * squares / bandwidth**2
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("precision", credit=0.8)
def wrong_fast_cdist(x, data, bandwidth):
    exponent = -0.5 * (torch.cdist(x, data, compute_mode="use_mm_for_euclid_dist_if_necessary") / bandwidth) ** 2
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong(None, credit=0.8)
def wrong_normaliser_as_a_number(x, data, bandwidth):
    normaliser = (2 * math.pi * float(bandwidth) ** 2) ** (x.shape[1] / 2)
    return exponents(x, data, bandwidth).logsumexp(1) - math.log(normaliser) - math.log(len(data))


@wrong("detached", credit=0.6)
def wrong_no_grad(x, data, bandwidth):
    return (kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))).detach()


@wrong("partly-detached", credit=0.6)
def wrong_detached_data(x, data, bandwidth):
    return kernels(x, data.detach(), bandwidth).logsumexp(1) - math.log(len(data))


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(x, data, bandwidth):
    x.div_(bandwidth)
    exponent = -0.5 * (x[:, None] - data / bandwidth).square().sum(2)
    return (exponent - x.shape[1] * (0.5 * LOG_TWO_PI + math.log(bandwidth))).logsumexp(1) - math.log(len(data))


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(x, data, bandwidth):
    return kernels(x.float(), data.float(), bandwidth).logsumexp(1) - math.log(len(data))


@wrong("single-example", credit=0.8)
def wrong_squeeze(x, data, bandwidth):
    return (kernels(x, data, bandwidth).logsumexp(1) - math.log(len(data))).squeeze()


@wrong(None)
def wrong_last_point_dropped(x, data, bandwidth):
    return kernels(x, data, bandwidth)[:, 1:].logsumexp(1) - math.log(len(data))
