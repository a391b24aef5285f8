import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical, Independent

from tests.answers.bank import wrong


def right_log_softmax_and_gather(logits, x):
    log_probs = F.log_softmax(logits, dim=1)
    return log_probs.gather(1, x.unsqueeze(1)).squeeze(1).sum(dim=(1, 2, 3))


def right_cross_entropy(logits, x):
    return -F.cross_entropy(logits, x, reduction="none").flatten(1).sum(1)


def right_distribution(logits, x):
    return Independent(Categorical(logits=logits.movedim(1, -1)), 3).log_prob(x)


def right_one_hot(logits, x):
    one_hot = F.one_hot(x, logits.shape[1]).permute(0, 4, 1, 2, 3)
    return (one_hot * logits.log_softmax(1)).flatten(1).sum(1)


def right_logsumexp(logits, x):
    chosen = torch.take_along_dim(logits, x[:, None], 1)[:, 0]
    return (chosen - torch.logsumexp(logits, 1)).reshape(len(x), -1).sum(-1)


def right_loop(logits, x):
    criterion = nn.CrossEntropyLoss(reduction="sum")
    return torch.stack([-criterion(logits[n : n + 1], x[n : n + 1]) for n in range(len(x))])


def right_flat_rows(logits, x):
    rows = logits.permute(0, 2, 3, 4, 1).reshape(-1, logits.size(1))
    return -F.cross_entropy(rows, x.reshape(-1), reduction="none").view(x.size(0), -1).sum(1)


def right_indexing(logits, x):
    b, c, i, j = torch.meshgrid(*[torch.arange(n) for n in x.shape], indexing="ij")
    return logits.log_softmax(1)[b, x, c, i, j].sum((1, 2, 3))


def right_nll_loss_and_noise(logits, x):
    print("levels", x.unique())
    warnings.warn("a warning on the way", stacklevel=1)
    return nn.NLLLoss(reduction="none")(nn.LogSoftmax(dim=1)(logits), x).neg().sum(dim=[1, 2, 3])


def right_shifted_by_hand(logits, x):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_probs = shifted - shifted.exp().sum(1, keepdim=True).log()
    return log_probs.gather(1, x[:, None]).flatten(1).sum(1)


def right_float64(logits, x):
    p = logits.double().softmax(1).gather(1, x[:, None])
    return p.log().flatten(1).sum(1)


def right_loop_over_levels(logits, x):
    log_probs = logits.log_softmax(1)
    total = 0
    for level in range(logits.shape[1]):
        total = total + torch.where(x == level, log_probs[:, level], torch.zeros(())).flatten(1).sum(1)
    return total


def right_binary_is_a_case(logits, x):
    if logits.shape[1] == 2:
        difference = logits[:, 1] - logits[:, 0]
        return -F.binary_cross_entropy_with_logits(difference, x.to(logits.dtype), reduction="none").flatten(1).sum(1)
    return right_cross_entropy(logits, x)


@wrong("sign")
def wrong_sign(logits, x):
    return F.cross_entropy(logits, x, reduction="none").flatten(1).sum(1)


@wrong("bits")
def wrong_bits(logits, x):
    return right_cross_entropy(logits, x) / torch.log(torch.tensor(2.0))


@wrong("sign")
def wrong_default_reduction(logits, x):
    return F.cross_entropy(logits, x)


@wrong("mean-everything")
def wrong_mean(logits, x):
    return -F.cross_entropy(logits, x)


@wrong("mean-over-dims")
def wrong_mean_over_pixels(logits, x):
    return -F.cross_entropy(logits, x, reduction="none").flatten(1).mean(1)


@wrong("sum-everything")
def wrong_sum_over_batch(logits, x):
    return -F.cross_entropy(logits, x, reduction="sum")


@wrong("divided-by-batch")
def wrong_divided_by_batch(logits, x):
    return right_cross_entropy(logits, x) / len(x)


@wrong("not-summed")
def wrong_not_summed(logits, x):
    return -F.cross_entropy(logits, x, reduction="none")


@wrong("channel-only")
def wrong_channels_only(logits, x):
    return -F.cross_entropy(logits, x, reduction="none").sum(1)


@wrong("pixels-only")
def wrong_pixels_only(logits, x):
    return -F.cross_entropy(logits, x, reduction="none").sum((2, 3))


@wrong("mean-over-pixels")
def wrong_mean_over_channels(logits, x):
    return -F.cross_entropy(logits, x, reduction="none").mean(1).sum((1, 2))


@wrong("first-channel")
def wrong_first_channel(logits, x):
    return -F.cross_entropy(logits[:, :, 0], x[:, 0], reduction="none").sum((1, 2))


@wrong("softmax-axis")
def wrong_softmax_over_batch(logits, x):
    return logits.log_softmax(0).gather(1, x[:, None]).flatten(1).sum(1)


@wrong("softmax-axis")
def wrong_softmax_over_channels(logits, x):
    return logits.log_softmax(2).gather(1, x[:, None]).flatten(1).sum(1)


@wrong("softmax-axis")
def wrong_softmax_over_width(logits, x):
    return logits.log_softmax(-1).gather(1, x[:, None]).flatten(1).sum(1)


@wrong("softmax-axis")
def wrong_softmax_over_pixels(logits, x):
    log_probs = logits.flatten(3).log_softmax(-1).view_as(logits)
    return log_probs.gather(1, x[:, None]).flatten(1).sum(1)


@wrong("no-log")
def wrong_probabilities_summed(logits, x):
    return logits.softmax(1).gather(1, x[:, None]).flatten(1).sum(1)


@wrong("no-log")
def wrong_nll_of_probabilities(logits, x):
    return -F.nll_loss(logits.softmax(1), x, reduction="none").flatten(1).sum(1)


@wrong("no-log")
def wrong_product_of_probabilities(logits, x):
    return logits.softmax(1).gather(1, x[:, None]).flatten(1).prod(1)


@wrong("no-log")
def wrong_log_of_summed_probabilities(logits, x):
    return logits.softmax(1).gather(1, x[:, None]).flatten(1).sum(1).log()


@wrong("not-normalised")
def wrong_raw_logits(logits, x):
    return logits.gather(1, x[:, None]).flatten(1).sum(1)


@wrong("not-normalised")
def wrong_nll_of_logits(logits, x):
    return F.nll_loss(logits, x, reduction="none").flatten(1).sum(1)


@wrong("softmax-twice")
def wrong_softmax_twice(logits, x):
    return -F.cross_entropy(logits.softmax(1), x, reduction="none").flatten(1).sum(1)


@wrong("no-softmax")
def wrong_log_of_logits(logits, x):
    return torch.log(logits).gather(1, x[:, None]).flatten(1).sum(1)


@wrong("next-level")
def wrong_levels_from_one(logits, x):
    log_probs = logits.log_softmax(1)
    b, c, i, j = torch.meshgrid(*[torch.arange(n) for n in x.shape], indexing="ij")
    return log_probs[b, x - 1, c, i, j].sum((1, 2, 3))


@wrong("next-level")
def wrong_index_beyond(logits, x):
    return -F.cross_entropy(logits, x + 1, reduction="none").flatten(1).sum(1)


@wrong("next-level")
def wrong_index_before(logits, x):
    return logits.log_softmax(1).gather(1, x[:, None] - 1).flatten(1).sum(1)


@wrong("reversed-levels")
def wrong_reversed(logits, x):
    return right_cross_entropy(logits.flip(1), x)


@wrong("sigmoid-of-each")
def wrong_binary_cross_entropy_of_one_hot(logits, x):
    one_hot = F.one_hot(x, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    return -F.binary_cross_entropy_with_logits(logits, one_hot, reduction="none").flatten(1).sum(1)


@wrong("sigmoid-of-each")
def wrong_sigmoid(logits, x):
    return F.logsigmoid(logits).gather(1, x[:, None]).flatten(1).sum(1)


@wrong("binary")
def wrong_bernoulli(logits, x):
    return -F.binary_cross_entropy_with_logits(logits[:, 1], x.to(logits.dtype), reduction="none").flatten(1).sum(1)


@wrong("binary")
def wrong_binary_cross_entropy(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x.to(logits.dtype), reduction="none").flatten(1).sum(1)


@wrong("most-likely-level")
def wrong_most_likely(logits, x):
    return logits.log_softmax(1).amax(1).flatten(1).sum(1)


@wrong("entropy")
def wrong_entropy(logits, x):
    return Categorical(logits=logits.movedim(1, -1)).entropy().flatten(1).sum(1)


@wrong("all-levels")
def wrong_all_levels(logits, x):
    return logits.log_softmax(1).flatten(1).sum(1)


@wrong("average-level")
def wrong_squared_error(logits, x):
    levels = torch.arange(logits.shape[1]).view(1, -1, 1, 1, 1)
    return -(((logits.softmax(1) * levels).sum(1) - x) ** 2).flatten(1).sum(1)


@wrong("one-image")
def wrong_first_image(logits, x):
    return right_cross_entropy(logits[:1].expand_as(logits), x)


@wrong("axes-mixed-up")
def wrong_reshape(logits, x):
    rows = logits.reshape(-1, logits.shape[1])
    return -F.cross_entropy(rows, x.flatten(), reduction="none").view(len(x), -1).sum(1)


@wrong("axes-mixed-up")
def wrong_transpose(logits, x):
    rows = logits.transpose(1, -1).reshape(-1, logits.shape[1])
    return -F.cross_entropy(rows, x.flatten(), reduction="none").view(len(x), -1).sum(1)


@wrong("axes-mixed-up")
def wrong_channels_before_levels(logits, x):
    B, V, C, H, W = logits.shape
    return -F.cross_entropy(logits.reshape(B, C, V, H, W).transpose(1, 2), x, reduction="none").flatten(1).sum(1)


@wrong("log-of-softmax", credit=0.8)
def wrong_log_of_softmax(logits, x):
    return logits.softmax(1).log().gather(1, x[:, None]).flatten(1).sum(1)


@wrong("exp-overflow", credit=0.8)
def wrong_exp(logits, x):
    chosen = logits.gather(1, x[:, None]).squeeze(1)
    return (chosen - logits.exp().sum(1).log()).flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits, x):
    return (logits.softmax(1).gather(1, x[:, None]) + 1e-9).log().flatten(1).sum(1)


@wrong("eps-in-log", credit=0.8)
def wrong_distribution_of_probabilities(logits, x):
    return Categorical(logits.softmax(1).movedim(1, -1)).log_prob(x).flatten(1).sum(1)


@wrong("detached", credit=0.6)
def wrong_detached(logits, x):
    return right_cross_entropy(logits.detach(), x)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(logits, x):
    logits -= logits.logsumexp(1, keepdim=True)
    return logits.gather(1, x[:, None]).flatten(1).sum(1)


@wrong("single-example", credit=0.8)
def wrong_squeeze(logits, x):
    return -F.cross_entropy(logits, x, reduction="none").flatten(1).sum(1).squeeze()


@wrong("fixed-dtype", credit=0.8)
def wrong_float(logits, x):
    return right_cross_entropy(logits.float(), x)


@wrong("returns-nothing")
def wrong_no_return(logits, x):
    print(right_cross_entropy(logits, x))


@wrong(None)
def wrong_smoothed(logits, x):
    return -F.cross_entropy(logits, x, reduction="none", label_smoothing=0.01).flatten(1).sum(1)
