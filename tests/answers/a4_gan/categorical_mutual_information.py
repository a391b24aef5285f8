import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Categorical

from tests.answers.bank import wrong


def right_library(q_logits, c):
    return math.log(q_logits.shape[1]) - F.cross_entropy(q_logits, c)


def right_gather(q_logits, c):
    log_q = q_logits.log_softmax(dim=1).gather(1, c.unsqueeze(1)).squeeze(1)
    return log_q.mean() + math.log(q_logits.size(-1))


def right_distribution(q_logits, c):
    prior = torch.log(torch.tensor(float(q_logits.shape[1])))
    return prior + Categorical(logits=q_logits).log_prob(c).mean()


def right_advanced_indexing(q_logits, c):
    return F.log_softmax(q_logits, 1)[torch.arange(len(c)), c].mean() + math.log(q_logits.shape[1])


def right_one_hot(q_logits, c):
    one_hot = F.one_hot(c, q_logits.shape[1]).to(q_logits)
    return math.log(q_logits.shape[1]) + (one_hot * q_logits.log_softmax(1)).sum(1).mean()


def right_nll(q_logits, c):
    criterion = torch.nn.NLLLoss(reduction="sum")
    return math.log(q_logits.shape[1]) - criterion(torch.nn.LogSoftmax(dim=1)(q_logits), c) / c.numel()


def right_logsumexp(q_logits, c):
    chosen = torch.take_along_dim(q_logits, c[:, None], 1)[:, 0]
    return (chosen - q_logits.logsumexp(1) + math.log(q_logits.shape[1])).mean()


def right_ratio_to_uniform(q_logits, c):
    return (chosen(q_logits, c) - q_logits.logsumexp(1) + torch.zeros_like(q_logits).logsumexp(1)).mean()


def right_loop(q_logits, c):
    total = torch.zeros((), dtype=q_logits.dtype)
    for logits, code in zip(q_logits, c.tolist(), strict=True):
        total = total + F.log_softmax(logits, 0)[code]
    return np_log(q_logits.shape[1]) + total / len(q_logits)


def right_float64_and_noise(q_logits, c):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return math.log(q_logits.shape[1]) - F.cross_entropy(q_logits.double(), c, reduction="none").mean()


def right_soft_targets(q_logits, c):
    targets = torch.zeros_like(q_logits).scatter(1, c.view(-1, 1), 1.0)
    return -F.cross_entropy(q_logits, targets) + math.log(q_logits.shape[1])


def right_one_element(q_logits, c):
    return (math.log(q_logits.shape[1]) - F.cross_entropy(q_logits, c)).reshape(1)


def right_entropy_of_a_uniform(q_logits, c):
    entropy = Categorical(logits=torch.zeros(q_logits.shape[1], dtype=q_logits.dtype)).entropy()
    return entropy + Categorical(logits=q_logits).log_prob(c).mean()


def right_maximum_subtracted(q_logits, c):
    q = q_logits - q_logits.max(1, keepdim=True).values
    return (chosen(q, c) - q.exp().sum(1).log()).mean() + math.log(q.shape[1])


def right_mask(q_logits, c):
    mask = torch.arange(q_logits.shape[1])[None] == c[:, None]
    return math.log(q_logits.shape[1]) + q_logits.log_softmax(1)[mask].mean()


def np_log(value):
    return float(torch.tensor(value, dtype=torch.float64).log())


def chosen(table, c):
    return table.gather(1, c[:, None])[:, 0]


def log_likelihood(q_logits, c):
    return -F.cross_entropy(q_logits, c)


def log_k(q_logits):
    return math.log(q_logits.shape[1])


@wrong("no-log-k")
def wrong_no_log_k(q_logits, c):
    return log_likelihood(q_logits, c)


@wrong("no-log-k")
def wrong_cross_entropy(q_logits, c):
    return F.cross_entropy(q_logits, c)


@wrong("log-k-subtracted")
def wrong_log_k_subtracted(q_logits, c):
    return log_likelihood(q_logits, c) - log_k(q_logits)


@wrong("k-for-log-k")
def wrong_k(q_logits, c):
    return q_logits.shape[1] + log_likelihood(q_logits, c)


@wrong("batch-for-k")
def wrong_batch_for_k(q_logits, c):
    return math.log(len(q_logits)) + log_likelihood(q_logits, c)


@wrong("log-k-bits")
def wrong_log_k_in_bits(q_logits, c):
    return math.log2(q_logits.shape[1]) + log_likelihood(q_logits, c)


@wrong("bits")
def wrong_bits(q_logits, c):
    return (log_k(q_logits) + log_likelihood(q_logits, c)) / math.log(2)


@wrong("sign")
def wrong_sign(q_logits, c):
    return F.cross_entropy(q_logits, c) - log_k(q_logits)


@wrong("likelihood-sign")
def wrong_likelihood_sign(q_logits, c):
    return log_k(q_logits) + F.cross_entropy(q_logits, c)


@wrong("softmax-twice")
def wrong_softmax_twice(q_logits, c):
    return log_k(q_logits) - F.cross_entropy(q_logits.softmax(1), c)


@wrong("softmax-twice")
def wrong_softmax_twice_in_a_distribution(q_logits, c):
    return log_k(q_logits) + Categorical(logits=q_logits.softmax(1)).log_prob(c).mean()


@wrong("probs-for-logits")
def wrong_log_of_logits(q_logits, c):
    return log_k(q_logits) + chosen(q_logits.log(), c).mean()


@wrong("not-normalised")
def wrong_nll_of_logits(q_logits, c):
    return log_k(q_logits) - F.nll_loss(q_logits, c)


@wrong("no-log")
def wrong_no_log(q_logits, c):
    return log_k(q_logits) + chosen(q_logits.softmax(1), c).mean()


@wrong("no-log")
def wrong_nll_of_probabilities(q_logits, c):
    return log_k(q_logits) - F.nll_loss(q_logits.softmax(1), c)


@wrong("log-of-mean")
def wrong_log_of_mean(q_logits, c):
    return log_k(q_logits) + chosen(q_logits.softmax(1), c).mean().log()


@wrong("accuracy")
def wrong_accuracy(q_logits, c):
    return (q_logits.argmax(1) == c).float().mean()


@wrong("sum")
def wrong_sum(q_logits, c):
    return log_k(q_logits) - F.cross_entropy(q_logits, c, reduction="sum")


@wrong("sum")
def wrong_sum_of_both(q_logits, c):
    return (log_k(q_logits) - F.cross_entropy(q_logits, c, reduction="none")).sum()


@wrong("not-averaged")
def wrong_not_averaged(q_logits, c):
    return log_k(q_logits) - F.cross_entropy(q_logits, c, reduction="none")


@wrong("not-averaged")
def wrong_column(q_logits, c):
    return log_k(q_logits) + q_logits.log_softmax(1).gather(1, c[:, None])


@wrong("mean-over-classes")
def wrong_mean_over_classes(q_logits, c):
    return log_k(q_logits) + (F.one_hot(c, q_logits.shape[1]) * q_logits.log_softmax(1)).mean()


@wrong("code-ignored")
def wrong_negative_entropy(q_logits, c):
    return log_k(q_logits) - Categorical(logits=q_logits).entropy().mean()


@wrong("code-ignored")
def wrong_likeliest_class(q_logits, c):
    return log_k(q_logits) + q_logits.log_softmax(1).max(1).values.mean()


@wrong("code-ignored")
def wrong_mean_of_all(q_logits, c):
    return log_k(q_logits) + q_logits.log_softmax(1).mean()


@wrong("wrong-axis")
def wrong_axis(q_logits, c):
    return log_k(q_logits) + chosen(q_logits.log_softmax(0), c).mean()


@wrong("all-pairs")
def wrong_all_pairs(q_logits, c):
    return log_k(q_logits) + q_logits.log_softmax(1)[:, c].mean()


@wrong("sigmoid")
def wrong_binary(q_logits, c):
    one_hot = F.one_hot(c, q_logits.shape[1]).to(q_logits)
    return log_k(q_logits) - F.binary_cross_entropy_with_logits(q_logits, one_hot)


@wrong("sigmoid")
def wrong_sigmoid(q_logits, c):
    return log_k(q_logits) + chosen(F.logsigmoid(q_logits), c).mean()


@wrong("c-as-one-hot")
def wrong_one_hot_expected(q_logits, c):
    return log_k(q_logits) + (c * q_logits.log_softmax(1)).sum(1).mean()


@wrong("c-as-one-hot")
def wrong_one_hot_expected_and_no_log_k(q_logits, c):
    return (c.float() * F.log_softmax(q_logits, 1)).sum(-1).mean()


@wrong("one-hot-without-classes")
def wrong_one_hot_without_classes(q_logits, c):
    return log_k(q_logits) + (F.one_hot(c) * q_logits.log_softmax(1)).sum(1).mean()


@wrong("clipped")
def wrong_clipped(q_logits, c):
    return (log_k(q_logits) + log_likelihood(q_logits, c)).clamp(min=0)


@wrong("clipped")
def wrong_each_clipped(q_logits, c):
    return (log_k(q_logits) - F.cross_entropy(q_logits, c, reduction="none")).relu().mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_softmax(q_logits, c):
    return log_k(q_logits) + chosen(q_logits.softmax(1).log(), c).mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_softmax_float64(q_logits, c):
    return log_k(q_logits) + chosen(q_logits.double().softmax(1).log(), c).mean()


@wrong("not-finite", credit=0.8)
def wrong_exp_overflows(q_logits, c):
    return log_k(q_logits) + (chosen(q_logits, c) - q_logits.exp().sum(1).log()).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_eps(q_logits, c):
    return log_k(q_logits) + chosen((q_logits.softmax(1) + 1e-8).log(), c).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_distribution_of_probabilities(q_logits, c):
    return log_k(q_logits) + Categorical(probs=q_logits.softmax(1)).log_prob(c).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_logits(q_logits, c):
    return log_k(q_logits) + log_likelihood(q_logits.clamp(-50, 50), c)


@wrong("detached", credit=0.6)
def wrong_detached(q_logits, c):
    return log_k(q_logits) + log_likelihood(q_logits.detach(), c)


@wrong("returns-number")
def wrong_item(q_logits, c):
    return log_k(q_logits) + log_likelihood(q_logits, c).item()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(q_logits, c):
    q_logits -= q_logits.max(1, keepdim=True).values
    return log_k(q_logits) + log_likelihood(q_logits, c)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(q_logits, c):
    return log_k(q_logits) + log_likelihood(q_logits.float(), c)


@wrong("single-example", credit=0.9)
def wrong_squeeze(q_logits, c):
    log_q = q_logits.log_softmax(1).gather(1, c[:, None]).squeeze()
    return log_k(q_logits) + sum(log_q) / len(log_q)


@wrong(None)
def wrong_fixed_k(q_logits, c):
    return math.log(10) + log_likelihood(q_logits, c)


@wrong("k-from-codes")
def wrong_largest_code(q_logits, c):
    return torch.log(c.max() + 1.0) + log_likelihood(q_logits, c)


@wrong("k-from-codes")
def wrong_classes_seen(q_logits, c):
    return math.log(len(c.unique())) + log_likelihood(q_logits, c)


@wrong(None)
def wrong_label_smoothing(q_logits, c):
    return log_k(q_logits) - F.cross_entropy(q_logits, c, label_smoothing=0.1)


@wrong(None)
def wrong_class_weights(q_logits, c):
    counts = torch.bincount(c, minlength=q_logits.shape[1]).to(q_logits)
    return log_k(q_logits) - F.cross_entropy(q_logits, c, weight=1 / (1 + counts))


@wrong(None)
def wrong_first_example(q_logits, c):
    return log_k(q_logits) + q_logits.log_softmax(1)[0, c[0]]


@wrong("returns-nothing")
def wrong_no_return(q_logits, c):
    log_likelihood(q_logits, c)
