import warnings

import numpy as np
import torch
import torch.nn.functional as F

from tests.answers.bank import wrong


def right_flatten(x_hat, x):
    return (x_hat - x).pow(2).flatten(1).sum(1)


def right_library(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="none").reshape(len(x), -1).sum(dim=-1)


def right_loop(x_hat, x):
    losses = []
    for a, b in zip(x_hat, x, strict=True):
        losses.append(((a - b) * (a - b)).sum())
    return torch.stack(losses)


def right_einsum(x_hat, x):
    d = (x - x_hat).reshape(x.shape[0], -1)
    return torch.einsum("bi,bi->b", d, d)


def right_float64(x_hat, x):
    d = x_hat.double() - x.double()
    return torch.sum(d**2, dim=tuple(range(1, d.dim())))


def right_expanded(x_hat, x):
    a, b = x_hat.flatten(1), x.flatten(1)
    return (a * a).sum(1) - 2 * (a * b).sum(1) + (b * b).sum(1)


def right_norm_squared(x_hat, x):
    return torch.linalg.vector_norm((x_hat - x).flatten(1), dim=1) ** 2


def right_in_place_on_own_copy(x_hat, x):
    d = x_hat.clone()
    d -= x
    return d.square().flatten(1).sum(1)


def right_matmul(x_hat, x):
    d = (x_hat - x).flatten(1)
    return torch.bmm(d[:, None, :], d[:, :, None]).view(-1)


def right_noisy(x_hat, x):
    print("shape", x_hat.shape)
    warnings.warn("a warning on the way", stacklevel=1)
    return ((x_hat - x) ** 2).view(x.size(0), -1).sum(1)


class SquaredDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x_hat, x):
        ctx.save_for_backward(x_hat - x)
        return (x_hat - x).square().flatten(1).sum(1)

    @staticmethod
    def backward(ctx, grad):
        (d,) = ctx.saved_tensors
        g = 2 * d * grad.reshape(-1, *[1] * (d.ndim - 1))
        return g, -g


def right_custom_autograd(x_hat, x):
    return SquaredDistance.apply(x_hat, x)


def right_vmap(x_hat, x):
    return torch.vmap(lambda a, b: torch.dot((a - b).ravel(), (a - b).ravel()))(x_hat, x)


def right_gaussian(x_hat, x):
    log_prob = torch.distributions.Normal(x_hat, 1.0).log_prob(x).flatten(1)
    return -2 * log_prob.sum(1) - log_prob.shape[1] * float(np.log(2 * np.pi))


@wrong("mean-over-dims")
def wrong_mean_over_pixels(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).mean(1)


@wrong("mean-everything")
def wrong_mse(x_hat, x):
    return F.mse_loss(x_hat, x)


@wrong("sum-everything")
def wrong_sum(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="sum")


@wrong("mean-over-batch")
def wrong_mean_over_batch(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1).mean()


@wrong("divided-by-batch")
def wrong_divided_by_batch(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1) / x.shape[0]


@wrong("not-summed")
def wrong_not_summed(x_hat, x):
    return (x_hat - x) ** 2


@wrong("last-axis-only")
def wrong_last_axis(x_hat, x):
    return ((x_hat - x) ** 2).sum(-1)


@wrong("channel-only")
def wrong_channels(x_hat, x):
    return ((x_hat - x) ** 2).sum(1)


@wrong("pixels-only")
def wrong_pixels_only(x_hat, x):
    d = (x_hat - x) ** 2
    return d.sum((2, 3)) if d.ndim == 4 else d.sum(1)


@wrong("summed-over-batch-axis")
def wrong_axis_0(x_hat, x):
    return ((x_hat - x) ** 2).sum(0)


@wrong("keeps-axis")
def wrong_keepdim(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1, keepdim=True)


@wrong("half")
def wrong_half(x_hat, x):
    return 0.5 * ((x_hat - x) ** 2).flatten(1).sum(1)


@wrong("half")
def wrong_half_of_everything(x_hat, x):
    return 0.5 * ((x_hat - x) ** 2).sum()


@wrong("sign")
def wrong_sign(x_hat, x):
    return -((x_hat - x) ** 2).flatten(1).sum(1)


@wrong("root")
def wrong_root(x_hat, x):
    return torch.linalg.vector_norm((x_hat - x).flatten(1), dim=1)


@wrong("root")
def wrong_root_of_everything(x_hat, x):
    return torch.norm(x_hat - x)


@wrong("not-squared")
def wrong_absolute(x_hat, x):
    return (x_hat - x).abs().flatten(1).sum(1)


@wrong("no-power")
def wrong_no_power(x_hat, x):
    return (x_hat - x).flatten(1).sum(1)


@wrong("square-of-sum")
def wrong_square_of_sum(x_hat, x):
    return (x_hat - x).flatten(1).sum(1) ** 2


@wrong("difference-of-squares")
def wrong_difference_of_squares(x_hat, x):
    return (x_hat**2 - x**2).flatten(1).sum(1)


@wrong("cross-entropy")
def wrong_cross_entropy(x_hat, x):
    return F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)


@wrong("huber")
def wrong_huber(x_hat, x):
    return F.smooth_l1_loss(x_hat, x, reduction="none").flatten(1).sum(1)


@wrong("one-layout-only")
def wrong_images_only(x_hat, x):
    return ((x_hat - x) ** 2).sum(dim=(1, 2, 3))


@wrong("one-layout-only")
def wrong_vectors_only(x_hat, x):
    _batch, _dims = x.shape
    return ((x_hat - x) ** 2).sum(1)


@wrong("nan-at-equality", credit=0.6)
def wrong_root_squared_again(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1).sqrt() ** 2


@wrong("detached", credit=0.6)
def wrong_detached(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1).detach()


@wrong("partly-detached", credit=0.6)
def wrong_target_detached(x_hat, x):
    return ((x_hat - x.data) ** 2).flatten(1).sum(1)


@wrong("returns-array")
def wrong_numpy(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1).numpy()


@wrong("returns-number")
def wrong_item(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="sum").item()


@wrong("returns-nothing")
def wrong_no_return(x_hat, x):
    ((x_hat - x) ** 2).flatten(1).sum(1)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(x_hat, x):
    x_hat -= x
    return (x_hat**2).flatten(1).sum(1)


@wrong("single-example", credit=0.8)
def wrong_squeeze(x_hat, x):
    return ((x_hat - x) ** 2).flatten(1).sum(1, keepdim=True).squeeze()


@wrong("gaussian-constant")
def wrong_gaussian(x_hat, x):
    return -torch.distributions.Normal(x_hat, 1.0).log_prob(x).flatten(1).sum(1)


@wrong(None)
def wrong_clamped_reconstruction(x_hat, x):
    return ((x_hat.clamp(0, 1) - x) ** 2).flatten(1).sum(1)


@wrong(None)
def wrong_first_reconstruction_for_all(x_hat, x):
    return torch.stack([((x_hat[0] - one) ** 2).sum() for one in x])


def right_cdist(x_hat, x):
    return torch.cdist(x_hat.flatten(1)[:, None], x.flatten(1)[:, None]).squeeze((1, 2)) ** 2


def right_mean_times_size(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="none").flatten(1).mean(1) * x[0].numel()


@wrong("difference-of-squares")
def wrong_difference_of_squares_reversed(x_hat, x):
    return x.square().flatten(1).sum(1) - x_hat.square().flatten(1).sum(1)
