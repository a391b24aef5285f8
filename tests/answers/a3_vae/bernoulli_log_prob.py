import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Independent

from tests.answers.bank import wrong


def right_library_loss(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def right_distribution(logits, x):
    return Independent(Bernoulli(logits=logits), logits.ndim - 1).log_prob(x)


def right_softplus(logits, x):
    return (x * logits - F.softplus(logits)).reshape(x.shape[0], -1).sum(-1)


def right_logsigmoid(logits, x):
    log_prob = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return log_prob.sum(dim=list(range(1, x.ndim)))


def right_sign_trick(logits, x):
    return F.logsigmoid((2 * x - 1) * logits).flatten(start_dim=1).sum(dim=1)


def right_loop(logits, x):
    out = []
    for i in range(len(x)):
        out.append(-F.binary_cross_entropy_with_logits(logits[i], x[i], reduction="sum"))
    return torch.stack(out)


def right_logaddexp(logits, x):
    zero = torch.zeros_like(logits)
    return (x * logits - torch.logaddexp(logits, zero)).flatten(1).sum(1)


def right_two_classes(logits, x):
    pairs = torch.stack([torch.zeros_like(logits), logits], -1).log_softmax(-1)
    return pairs.gather(-1, x.long().unsqueeze(-1)).flatten(1).sum(1)


def right_float64(logits, x):
    a, b = logits.double(), x.double()
    return (a * b - a.clamp(min=0) - torch.log1p(torch.exp(-a.abs()))).flatten(1).sum(1)


def right_noisy(logits, x):
    print("logits", logits)
    warnings.warn("a warning on the way", stacklevel=1)
    criterion = torch.nn.BCEWithLogitsLoss(reduction="none")
    return criterion(logits, x).mul(-1).view(x.size(0), -1).sum(1)


def right_einsum(logits, x):
    a, b = logits.flatten(1), x.flatten(1)
    return torch.einsum("bi,bi->b", a, b) - F.softplus(a).sum(1)


class LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, x):
        ctx.save_for_backward(logits, x)
        return (x * logits - F.softplus(logits)).flatten(1).sum(1)

    @staticmethod
    def backward(ctx, grad):
        logits, x = ctx.saved_tensors
        return (x - logits.sigmoid()) * grad.reshape(-1, *[1] * (x.ndim - 1)), None


def right_custom_autograd(logits, x):
    return LogProb.apply(logits, x)


@wrong("likelihood-sign")
def wrong_sign(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


@wrong("mean-over-dims")
def wrong_mean_over_pixels(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).mean(1)


@wrong("mean-everything")
def wrong_default_reduction(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x)


@wrong("likelihood-sign")
def wrong_default_reduction_and_sign(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x)


@wrong("sum-everything")
def wrong_sum(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


@wrong("divided-by-batch")
def wrong_divided_by_batch(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1) / len(x)


@wrong("channel-only")
def wrong_channels(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


@wrong("last-axis-only")
def wrong_last_axis(logits, x):
    return Bernoulli(logits=logits).log_prob(x).sum(-1)


@wrong("not-summed")
def wrong_not_summed(logits, x):
    return Bernoulli(logits=logits).log_prob(x)


@wrong("likelihood-probs-for-logits")
def wrong_probs_for_logits(logits, x):
    return (x * torch.log(logits) + (1 - x) * torch.log(1 - logits)).flatten(1).sum(1)


@wrong("likelihood-sigmoid-twice")
def wrong_sigmoid_twice(logits, x):
    return -F.binary_cross_entropy_with_logits(torch.sigmoid(logits), x, reduction="none").flatten(1).sum(1)


@wrong("likelihood-ones-only")
def wrong_ones_only(logits, x):
    return (x * F.logsigmoid(logits)).flatten(1).sum(1)


@wrong("likelihood-zeros-only")
def wrong_zeros_only(logits, x):
    return ((1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1)


@wrong("likelihood-swapped")
def wrong_swapped(logits, x):
    return ((1 - x) * F.logsigmoid(logits) + x * F.logsigmoid(-logits)).flatten(1).sum(1)


@wrong("likelihood-no-log")
def wrong_no_log(logits, x):
    p = torch.sigmoid(logits)
    return (x * p + (1 - x) * (1 - p)).flatten(1).sum(1)


@wrong("likelihood-no-log")
def wrong_probability(logits, x):
    p = torch.sigmoid(logits)
    return (x * p + (1 - x) * (1 - p)).flatten(1).prod(1)


@wrong("likelihood-zeros-sign")
def wrong_zeros_sign(logits, x):
    return (x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1)


@wrong("likelihood-squared-error")
def wrong_squared_error(logits, x):
    return -((torch.sigmoid(logits) - x) ** 2).flatten(1).sum(1)


@wrong("likelihood-softmax")
def wrong_softmax(logits, x):
    return (x.flatten(1) * logits.flatten(1).log_softmax(1)).sum(1)


@wrong("likelihood-bits")
def wrong_bits(logits, x):
    return Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1) / torch.log(torch.tensor(2.0))


@wrong("log-of-sigmoid", credit=0.8)
def wrong_log_of_sigmoid(logits, x):
    p = torch.sigmoid(logits)
    return (x * torch.log(p) + (1 - x) * torch.log(1 - p)).flatten(1).sum(1)


@wrong("log-of-sigmoid", credit=0.8)
def wrong_log_of_selected_sigmoid(logits, x):
    p = torch.sigmoid(logits)
    return torch.where(x > 0.5, p, 1 - p).log().flatten(1).sum(1)


@wrong("exp-overflow", credit=0.8)
def wrong_log1p_exp(logits, x):
    return (x * logits - torch.log1p(torch.exp(logits))).flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits, x):
    p = torch.sigmoid(logits)
    return (x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8)).flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_probs(logits, x):
    p = torch.sigmoid(logits).clamp(1e-6, 1 - 1e-6)
    return (x * torch.log(p) + (1 - x) * torch.log(1 - p)).flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_distribution_of_probs(logits, x):
    return Bernoulli(probs=torch.sigmoid(logits)).log_prob(x).flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_logits(logits, x):
    return -F.binary_cross_entropy_with_logits(logits.clamp(-10, 10), x, reduction="none").flatten(1).sum(1)


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid(logits, x):
    return -F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="none").flatten(1).sum(1)


@wrong("detached", credit=0.6)
def wrong_data(logits, x):
    return Bernoulli(logits=logits.data).log_prob(x).flatten(1).sum(1)


@wrong("one-layout-only")
def wrong_images_only(logits, x):
    return Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3))


@wrong("returns-nothing")
def wrong_no_return(logits, x):
    print(Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1))


@wrong("single-example", credit=0.8)
def wrong_squeeze(logits, x):
    return Bernoulli(logits=logits.squeeze()).log_prob(x.squeeze()).flatten(1).sum(1)


@wrong("likelihood-not-normalised")
def wrong_not_normalised(logits, x):
    return (x * logits).flatten(1).sum(1)


@wrong("likelihood-sigmoid-twice")
def wrong_distribution_of_sigmoid(logits, x):
    return Bernoulli(logits=torch.sigmoid(logits)).log_prob(x).flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_widely_clamped_logits(logits, x):
    return Bernoulli(logits=logits.clamp(-100, 100)).log_prob(x).flatten(1).sum(1)


@wrong("mean-over-batch")
def wrong_mean_repeated(logits, x):
    return Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1).mean().repeat(len(x))


@wrong("random-result")
def wrong_judges_samples(logits, x):
    p = Bernoulli(logits=logits)
    return p.log_prob(p.sample()).flatten(1).sum(1)


@wrong(None)
def wrong_smoothed_labels(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, 0.99 * x, reduction="none").flatten(1).sum(1)


def right_categorical(logits, x):
    p = torch.distributions.Categorical(logits=torch.stack([torch.zeros_like(logits), logits], -1))
    return p.log_prob(x).flatten(1).sum(1)


def right_where(logits, x):
    return torch.where(x.bool(), F.logsigmoid(logits), F.logsigmoid(logits) - logits).flatten(1).sum(1)


@wrong("likelihood-not-normalised")
def wrong_signed_logits(logits, x):
    return (x * logits - (1 - x) * logits).flatten(1).sum(1)
