import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from tests.answers.bank import wrong


def right_formula(scores_fake):
    return 0.5 * ((scores_fake - 1) ** 2).mean()


def right_library(scores_fake):
    return F.mse_loss(scores_fake, torch.ones_like(scores_fake)) / 2


def right_criterion_and_flat(scores_fake):
    scores = scores_fake.view(-1)
    return 0.5 * torch.nn.MSELoss()(scores, scores.new_ones(scores.shape))


def right_sum(scores_fake):
    loss = F.mse_loss(scores_fake, torch.full_like(scores_fake, 1.0), reduction="sum")
    return loss / (2 * scores_fake.numel())


def right_expanded(scores_fake):
    return 0.5 * scores_fake.pow(2).mean() - scores_fake.mean() + 0.5


def right_dot(scores_fake):
    difference = scores_fake.flatten() - 1
    return torch.dot(difference, difference) / 2 / difference.shape[0]


def right_loop(scores_fake):
    losses = [(score - 1) ** 2 / 2 for score in scores_fake.flatten()]
    return sum(losses) / len(losses)


def right_kl(scores_fake):
    return kl_divergence(Normal(scores_fake, 1.0), Normal(1.0, 1.0)).mean()


def right_float64_and_noise(scores_fake):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return 0.5 * (1 - scores_fake.double()).square().mean()


def right_one_element(scores_fake):
    return ((scores_fake - 1) ** 2).mean().div(2).reshape(1)


def right_moments(scores_fake):
    return (scores_fake.var(correction=0) + (scores_fake.mean() - 1).square()) / 2


def right_huber(scores_fake):
    return F.huber_loss(scores_fake, torch.ones_like(scores_fake), delta=1e6)


def half(scores, target=1):
    return 0.5 * (scores - target).square()


@wrong("doubled")
def wrong_no_half(scores_fake):
    return F.mse_loss(scores_fake, torch.ones_like(scores_fake))


@wrong("halved")
def wrong_half_twice(scores_fake):
    return 0.5 * half(scores_fake).mean()


@wrong("target-zero")
def wrong_target_zero(scores_fake):
    return half(scores_fake, 0).mean()


@wrong("target-zero")
def wrong_minus_the_discriminator(scores_fake):
    return -half(scores_fake, 0).mean()


@wrong("target-zero")
def wrong_target_zero_and_no_half(scores_fake):
    return (scores_fake**2).mean()


@wrong("target-minus-one")
def wrong_plus_one(scores_fake):
    return 0.5 * ((scores_fake + 1) ** 2).mean()


@wrong("sigmoid-first")
def wrong_sigmoid(scores_fake):
    return half(torch.sigmoid(scores_fake)).mean()


@wrong("sign")
def wrong_sign(scores_fake):
    return -half(scores_fake).mean()


@wrong("sum")
def wrong_sum(scores_fake):
    return half(scores_fake).sum()


@wrong("not-averaged")
def wrong_not_averaged(scores_fake):
    return half(scores_fake)


@wrong("first-axis")
def wrong_first_axis(scores_fake):
    return half(scores_fake).mean(0)


@wrong("sum-over-patches")
def wrong_divided_by_batch(scores_fake):
    return half(scores_fake).sum() / len(scores_fake)


@wrong("keeps-axes")
def wrong_keepdim(scores_fake):
    return half(scores_fake).mean(list(range(scores_fake.ndim)), keepdim=True)


@wrong("root")
def wrong_root(scores_fake):
    return 0.5 * torch.sqrt(((scores_fake - 1) ** 2).mean())


@wrong("root")
def wrong_norm(scores_fake):
    return torch.linalg.vector_norm(scores_fake - 1)


@wrong("absolute")
def wrong_absolute(scores_fake):
    return 0.5 * (scores_fake - 1).abs().mean()


@wrong("absolute")
def wrong_smooth(scores_fake):
    return F.smooth_l1_loss(scores_fake, torch.ones_like(scores_fake))


@wrong("not-squared")
def wrong_not_squared(scores_fake):
    return 0.5 * (scores_fake - 1).mean()


@wrong("square-of-mean")
def wrong_square_of_mean(scores_fake):
    return 0.5 * (scores_fake.mean() - 1) ** 2


@wrong("cross-entropy")
def wrong_cross_entropy(scores_fake):
    return F.softplus(-scores_fake).mean()


@wrong("hinge")
def wrong_hinge(scores_fake):
    return F.relu(1 - scores_fake).mean()


@wrong("wasserstein")
def wrong_wasserstein(scores_fake):
    return -scores_fake.mean()


@wrong("smoothed")
def wrong_smoothed(scores_fake):
    return half(scores_fake, 0.9).mean()


@wrong("variance")
def wrong_variance(scores_fake):
    return 0.5 * scores_fake.var(correction=0)


@wrong("clamped", credit=0.8)
def wrong_clamped(scores_fake):
    return half(scores_fake.clamp(-140, 140)).mean()


@wrong("clamped", credit=0.8)
def wrong_huber(scores_fake):
    return F.huber_loss(scores_fake, torch.ones_like(scores_fake), delta=20.0)


@wrong("detached", credit=0.6)
def wrong_detached(scores_fake):
    return half(scores_fake.detach()).mean()


@wrong(None, credit=0.6)
def wrong_straight_through(scores_fake):
    return scores_fake.mean() + (half(scores_fake).mean() - scores_fake.mean()).detach()


@wrong("returns-number")
def wrong_item(scores_fake):
    return half(scores_fake).mean().item()


@wrong("returns-array")
def wrong_numpy(scores_fake):
    return half(scores_fake).detach().numpy().mean(keepdims=True)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(scores_fake):
    return 0.5 * scores_fake.sub_(1).square().mean()


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(scores_fake):
    return half(scores_fake).mean().float()


@wrong("one-layout-only")
def wrong_maps_only(scores_fake):
    return half(scores_fake).mean((0, 1, 2, 3))


@wrong(None)
def wrong_minimum(scores_fake):
    return half(scores_fake).min()


@wrong("returns-nothing")
def wrong_no_return(scores_fake):
    half(scores_fake).mean()
