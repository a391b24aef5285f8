import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Normal

from tests.answers.bank import wrong


def right_formula(scores_real, scores_fake):
    return 0.5 * ((scores_real - 1) ** 2).mean() + 0.5 * (scores_fake**2).mean()


def right_library(scores_real, scores_fake):
    real = F.mse_loss(scores_real, torch.ones_like(scores_real))
    fake = F.mse_loss(scores_fake, torch.zeros_like(scores_fake))
    return (real + fake) / 2


def right_criterion_and_flat(scores_real, scores_fake):
    criterion = torch.nn.MSELoss()
    real, fake = scores_real.reshape(-1), scores_fake.reshape(-1)
    return 0.5 * criterion(real, real.new_ones(len(real))) + 0.5 * criterion(fake, fake.new_zeros(len(fake)))


def right_full_targets(scores_real, scores_fake):
    ones, zeros = torch.full_like(scores_real, 1), torch.full_like(scores_fake, 0)
    real = torch.nn.MSELoss(reduction="sum")(scores_real, ones) / scores_real.numel()
    return 0.5 * (real + torch.nn.MSELoss()(scores_fake, zeros))


def right_expanded(scores_real, scores_fake):
    return (scores_real**2).mean() / 2 - scores_real.mean() + 0.5 + (scores_fake * scores_fake).mean() / 2


def right_dot(scores_real, scores_fake):
    real, fake = (scores_real - 1).flatten(), scores_fake.flatten()
    return real @ real / (2 * len(real)) + fake @ fake / (2 * len(fake))


def right_norm(scores_real, scores_fake):
    real, fake = scores_real - 1, scores_fake
    return 0.5 * real.norm() ** 2 / real.numel() + 0.5 * fake.norm() ** 2 / fake.numel()


def right_loop(scores_real, scores_fake):
    total = 0
    for scores, target in ((scores_real, 1.0), (scores_fake, 0.0)):
        for score in scores.flatten().unbind():
            total = total + (score - target).pow(2) / 2 / scores.numel()
    return total


def right_distribution(scores_real, scores_fake):
    log_probs = [Normal(target, 1.0).log_prob(scores) for scores, target in ((scores_real, 1.0), (scores_fake, 0.0))]
    constant = Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    return sum((constant - log_prob).mean() for log_prob in log_probs)


def right_float64_and_noise(scores_real, scores_fake):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return (scores_real.double() - 1).square().mean() * 0.5 + scores_fake.double().square().mean() * 0.5


def right_one_element(scores_real, scores_fake):
    return torch.stack([(scores_real - 1).square().mean(), scores_fake.square().mean()]).mean(0, keepdim=True)


def right_moments(scores_real, scores_fake):
    real = scores_real.var(correction=0) + (scores_real.mean() - 1) ** 2
    fake = scores_fake.var(correction=0) + scores_fake.mean() ** 2
    return (real + fake).div(2)


def right_einsum(scores_real, scores_fake):
    real, fake = scores_real.flatten() - 1, scores_fake.flatten()
    real = torch.einsum("i,i->", real, real) / real.numel()
    return torch.add(0.5 * real, torch.einsum("i,i->", fake, fake), alpha=0.5 / fake.numel())


def right_rooted_and_squared(scores_real, scores_fake):
    return 0.5 * (1 - scores_real).abs().pow(2).mean() + 0.5 * scores_fake.abs().pow(2).mean()


def half(scores, target):
    return 0.5 * (scores - target).square()


@wrong("doubled")
def wrong_no_half(scores_real, scores_fake):
    return ((scores_real - 1) ** 2).mean() + (scores_fake**2).mean()


@wrong("doubled")
def wrong_no_half_by_library(scores_real, scores_fake):
    return F.mse_loss(scores_real, torch.ones_like(scores_real)) + F.mse_loss(
        scores_fake, torch.zeros_like(scores_fake)
    )


@wrong("halved")
def wrong_half_twice(scores_real, scores_fake):
    return 0.5 * (half(scores_real, 1).mean() + half(scores_fake, 0).mean())


@wrong("one-half")
def wrong_half_of_real_only(scores_real, scores_fake):
    return half(scores_real, 1).mean() + (scores_fake**2).mean()


@wrong("one-half")
def wrong_half_of_fake_only(scores_real, scores_fake):
    return ((scores_real - 1) ** 2).mean() + half(scores_fake, 0).mean()


@wrong("swapped")
def wrong_swapped(scores_real, scores_fake):
    return half(scores_real, 0).mean() + half(scores_fake, 1).mean()


@wrong("swapped")
def wrong_swapped_arguments(scores_real, scores_fake):
    return half(scores_fake, 1).mean() + half(scores_real, 0).mean()


@wrong("fake-to-one")
def wrong_all_ones(scores_real, scores_fake):
    return half(scores_real, 1).mean() + half(scores_fake, 1).mean()


@wrong("real-to-zero")
def wrong_all_zeros(scores_real, scores_fake):
    return half(scores_real, 0).mean() + half(scores_fake, 0).mean()


@wrong("target-minus-one")
def wrong_minus_one(scores_real, scores_fake):
    return half(scores_real, 1).mean() + half(scores_fake, -1).mean()


@wrong("sigmoid-first")
def wrong_sigmoid(scores_real, scores_fake):
    return half(torch.sigmoid(scores_real), 1).mean() + half(torch.sigmoid(scores_fake), 0).mean()


@wrong("sigmoid-first")
def wrong_sigmoid_and_no_half(scores_real, scores_fake):
    return 2 * half(torch.sigmoid(scores_real), 1).mean() + 2 * half(torch.sigmoid(scores_fake), 0).mean()


@wrong("sum")
def wrong_sum(scores_real, scores_fake):
    return half(scores_real, 1).sum() + half(scores_fake, 0).sum()


@wrong("mean-over-both")
def wrong_concatenated(scores_real, scores_fake):
    scores = torch.cat([scores_real, scores_fake])
    targets = torch.cat([torch.ones_like(scores_real), torch.zeros_like(scores_fake)])
    return F.mse_loss(scores, targets)


@wrong("mean-over-both")
def wrong_half_concatenated(scores_real, scores_fake):
    return torch.cat([half(scores_real, 1), half(scores_fake, 0)]).mean()


@wrong("one-divisor")
def wrong_one_divisor(scores_real, scores_fake):
    return (half(scores_real, 1).sum() + half(scores_fake, 0).sum()) / scores_fake.numel()


@wrong("first-axis")
def wrong_first_axis(scores_real, scores_fake):
    return half(scores_real, 1).mean(0) + half(scores_fake, 0).mean(0)


@wrong("sum-over-patches")
def wrong_sum_over_patches(scores_real, scores_fake):
    return half(scores_real, 1).sum() / len(scores_real) + half(scores_fake, 0).sum() / len(scores_fake)


@wrong("keeps-axes")
def wrong_keepdim(scores_real, scores_fake):
    axes = list(range(scores_real.ndim))
    return half(scores_real, 1).mean(axes, keepdim=True) + half(scores_fake, 0).mean(axes, keepdim=True)


@wrong("not-averaged")
def wrong_not_averaged(scores_real, scores_fake):
    return torch.cat([half(scores_real, 1), half(scores_fake, 0)])


@wrong("only-real")
def wrong_only_real(scores_real, scores_fake):
    return half(scores_real, 1).mean()


@wrong("only-fake")
def wrong_only_fake(scores_real, scores_fake):
    return half(scores_fake, 0).mean()


@wrong("fake-subtracted")
def wrong_fake_subtracted(scores_real, scores_fake):
    return half(scores_real, 1).mean() - half(scores_fake, 0).mean()


@wrong("real-subtracted")
def wrong_real_subtracted(scores_real, scores_fake):
    return half(scores_fake, 0).mean() - half(scores_real, 1).mean()


@wrong("product")
def wrong_product(scores_real, scores_fake):
    return half(scores_real, 1).mean() * half(scores_fake, 0).mean()


@wrong("sign")
def wrong_sign(scores_real, scores_fake):
    return -half(scores_real, 1).mean() - half(scores_fake, 0).mean()


@wrong("unequal-batches")
def wrong_elementwise(scores_real, scores_fake):
    return (half(scores_real, 1) + half(scores_fake, 0)).mean()


@wrong("unequal-batches")
def wrong_stacked(scores_real, scores_fake):
    return 0.5 * torch.stack([scores_real - 1, scores_fake]).square().flatten(1).mean(1).sum()


@wrong("relativistic")
def wrong_difference_of_means(scores_real, scores_fake):
    return (scores_real.mean() - scores_fake.mean()) ** 2


@wrong("relativistic")
def wrong_relativistic(scores_real, scores_fake):
    return half(scores_real - scores_fake.mean(), 1).mean() + half(scores_fake - scores_real.mean(), -1).mean()


@wrong("real-for-fake")
def wrong_only_the_real_batch(scores_real, scores_fake):
    return half(scores_real, 1).mean() + half(scores_real, 0).mean()


@wrong("real-for-fake")
def wrong_only_the_fake_batch(scores_real, scores_fake):
    return half(scores_fake, 1).mean() + half(scores_fake, 0).mean()


@wrong("root")
def wrong_root(scores_real, scores_fake):
    return 0.5 * ((scores_real - 1) ** 2).mean().sqrt() + 0.5 * (scores_fake**2).mean().sqrt()


@wrong("root")
def wrong_root_of_sum(scores_real, scores_fake):
    return torch.sqrt(half(scores_real, 1).mean() + half(scores_fake, 0).mean())


@wrong("absolute")
def wrong_absolute(scores_real, scores_fake):
    return F.l1_loss(scores_real, torch.ones_like(scores_real)) + F.l1_loss(scores_fake, torch.zeros_like(scores_fake))


@wrong("absolute")
def wrong_smooth(scores_real, scores_fake):
    loss = F.smooth_l1_loss
    return loss(scores_real, torch.ones_like(scores_real)) + loss(scores_fake, torch.zeros_like(scores_fake))


@wrong("not-squared")
def wrong_not_squared(scores_real, scores_fake):
    return 0.5 * (scores_real - 1).mean() + 0.5 * scores_fake.mean()


@wrong("not-squared")
def wrong_fake_not_squared(scores_real, scores_fake):
    return half(scores_real, 1).mean() + 0.5 * scores_fake.mean()


@wrong("cross-entropy")
def wrong_cross_entropy(scores_real, scores_fake):
    return F.softplus(-scores_real).mean() + F.softplus(scores_fake).mean()


@wrong("hinge")
def wrong_hinge(scores_real, scores_fake):
    return F.relu(1 - scores_real).mean() + F.relu(1 + scores_fake).mean()


@wrong("wasserstein")
def wrong_wasserstein(scores_real, scores_fake):
    return scores_fake.mean() - scores_real.mean()


@wrong("square-of-mean")
def wrong_square_of_mean(scores_real, scores_fake):
    return 0.5 * (scores_real.mean() - 1) ** 2 + 0.5 * scores_fake.mean() ** 2


@wrong("smoothed")
def wrong_smoothed(scores_real, scores_fake):
    return half(scores_real, 0.9).mean() + half(scores_fake, 0).mean()


@wrong("variance")
def wrong_variance(scores_real, scores_fake):
    return 0.5 * scores_real.var(correction=0) + 0.5 * scores_fake.var(correction=0)


@wrong("clamped", credit=0.8)
def wrong_clamped(scores_real, scores_fake):
    return half(scores_real.clamp(-100, 100), 1).mean() + half(scores_fake.clamp(-100, 100), 0).mean()


@wrong("clamped", credit=0.8)
def wrong_clamped_loss(scores_real, scores_fake):
    return half(scores_real, 1).clamp(max=1000).mean() + half(scores_fake, 0).clamp(max=1000).mean()


@wrong("detached", credit=0.6)
def wrong_detached(scores_real, scores_fake):
    return (half(scores_real, 1).mean() + half(scores_fake, 0).mean()).detach().requires_grad_()


@wrong("partly-detached", credit=0.6)
def wrong_detached_fakes(scores_real, scores_fake):
    return half(scores_real, 1).mean() + half(scores_fake.detach(), 0).mean()


@wrong("returns-number")
def wrong_item(scores_real, scores_fake):
    return half(scores_real, 1).mean().item() + half(scores_fake, 0).mean().item()


@wrong("returns-tuple")
def wrong_tuple(scores_real, scores_fake):
    return half(scores_real, 1).mean(), half(scores_fake, 0).mean()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(scores_real, scores_fake):
    scores_real -= 1
    return 0.5 * (scores_real**2).mean() + 0.5 * (scores_fake**2).mean()


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(scores_real, scores_fake):
    return half(scores_real.float(), 1).mean() + half(scores_fake.float(), 0).mean()


@wrong("one-layout-only")
def wrong_columns_only(scores_real, scores_fake):
    return half(scores_real[:, 0], 1).mean() + half(scores_fake[:, 0], 0).mean()


@wrong(None, credit=0.6)
def wrong_gradient_of_half_the_loss(scores_real, scores_fake):
    loss = half(scores_real, 1).mean() + half(scores_fake, 0).mean()
    return 0.5 * loss + 0.5 * loss.detach()


@wrong(None)
def wrong_weighted(scores_real, scores_fake):
    return 0.5 * ((scores_real - 1) ** 2).mean() + 0.501 * (scores_fake**2).mean()
