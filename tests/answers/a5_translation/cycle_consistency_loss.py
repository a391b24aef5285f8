import warnings

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers.bank import wrong


def right_library(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target))


def right_module_and_two_weights(source, source_cycled, target, target_cycled, weight=10.0):
    criterion = nn.L1Loss()
    return criterion(source, source_cycled) * weight + criterion(target, target_cycled) * weight


def right_by_hand(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * ((source - source_cycled).abs().mean() + (target - target_cycled).abs().mean())


def right_sums_by_counts(source, source_cycled, target, target_cycled, weight=10.0):
    forward = F.l1_loss(source_cycled, source, reduction="sum") / source.numel()
    backward = F.l1_loss(target_cycled, target, reduction="sum") / target.numel()
    return (forward + backward) * weight


def right_norms(source, source_cycled, target, target_cycled, weight=10.0):
    forward = (source - source_cycled).flatten().norm(p=1) / source.numel()
    return weight * (forward + torch.linalg.vector_norm(target - target_cycled, ord=1) / target.numel())


def right_mean_of_examples(source, source_cycled, target, target_cycled, weight=10.0):
    forward = (source_cycled - source).abs().flatten(1).mean(1)
    backward = (target_cycled - target).abs().flatten(1).mean(1)
    return (weight * (forward.mean() + backward.mean())).reshape(1)


def right_where(source, source_cycled, target, target_cycled, weight=10.0):
    def distance(a, b):
        return torch.where(a >= b, a - b, b - a).mean()

    return weight * distance(source, source_cycled) + weight * distance(target, target_cycled)


def right_halves_of_relu(source, source_cycled, target, target_cycled, weight=10.0):
    total = 0.0
    for image, cycled in ((source, source_cycled), (target, target_cycled)):
        total = total + F.relu(image - cycled).mean() + F.relu(cycled - image).mean()
    return weight * total


def right_loop(source, source_cycled, target, target_cycled, weight=10.0):
    total = 0.0
    for images, cycled in ((source, source_cycled), (target, target_cycled)):
        for image, back in zip(images, cycled, strict=True):
            total = total + F.l1_loss(back, image) / len(images)
    return total * weight


def right_twice_the_mean_of_both(source, source_cycled, target, target_cycled, weight=10.0):
    return 2 * weight * torch.stack([F.l1_loss(source_cycled, source), F.l1_loss(target_cycled, target)]).mean()


def right_weights_for_each_value(source, source_cycled, target, target_cycled, weight=10.0):
    differences = torch.cat([(source_cycled - source).flatten(), (target_cycled - target).flatten()])
    counts = torch.tensor([source.numel(), target.numel()])
    shares = (1 / counts.to(differences)).repeat_interleave(counts)
    return weight * (differences.abs() * shares).sum()


def right_float64_and_noise(source, source_cycled, target, target_cycled, weight=10.0):
    print("weight", weight)
    warnings.warn("a warning on the way", stacklevel=1)
    forward = (source_cycled.double() - source.double()).abs().mean()
    return weight * (forward + (target_cycled.double() - target.double()).abs().mean())


def right_images_are_data(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source.detach()) + F.l1_loss(target_cycled, target.detach()))


def right_in_place_on_its_own(source, source_cycled, target, target_cycled, weight=10.0):
    forward = source_cycled.clone().sub_(source).abs_().mean()
    return forward.add_((target_cycled - target).abs_().mean()).mul_(weight)


def right_maximum_minus_minimum(source, source_cycled, target, target_cycled, weight=10.0):
    def distance(a, b):
        return (torch.maximum(a, b) - torch.minimum(a, b)).mean((0, 1, 2, 3))

    return sum(weight * distance(*pair) for pair in ((source, source_cycled), (target, target_cycled)))


class Distance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return (a - b).abs().mean()

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        slope = grad * torch.sign(a - b) / a.numel()
        return slope, -slope


def right_custom_autograd(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (Distance.apply(source_cycled, source) + Distance.apply(target_cycled, target))


def both(distance, source, source_cycled, target, target_cycled):
    return distance(source_cycled, source) + distance(target_cycled, target)


@wrong("only-source")
def wrong_only_source(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * F.l1_loss(source_cycled, source)


@wrong("only-target")
def wrong_only_target(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * F.l1_loss(target_cycled, target)


@wrong("averaged")
def wrong_averaged(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target)) / 2


@wrong("pooled")
def wrong_pooled(source, source_cycled, target, target_cycled, weight=10.0):
    differences = torch.cat([(source_cycled - source).flatten(), (target_cycled - target).flatten()])
    return weight * differences.abs().mean()


@wrong("pooled")
def wrong_pooled_twice(source, source_cycled, target, target_cycled, weight=10.0):
    differences = torch.cat([(source_cycled - source).flatten(), (target_cycled - target).flatten()])
    return 2 * weight * differences.abs().mean()


@wrong("pooled")
def wrong_divisor_of_source(source, source_cycled, target, target_cycled, weight=10.0):
    total = (source_cycled - source).abs().sum() + (target_cycled - target).abs().sum()
    return weight * total / source.numel()


@wrong("product")
def wrong_product(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * F.l1_loss(source_cycled, source) * F.l1_loss(target_cycled, target)


@wrong("target-subtracted")
def wrong_subtracted(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source) - F.l1_loss(target_cycled, target))


@wrong("sign")
def wrong_sign(source, source_cycled, target, target_cycled, weight=10.0):
    return -weight * (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target))


@wrong("larger-only")
def wrong_larger_only(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * torch.maximum(F.l1_loss(source_cycled, source), F.l1_loss(target_cycled, target))


@wrong("crossed")
def wrong_crossed(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(target_cycled, source) + F.l1_loss(source_cycled, target))


@wrong("crossed")
def wrong_one_crossed(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (source - target_cycled).abs().mean()


@wrong("domains-compared")
def wrong_domains_compared(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source, target) + F.l1_loss(source_cycled, target_cycled))


@wrong("domains-compared")
def wrong_cycled_compared(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (source_cycled - target_cycled).abs().mean()


@wrong("weight-ignored")
def wrong_no_weight(source, source_cycled, target, target_cycled, weight=10.0):
    return F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target)


@wrong("weight-ignored")
def wrong_fixed_weight(source, source_cycled, target, target_cycled, weight=10.0):
    return 10 * (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target))


@wrong("weight-on-one")
def wrong_weight_on_source(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target)


@wrong("weight-on-one")
def wrong_weight_on_target(source, source_cycled, target, target_cycled, weight=10.0):
    return F.l1_loss(source_cycled, source) + weight * F.l1_loss(target_cycled, target)


@wrong("weight-squared")
def wrong_weight_twice(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (weight * F.l1_loss(source_cycled, source) + weight * F.l1_loss(target_cycled, target))


@wrong("weight-added")
def wrong_weight_added(source, source_cycled, target, target_cycled, weight=10.0):
    return weight + F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target)


@wrong("weight-added")
def wrong_divided_by_weight(source, source_cycled, target, target_cycled, weight=10.0):
    return (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target)) / weight


@wrong("l2")
def wrong_l2(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(F.mse_loss, source, source_cycled, target, target_cycled)


@wrong("l2")
def wrong_l2_of_targets(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source) + F.mse_loss(target_cycled, target))


@wrong("root")
def wrong_norm(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).norm(), source, source_cycled, target, target_cycled)


@wrong("root")
def wrong_root_of_mean(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: F.mse_loss(a, b).sqrt(), source, source_cycled, target, target_cycled)


@wrong("huber")
def wrong_huber(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(F.smooth_l1_loss, source, source_cycled, target, target_cycled)


@wrong("no-abs")
def wrong_no_abs(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).mean(), source, source_cycled, target, target_cycled)


@wrong("no-abs")
def wrong_abs_of_mean(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (b - a).mean().abs(), source, source_cycled, target, target_cycled)


@wrong("of-magnitudes")
def wrong_of_magnitudes(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a.abs() - b.abs()).abs().mean(), source, source_cycled, target, target_cycled)


@wrong("sum")
def wrong_sum(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).abs().sum(), source, source_cycled, target, target_cycled)


@wrong("sum-per-image")
def wrong_sum_per_image(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).abs().sum((1, 2, 3)).mean(), source, source_cycled, target, target_cycled)


@wrong("partial-sum")
def wrong_sum_over_channels(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).abs().sum(1).mean(), source, source_cycled, target, target_cycled)


@wrong("partial-sum")
def wrong_sum_over_pixels(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).abs().sum((2, 3)).mean(), source, source_cycled, target, target_cycled)


@wrong("maximum")
def wrong_maximum(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).abs().max(), source, source_cycled, target, target_cycled)


@wrong("not-averaged")
def wrong_one_domain_not_averaged(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * ((source_cycled - source).abs() + F.l1_loss(target_cycled, target))


@wrong("not-averaged")
def wrong_not_averaged(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * ((source_cycled - source).abs() + (target_cycled - target).abs())


@wrong("not-averaged")
def wrong_over_the_batch_alone(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * ((source_cycled - source).abs().mean(0) + (target_cycled - target).abs().mean(0))


@wrong("unequal-domains")
def wrong_elementwise(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * ((source_cycled - source).abs() + (target_cycled - target).abs()).mean()


@wrong("unequal-domains")
def wrong_stacked(source, source_cycled, target, target_cycled, weight=10.0):
    return 2 * weight * F.l1_loss(torch.stack([source_cycled, target_cycled]), torch.stack([source, target]))


@wrong("unequal-domains")
def wrong_zip_of_examples(source, source_cycled, target, target_cycled, weight=10.0):
    total = 0.0
    for s, s_back, t, t_back in zip(source, source_cycled, target, target_cycled, strict=True):
        total = total + F.l1_loss(s_back, s) + F.l1_loss(t_back, t)
    return weight * total / len(source)


@wrong("weight-ignored")
def wrong_l2_without_weight(source, source_cycled, target, target_cycled, weight=10.0):
    return both(F.mse_loss, source, source_cycled, target, target_cycled)


@wrong("averaged")
def wrong_average_of_sums(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: (a - b).abs().sum(), source, source_cycled, target, target_cycled) / 2


@wrong("nan-at-equality", credit=0.8)
def wrong_root_of_square(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: ((a - b) ** 2).sqrt().mean(), source, source_cycled, target, target_cycled)


@wrong("detached", credit=0.6)
def wrong_no_grad(source, source_cycled, target, target_cycled, weight=10.0):
    with torch.no_grad():
        return weight * both(F.l1_loss, source, source_cycled, target, target_cycled)


@wrong("detached", credit=0.6)
def wrong_both_detached(source, source_cycled, target, target_cycled, weight=10.0):
    loss = weight * both(F.l1_loss, source, source_cycled.detach(), target, target_cycled.detach())
    return loss + 0 * source_cycled.sum()


@wrong("partly-detached", credit=0.6)
def wrong_target_cycle_detached(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled.detach(), target))


@wrong("partly-detached", credit=0.6)
def wrong_source_cycle_as_a_number(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * (F.l1_loss(source_cycled, source).item() + F.l1_loss(target_cycled, target))


@wrong("returns-number")
def wrong_item(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(F.l1_loss, source, source_cycled, target, target_cycled).item()


@wrong("returns-tuple")
def wrong_tuple(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * F.l1_loss(source_cycled, source), weight * F.l1_loss(target_cycled, target)


@wrong("returns-array")
def wrong_numpy(source, source_cycled, target, target_cycled, weight=10.0):
    return (weight * both(F.l1_loss, source, source_cycled, target, target_cycled)).detach().numpy()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(source, source_cycled, target, target_cycled, weight=10.0):
    source -= source_cycled
    return weight * (source.abs().mean() + F.l1_loss(target_cycled, target))


@wrong("keeps-state")
def wrong_remembers(source, source_cycled, target, target_cycled, weight=10.0, history=[]):  # noqa: B006
    history.append(weight * both(F.l1_loss, source, source_cycled, target, target_cycled))
    return sum(h if h is history[-1] else h.detach() for h in history) / len(history)


@wrong("random-result")
def wrong_noise(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(F.l1_loss, source, source_cycled + 0.1 * torch.randn_like(source), target, target_cycled)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(F.l1_loss, source.float(), source_cycled.float(), target.float(), target_cycled.float())


@wrong("wrong-default", credit=0.9)
def wrong_default(source, source_cycled, target, target_cycled, weight=1.0):
    return weight * both(F.l1_loss, source, source_cycled, target, target_cycled)


@wrong("wrong-default", credit=0.9)
def wrong_no_default(source, source_cycled, target, target_cycled, weight):
    return weight * both(F.l1_loss, source, source_cycled, target, target_cycled)


@wrong("wrong-names", credit=0.9)
def wrong_names(x, x_cycled, y, y_cycled, weight=10.0):
    return weight * both(F.l1_loss, x, x_cycled, y, y_cycled)


@wrong(None, credit=0.6)
def wrong_gradient_of_half_the_loss(source, source_cycled, target, target_cycled, weight=10.0):
    loss = weight * both(F.l1_loss, source, source_cycled, target, target_cycled)
    return 0.5 * loss + 0.5 * loss.detach()


@wrong(None)
def wrong_first_channel(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(lambda a, b: F.l1_loss(a[:, 0], b[:, 0]), source, source_cycled, target, target_cycled)


@wrong(None)
def wrong_clamped_images(source, source_cycled, target, target_cycled, weight=10.0):
    return weight * both(F.l1_loss, source, source_cycled.clamp(-1, 1), target, target_cycled.clamp(-1, 1))
