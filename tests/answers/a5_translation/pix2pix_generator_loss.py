import math
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Bernoulli

from tests.answers.bank import wrong


def right_library(logits_fake, fake, target, l1_weight=100.0):
    adversarial = F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(logits_fake))
    return adversarial + l1_weight * F.l1_loss(fake, target)


def right_modules(logits_fake, fake, target, l1_weight=100.0):
    return nn.BCEWithLogitsLoss()(logits_fake, torch.ones_like(logits_fake)) + nn.L1Loss()(fake, target) * l1_weight


def right_softplus(logits_fake, fake, target, l1_weight=100.0):
    return F.softplus(-logits_fake).mean() + l1_weight * (target - fake).abs().mean()


def right_logsigmoid(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * torch.mean(torch.abs(fake - target)) - torch.mean(F.logsigmoid(logits_fake))


def right_logaddexp_and_norm(logits_fake, fake, target, l1_weight=100.0):
    zero = torch.zeros_like(logits_fake)
    return torch.logaddexp(zero, -logits_fake).mean() + l1_weight * (fake - target).norm(p=1) / fake.numel()


def right_by_hand(logits_fake, fake, target, l1_weight=100.0):
    x = -logits_fake
    adversarial = (x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))).sum() / x.numel()
    d = fake - target
    return adversarial + l1_weight * torch.where(d > 0, d, -d).sum() / d.numel()


def right_two_classes(logits_fake, fake, target, l1_weight=100.0):
    two = torch.stack([torch.zeros_like(logits_fake), logits_fake], -1).reshape(-1, 2)
    d = fake - target
    return F.cross_entropy(two, torch.ones(len(two), dtype=torch.long)) + l1_weight * (F.relu(d) + F.relu(-d)).mean()


def right_distribution(logits_fake, fake, target, l1_weight=100.0):
    adversarial = -Bernoulli(logits=logits_fake).log_prob(torch.ones_like(logits_fake)).mean()
    return adversarial + l1_weight * (torch.maximum(fake, target) - torch.minimum(fake, target)).mean()


def right_loop_of_examples(logits_fake, fake, target, l1_weight=100.0):
    total = 0.0
    for logits, image, due in zip(logits_fake, fake, target, strict=True):
        total = total + F.softplus(-logits).mean() + l1_weight * F.l1_loss(image, due)
    return total / len(fake)


def right_mean_of_examples(logits_fake, fake, target, l1_weight=100.0):
    adversarial = F.softplus(-logits_fake.reshape(len(logits_fake), -1)).mean(1)
    distance = F.l1_loss(fake, target, reduction="none").flatten(1).mean(1)
    return (adversarial + l1_weight * distance).mean().reshape(1)


def right_float64_and_noise(logits_fake, fake, target, l1_weight=100.0):
    print("logits", tuple(logits_fake.shape))
    warnings.warn("a warning on the way", stacklevel=1)
    distance = (fake.double() - target.double()).abs().mean(dim=(0, 1, 2, 3))
    return F.softplus(-logits_fake.double()).mean() + float(l1_weight) * distance


def right_targets_are_data(logits_fake, fake, target, l1_weight=100.0):
    labels = torch.full_like(logits_fake, 1.0, requires_grad=False)
    adversarial = F.binary_cross_entropy_with_logits(logits_fake, labels, reduction="sum") / logits_fake.numel()
    return adversarial + l1_weight * F.l1_loss(fake, target.detach())


def right_in_place_on_its_own(logits_fake, fake, target, l1_weight=100.0):
    losses = F.softplus(-logits_fake.clone().mul_(1.0))
    distance = fake.clone().sub_(target).abs_()
    return losses.mean().add_(l1_weight * distance.mean())


def right_mean_of_axes(logits_fake, fake, target, l1_weight=100.0):
    distance = (fake - target).abs()
    for _ in range(4):
        distance = distance.mean(-1)
    return torch.stack([F.softplus(-logits_fake).mean(), torch.as_tensor(l1_weight) * distance]).sum()


def right_guarded(logits_fake, fake, target, l1_weight=100.0):
    if fake.shape != target.shape:
        raise ValueError("fake and target must have one shape")
    loss = -F.logsigmoid(logits_fake.flatten()).mean()
    return loss + l1_weight * (fake - target).abs().mean() if l1_weight > 0 else loss


class Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.softplus(x)

    @staticmethod
    def backward(ctx, grad):
        return grad * torch.sigmoid(ctx.saved_tensors[0])


def right_custom_autograd(logits_fake, fake, target, l1_weight=100.0):
    return Softplus.apply(-logits_fake).mean() + l1_weight * ((fake - target) * torch.sign(fake - target)).mean()


def adversarial(logits):
    return F.softplus(-logits).mean()


def distance(fake, target):
    return (fake - target).abs().mean()


@wrong("labelled-fake")
def wrong_labelled_fake(logits_fake, fake, target, l1_weight=100.0):
    loss = F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))
    return loss + l1_weight * F.l1_loss(fake, target)


@wrong("saturating")
def wrong_saturating(logits_fake, fake, target, l1_weight=100.0):
    return F.logsigmoid(-logits_fake).mean() + l1_weight * F.l1_loss(fake, target)


@wrong("adversarial-sign")
def wrong_adversarial_sign(logits_fake, fake, target, l1_weight=100.0):
    return F.logsigmoid(logits_fake).mean() + l1_weight * F.l1_loss(fake, target)


@wrong("both-targets")
def wrong_both_targets(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + adversarial(-logits_fake) + l1_weight * distance(fake, target)


@wrong("sigmoid-twice")
def wrong_sigmoid_twice(logits_fake, fake, target, l1_weight=100.0):
    probs = torch.sigmoid(logits_fake)
    loss = F.binary_cross_entropy_with_logits(probs, torch.ones_like(probs))
    return loss + l1_weight * F.l1_loss(fake, target)


@wrong("probs-for-logits")
def wrong_bce_of_logits(logits_fake, fake, target, l1_weight=100.0):
    loss = F.binary_cross_entropy(logits_fake, torch.ones_like(logits_fake))
    return loss + l1_weight * F.l1_loss(fake, target)


@wrong("probs-for-logits")
def wrong_log_of_logits(logits_fake, fake, target, l1_weight=100.0):
    return -torch.log(logits_fake).mean() + l1_weight * F.l1_loss(fake, target)


@wrong("probs-for-logits")
def wrong_bce_of_clamped_logits(logits_fake, fake, target, l1_weight=100.0):
    loss = F.binary_cross_entropy(logits_fake.clamp(0, 1), torch.ones_like(logits_fake))
    return loss + l1_weight * F.l1_loss(fake, target)


@wrong("no-log")
def wrong_no_log(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) - torch.sigmoid(logits_fake).mean()


@wrong("no-log")
def wrong_probability_of_fake(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) + (1 - torch.sigmoid(logits_fake)).mean()


@wrong("log-of-mean")
def wrong_log_of_mean(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) - torch.log(torch.sigmoid(logits_fake).mean())


@wrong("log-of-mean")
def wrong_mean_logit(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) + F.softplus(-logits_fake.mean())


@wrong("bits")
def wrong_bits(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) - torch.log2(torch.sigmoid(logits_fake)).mean()


@wrong("smoothed")
def wrong_smoothed(logits_fake, fake, target, l1_weight=100.0):
    labels = torch.full_like(logits_fake, 0.9)
    return F.binary_cross_entropy_with_logits(logits_fake, labels) + l1_weight * F.l1_loss(fake, target)


@wrong("least-squares")
def wrong_least_squares(logits_fake, fake, target, l1_weight=100.0):
    return F.mse_loss(logits_fake, torch.ones_like(logits_fake)) + l1_weight * F.l1_loss(fake, target)


@wrong("hinge")
def wrong_hinge(logits_fake, fake, target, l1_weight=100.0):
    return F.relu(1 - logits_fake).mean() + l1_weight * F.l1_loss(fake, target)


@wrong("wasserstein")
def wrong_wasserstein(logits_fake, fake, target, l1_weight=100.0):
    return -logits_fake.mean() + l1_weight * F.l1_loss(fake, target)


@wrong("constant")
def wrong_constant(logits_fake, fake, target, l1_weight=100.0):
    return math.log(2) + 0 * logits_fake.sum() + l1_weight * F.l1_loss(fake, target)


@wrong("adversarial-sum")
def wrong_adversarial_sum(logits_fake, fake, target, l1_weight=100.0):
    return F.softplus(-logits_fake).sum() + l1_weight * F.l1_loss(fake, target)


@wrong("adversarial-sum")
def wrong_adversarial_sum_over_patches(logits_fake, fake, target, l1_weight=100.0):
    return F.softplus(-logits_fake).sum() / len(logits_fake) + l1_weight * F.l1_loss(fake, target)


@wrong("adversarial-factor")
def wrong_half_the_adversarial_loss(logits_fake, fake, target, l1_weight=100.0):
    return 0.5 * adversarial(logits_fake) + l1_weight * F.l1_loss(fake, target)


@wrong("not-averaged")
def wrong_map_of_losses(logits_fake, fake, target, l1_weight=100.0):
    return F.softplus(-logits_fake) + l1_weight * F.l1_loss(fake, target)


@wrong("not-averaged")
def wrong_batch_axis_of_logits(logits_fake, fake, target, l1_weight=100.0):
    return F.softplus(-logits_fake).mean(0) + l1_weight * F.l1_loss(fake, target)


@wrong("not-averaged")
def wrong_l1_not_averaged(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs()


@wrong("not-averaged")
def wrong_l1_over_the_batch_alone(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().mean(0)


@wrong("not-averaged")
def wrong_l1_of_each_example(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().flatten(1).mean(1)


@wrong("keeps-axes")
def wrong_keepdim(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().mean((0, 1, 2, 3), keepdim=True)


@wrong("no-l1")
def wrong_no_l1(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake)


@wrong("no-adversarial")
def wrong_no_adversarial(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target)


@wrong("weight-on-adversarial")
def wrong_weight_on_adversarial(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * adversarial(logits_fake) + F.l1_loss(fake, target)


@wrong("weight-on-both")
def wrong_weight_on_both(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * (adversarial(logits_fake) + F.l1_loss(fake, target))


@wrong("weight-ignored")
def wrong_weight_forgotten(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + F.l1_loss(fake, target)


@wrong("weight-ignored")
def wrong_weight_fixed(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + 100 * F.l1_loss(fake, target)


@wrong("weight-squared")
def wrong_weight_squared(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * l1_weight * F.l1_loss(fake, target)


@wrong("weight-added")
def wrong_weight_added(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight + F.l1_loss(fake, target)


@wrong("weights-sum-to-one")
def wrong_convex_weights(logits_fake, fake, target, l1_weight=100.0):
    return (1 - l1_weight) * adversarial(logits_fake) + l1_weight * F.l1_loss(fake, target)


@wrong("weights-sum-to-one")
def wrong_normalised_weights(logits_fake, fake, target, l1_weight=100.0):
    return (adversarial(logits_fake) + l1_weight * F.l1_loss(fake, target)) / (1 + l1_weight)


@wrong("l1-subtracted")
def wrong_l1_subtracted(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) - l1_weight * F.l1_loss(fake, target)


@wrong("sign")
def wrong_sign(logits_fake, fake, target, l1_weight=100.0):
    return -adversarial(logits_fake) - l1_weight * F.l1_loss(fake, target)


@wrong("halved")
def wrong_half(logits_fake, fake, target, l1_weight=100.0):
    return (adversarial(logits_fake) + l1_weight * F.l1_loss(fake, target)) / 2


@wrong("product")
def wrong_product(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) * l1_weight * F.l1_loss(fake, target)


@wrong("l2")
def wrong_l2(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * F.mse_loss(fake, target)


@wrong("root")
def wrong_root(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * F.mse_loss(fake, target).sqrt()


@wrong("root")
def wrong_norm(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).norm()


@wrong("huber")
def wrong_huber(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * F.smooth_l1_loss(fake, target)


@wrong("no-abs")
def wrong_no_abs(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (target - fake).mean()


@wrong("no-abs")
def wrong_abs_of_mean(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (target - fake).mean().abs()


@wrong("of-magnitudes")
def wrong_of_magnitudes(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (target.abs() - fake.abs()).abs().mean()


@wrong("sum")
def wrong_l1_sum(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * F.l1_loss(fake, target, reduction="sum")


@wrong("sum-per-image")
def wrong_l1_sum_per_image(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().sum((1, 2, 3)).mean()


@wrong("partial-sum")
def wrong_l1_sum_over_channels(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().sum(1).mean()


@wrong("partial-sum")
def wrong_l1_sum_over_batch(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().sum(0).mean()


@wrong("maximum")
def wrong_maximum(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).abs().max()


@wrong("labelled-fake")
def wrong_labelled_fake_and_l2(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(-logits_fake) + l1_weight * F.mse_loss(fake, target)


@wrong("weight-ignored")
def wrong_l2_and_no_weight(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + F.mse_loss(fake, target)


@wrong("labels-of-image")
def wrong_labels_of_image(logits_fake, fake, target, l1_weight=100.0):
    loss = F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(fake))
    return loss + l1_weight * F.l1_loss(fake, target)


@wrong("nan-at-equality", credit=0.8)
def wrong_root_of_square(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * (fake - target).square().sqrt().mean()


@wrong("not-finite", credit=0.8)
def wrong_log_of_sigmoid(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) - torch.log(torch.sigmoid(logits_fake)).mean()


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid(logits_fake, fake, target, l1_weight=100.0):
    loss = F.binary_cross_entropy(torch.sigmoid(logits_fake), torch.ones_like(logits_fake))
    return loss + l1_weight * F.l1_loss(fake, target)


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) - torch.log(torch.sigmoid(logits_fake) + 1e-8).mean()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped_logits(logits_fake, fake, target, l1_weight=100.0):
    return l1_weight * F.l1_loss(fake, target) + adversarial(logits_fake.clamp(-200, 200))


@wrong("detached", credit=0.6)
def wrong_detached(logits_fake, fake, target, l1_weight=100.0):
    return (adversarial(logits_fake) + l1_weight * distance(fake, target)).detach().requires_grad_()


@wrong("partly-detached", credit=0.6)
def wrong_detached_fake(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * distance(fake.detach(), target)


@wrong("partly-detached", credit=0.6)
def wrong_detached_logits(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake.detach()) + l1_weight * distance(fake, target)


@wrong("partly-detached", credit=0.6)
def wrong_l1_as_a_number(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * distance(fake, target).item()


@wrong("returns-number")
def wrong_item(logits_fake, fake, target, l1_weight=100.0):
    return (adversarial(logits_fake) + l1_weight * distance(fake, target)).item()


@wrong("returns-tuple")
def wrong_tuple(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake), l1_weight * distance(fake, target)


@wrong("returns-nothing")
def wrong_no_return(logits_fake, fake, target, l1_weight=100.0):
    adversarial(logits_fake) + l1_weight * distance(fake, target)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(logits_fake, fake, target, l1_weight=100.0):
    fake -= target
    return adversarial(logits_fake) + l1_weight * fake.abs().mean()


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake.float()) + l1_weight * distance(fake.float(), target.float())


@wrong("wrong-default", credit=0.9)
def wrong_default(logits_fake, fake, target, l1_weight=10.0):
    return adversarial(logits_fake) + l1_weight * distance(fake, target)


@wrong("wrong-names", credit=0.9)
def wrong_names(logits, fake, target, weight=100.0):
    return adversarial(logits) + weight * distance(fake, target)


@wrong("wrong-arguments")
def wrong_arguments(logits_fake, fake, target):
    return adversarial(logits_fake) + 100 * distance(fake, target)


@wrong("one-layout-only")
def wrong_maps_only(logits_fake, fake, target, l1_weight=100.0):
    return F.softplus(-logits_fake).mean((1, 2, 3)).mean() + l1_weight * distance(fake, target)


@wrong(None, credit=0.6)
def wrong_gradient_of_the_saturating_loss(logits_fake, fake, target, l1_weight=100.0):
    right, other = adversarial(logits_fake), F.logsigmoid(-logits_fake).mean()
    return other + (right - other).detach() + l1_weight * distance(fake, target)


@wrong(None, credit=0.6)
def wrong_gradient_of_l2(logits_fake, fake, target, l1_weight=100.0):
    right, other = distance(fake, target), F.mse_loss(fake, target)
    return adversarial(logits_fake) + l1_weight * (other + (right - other).detach())


@wrong(None)
def wrong_first_example(logits_fake, fake, target, l1_weight=100.0):
    return adversarial(logits_fake) + l1_weight * distance(fake[0], target[0])


@wrong(None)
def wrong_slightly(logits_fake, fake, target, l1_weight=100.0):
    return 1.001 * adversarial(logits_fake) + l1_weight * distance(fake, target)
