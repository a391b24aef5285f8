import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli

from tests.answers.bank import wrong


def right_library(logits_real, logits_fake):
    real = F.binary_cross_entropy_with_logits(logits_real, torch.ones_like(logits_real))
    fake = F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))
    return real + fake


def right_softplus(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()


def right_logsigmoid(logits_real, logits_fake):
    return -(F.logsigmoid(logits_real).mean() + F.logsigmoid(-logits_fake).mean())


def right_logsigmoid_shifted(logits_real, logits_fake):
    return torch.mean(-F.logsigmoid(logits_real)) - torch.mean(F.logsigmoid(logits_fake) - logits_fake)


def right_criterion_and_flat(logits_real, logits_fake):
    criterion = torch.nn.BCEWithLogitsLoss()
    logits_real, logits_fake = logits_real.reshape(-1), logits_fake.reshape(-1)
    targets = logits_real.new_ones(len(logits_real)), logits_fake.new_zeros(len(logits_fake))
    return criterion(logits_real, targets[0]) + criterion(logits_fake, targets[1])


def right_full_targets(logits_real, logits_fake):
    ones = torch.full(logits_real.shape, 1.0, dtype=logits_real.dtype, device=logits_real.device)
    zeros = torch.full(logits_fake.shape, 0.0, dtype=logits_fake.dtype, device=logits_fake.device)
    bce = F.binary_cross_entropy_with_logits
    return bce(logits_real, ones, reduction="sum") / ones.numel() + bce(logits_fake, zeros, reduction="mean")


def right_distributions(logits_real, logits_fake):
    real = Bernoulli(logits=logits_real).log_prob(torch.ones_like(logits_real))
    fake = Bernoulli(logits=logits_fake).log_prob(torch.zeros_like(logits_fake))
    return -real.mean() - fake.mean()


def right_logaddexp(logits_real, logits_fake):
    zero = torch.zeros((), dtype=logits_real.dtype)
    return torch.logaddexp(zero, -logits_real).mean() + torch.logaddexp(zero, logits_fake).mean()


def right_by_hand(logits_real, logits_fake):
    def softplus(x):
        return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))

    return softplus(-logits_real).mean() + softplus(logits_fake).mean()


def right_loop(logits_real, logits_fake):
    total = 0.0
    for logits, sign in ((logits_real, -1), (logits_fake, 1)):
        for logit in logits.flatten():
            total = total + F.softplus(sign * logit) / logits.numel()
    return total


def right_float64_and_noise(logits_real, logits_fake):
    print("logits", tuple(logits_real.shape))
    warnings.warn("a warning on the way", stacklevel=1)
    return F.softplus(-logits_real.double()).mean() + F.softplus(logits_fake.double()).mean()


def right_two_classes(logits_real, logits_fake):
    def cross_entropy(logits, label):
        two = torch.stack([torch.zeros_like(logits), logits], -1).reshape(-1, 2)
        return F.cross_entropy(two, torch.full((len(two),), label))

    return cross_entropy(logits_real, 1) + cross_entropy(logits_fake, 0)


def right_mean_of_examples(logits_real, logits_fake):
    real = F.softplus(-logits_real).flatten(1).mean(1) if logits_real.ndim > 1 else F.softplus(-logits_real)
    fake = F.softplus(logits_fake).flatten(1).mean(1) if logits_fake.ndim > 1 else F.softplus(logits_fake)
    return (real.mean() + fake.mean()).reshape(1)


def right_soft_margin(logits_real, logits_fake):
    real = F.soft_margin_loss(logits_real.double(), torch.ones_like(logits_real.double()), reduction="none")
    fake = F.softplus(logits_fake)
    return (real.mean() if real.isfinite().all() else F.softplus(-logits_real).mean()) + fake.mean()


def right_weighted_together(logits_real, logits_fake):
    logits = torch.cat([logits_real.flatten(), logits_fake.flatten()])
    sizes = logits_real.numel(), logits_fake.numel()
    targets = torch.cat([torch.ones(sizes[0]), torch.zeros(sizes[1])]).to(logits)
    weights = torch.cat([torch.full((n,), 1 / n) for n in sizes]).to(logits)
    return F.binary_cross_entropy_with_logits(logits, targets, weight=weights, reduction="sum")


def right_squeezed(logits_real, logits_fake):
    real, fake = logits_real.squeeze(), logits_fake.squeeze()
    bce = F.binary_cross_entropy_with_logits
    return bce(real, real.new_ones(real.shape)) + bce(fake, fake.new_zeros(fake.shape))


class SoftPlus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.softplus(x)

    @staticmethod
    def backward(ctx, grad):
        return grad * torch.sigmoid(ctx.saved_tensors[0])


def right_custom_autograd(logits_real, logits_fake):
    return SoftPlus.apply(-logits_real).mean() + SoftPlus.apply(logits_fake).mean()


def loss(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()


@wrong("swapped")
def wrong_swapped(logits_real, logits_fake):
    return F.softplus(logits_real).mean() + F.softplus(-logits_fake).mean()


@wrong("swapped")
def wrong_swapped_and_maximised(logits_real, logits_fake):
    return F.logsigmoid(-logits_real).mean() + F.logsigmoid(logits_fake).mean()


@wrong("swapped")
def wrong_swapped_arguments(logits_real, logits_fake):
    return loss(logits_fake, logits_real)


@wrong("fake-as-real")
def wrong_all_ones(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() + F.softplus(-logits_fake).mean()


@wrong("real-as-fake")
def wrong_all_zeros(logits_real, logits_fake):
    return F.softplus(logits_real).mean() + F.softplus(logits_fake).mean()


@wrong("sum")
def wrong_sum(logits_real, logits_fake):
    bce = F.binary_cross_entropy_with_logits
    real = bce(logits_real, torch.ones_like(logits_real), reduction="sum")
    return real + bce(logits_fake, torch.zeros_like(logits_fake), reduction="sum")


@wrong("halved")
def wrong_half(logits_real, logits_fake):
    return 0.5 * loss(logits_real, logits_fake)


@wrong("doubled")
def wrong_double(logits_real, logits_fake):
    return 2 * loss(logits_real, logits_fake)


@wrong("mean-over-both")
def wrong_concatenated(logits_real, logits_fake):
    logits = torch.cat([logits_real, logits_fake])
    targets = torch.cat([torch.ones_like(logits_real), torch.zeros_like(logits_fake)])
    return F.binary_cross_entropy_with_logits(logits, targets)


@wrong("mean-over-both")
def wrong_concatenated_twice(logits_real, logits_fake):
    return 2 * torch.cat([F.softplus(-logits_real), F.softplus(logits_fake)]).mean()


@wrong("one-divisor")
def wrong_divisor_of_real(logits_real, logits_fake):
    return (F.softplus(-logits_real).sum() + F.softplus(logits_fake).sum()) / logits_real.numel()


@wrong("one-divisor")
def wrong_divisor_of_fake_batch(logits_real, logits_fake):
    return (F.softplus(-logits_real).sum() + F.softplus(logits_fake).sum()) / len(logits_fake)


@wrong("sum-over-patches")
def wrong_sum_over_patches(logits_real, logits_fake):
    return F.softplus(-logits_real).sum() / len(logits_real) + F.softplus(logits_fake).sum() / len(logits_fake)


@wrong("first-axis")
def wrong_first_axis(logits_real, logits_fake):
    return F.softplus(-logits_real).mean(0) + F.softplus(logits_fake).mean(0)


@wrong("keeps-axes")
def wrong_keepdim(logits_real, logits_fake):
    axes = tuple(range(logits_real.ndim))
    return F.softplus(-logits_real).mean(axes, keepdim=True) + F.softplus(logits_fake).mean(axes, keepdim=True)


@wrong("not-averaged")
def wrong_not_averaged(logits_real, logits_fake):
    return torch.cat([F.softplus(-logits_real), F.softplus(logits_fake)])


@wrong("only-real")
def wrong_only_real(logits_real, logits_fake):
    return F.softplus(-logits_real).mean()


@wrong("only-fake")
def wrong_only_fake(logits_real, logits_fake):
    return F.softplus(logits_fake).mean()


@wrong("fake-subtracted")
def wrong_fake_subtracted(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() - F.softplus(logits_fake).mean()


@wrong("real-subtracted")
def wrong_real_subtracted(logits_real, logits_fake):
    return F.logsigmoid(logits_real).mean() - F.logsigmoid(-logits_fake).mean()


@wrong("product")
def wrong_product(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() * F.softplus(logits_fake).mean()


@wrong("sign")
def wrong_sign(logits_real, logits_fake):
    return F.logsigmoid(logits_real).mean() + F.logsigmoid(-logits_fake).mean()


@wrong("unequal-batches")
def wrong_elementwise(logits_real, logits_fake):
    return (F.softplus(-logits_real) + F.softplus(logits_fake)).mean()


@wrong("unequal-batches")
def wrong_targets_of_the_other(logits_real, logits_fake):
    ones, zeros = torch.ones_like(logits_real), torch.zeros_like(logits_real)
    bce = F.binary_cross_entropy_with_logits
    return bce(logits_real, ones) + bce(logits_fake, zeros)


@wrong("unequal-batches")
def wrong_stacked(logits_real, logits_fake):
    return F.softplus(torch.stack([-logits_real, logits_fake])).flatten(1).mean(1).sum()


@wrong("real-for-fake")
def wrong_only_the_real_batch(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() + F.softplus(logits_real).mean()


@wrong("real-for-fake")
def wrong_only_the_fake_batch(logits_real, logits_fake):
    return F.softplus(-logits_fake).mean() + F.softplus(logits_fake).mean()


@wrong("sigmoid-twice")
def wrong_sigmoid_twice(logits_real, logits_fake):
    return loss(torch.sigmoid(logits_real), torch.sigmoid(logits_fake))


@wrong("sigmoid-twice")
def wrong_sigmoid_twice_on_fakes(logits_real, logits_fake):
    return loss(logits_real, torch.sigmoid(logits_fake))


@wrong("probs-for-logits")
def wrong_logits_as_probs(logits_real, logits_fake):
    return -torch.log(logits_real).mean() - torch.log(1 - logits_fake).mean()


@wrong("probs-for-logits")
def wrong_bce_of_logits(logits_real, logits_fake):
    real = F.binary_cross_entropy(logits_real, torch.ones_like(logits_real))
    return real + F.binary_cross_entropy(logits_fake, torch.zeros_like(logits_fake))


@wrong("probs-for-logits")
def wrong_bce_of_clamped_logits(logits_real, logits_fake):
    real = F.binary_cross_entropy(logits_real.clamp(0, 1), torch.ones_like(logits_real))
    return real + F.binary_cross_entropy(logits_fake.clamp(0, 1), torch.zeros_like(logits_fake))


@wrong("probs-for-logits")
def wrong_distribution_of_logits(logits_real, logits_fake):
    real = Bernoulli(probs=logits_real).log_prob(torch.ones_like(logits_real))
    return -real.mean() - Bernoulli(probs=logits_fake).log_prob(torch.zeros_like(logits_fake)).mean()


@wrong("no-log")
def wrong_no_log(logits_real, logits_fake):
    return -torch.sigmoid(logits_real).mean() - (1 - torch.sigmoid(logits_fake)).mean()


@wrong("no-log")
def wrong_probabilities_of_mistakes(logits_real, logits_fake):
    return (1 - torch.sigmoid(logits_real)).mean() + torch.sigmoid(logits_fake).mean()


@wrong("log-of-mean")
def wrong_log_of_mean(logits_real, logits_fake):
    return -torch.log(torch.sigmoid(logits_real).mean()) - torch.log(1 - torch.sigmoid(logits_fake).mean())


@wrong("log-of-mean")
def wrong_mean_logit(logits_real, logits_fake):
    return F.softplus(-logits_real.mean()) + F.softplus(logits_fake.mean())


@wrong("bits")
def wrong_bits(logits_real, logits_fake):
    return loss(logits_real, logits_fake) / math.log(2)


@wrong("smoothed")
def wrong_one_sided_smoothing(logits_real, logits_fake):
    real = F.binary_cross_entropy_with_logits(logits_real, torch.full_like(logits_real, 0.9))
    return real + F.softplus(logits_fake).mean()


@wrong("smoothed")
def wrong_two_sided_smoothing(logits_real, logits_fake):
    real = F.binary_cross_entropy_with_logits(logits_real, torch.full_like(logits_real, 0.9))
    return real + F.binary_cross_entropy_with_logits(logits_fake, torch.full_like(logits_fake, 0.1))


@wrong("least-squares")
def wrong_least_squares(logits_real, logits_fake):
    return ((logits_real - 1) ** 2).mean() + (logits_fake**2).mean()


@wrong("least-squares")
def wrong_least_squares_of_probabilities(logits_real, logits_fake):
    return ((torch.sigmoid(logits_real) - 1) ** 2).mean() + (torch.sigmoid(logits_fake) ** 2).mean()


@wrong("hinge")
def wrong_hinge(logits_real, logits_fake):
    return F.relu(1 - logits_real).mean() + F.relu(1 + logits_fake).mean()


@wrong("wasserstein")
def wrong_wasserstein(logits_real, logits_fake):
    return logits_fake.mean() - logits_real.mean()


@wrong("relativistic")
def wrong_relativistic(logits_real, logits_fake):
    return F.softplus(-(logits_real - logits_fake.mean())).mean() + F.softplus(logits_fake - logits_real.mean()).mean()


@wrong("constant")
def wrong_constant(logits_real, logits_fake):
    return 2 * torch.log(torch.tensor(2.0)) + 0 * logits_real.sum() + 0 * logits_fake.sum()


@wrong("not-finite", credit=0.8)
def wrong_log_of_sigmoid(logits_real, logits_fake):
    return -torch.log(torch.sigmoid(logits_real)).mean() - torch.log(1 - torch.sigmoid(logits_fake)).mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_sigmoid_float64(logits_real, logits_fake):
    real, fake = logits_real.double(), logits_fake.double()
    return -torch.log(torch.sigmoid(real)).mean() - torch.log(torch.sigmoid(-fake)).mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_sigmoid_on_fakes(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() - torch.log(1 - torch.sigmoid(logits_fake)).mean()


@wrong("not-finite", credit=0.8)
def wrong_exp_overflows(logits_real, logits_fake):
    return torch.log1p(torch.exp(-logits_real)).mean() + torch.log1p(torch.exp(logits_fake)).mean()


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid(logits_real, logits_fake):
    real = F.binary_cross_entropy(torch.sigmoid(logits_real), torch.ones_like(logits_real))
    return real + F.binary_cross_entropy(torch.sigmoid(logits_fake), torch.zeros_like(logits_fake))


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid_on_fakes(logits_real, logits_fake):
    fake = F.binary_cross_entropy(torch.sigmoid(logits_fake), torch.zeros_like(logits_fake))
    return F.softplus(-logits_real).mean() + fake


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits_real, logits_fake):
    real, fake = torch.sigmoid(logits_real), torch.sigmoid(logits_fake)
    return -torch.log(real + 1e-8).mean() - torch.log(1 - fake + 1e-8).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_probabilities(logits_real, logits_fake):
    real, fake = torch.sigmoid(logits_real).clamp(1e-7, 1 - 1e-7), torch.sigmoid(logits_fake).clamp(1e-7, 1 - 1e-7)
    return -torch.log(real).mean() - torch.log(1 - fake).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_logits(logits_real, logits_fake):
    return loss(logits_real.clamp(-200, 200), logits_fake.clamp(-200, 200))


@wrong("eps-in-log", credit=0.8)
def wrong_distribution_of_sigmoid(logits_real, logits_fake):
    real = Bernoulli(probs=torch.sigmoid(logits_real)).log_prob(torch.ones_like(logits_real))
    fake = Bernoulli(probs=torch.sigmoid(logits_fake)).log_prob(torch.zeros_like(logits_fake))
    return -real.mean() - fake.mean()


@wrong(None, credit=0.8)
def wrong_nan_gradient_in_the_dead_branch(logits_real, logits_fake):
    naive = torch.log1p(torch.exp(logits_fake))
    return F.softplus(-logits_real).mean() + torch.where(logits_fake > 20, logits_fake, naive).mean()


@wrong(None)
def wrong_linear_beyond_four(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake, threshold=4).mean()


@wrong("detached", credit=0.6)
def wrong_detached(logits_real, logits_fake):
    return loss(logits_real, logits_fake).detach()


@wrong("partly-detached", credit=0.6)
def wrong_detached_fakes(logits_real, logits_fake):
    return loss(logits_real, logits_fake.detach())


@wrong("returns-number")
def wrong_item(logits_real, logits_fake):
    return loss(logits_real, logits_fake).item()


@wrong("returns-tuple")
def wrong_tuple(logits_real, logits_fake):
    return F.softplus(-logits_real).mean(), F.softplus(logits_fake).mean()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(logits_real, logits_fake):
    return F.softplus(logits_real.neg_()).mean() + F.softplus(logits_fake).mean()


@wrong("touches-rng", credit=0.9)
def wrong_seeds(logits_real, logits_fake):
    torch.manual_seed(0)
    return loss(logits_real, logits_fake)


@wrong("random-result")
def wrong_noisy_labels(logits_real, logits_fake):
    targets = 1 - 0.1 * torch.rand_like(logits_real)
    return F.binary_cross_entropy_with_logits(logits_real, targets) + F.softplus(logits_fake).mean()


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(logits_real, logits_fake):
    return loss(logits_real.float(), logits_fake.float())


@wrong("fixed-dtype", credit=0.9)
def wrong_targets_in_float32(logits_real, logits_fake):
    real = F.binary_cross_entropy_with_logits(logits_real, torch.ones(logits_real.shape))
    return real + F.binary_cross_entropy_with_logits(logits_fake, torch.zeros(logits_fake.shape))


@wrong("fixed-dtype", credit=0.9)
def wrong_rounded_to_float32(logits_real, logits_fake):
    return loss(logits_real, logits_fake).to(torch.float32)


@wrong("one-layout-only")
def wrong_columns_only(logits_real, logits_fake):
    return loss(logits_real[:, 0], logits_fake[:, 0])


@wrong("single-example", credit=0.9)
def wrong_squeeze(logits_real, logits_fake):
    real, fake = logits_real.squeeze(), logits_fake.squeeze()
    return sum(F.softplus(-x).mean() for x in real) / len(real) + sum(F.softplus(x).mean() for x in fake) / len(fake)


@wrong("returns-nothing")
def wrong_no_return(logits_real, logits_fake):
    print(loss(logits_real, logits_fake))


@wrong(None)
def wrong_first_channel_row(logits_real, logits_fake):
    return loss(logits_real.flatten()[:3], logits_fake.flatten()[:3])


@wrong(None)
def wrong_weighted(logits_real, logits_fake):
    return F.softplus(-logits_real).mean() + 0.999 * F.softplus(logits_fake).mean()


@wrong("wrong-names", credit=0.9)
def wrong_names(real, fake):
    return loss(real, fake)
