import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli

from tests.answers.bank import wrong


def right_library(logits_fake):
    return F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(logits_fake))


def right_softplus(logits_fake):
    return F.softplus(-logits_fake).mean()


def right_logsigmoid(logits_fake):
    return -F.logsigmoid(logits_fake).mean()


def right_criterion_and_flat(logits_fake):
    logits = logits_fake.reshape(-1)
    return torch.nn.BCEWithLogitsLoss()(logits, logits.new_ones(logits.shape[0]))


def right_distribution(logits_fake):
    return -Bernoulli(logits=logits_fake).log_prob(torch.ones_like(logits_fake)).mean()


def right_logaddexp(logits_fake):
    return torch.logaddexp(-logits_fake, torch.zeros_like(logits_fake)).mean()


def right_by_hand(logits_fake):
    return (torch.relu(-logits_fake) + torch.log1p(torch.exp(-torch.abs(logits_fake)))).mean()


def right_loop(logits_fake):
    losses = [F.softplus(-logit) for logit in logits_fake.flatten()]
    return sum(losses) / len(losses)


def right_float64_and_noise(logits_fake):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return F.softplus(-logits_fake.double()).mean()


def right_two_classes(logits_fake):
    two = torch.stack([logits_fake, torch.zeros_like(logits_fake)]).log_softmax(0)
    return -two[0].mean()


def right_sum_over_number(logits_fake):
    targets = torch.full_like(logits_fake, 1.0)
    loss = F.binary_cross_entropy_with_logits(logits_fake, targets, reduction="sum")
    return (loss / logits_fake.numel()).reshape(1)


def right_difference(logits_fake):
    return F.softplus(logits_fake).mean() - logits_fake.mean()


class Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits):
        ctx.save_for_backward(logits)
        return F.softplus(-logits).mean()

    @staticmethod
    def backward(ctx, grad):
        (logits,) = ctx.saved_tensors
        return grad * (torch.sigmoid(logits) - 1) / logits.numel()


def right_custom_autograd(logits_fake):
    return Loss.apply(logits_fake)


@wrong("saturating")
def wrong_saturating(logits_fake):
    return F.logsigmoid(-logits_fake).mean()


@wrong("saturating")
def wrong_saturating_by_sigmoid(logits_fake):
    return torch.log(1 - torch.sigmoid(logits_fake)).mean()


@wrong("labelled-fake")
def wrong_zeros(logits_fake):
    return F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))


@wrong("sign")
def wrong_sign(logits_fake):
    return F.logsigmoid(logits_fake).mean()


@wrong("wasserstein")
def wrong_both_forms(logits_fake):
    return F.softplus(-logits_fake).mean() + F.logsigmoid(-logits_fake).mean()


@wrong("both-targets")
def wrong_both_targets(logits_fake):
    return (F.softplus(-logits_fake) + F.softplus(logits_fake)).mean()


@wrong("sum")
def wrong_sum(logits_fake):
    return F.softplus(-logits_fake).sum()


@wrong("halved")
def wrong_half(logits_fake):
    return 0.5 * F.softplus(-logits_fake).mean()


@wrong("doubled")
def wrong_double(logits_fake):
    return 2 * F.softplus(-logits_fake).mean()


@wrong("not-averaged")
def wrong_not_averaged(logits_fake):
    return F.softplus(-logits_fake)


@wrong("first-axis")
def wrong_first_axis(logits_fake):
    return F.softplus(-logits_fake).mean(0)


@wrong("sum-over-patches")
def wrong_divided_by_batch(logits_fake):
    return F.softplus(-logits_fake).sum() / logits_fake.shape[0]


@wrong("keeps-axes")
def wrong_keepdim(logits_fake):
    return F.softplus(-logits_fake).mean(tuple(range(logits_fake.ndim)), keepdim=True)


@wrong("sigmoid-twice")
def wrong_sigmoid_twice(logits_fake):
    probs = torch.sigmoid(logits_fake)
    return F.binary_cross_entropy_with_logits(probs, torch.ones_like(probs))


@wrong("probs-for-logits")
def wrong_log_of_logits(logits_fake):
    return -torch.log(logits_fake).mean()


@wrong("probs-for-logits")
def wrong_bce_of_logits(logits_fake):
    return F.binary_cross_entropy(logits_fake, torch.ones_like(logits_fake))


@wrong("probs-for-logits")
def wrong_bce_of_clamped_logits(logits_fake):
    return F.binary_cross_entropy(logits_fake.clamp(0, 1), torch.ones_like(logits_fake))


@wrong("no-log")
def wrong_no_log(logits_fake):
    return -torch.sigmoid(logits_fake).mean()


@wrong("no-log")
def wrong_one_minus_probability(logits_fake):
    return (1 - torch.sigmoid(logits_fake)).mean()


@wrong("log-of-mean")
def wrong_log_of_mean(logits_fake):
    return -torch.log(torch.sigmoid(logits_fake).mean())


@wrong("log-of-mean")
def wrong_mean_logit(logits_fake):
    return F.softplus(-logits_fake.mean())


@wrong("bits")
def wrong_bits(logits_fake):
    return -torch.log2(torch.sigmoid(logits_fake)).mean()


@wrong("smoothed")
def wrong_smoothed(logits_fake):
    return F.binary_cross_entropy_with_logits(logits_fake, torch.full_like(logits_fake, 0.9))


@wrong("least-squares")
def wrong_least_squares(logits_fake):
    return F.mse_loss(logits_fake, torch.ones_like(logits_fake))


@wrong("hinge")
def wrong_hinge(logits_fake):
    return F.relu(1 - logits_fake).mean()


@wrong("wasserstein")
def wrong_wasserstein(logits_fake):
    return -logits_fake.mean()


@wrong("constant")
def wrong_constant(logits_fake):
    return torch.tensor(math.log(2), requires_grad=True)


@wrong("not-finite", credit=0.8)
def wrong_log_of_sigmoid(logits_fake):
    return -torch.log(torch.sigmoid(logits_fake)).mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_sigmoid_float64(logits_fake):
    return -torch.log(torch.sigmoid(logits_fake.double())).mean()


@wrong("not-finite", credit=0.8)
def wrong_exp_overflows(logits_fake):
    return torch.log(1 + torch.exp(-logits_fake)).mean()


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid(logits_fake):
    return F.binary_cross_entropy(torch.sigmoid(logits_fake), torch.ones_like(logits_fake))


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits_fake):
    return -torch.log(torch.sigmoid(logits_fake) + 1e-8).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_tiny_eps(logits_fake):
    return -torch.log(torch.sigmoid(logits_fake) + 1e-30).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_loss(logits_fake):
    return F.softplus(-logits_fake).clamp(max=700).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_nan_to_num(logits_fake):
    return -torch.nan_to_num(torch.log(torch.sigmoid(logits_fake)), neginf=-150.0).mean()


@wrong("detached", credit=0.6)
def wrong_no_grad(logits_fake):
    with torch.no_grad():
        return F.softplus(-logits_fake).mean()


@wrong("detached", credit=0.6)
def wrong_new_leaf(logits_fake):
    return F.softplus(-logits_fake.detach().requires_grad_()).mean()


@wrong(None, credit=0.6)
def wrong_gradient_of_the_saturating_loss(logits_fake):
    right, other = F.softplus(-logits_fake).mean(), F.logsigmoid(-logits_fake).mean()
    return other + (right - other).detach()


@wrong("returns-number")
def wrong_item(logits_fake):
    return F.softplus(-logits_fake).mean().item()


@wrong("returns-array")
def wrong_numpy(logits_fake):
    return F.softplus(-logits_fake).mean().detach().numpy()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(logits_fake):
    logits_fake *= -1
    return F.softplus(logits_fake).mean()


@wrong("keeps-state")
def wrong_running_mean(logits_fake, history=[]):  # noqa: B006
    history.append(F.softplus(-logits_fake).mean())
    return sum(h if h is history[-1] else h.detach() for h in history) / len(history)


@wrong("fixed-dtype", credit=0.9)
def wrong_float_targets(logits_fake):
    return F.softplus(-logits_fake.float()).mean()


@wrong("one-layout-only")
def wrong_second_axis(logits_fake):
    return F.softplus(-logits_fake).mean((1, 0))


@wrong("single-example", credit=0.9)
def wrong_unbiased(logits_fake):
    losses = F.softplus(-logits_fake).squeeze()
    return losses.flatten(1).mean(1).mean() if losses.ndim > 1 else losses.sum() / losses.shape[0]


@wrong(None)
def wrong_median(logits_fake):
    return F.softplus(-logits_fake).median()


@wrong(None)
def wrong_first_example(logits_fake):
    return F.softplus(-logits_fake[0]).mean()
