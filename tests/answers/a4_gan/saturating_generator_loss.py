import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli

from tests.answers.bank import wrong


def right_logsigmoid(logits_fake):
    return F.logsigmoid(-logits_fake).mean()


def right_softplus(logits_fake):
    return -F.softplus(logits_fake).mean()


def right_library(logits_fake):
    return -F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))


def right_criterion_and_flat(logits_fake):
    logits = logits_fake.view(-1)
    return -1 * torch.nn.BCEWithLogitsLoss()(logits, torch.full_like(logits, 0))


def right_distribution(logits_fake):
    return Bernoulli(logits=logits_fake).log_prob(torch.zeros_like(logits_fake)).mean()


def right_difference(logits_fake):
    return (F.logsigmoid(logits_fake) - logits_fake).mean()


def right_logaddexp(logits_fake):
    return -torch.logaddexp(torch.zeros_like(logits_fake), logits_fake).mean()


def right_by_hand(logits_fake):
    return -(logits_fake.clamp(min=0) + torch.log1p(torch.exp(-logits_fake.abs()))).mean()


def right_loop(logits_fake):
    losses = []
    for example in logits_fake:
        losses.append(F.logsigmoid(-example).mean())
    return torch.stack(losses).mean()


def right_float64_and_noise(logits_fake):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return F.logsigmoid(-logits_fake.double()).mean()


def right_two_classes(logits_fake):
    return torch.stack([torch.zeros_like(logits_fake), logits_fake], -1).log_softmax(-1)[..., 0].mean()


def right_one_element(logits_fake):
    return F.logsigmoid(-logits_fake).sum().div(logits_fake.numel()).unsqueeze(0)


def right_log_of_one_minus(logits_fake):
    near = logits_fake.double().clamp(-30, 30)
    naive = torch.log1p(-torch.sigmoid(near))
    return torch.where(logits_fake.abs() < 30, naive, F.logsigmoid(-logits_fake)).mean()


@wrong("non-saturating")
def wrong_non_saturating(logits_fake):
    return F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(logits_fake))


@wrong("non-saturating")
def wrong_non_saturating_by_logsigmoid(logits_fake):
    return -F.logsigmoid(logits_fake).mean()


@wrong("sign")
def wrong_sign(logits_fake):
    return F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))


@wrong("log-probability")
def wrong_log_probability(logits_fake):
    return F.logsigmoid(logits_fake).mean()


@wrong("both-targets")
def wrong_both_targets(logits_fake):
    return F.logsigmoid(-logits_fake).mean() + F.logsigmoid(logits_fake).mean()


@wrong("wasserstein")
def wrong_both_forms(logits_fake):
    return F.logsigmoid(-logits_fake).mean() - F.logsigmoid(logits_fake).mean()


@wrong("sum")
def wrong_sum(logits_fake):
    return F.logsigmoid(-logits_fake).sum()


@wrong("halved")
def wrong_half(logits_fake):
    return F.logsigmoid(-logits_fake).mean() / 2


@wrong("doubled")
def wrong_double(logits_fake):
    return 2 * F.logsigmoid(-logits_fake).mean()


@wrong("not-averaged")
def wrong_not_averaged(logits_fake):
    return F.logsigmoid(-logits_fake)


@wrong("first-axis")
def wrong_first_axis(logits_fake):
    return F.logsigmoid(-logits_fake).mean(dim=0)


@wrong("sum-over-patches")
def wrong_sum_over_patches(logits_fake):
    return F.logsigmoid(-logits_fake).reshape(len(logits_fake), -1).sum(1).mean()


@wrong("keeps-axes")
def wrong_keepdim(logits_fake):
    return F.logsigmoid(-logits_fake).reshape(-1, 1).mean(0, keepdim=True)


@wrong("sigmoid-twice")
def wrong_sigmoid_twice(logits_fake):
    return F.logsigmoid(-torch.sigmoid(logits_fake)).mean()


@wrong("probs-for-logits")
def wrong_log_of_logits(logits_fake):
    return torch.log(1 - logits_fake).mean()


@wrong("probs-for-logits")
def wrong_bce_of_logits(logits_fake):
    return -F.binary_cross_entropy(logits_fake, torch.zeros_like(logits_fake))


@wrong("no-log")
def wrong_no_log(logits_fake):
    return (1 - torch.sigmoid(logits_fake)).mean()


@wrong("no-log")
def wrong_minus_probability(logits_fake):
    return -torch.sigmoid(logits_fake).mean()


@wrong("log-of-mean")
def wrong_log_of_mean(logits_fake):
    return torch.log(1 - torch.sigmoid(logits_fake).mean())


@wrong("log-of-mean")
def wrong_mean_logit(logits_fake):
    return F.logsigmoid(-logits_fake.mean())


@wrong("bits")
def wrong_bits(logits_fake):
    return F.logsigmoid(-logits_fake).mean() / math.log(2)


@wrong("smoothed")
def wrong_smoothed(logits_fake):
    return -F.binary_cross_entropy_with_logits(logits_fake, torch.full_like(logits_fake, 0.1))


@wrong("least-squares")
def wrong_least_squares(logits_fake):
    return -(logits_fake**2).mean()


@wrong("hinge")
def wrong_hinge(logits_fake):
    return -F.relu(1 + logits_fake).mean()


@wrong("wasserstein")
def wrong_wasserstein(logits_fake):
    return -logits_fake.mean()


@wrong("constant")
def wrong_constant(logits_fake):
    return -torch.log(torch.tensor(2.0)) + 0 * logits_fake.mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_one_minus_sigmoid(logits_fake):
    return torch.log(1 - torch.sigmoid(logits_fake)).mean()


@wrong("not-finite", credit=0.8)
def wrong_log1p_of_sigmoid_float64(logits_fake):
    return torch.log1p(-torch.sigmoid(logits_fake.double())).mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_mirrored_sigmoid(logits_fake):
    return torch.log(torch.sigmoid(-logits_fake)).mean()


@wrong("not-finite", credit=0.8)
def wrong_exp_overflows(logits_fake):
    return -torch.log1p(logits_fake.exp()).mean()


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid(logits_fake):
    return -F.binary_cross_entropy(torch.sigmoid(logits_fake), torch.zeros_like(logits_fake))


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits_fake):
    return torch.log(1 - torch.sigmoid(logits_fake) + 1e-8).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_probability(logits_fake):
    return torch.log((1 - torch.sigmoid(logits_fake)).clamp(min=1e-12)).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_logits(logits_fake):
    return F.logsigmoid(-logits_fake.clamp(-88, 88)).mean()


@wrong("detached", credit=0.6)
def wrong_data(logits_fake):
    return F.logsigmoid(-logits_fake.data).mean()


@wrong(None, credit=0.6)
def wrong_gradient_of_the_non_saturating_loss(logits_fake):
    right, other = F.logsigmoid(-logits_fake).mean(), F.softplus(-logits_fake).mean()
    return other + (right - other).detach()


@wrong("returns-number")
def wrong_float(logits_fake):
    return float(F.logsigmoid(-logits_fake).mean())


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(logits_fake):
    return F.logsigmoid(torch.neg(logits_fake, out=logits_fake.detach())).mean() + 0 * logits_fake.sum()


@wrong("changes-arguments", credit=0.6)
def wrong_negated_in_place(logits_fake):
    return F.logsigmoid(logits_fake.neg_()).mean()


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(logits_fake):
    return -F.binary_cross_entropy_with_logits(logits_fake.float(), torch.zeros(logits_fake.shape))


@wrong("fixed-dtype", credit=0.9)
def wrong_answer_in_float32(logits_fake):
    return F.logsigmoid(-logits_fake).mean().float()


@wrong("one-layout-only")
def wrong_columns_only(logits_fake):
    batch, _ = logits_fake.shape
    return F.logsigmoid(-logits_fake).sum() / batch


@wrong(None)
def wrong_largest(logits_fake):
    return F.logsigmoid(-logits_fake).max()


@wrong("returns-nothing")
def wrong_no_return(logits_fake):
    F.logsigmoid(-logits_fake).mean()
