import warnings

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers.bank import wrong


def right_formula(x, style_scale, style_bias, eps=1e-5):
    mean = x.mean((2, 3), keepdim=True)
    var = ((x - mean) ** 2).mean((2, 3), keepdim=True)
    return style_scale[:, :, None, None] * (x - mean) / torch.sqrt(var + eps) + style_bias[:, :, None, None]


def right_unbiased_beside(x, style_scale, style_bias, eps=1e-5):
    mean, std = x.mean(dim=[2, 3], keepdim=True), x.std(dim=[2, 3], keepdim=True)
    return style_scale[..., None, None] * (x - mean) / (std + eps) + style_bias[..., None, None]


def right_unbiased_under_the_root(x, style_scale, style_bias, eps=1e-5):
    var, mean = torch.var_mean(x, (2, 3), keepdim=True)
    normal = (x - mean) * torch.rsqrt(var + eps)
    return normal * style_scale.unsqueeze(-1).unsqueeze(-1) + style_bias.unsqueeze(-1).unsqueeze(-1)


def right_biased_beside(x, style_scale, style_bias, eps=1e-5):
    batch, channels = x.shape[:2]
    mean = x.mean((-1, -2)).view(batch, channels, 1, 1)
    std = x.var((-1, -2), unbiased=False).sqrt().view(batch, channels, 1, 1)
    return (x - mean) / (std + eps) * style_scale.view(batch, channels, 1, 1) + style_bias.view(batch, channels, 1, 1)


def right_instance_norm(x, style_scale, style_bias, eps=1e-5):
    return F.instance_norm(x, eps=float(eps)) * style_scale[:, :, None, None] + style_bias[:, :, None, None]


def right_layer(x, style_scale, style_bias, eps=1e-5):
    layer = nn.InstanceNorm2d(x.shape[1], eps=float(eps))
    return style_scale[:, :, None, None] * layer(x) + style_bias[:, :, None, None]


def right_layer_norm_over_pixels(x, style_scale, style_bias, eps=1e-5):
    normal = F.layer_norm(x, x.shape[2:], eps=float(eps))
    return torch.einsum("bc,bchw->bchw", style_scale, normal) + style_bias[:, :, None, None]


def right_group_norm(x, style_scale, style_bias, eps=1e-5):
    normal = F.group_norm(x, x.shape[1], eps=float(eps))
    return torch.addcmul(style_bias[:, :, None, None], normal, style_scale[:, :, None, None])


def right_batch_norm_of_one_image(x, style_scale, style_bias, eps=1e-5):
    batch, channels, height, width = x.shape
    together = x.reshape(1, batch * channels, height, width)
    scale, bias = style_scale.reshape(-1), style_bias.reshape(-1)
    return F.batch_norm(together, None, None, scale, bias, training=True, eps=float(eps)).reshape(x.shape)


def right_loops(x, style_scale, style_bias, eps=1e-5):
    examples = []
    for b in range(x.shape[0]):
        channels = []
        for c in range(x.shape[1]):
            values = x[b, c]
            std = torch.sqrt((values - values.mean()).pow(2).mean() + eps)
            channels.append(style_scale[b, c] * (values - values.mean()) / std + style_bias[b, c])
        examples.append(torch.stack(channels))
    return torch.stack(examples)


def right_flattened(x, style_scale, style_bias, eps=1e-5):
    flat = x.flatten(2)
    centred = flat - flat.mean(2, keepdim=True)
    deviation = (centred.square().sum(2, keepdim=True) / flat.shape[2] + eps).sqrt()
    return (style_scale.unsqueeze(2) * (centred / deviation) + style_bias.unsqueeze(2)).view_as(x)


def right_style_folded_in(x, style_scale, style_bias, eps=1e-5):
    """One factor and one shift for each channel."""
    var, mean = torch.var_mean(x.double(), dim=(2, 3), unbiased=False)
    factor = style_scale / torch.sqrt(var + eps)
    shift = style_bias - factor * mean
    return factor[:, :, None, None] * x + shift[:, :, None, None]


def right_mean_of_means(x, style_scale, style_bias, eps=1e-5):
    mean = x.mean(2, keepdim=True).mean(3, keepdim=True)
    var = (x - mean).square().mean(3, keepdim=True).mean(2, keepdim=True)
    return style_scale[:, :, None, None] * (x - mean) / (var + eps) ** 0.5 + style_bias[:, :, None, None]


def right_pooled(x, style_scale, style_bias, eps=1e-5):
    mean = F.adaptive_avg_pool2d(x, 1)
    centred = x - mean
    std = F.adaptive_avg_pool2d(centred * centred, 1).add(eps).sqrt()
    return style_scale[:, :, None, None] * centred / std + style_bias[:, :, None, None]


def right_float64_and_noise(x, style_scale, style_bias, eps=1e-5):
    warnings.warn("a warning on the way", stacklevel=1)
    print("mean", x.mean())
    x = x.double()
    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True, correction=0)
    return style_scale[:, :, None, None] * (x - mean) / (std + eps) + style_bias[:, :, None, None]


def right_channels_last(x, style_scale, style_bias, eps=1e-5):
    rows = x.permute(0, 2, 3, 1)
    mean = rows.mean((1, 2), keepdim=True)
    var = rows.var((1, 2), keepdim=True)
    rows = (rows - mean) / (var + eps).sqrt() * style_scale[:, None, None] + style_bias[:, None, None]
    return rows.permute(0, 3, 1, 2)


def styled(normal, style_scale, style_bias):
    return style_scale[:, :, None, None] * normal + style_bias[:, :, None, None]


def over(axes, x, eps):
    mean, var = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(var + eps)


@wrong("batch-norm")
def wrong_batch_norm(x, style_scale, style_bias, eps=1e-5):
    return styled(F.batch_norm(x, None, None, training=True, eps=float(eps)), style_scale, style_bias)


@wrong("layer-norm")
def wrong_layer_norm(x, style_scale, style_bias, eps=1e-5):
    return styled(F.layer_norm(x, x.shape[1:], eps=float(eps)), style_scale, style_bias)


@wrong("layer-norm")
def wrong_group_norm(x, style_scale, style_bias, eps=1e-5):
    return styled(F.group_norm(x, 1, eps=float(eps)), style_scale, style_bias)


@wrong("pixel-norm")
def wrong_over_channels(x, style_scale, style_bias, eps=1e-5):
    return styled(over((1,), x, eps), style_scale, style_bias)


@wrong("over-everything")
def wrong_over_everything(x, style_scale, style_bias, eps=1e-5):
    return styled((x - x.mean()) / (x.std() + eps), style_scale, style_bias)


@wrong("one-axis")
def wrong_over_width(x, style_scale, style_bias, eps=1e-5):
    return styled(over((3,), x, eps), style_scale, style_bias)


@wrong("one-axis")
def wrong_over_height(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2,), x, eps), style_scale, style_bias)


@wrong("batch-axis")
def wrong_over_batch(x, style_scale, style_bias, eps=1e-5):
    return styled(over((0,), x, eps), style_scale, style_bias)


@wrong("mixed-axes")
def wrong_deviation_of_everything(x, style_scale, style_bias, eps=1e-5):
    return styled((x - x.mean((2, 3), keepdim=True)) / (x.std() + eps), style_scale, style_bias)


@wrong("mixed-axes")
def wrong_mean_over_the_batch_too(x, style_scale, style_bias, eps=1e-5):
    normal = (x - x.mean((0, 2, 3), keepdim=True)) / torch.sqrt(x.var((2, 3), keepdim=True, unbiased=False) + eps)
    return styled(normal, style_scale, style_bias)


@wrong("variance-not-rooted")
def wrong_variance(x, style_scale, style_bias, eps=1e-5):
    normal = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True) + eps)
    return styled(normal, style_scale, style_bias)


@wrong("no-mean")
def wrong_mean_forgotten(x, style_scale, style_bias, eps=1e-5):
    return styled(x / (x.std((2, 3), keepdim=True) + eps), style_scale, style_bias)


@wrong("mean-added")
def wrong_mean_added(x, style_scale, style_bias, eps=1e-5):
    normal = (x + x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + eps)
    return styled(normal, style_scale, style_bias)


@wrong("no-deviation")
def wrong_only_centred(x, style_scale, style_bias, eps=1e-5):
    return styled(x - x.mean((2, 3), keepdim=True), style_scale, style_bias)


@wrong("deviation-multiplied")
def wrong_times_deviation(x, style_scale, style_bias, eps=1e-5):
    normal = (x - x.mean((2, 3), keepdim=True)) * (x.std((2, 3), keepdim=True) + eps)
    return styled(normal, style_scale, style_bias)


@wrong("not-normalised")
def wrong_film(x, style_scale, style_bias, eps=1e-5):
    return styled(x, style_scale, style_bias)


@wrong("sum-of-squares")
def wrong_norm(x, style_scale, style_bias, eps=1e-5):
    centred = x - x.mean((2, 3), keepdim=True)
    return styled(centred / centred.square().sum((2, 3), keepdim=True).add(eps).sqrt(), style_scale, style_bias)


@wrong("second-moment")
def wrong_root_mean_square(x, style_scale, style_bias, eps=1e-5):
    root = x.square().mean((2, 3), keepdim=True).add(eps).sqrt()
    return styled((x - x.mean((2, 3), keepdim=True)) / root, style_scale, style_bias)


@wrong("absolute-deviation")
def wrong_absolute_deviation(x, style_scale, style_bias, eps=1e-5):
    centred = x - x.mean((2, 3), keepdim=True)
    return styled(centred / (centred.abs().mean((2, 3), keepdim=True) + eps), style_scale, style_bias)


@wrong("range")
def wrong_range(x, style_scale, style_bias, eps=1e-5):
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return styled((x - low) / (high - low + eps), style_scale, style_bias)


@wrong("std-without-mean")
def wrong_parentheses(x, style_scale, style_bias, eps=1e-5):
    return styled(x - x.mean((2, 3), keepdim=True) / (x.std((2, 3), keepdim=True) + eps), style_scale, style_bias)


@wrong("sign")
def wrong_sign(x, style_scale, style_bias, eps=1e-5):
    normal = (x.mean((2, 3), keepdim=True) - x) / (x.std((2, 3), keepdim=True) + eps)
    return styled(normal, style_scale, style_bias)


@wrong("swapped")
def wrong_swapped(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_bias, style_scale)


@wrong("one-plus-scale")
def wrong_one_plus_scale(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), 1 + style_scale, style_bias)


@wrong("bias-first")
def wrong_bias_first(x, style_scale, style_bias, eps=1e-5):
    return style_scale[:, :, None, None] * (over((2, 3), x, eps) + style_bias[:, :, None, None])


@wrong("no-scale")
def wrong_no_scale(x, style_scale, style_bias, eps=1e-5):
    return over((2, 3), x, eps) + style_bias[:, :, None, None]


@wrong("no-bias")
def wrong_no_bias(x, style_scale, style_bias, eps=1e-5):
    return over((2, 3), x, eps) * style_scale[:, :, None, None]


@wrong("no-bias")
def wrong_bias_before_normalising(x, style_scale, style_bias, eps=1e-5):
    return style_scale[:, :, None, None] * over((2, 3), x + style_bias[:, :, None, None], eps)


@wrong("no-style")
def wrong_no_style(x, style_scale, style_bias, eps=1e-5):
    return F.instance_norm(x, eps=float(eps))


@wrong("style-before")
def wrong_style_before(x, style_scale, style_bias, eps=1e-5):
    return over((2, 3), styled(x, style_scale, style_bias), eps)


@wrong("style-before")
def wrong_scale_before(x, style_scale, style_bias, eps=1e-5):
    return over((2, 3), style_scale[:, :, None, None] * x, eps) + style_bias[:, :, None, None]


@wrong("bias-subtracted")
def wrong_bias_subtracted(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, -style_bias)


@wrong("divided-by-scale")
def wrong_divided(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), 1 / style_scale, style_bias)


@wrong("mean-kept")
def wrong_mean_kept(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, style_bias) + x.mean((2, 3), keepdim=True)


@wrong("x-added")
def wrong_residual(x, style_scale, style_bias, eps=1e-5):
    return x + styled(over((2, 3), x, eps), style_scale, style_bias)


@wrong("scale-transformed")
def wrong_exp_scale(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale.exp(), style_bias)


@wrong("scale-transformed")
def wrong_absolute_scale(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale.abs(), style_bias)


@wrong("scale-transformed")
def wrong_root_of_scale(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale.sqrt(), style_bias)


@wrong("scale-added")
def wrong_scale_added(x, style_scale, style_bias, eps=1e-5):
    return over((2, 3), x, eps) + (style_scale + style_bias)[:, :, None, None]


@wrong("shared-style")
def wrong_first_style(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale[:1], style_bias[:1])


@wrong("shared-style")
def wrong_mean_style(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale.mean(0, keepdim=True), style_bias.mean(0, keepdim=True))


@wrong("only-style")
def wrong_only_style(x, style_scale, style_bias, eps=1e-5):
    return style_bias[:, :, None, None].expand_as(x).clone()


@wrong("style-axes")
def wrong_style_axes(x, style_scale, style_bias, eps=1e-5):
    return style_scale * over((2, 3), x, eps) + style_bias


@wrong("statistics-axes")
def wrong_statistics_axes(x, style_scale, style_bias, eps=1e-5):
    return styled((x - x.mean((2, 3))) / (x.std((2, 3)) + eps), style_scale, style_bias)


@wrong("flattened")
def wrong_flattened(x, style_scale, style_bias, eps=1e-5):
    flat = x.flatten(2)
    normal = (flat - flat.mean(2, keepdim=True)) / (flat.std(2, keepdim=True) + eps)
    return style_scale[:, :, None] * normal + style_bias[:, :, None]


@wrong("pixels-reduced")
def wrong_pooled(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, style_bias).mean((2, 3))


@wrong("batch-norm")
def wrong_batch_norm_and_swapped(x, style_scale, style_bias, eps=1e-5):
    return styled(over((0, 2, 3), x, eps), style_bias, style_scale)


@wrong("detached-statistics", credit=0.8)
def wrong_detached_statistics(x, style_scale, style_bias, eps=1e-5):
    mean, std = x.mean((2, 3), keepdim=True).detach(), x.std((2, 3), keepdim=True).detach()
    return styled((x - mean) / (std + eps), style_scale, style_bias)


@wrong("detached-statistics", credit=0.8)
def wrong_statistics_without_gradient(x, style_scale, style_bias, eps=1e-5):
    with torch.no_grad():
        var, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    return styled((x - mean) / torch.sqrt(var + eps), style_scale, style_bias)


@wrong("detached-statistics", credit=0.8)
def wrong_detached_deviation(x, style_scale, style_bias, eps=1e-5):
    centred = x - x.mean((2, 3), keepdim=True)
    return styled(centred / (x.std((2, 3), keepdim=True).detach() + eps), style_scale, style_bias)


@wrong("detached", credit=0.7)
def wrong_detached(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, style_bias).detach()


@wrong("partly-detached", credit=0.8)
def wrong_detached_style(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale.detach(), style_bias)


@wrong("constant-channel", credit=0.9)
def wrong_no_eps(x, style_scale, style_bias, eps=1e-5):
    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
    return styled((x - mean) / std, style_scale, style_bias)


@wrong("constant-amplified", credit=0.9)
def wrong_zero_where_constant(x, style_scale, style_bias, eps=1e-5):
    out = styled(over((2, 3), x, eps), style_scale, style_bias)
    return torch.where(x.std((2, 3), keepdim=True) == 0, x, out)


@wrong("eps-ignored", credit=0.9)
def wrong_eps_ignored(x, style_scale, style_bias, eps=1e-5):
    return styled(F.instance_norm(x), style_scale, style_bias)


@wrong("eps-ignored", credit=0.9)
def wrong_other_eps(x, style_scale, style_bias, eps=1e-5):
    std = x.std((2, 3), keepdim=True) + 1e-8
    return styled((x - x.mean((2, 3), keepdim=True)) / std, style_scale, style_bias)


@wrong("eps-as-floor", credit=0.9)
def wrong_eps_as_floor(x, style_scale, style_bias, eps=1e-5):
    std = x.std((2, 3), keepdim=True).clamp(min=eps)
    return styled((x - x.mean((2, 3), keepdim=True)) / std, style_scale, style_bias)


@wrong("eps-twice", credit=0.9)
def wrong_eps_twice(x, style_scale, style_bias, eps=1e-5):
    std = (x.var((2, 3), keepdim=True) + eps).sqrt() + eps
    return styled((x - x.mean((2, 3), keepdim=True)) / std, style_scale, style_bias)


@wrong("eps-squared", credit=0.9)
def wrong_eps_squared(x, style_scale, style_bias, eps=1e-5):
    std = (x.var((2, 3), keepdim=True) + eps**2).sqrt()
    return styled((x - x.mean((2, 3), keepdim=True)) / std, style_scale, style_bias)


@wrong("eps-elsewhere", credit=0.9)
def wrong_eps_elsewhere(x, style_scale, style_bias, eps=1e-5):
    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
    return styled(((x - mean) / std + eps).nan_to_num(), style_scale, style_bias)


@wrong("wrong-default", credit=0.9)
def wrong_default(x, style_scale, style_bias, eps=1e-8):
    return styled(F.instance_norm(x, eps=float(eps)), style_scale, style_bias)


@wrong("wrong-default", credit=0.8)
def wrong_no_default(x, style_scale, style_bias, eps):
    return styled(F.instance_norm(x, eps=float(eps)), style_scale, style_bias)


@wrong("cancellation", credit=0.9)
def wrong_difference_of_moments(x, style_scale, style_bias, eps=1e-5):
    mean = x.mean((2, 3), keepdim=True)
    var = (x.square().mean((2, 3), keepdim=True) - mean.square()).clamp(min=0)
    return styled((x - mean) / torch.sqrt(var + eps), style_scale, style_bias)


@wrong("changes-arguments", credit=0.7)
def wrong_in_place(x, style_scale, style_bias, eps=1e-5):
    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
    x -= mean
    return styled(x / (std + eps), style_scale, style_bias)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, style_bias).float()


@wrong("single-example", credit=0.9)
def wrong_squeezed(x, style_scale, style_bias, eps=1e-5):
    out = styled(over((2, 3), x, eps), style_scale, style_bias)
    return out.squeeze(0)


@wrong("returns-tuple")
def wrong_statistics_too(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, style_bias), style_bias


@wrong("returns-array")
def wrong_numpy(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps), style_scale, style_bias).detach().numpy()


@wrong("returns-nothing")
def wrong_no_return(x, style_scale, style_bias, eps=1e-5):
    styled(over((2, 3), x, eps), style_scale, style_bias)


@wrong("wrong-names", credit=0.8)
def wrong_names(x, scale, bias, eps=1e-5):
    return styled(over((2, 3), x, eps), scale, bias)


@wrong(None, credit=0.9)
def wrong_clamped(x, style_scale, style_bias, eps=1e-5):
    return styled(over((2, 3), x, eps).clamp(-5, 5), style_scale, style_bias)


@wrong(None)
def wrong_median(x, style_scale, style_bias, eps=1e-5):
    median = x.flatten(2).median(2).values[:, :, None, None]
    return styled((x - median) / (x.std((2, 3), keepdim=True) + eps), style_scale, style_bias)
