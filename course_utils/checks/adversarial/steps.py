"""The checks of `discriminator_step` and `generator_step`: their losses, and what students get wrong in each."""

# ruff: noqa: E501

from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.adversarial.game import Way
from course_utils.checks.adversarial.stepping import StepCheck

COMMON_MISTAKES = {
    "no-step": "the parameters did not move: call `optimizer.step()` once, after `loss.backward()`.",
    "not-cleared": "gradients of earlier calls are added to the new ones: call `optimizer.zero_grad()` before `loss.backward()`.",
    "step-before-backward": "the optimiser steps before `loss.backward()`, on the gradients of the call before: first backward, then step.",
    "two-steps": "the optimiser takes more than one step in a call: one is due.",
    "fresh-optimizer": "you make a new optimiser in each call, which forgets its momentum: use the one that is given.",
    "by-hand": "you subtract lr times the gradient yourself: momentum, Adam and weight decay get lost, so call `optimizer.step()`.",
    "ascent": "the step goes uphill: the loss is to be minimised, mind its sign.",
    "summed": "the loss is summed over the batch: the mean is due, or steps grow with the batch.",
    "sigmoid-twice": "the logits pass through a sigmoid twice: the discriminator returns logits, and `..._with_logits` applies the sigmoid itself.",
    "half": "the loss is half or twice of what is due.",
    "smoothed": "the labels are smoothed (such as 0.9 for 1): plain 1 and 0 are due.",
    "critic-loss": "this is the loss of another GAN (a mean of scores, a hinge, squares): binary cross-entropy is due.",
    "own-noise": "you draw your own noise: make the fakes from the argument `noise`.",
    "logit-shape": "labels and logits have different shapes: logits may be (B,), (B, 1) or maps of patches, so write `torch.ones_like(logits)`.",
    "loss-after": "the returned loss is that of after the step: compute it once, step, and return it.",
    "other-loss": "the returned number is not the loss that was minimised: return that one, not a part or a multiple of it.",
    "not-one-number": "the loss that is returned is not one number: return the mean over all logits.",
    "saturates": "with logits of some hundreds the loss or its gradient is lost (0, NaN or cut): take cross-entropy from logits, `F.binary_cross_entropy_with_logits` or `F.softplus`.",
    "changes-mode": "a network was left in another mode: call neither `.train()` nor `.eval()`, or put back the mode that you found.",
}  # fmt: skip


def as_real(real, fake):
    return F.softplus(-fake).mean()


def as_fake(real, fake):
    return F.softplus(fake).mean()


def on_both(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def on_real(real, fake):
    return F.softplus(-real).mean()


def smoothed(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def probability(loss):
    """`loss` of probabilities in place of logits."""
    return lambda real, fake: loss(None if real is None else torch.sigmoid(real), torch.sigmoid(fake))


def times(factor, loss):
    return lambda real, fake: factor * loss(real, fake)


def same_ways(loss, *more):
    """Ways that are wrong whatever the loss."""
    return [
        ("not-cleared", Way((loss,), clear="never")),
        ("not-cleared", Way((loss,), clear="after the step")),
        ("cleared-too-late", Way((loss,), clear="after backward")),
        *(("step-before-backward", Way((loss,), clear=clear)) for clear in ("step first", "step between")),
        ("two-steps", Way((loss, loss))),
        ("fresh-optimizer", Way((loss,), optimizer="fresh")),
        ("by-hand", Way((loss,), optimizer="by hand")),
        ("ascent", Way((times(-1, loss),))),
        *(("half", Way((times(factor, loss),))) for factor in (0.5, 2)),
        ("sigmoid-twice", Way((probability(loss),))),
        *more,
    ]


class DiscriminatorStep(StepCheck):
    name = "discriminator_step"
    arguments = ("generator", "discriminator", "optimizer", "real", "noise")
    player, other = "discriminator", "generator"
    no_gradient = "cleared-too-late"
    wrong_step = "the discriminator did not move as one step of the optimiser on its loss moves it."
    right = Way((on_both,))
    wrong_canary_mistake = "not-cleared"
    mistakes: ClassVar = {
        "generator-gradient": "the generator got a gradient: cut the fakes off, `fake = generator(noise).detach()` (or make them under `torch.no_grad()`).",
        "moves-generator": "the generator's parameters changed: only the discriminator moves in its step.",
        "left-frozen": "a network was left with another `requires_grad`: set it back to what it was.",
        "cleared-too-late": "the gradients are gone when the optimiser steps: call `optimizer.zero_grad()` before `loss.backward()`, not after.",
        "labels-swapped": "the labels are swapped: real examples are 1, fakes are 0.",
        "real-only": "only the real batch is in the loss: add the cross-entropy of the fakes as 0.",
        "fake-only": "only the fakes are in the loss: add the cross-entropy of the real batch as 1.",
        "fakes-as-real": "fakes are labelled real, as in the generator's step: for the discriminator they are 0.",
        "one-mean": "one mean is taken over both batches: each batch has its own mean, and the two are added.",
        "one-at-a-time": "the optimiser steps once for the real batch and once for the fakes: add both losses, then take one step.",
        "unequal-batches": "it works only for as many fakes as real examples: give each batch labels of its own (`torch.ones_like(logits)`).",
        **COMMON_MISTAKES,
    }  # fmt: skip
    ways: ClassVar = same_ways(
        on_both,
        ("labels-swapped", Way((lambda real, fake: on_both(-real, -fake),))),
        ("real-only", Way((on_real,))),
        ("fake-only", Way((as_fake,))),
        ("fakes-as-real", Way((lambda real, fake: on_real(real, fake) + as_real(real, fake),))),
        ("fakes-as-real", Way((as_real,))),
        ("one-mean", Way((lambda real, fake: F.softplus(torch.cat([-real, fake])).mean(),))),
        ("one-mean", Way((lambda real, fake: 2 * F.softplus(torch.cat([-real, fake])).mean(),))),
        ("one-at-a-time", Way((on_real, as_fake))),
        ("one-at-a-time", Way((as_fake, on_real))),
        ("summed", Way((lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),))),
        *(("smoothed", Way((lambda r, f, a=a: smoothed(r, a) + as_fake(r, f),))) for a in (0.9, 0.8, 0.95)),
        ("smoothed", Way((lambda real, fake: smoothed(real, 0.9) + smoothed(fake, 0.1),))),
        ("critic-loss", Way((lambda real, fake: fake.mean() - real.mean(),))),
        ("critic-loss", Way((lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),))),
        ("critic-loss", Way((lambda real, fake: (real - 1).square().mean() + fake.square().mean(),))),
        ("critic-loss", Way((lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,))),
        ("critic-loss", Way((probability(lambda r, f: (r - 1).square().mean() + f.square().mean()),))),
    )
    losses: ClassVar = [
        *(("other-loss", loss) for loss in (on_real, as_fake, as_real, times(0.5, on_both), times(-1, on_both))),
        ("other-loss", lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum()),
        ("other-loss", probability(on_both)),
    ]

    def right_canary(self, generator, discriminator, optimizer, real, noise):
        optimizer.zero_grad()
        loss = on_both(discriminator(real), discriminator(generator(noise).detach()))
        loss.backward()
        optimizer.step()
        return loss.detach()

    def wrong_canary(self, generator, discriminator, optimizer, real, noise):
        loss = on_both(discriminator(real), discriminator(generator(noise).detach()))
        loss.backward()
        optimizer.step()
        return loss.detach()


class GeneratorStep(StepCheck):
    name = "generator_step"
    arguments = ("generator", "discriminator", "optimizer", "noise")
    player, other = "generator", "discriminator"
    no_gradient = "fake-detached"
    wrong_step = "the generator did not move as one step of the optimiser on its loss moves it."
    right = Way((as_real,))
    wrong_canary_mistake = "not-cleared"
    mistakes: ClassVar = {
        "discriminator-gradient": "a gradient was left in the discriminator: take the generator's with `torch.autograd.grad` or `backward(inputs=...)`, switch `requires_grad_` off and on again, or clear it.",
        "moves-discriminator": "the discriminator's parameters changed: only the generator moves in its step.",
        "left-frozen": "a network was left with another `requires_grad`: set it back to what it was, or the next step has nothing to train.",
        "fake-detached": "no gradient reaches the generator: do not detach the fakes (nor use `no_grad`) in its own step, and clear gradients before `backward()`, not after.",
        "cleared-too-late": "the gradients are zeros when the optimiser steps: call `optimizer.zero_grad()` before `loss.backward()`, not after.",
        "saturating": "this is the saturating loss, E log(1 - D(G(z))): minimise -E log D(G(z)), the cross-entropy of fakes labelled real.",
        "labels-swapped": "fakes are labelled fake, as in the discriminator's step: the generator wants them to be taken for real, label 1.",
        **COMMON_MISTAKES,
    }  # fmt: skip
    ways: ClassVar = same_ways(
        as_real,
        ("saturating", Way((times(-1, as_fake),))),
        ("labels-swapped", Way((as_fake,))),
        ("summed", Way((lambda real, fake: F.softplus(-fake).sum(),))),
        *(("smoothed", Way((lambda real, fake, a=a: smoothed(fake, a),))) for a in (0.9, 0.8, 0.95)),
        ("critic-loss", Way((lambda real, fake: -fake.mean(),))),
        *(("critic-loss", Way((lambda r, f, k=k: k * (f - 1).square().mean(),))) for k in (0.5, 1)),
        ("critic-loss", Way((probability(lambda real, fake: (fake - 1).square().mean()),))),
    )
    losses: ClassVar = [
        *(("other-loss", loss) for loss in (as_fake, times(-1, as_fake), times(-1, as_real), times(0.5, as_real))),
        ("other-loss", lambda real, fake: F.softplus(-fake).sum()),
        ("other-loss", probability(as_real)),
        ("other-loss", lambda real, fake: torch.sigmoid(fake).mean()),
    ]

    def explain_error(self, text):
        return "fake-detached" if "does not require grad" in text else super().explain_error(text)

    def right_canary(self, generator, discriminator, optimizer, noise):
        optimizer.zero_grad()
        loss = as_real(None, discriminator(generator(noise)))
        loss.backward(inputs=list(generator.parameters()))
        optimizer.step()
        return loss.detach()

    def wrong_canary(self, generator, discriminator, optimizer, noise):
        loss = as_real(None, discriminator(generator(noise)))
        loss.backward(inputs=list(generator.parameters()))
        optimizer.step()
        return loss.detach()
