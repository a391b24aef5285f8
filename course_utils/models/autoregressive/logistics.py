"""The discretised logistic: a smooth density cut into bins, one a level, and mixtures of it that couple colours.

    P(x) = sigmoid((x + 1/(V-1) - mu) / s) - sigmoid((x - 1/(V-1) - mu) / s),    s = exp(log_scale)

for the V levels x = -1, -1 + 2/(V-1), ..., 1; the first bin reaches down to -infinity and the last up to +infinity, so
that P sums to 1. Neighbouring levels share their parameters, which a softmax over V levels must learn one by one.

A pixel of C colours is drawn from one of K components. Within a component, colours follow each other, the mean of each
linear in the earlier ones: mean_c = mu_c + sum_{c' < c} coefficient_cc' x_c'.

Source: Salimans, Karpathy, Chen & Kingma 2017 (PixelCNN++, arXiv 1701.05517), equations 2 and 3.
Shapes: images x (B, C, H, W) in [-1, 1]; raw params of a mixture (B, P, H, W), P = `num_mixture_params(C, K)`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Salimans et al. 2017 bound the log-scales so, in their code: a bin of 256 levels is then 8.6 scales wide.
MIN_LOG_SCALE = -7.0


def require_levels(x: Tensor, num_levels: int) -> None:
    """Raise a ValueError unless x holds levels -1, -1 + 2/(V-1), ..., 1 of V = num_levels, which is at least 2."""
    if num_levels < 2:
        raise ValueError(f"num_levels must be at least 2, got {num_levels}")
    levels = (x + 1) * (0.5 * (num_levels - 1))
    near = (levels - levels.round()).abs() < 0.01
    if not (near & (levels > -0.5) & (levels < num_levels - 0.5)).all():
        raise ValueError(
            f"x must hold levels -1, -1 + 2/{num_levels - 1}, ..., 1, got values from {x.min():.4g} to {x.max():.4g}"
        )


def discretized_logistic_log_prob(x: Tensor, mu: Tensor, log_scale: Tensor, num_levels: int = 256) -> Tensor:
    """Return log P(x) of each value: like x (the three tensors broadcast), in nats, at most 0.

    x holds the levels 0 ... V - 1, scaled to [-1, 1]. Salimans et al. 2017, equation 2. Exact however far x is from
    mu, and so is the gradient. Raises ValueError for x that holds no levels, and for fewer than 2 levels.
    """
    require_levels(x, num_levels)
    half_bin = 1 / (num_levels - 1)
    inverse_scale = torch.exp(-log_scale)
    lower, upper = (x - half_bin - mu) * inverse_scale, (x + half_bin - mu) * inverse_scale
    # With b - a = width, sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(-width)): a product, whose log does
    # not underflow as that of a difference of two nearly equal numbers does. An open bin lacks one of the factors.
    log_below_upper, log_above_lower = F.logsigmoid(upper), F.logsigmoid(-lower)
    inside = log_below_upper + log_above_lower + _log1mexp(math.log(2 * half_bin) - log_scale)
    return torch.where(x < half_bin - 1, log_below_upper, torch.where(x > 1 - half_bin, log_above_lower, inside))


def _log1mexp(log_width: Tensor) -> Tensor:
    """Return log(1 - exp(-width)) for width = exp(log_width), also where 1 - exp(-width) rounds badly or to 0."""
    narrow = log_width < -5
    wide = torch.where(narrow, 0.0, log_width).exp()
    width = torch.where(narrow, log_width, -5.0).exp()
    # The series' next term is width^4 / 2880 < 1e-12.
    series = log_width - width / 2 + width**2 / 24
    return torch.where(narrow, series, torch.log(-torch.expm1(-wide)))


def num_mixture_params(num_channels: int, num_components: int) -> int:
    """Return P, the params of a pixel: per component a weight, and for each colour a mean, a log-scale and the
    coefficients of the earlier colours (10 K for three colours)."""
    return num_components * (1 + 2 * num_channels + num_channels * (num_channels - 1) // 2)


def split_mixture(params: Tensor, num_channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return log_weights (B, K, H, W), mu and log_scale (B, K, C, H, W), coefficients (B, K, C (C - 1) / 2, H, W).

    log_weights are normalised over K, log-scales at least -7, and coefficients within (-1, 1); those of colour c are
    c in number and follow those of colour c - 1. Raises ValueError for params that are not (B, P, H, W).
    """
    per_component = num_mixture_params(num_channels, 1)
    if params.ndim != 4 or params.shape[1] == 0 or params.shape[1] % per_component:
        raise ValueError(
            f"params of {num_channels} channels must be (B, {per_component} K, H, W), got {tuple(params.shape)}"
        )
    weight, mu, log_scale, coefficients = params.unflatten(1, (-1, per_component)).split(
        (1, num_channels, num_channels, per_component - 1 - 2 * num_channels), dim=2
    )
    return weight.squeeze(2).log_softmax(1), mu, log_scale.clamp(min=MIN_LOG_SCALE), coefficients.tanh()


def mixture_log_prob(params: Tensor, x: Tensor, num_levels: int = 256) -> Tensor:
    """Return log p(x) of each pixel, all its colours together: (B, H, W), in nats. Salimans et al. 2017, equation 3.

    Raises ValueError for shapes that do not fit, and for x that holds no levels of [-1, 1].
    """
    if x.ndim != 4 or params.ndim != 4 or (len(params), *params.shape[2:]) != (len(x), *x.shape[2:]):
        raise ValueError(f"params must be (B, P, H, W) for x (B, C, H, W), got {tuple(params.shape)}, {tuple(x.shape)}")
    log_weights, mu, log_scale, coefficients = split_mixture(params, x.shape[1])
    means = torch.stack([_mean(mu, coefficients, x.unsqueeze(1), c) for c in range(x.shape[1])], dim=2)
    log_prob = discretized_logistic_log_prob(x.unsqueeze(1), means, log_scale, num_levels)
    return torch.logsumexp(log_weights + log_prob.sum(2), dim=1)


def _mean(mu: Tensor, coefficients: Tensor, x: Tensor, c: int) -> Tensor:
    """Return the mean of colour c given the colours before it in x, (B, 1 or K, C, H, W): (B, K, H, W)."""
    first = c * (c - 1) // 2
    return mu[:, :, c] + (coefficients[:, :, first : first + c] * x[:, :, :c]).sum(2)


@torch.no_grad()
def sample_mixture(params: Tensor, uniforms: Tensor, num_levels: int = 256) -> Tensor:
    """Return images whose pixels are drawn, independently given params: (B, C, H, W), levels in [-1, 1].

    uniforms (B, 1 + C, H, W) in [0, 1) are all the randomness; each pixel then has exactly the probabilities of
    `mixture_log_prob`, since rounding a logistic draw to the nearest level gives every level its bin.
    Raises ValueError for shapes that do not fit.
    """
    num_channels = uniforms.shape[1] - 1
    if (
        uniforms.ndim != 4
        or num_channels < 1
        or (len(params), *params.shape[2:]) != (len(uniforms), *uniforms.shape[2:])
    ):
        raise ValueError(
            f"uniforms must be (B, 1 + C, H, W) for params (B, P, H, W), got {tuple(uniforms.shape)} "
            f"and {tuple(params.shape)}"
        )
    log_weights, mu, log_scale, coefficients = split_mixture(params, num_channels)
    # Inverting the cumulative weights; the last is left out, lest rounding it below 1 leave u without a component.
    component = (uniforms[:, :1] >= log_weights.exp().cumsum(1)[:, :-1]).sum(1, keepdim=True)
    pick = component.unsqueeze(2)
    mu, log_scale, coefficients = (
        t.gather(1, pick.expand(-1, -1, *t.shape[2:])) for t in (mu, log_scale, coefficients)
    )
    noise = uniforms[:, 1:].to(mu.dtype).logit().unsqueeze(1)
    half = 0.5 * (num_levels - 1)
    x = torch.zeros_like(mu)
    for c in range(num_channels):
        draw = _mean(mu, coefficients, x, c) + log_scale[:, :, c].exp() * noise[:, :, c]
        x[:, :, c] = ((draw + 1) * half).round().clamp(0, num_levels - 1) / half - 1
    return x.squeeze(1)
