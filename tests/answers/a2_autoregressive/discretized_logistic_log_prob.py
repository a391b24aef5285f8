import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal, SigmoidTransform, TransformedDistribution, Uniform

from tests.answers.bank import wrong


def right_pixelcnn_pp(x, mu, log_scale, num_levels=256):
    centered_x = x - mu
    inv_stdv = torch.exp(-log_scale)
    plus_in = inv_stdv * (centered_x + 1.0 / (num_levels - 1))
    cdf_plus = torch.sigmoid(plus_in)
    min_in = inv_stdv * (centered_x - 1.0 / (num_levels - 1))
    cdf_min = torch.sigmoid(min_in)
    log_cdf_plus = plus_in - F.softplus(plus_in)
    log_one_minus_cdf_min = -F.softplus(min_in)
    cdf_delta = cdf_plus - cdf_min
    mid_in = inv_stdv * centered_x
    log_pdf_mid = mid_in - log_scale - 2.0 * F.softplus(mid_in)
    inner = torch.where(
        cdf_delta > 1e-5, torch.log(torch.clamp(cdf_delta, min=1e-12)), log_pdf_mid - np.log((num_levels - 1) / 2)
    )
    return torch.where(x < -0.999, log_cdf_plus, torch.where(x > 0.999, log_one_minus_cdf_min, inner))


def right_masks_of_numbers(x, mu, log_scale, num_levels=256):
    # As in several ports: masks instead of where.
    centered = x - mu
    inv = torch.exp(-log_scale)
    upper = inv * (centered + 1 / (num_levels - 1))
    lower = inv * (centered - 1 / (num_levels - 1))
    delta = torch.sigmoid(upper) - torch.sigmoid(lower)
    mid = inv * centered
    fallback = mid - log_scale - 2 * F.softplus(mid) - math.log((num_levels - 1) / 2)
    is_large = (delta > 1e-5).to(x.dtype)
    inside = is_large * torch.log(delta.clamp(min=1e-12)) + (1 - is_large) * fallback
    first, last = (x < -0.999).to(x.dtype), (x > 0.999).to(x.dtype)
    out = last * -F.softplus(lower) + (1 - last) * inside
    return first * (upper - F.softplus(upper)) + (1 - first) * out


def right_clamped_difference(x, mu, log_scale, num_levels=256):
    scale = log_scale.exp()
    half = 1 / (num_levels - 1)
    upper = torch.where(x >= 1 - half / 2, torch.ones_like(x), torch.sigmoid((x + half - mu) / scale))
    lower = torch.where(x <= -1 + half / 2, torch.zeros_like(x), torch.sigmoid((x - half - mu) / scale))
    return torch.log((upper - lower).clamp(min=1e-12))


def right_infinite_edges(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    left = torch.where(x < -1 + half, -1e4, x - half)
    right = torch.where(x > 1 - half, 1e4, x + half)
    cdf = [torch.sigmoid((edge - mu) * torch.exp(-log_scale)) for edge in (left, right)]
    return torch.log(cdf[1] - cdf[0] + 1e-12)


def right_product_form(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    z_low, z_high = (x - half - mu) / log_scale.exp(), (x + half - mu) / log_scale.exp()
    log_width = torch.log(-torch.expm1(z_low - z_high))
    inside = F.logsigmoid(z_high) + F.logsigmoid(-z_low) + log_width
    out = torch.where(x < half - 1, F.logsigmoid(z_high), inside)
    return torch.where(x > 1 - half, F.logsigmoid(-z_low), out)


def right_float64(x, mu, log_scale, num_levels=256):
    x, mu, log_scale = x.double(), mu.double(), log_scale.double()
    half = 1 / (num_levels - 1)
    upper = torch.sigmoid((x + half - mu) / torch.exp(log_scale))
    lower = torch.sigmoid((x - half - mu) / torch.exp(log_scale))
    upper = upper.masked_fill(x > 1 - half, 1.0)
    lower = lower.masked_fill(x < half - 1, 0.0)
    return (upper - lower).log()


def right_table_of_levels(x, mu, log_scale, num_levels=256):
    # The log-probabilities of all levels as differences along a table of edges, then the one of x.
    edges = torch.linspace(-1, 1, num_levels, dtype=torch.float64)[:-1] + 1 / (num_levels - 1)
    z = (edges - mu.unsqueeze(-1).double()) / log_scale.unsqueeze(-1).double().exp()
    cdf = F.pad(F.pad(torch.sigmoid(z), (1, 0), value=0.0), (0, 1), value=1.0)
    level = ((x + 1) / 2 * (num_levels - 1)).round().long()
    return cdf.diff(dim=-1).clamp(min=1e-30).gather(-1, level.unsqueeze(-1)).squeeze(-1).log()


def right_logsumexp(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    upper, lower = [((x + side * half - mu) * torch.exp(-log_scale)).double() for side in (1, -1)]
    a, b = F.logsigmoid(upper), F.logsigmoid(lower)
    inside = a + torch.log1p(-torch.exp((b - a).clamp(max=-1e-12)))
    return torch.where((x + 1).abs() < half, a, torch.where((x - 1).abs() < half, F.logsigmoid(-lower), inside))


def right_tanh(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    half_inverse = 0.5 * torch.exp(-log_scale)
    upper = torch.tanh((x + half - mu) * half_inverse)
    lower = torch.tanh((x - half - mu) * half_inverse)
    p = 0.5 * (torch.where(x > 1 - half, 1.0, upper) - torch.where(x < half - 1, -1.0, lower))
    return p.clamp_min(1e-14).log()


def right_distribution(x, mu, log_scale, num_levels=256):
    base = Uniform(torch.zeros_like(mu), torch.ones_like(mu))
    scale = torch.exp(log_scale)
    logistic = TransformedDistribution(
        base, [SigmoidTransform().inv, torch.distributions.AffineTransform(mu, scale)], validate_args=False
    )
    half = 1 / (num_levels - 1)
    upper = torch.where(x > 1 - half, torch.ones_like(x), logistic.cdf(x + half))
    lower = torch.where(x < half - 1, torch.zeros_like(x), logistic.cdf(x - half))
    return torch.log(torch.clamp(upper - lower, min=1e-15))


# One place for every mistake.


def cdf_form(x, mu, log_scale, num_levels=256, half=None, scale=None, cdf=torch.sigmoid, first=None, last=None):
    half = 1 / (num_levels - 1) if half is None else half
    scale = torch.exp(log_scale) if scale is None else scale
    first = x < -0.999 if first is None else first
    last = x > 0.999 if last is None else last
    upper, lower = cdf((x + half - mu) / scale), cdf((x - half - mu) / scale)
    upper = torch.where(last, torch.ones_like(upper), upper)
    lower = torch.where(first, torch.zeros_like(lower), lower)
    return torch.log((upper - lower).clamp(min=1e-12))


def never(x):
    return torch.zeros_like(x, dtype=torch.bool)


@wrong("edges-closed")
def wrong_edges_closed(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, first=never(x), last=never(x))


@wrong("first-bin-closed")
def wrong_first_closed(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, first=never(x))


@wrong("last-bin-closed")
def wrong_last_closed(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, last=never(x))


@wrong("edges-swapped")
def wrong_edges_swapped(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    upper, lower = (x + half - mu) / log_scale.exp(), (x - half - mu) / log_scale.exp()
    inside = torch.log((upper.sigmoid() - lower.sigmoid()).clamp(min=1e-12))
    return torch.where(x < -0.999, -F.softplus(lower), torch.where(x > 0.999, -F.softplus(-upper), inside))


@wrong("density")
def wrong_density(x, mu, log_scale, num_levels=256):
    z = (x - mu) / log_scale.exp()
    return -z - 2 * F.softplus(-z) - log_scale


@wrong("density-times-width")
def wrong_density_times_width(x, mu, log_scale, num_levels=256):
    return wrong_density(x, mu, log_scale) + math.log(2 / (num_levels - 1))


@wrong("density-times-width")
def wrong_density_times_width_inside(x, mu, log_scale, num_levels=256):
    inside = wrong_density_times_width(x, mu, log_scale, num_levels)
    return torch.where(x.abs() > 0.999, right_product_form(x, mu, log_scale, num_levels), inside)


@wrong("half-bin-of-v")
def wrong_half_bin_of_v(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, half=1 / num_levels)


@wrong("bin-twice-too-wide")
def wrong_twice_too_wide(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, half=2 / (num_levels - 1))


@wrong("bin-half-as-wide")
def wrong_half_as_wide(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, half=0.5 / (num_levels - 1))


@wrong("bin-of-one-level")
def wrong_bin_of_one_level(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, half=0.5)


@wrong("one-sided-bin")
def wrong_one_sided(x, mu, log_scale, num_levels=256):
    scale = log_scale.exp()
    upper = torch.where(x > 0.999, torch.ones_like(x), torch.sigmoid((x + 2 / (num_levels - 1) - mu) / scale))
    lower = torch.where(x < -0.999, torch.zeros_like(x), torch.sigmoid((x - mu) / scale))
    return torch.log((upper - lower).clamp(min=1e-12))


@wrong("one-sided-bin")
def wrong_left_half(x, mu, log_scale, num_levels=256):
    scale = log_scale.exp()
    upper = torch.where(x > 0.999, torch.ones_like(x), torch.sigmoid((x - mu) / scale))
    lower = torch.where(x < -0.999, torch.zeros_like(x), torch.sigmoid((x - 1 / (num_levels - 1) - mu) / scale))
    return torch.log((upper - lower).clamp(min=1e-12))


@wrong("num-levels-ignored")
def wrong_always_256(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu, log_scale, 256)


@wrong("num-levels-ignored", credit=0.8)
def wrong_width_of_256(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    upper, lower = ((x + side * half - mu) / log_scale.exp() for side in (1, -1))
    delta = upper.sigmoid() - lower.sigmoid()
    fallback = wrong_density(x, mu, log_scale) - math.log(127.5)
    inside = torch.where(delta > 1e-5, delta.clamp(min=1e-12).log(), fallback)
    return torch.where(x < -0.999, F.logsigmoid(upper), torch.where(x > 0.999, F.logsigmoid(-lower), inside))


@wrong("log-scale-not-exponentiated")
def wrong_scale_not_exponentiated(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, scale=log_scale)


@wrong("log-scale-not-exponentiated")
def wrong_scale_not_exponentiated_unclamped(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    upper, lower = (torch.sigmoid((x + side * half - mu) / log_scale) for side in (1, -1))
    upper, lower = torch.where(x > 0.999, 1.0, upper), torch.where(x < -0.999, 0.0, lower)
    return torch.log(upper - lower)


@wrong("scale-inverted")
def wrong_scale_inverted(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, scale=torch.exp(-log_scale))


@wrong("log-scale-as-logvar")
def wrong_scale_of_logvar(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, scale=torch.exp(0.5 * log_scale))


@wrong("scale-missing")
def wrong_scale_missing(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, scale=torch.ones_like(mu))


@wrong("softplus-scale")
def wrong_softplus(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, scale=F.softplus(log_scale))


@wrong("mu-sign")
def wrong_mu_sign(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, -mu, log_scale, num_levels)


@wrong("mu-missing")
def wrong_mu_missing(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, torch.zeros_like(mu), log_scale, num_levels)


@wrong("assumes-unit-range")
def wrong_unit_range(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(2 * x - 1, mu, log_scale, num_levels)


@wrong("assumes-levels")
def wrong_levels(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(2 * x / (num_levels - 1) - 1, mu, log_scale, num_levels)


@wrong("normal-cdf")
def wrong_normal(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels, cdf=Normal(0.0, 1.0).cdf)


@wrong("only-upper-edge")
def wrong_only_upper(x, mu, log_scale, num_levels=256):
    return F.logsigmoid((x + 1 / (num_levels - 1) - mu) / log_scale.exp())


@wrong("sign")
def wrong_sign(x, mu, log_scale, num_levels=256):
    return -right_pixelcnn_pp(x, mu, log_scale, num_levels)


@wrong("bits")
def wrong_bits(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu, log_scale, num_levels) / math.log(2)


@wrong("no-log")
def wrong_no_log(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels).exp()


@wrong("summed")
def wrong_summed(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu, log_scale, num_levels).flatten(1).sum(1)


@wrong("summed")
def wrong_summed_over_channels(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu, log_scale, num_levels).sum(1)


@wrong("summed")
def wrong_loss(x, mu, log_scale, num_levels=256):
    return -right_pixelcnn_pp(x, mu, log_scale, num_levels).mean()


@wrong("clamped-scale")
def wrong_clamped_scale(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu, log_scale.clamp(min=-3), num_levels)


@wrong("rounds-to-zero", credit=0.8)
def wrong_computes_in_float32(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    upper, lower = (torch.sigmoid(((x + side * half - mu) / log_scale.exp()).float()) for side in (1, -1))
    upper, lower = torch.where(x > 0.999, 1.0, upper), torch.where(x < -0.999, 0.0, lower)
    return torch.log(upper - lower).to(x.dtype)


@wrong("eps-in-log", credit=0.8)
def wrong_eps(x, mu, log_scale, num_levels=256):
    return torch.log(cdf_form(x, mu, log_scale, num_levels).exp() + 1e-7)


@wrong("eps-in-log", credit=0.8)
def wrong_clamp(x, mu, log_scale, num_levels=256):
    return cdf_form(x, mu, log_scale, num_levels).clamp(min=math.log(1e-5))


@wrong("edge-gradient", credit=0.8)
def wrong_edge_gradient(x, mu, log_scale, num_levels=256):
    half = 1 / (num_levels - 1)
    upper, lower = ((x + side * half - mu) / log_scale.exp() for side in (1, -1))
    inside = torch.log(upper.sigmoid() - lower.sigmoid())
    return torch.where(x < -0.999, F.logsigmoid(upper), torch.where(x > 0.999, F.logsigmoid(-lower), inside))


@wrong("detached", credit=0.6)
def wrong_detached(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu.detach(), log_scale.detach(), num_levels)


@wrong("partly-detached", credit=0.6)
def wrong_scale_detached(x, mu, log_scale, num_levels=256):
    return right_pixelcnn_pp(x, mu, log_scale.data, num_levels)


@wrong("wrong-default", credit=0.8)
def wrong_default(x, mu, log_scale, num_levels=255):
    return right_pixelcnn_pp(x, mu, log_scale, num_levels)


@wrong("wrong-arguments")
def wrong_arguments(x, mu, log_scale):
    return right_pixelcnn_pp(x, mu, log_scale)


@wrong("changes-arguments", credit=0.8)
def wrong_changes_x(x, mu, log_scale, num_levels=256):
    out = right_pixelcnn_pp(x, mu, log_scale, num_levels)
    x.mul_(0.5).add_(0.5)
    return out


@wrong("fixed-dtype", credit=0.7)
def wrong_float(x, mu, log_scale, num_levels=256):
    return right_product_form(x.float(), mu.float(), log_scale.float(), num_levels)


@wrong("returns-nothing")
def wrong_no_return(x, mu, log_scale, num_levels=256):
    right_pixelcnn_pp(x, mu, log_scale, num_levels)


@wrong(None)
def wrong_mixed_with_uniform(x, mu, log_scale, num_levels=256):
    p = cdf_form(x, mu, log_scale, num_levels).exp()
    return torch.log(0.9 * p + 0.1 / num_levels)
