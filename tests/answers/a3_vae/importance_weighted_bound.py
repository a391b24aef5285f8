import math
import warnings

import torch

from tests.answers.bank import wrong


def right_logsumexp(log_weights):
    return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[0])


def right_logsumexp_tensor_log(log_weights):
    return torch.logsumexp(log_weights, 0) - torch.log(torch.tensor(log_weights.size(0)))


def right_maximum(log_weights):
    top = log_weights.max(dim=0, keepdim=True).values
    return (top + torch.log(torch.mean(torch.exp(log_weights - top), dim=0, keepdim=True))).squeeze(0)


def right_detached_maximum(log_weights):
    top = log_weights.amax(0).detach()
    return torch.exp(log_weights - top).mean(0).log() + top


def right_loop(log_weights):
    total = log_weights[0]
    for row in log_weights[1:]:
        total = torch.logaddexp(total, row)
    return total - math.log(len(log_weights))


def right_shift_first(log_weights):
    return (log_weights - math.log(log_weights.size(0))).logsumexp(0)


def right_columns(log_weights):
    return torch.stack([torch.logsumexp(c, 0) for c in log_weights.unbind(1)]) - math.log(log_weights.size(0))


def right_transposed(log_weights):
    return log_weights.T.contiguous().logsumexp(-1).sub(math.log(log_weights.shape[0]))


def right_softmax_identity(log_weights):
    return log_weights[0] - log_weights.log_softmax(0)[0] - math.log(len(log_weights))


def right_float64(log_weights):
    values = log_weights.double()
    warnings.warn("a warning on the way", stacklevel=1)
    print("K =", len(values))
    return values.logsumexp(0) - math.log(values.shape[0])


def right_logcumsumexp(log_weights):
    return torch.logcumsumexp(log_weights, 0)[-1] - math.log(log_weights.shape[0])


class LogMeanExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, log_weights):
        ctx.save_for_backward(log_weights)
        return log_weights.logsumexp(0) - math.log(len(log_weights))

    @staticmethod
    def backward(ctx, grad):
        return ctx.saved_tensors[0].softmax(0) * grad


def right_custom_autograd(log_weights):
    return LogMeanExp.apply(log_weights)


@wrong("no-log-k")
def wrong_no_log_k(log_weights):
    return torch.logsumexp(log_weights, 0)


@wrong("log-k-added")
def wrong_log_k_added(log_weights):
    return torch.logsumexp(log_weights, 0) + math.log(len(log_weights))


@wrong("divided-by-k")
def wrong_divided(log_weights):
    return torch.logsumexp(log_weights, 0) / len(log_weights)


@wrong("minus-k")
def wrong_minus_k(log_weights):
    return torch.logsumexp(log_weights, 0) - len(log_weights)


@wrong("log-of-batch")
def wrong_log_of_batch(log_weights):
    return torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[1])


@wrong("mean-of-logs")
def wrong_mean_of_logs(log_weights):
    return log_weights.mean(0)


@wrong("sum-of-logs")
def wrong_sum_of_logs(log_weights):
    return log_weights.sum(0)


@wrong("no-log")
def wrong_no_log(log_weights):
    return log_weights.exp().mean(0)


@wrong("no-exp")
def wrong_no_exp(log_weights):
    return torch.log(log_weights.mean(0))


@wrong("wrong-axis")
def wrong_axis(log_weights):
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


@wrong("wrong-axis")
def wrong_axis_right_k(log_weights):
    return torch.logsumexp(log_weights, -1) - math.log(log_weights.shape[0])


@wrong("all-axes")
def wrong_all_axes(log_weights):
    return torch.logsumexp(log_weights, (0, 1)) - math.log(log_weights.numel())


@wrong("bound-sign")
def wrong_sign(log_weights):
    return math.log(len(log_weights)) - torch.logsumexp(log_weights, 0)


@wrong("mean-over-batch")
def wrong_mean_of_batch(log_weights):
    return (torch.logsumexp(log_weights, 0) - math.log(len(log_weights))).mean()


@wrong("only-max")
def wrong_max(log_weights):
    return log_weights.max(0).values


@wrong("softmax-weighted")
def wrong_softmax(log_weights):
    return (torch.softmax(log_weights, 0).detach() * log_weights).sum(0)


@wrong("keeps-axis")
def wrong_keepdim(log_weights):
    return torch.logsumexp(log_weights, 0, keepdim=True) - math.log(len(log_weights))


@wrong("max-not-added")
def wrong_max_forgotten(log_weights):
    return torch.log(torch.exp(log_weights - log_weights.amax(0)).mean(0))


@wrong("overflow", credit=0.8)
def wrong_naive(log_weights):
    return torch.log(torch.exp(log_weights).mean(0))


@wrong("overflow", credit=0.8)
def wrong_naive_float64(log_weights):
    return torch.log(torch.exp(log_weights.double()).mean(0))


@wrong("global-max", credit=0.8)
def wrong_global_max(log_weights):
    top = log_weights.max()
    return top + torch.log(torch.exp(log_weights - top).mean(0))


@wrong("eps-in-log", credit=0.8)
def wrong_eps(log_weights):
    return torch.log(torch.exp(log_weights).mean(0) + 1e-8)


@wrong("returns-tuple")
def wrong_tuple(log_weights):
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights)), log_weights.softmax(0)


@wrong("detached", credit=0.6)
def wrong_no_grad(log_weights):
    with torch.no_grad():
        return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(log_weights):
    top = log_weights.amax(0)
    log_weights -= top
    return torch.log(torch.exp(log_weights).mean(0)) + top


@wrong("single-example", credit=0.8)
def wrong_squeeze(log_weights):
    return (torch.logsumexp(log_weights, 0) - math.log(len(log_weights))).squeeze()


@wrong("first-sample")
def wrong_first(log_weights):
    return log_weights[0]


@wrong("bound-bits")
def wrong_bits(log_weights):
    return (torch.logsumexp(log_weights, 0) - math.log(len(log_weights))) / math.log(2)


@wrong("eps-in-log", credit=0.8)
def wrong_clamp(log_weights):
    return torch.logsumexp(log_weights.clamp(-80, 80), 0) - math.log(len(log_weights))


@wrong("detached", credit=0.6)
def wrong_times_zero(log_weights):
    return torch.logsumexp(log_weights.detach(), 0) - math.log(len(log_weights)) + 0 * log_weights.sum(0)


@wrong(None)
def wrong_fixed_k(log_weights):
    return torch.logsumexp(log_weights, 0) - math.log(5)


@wrong(None)
def wrong_log2(log_weights):
    return torch.logsumexp(log_weights, 0) - math.log2(len(log_weights))


@wrong("mean-of-logs")
def wrong_mean_everything(log_weights):
    return log_weights.mean()


def right_sorted(log_weights):
    s, _ = log_weights.sort(0, descending=True)
    return s[0] + torch.log1p((s[1:] - s[0]).exp().sum(0)) - math.log(len(s))


def right_cross_entropy(log_weights):
    first = torch.zeros(log_weights.shape[1], dtype=torch.long)
    loss = torch.nn.functional.cross_entropy(log_weights.T, first, reduction="none")
    return loss + log_weights[0] - math.log(log_weights.shape[0])
