import torch
import torch.nn.functional as F
from torch.func import functional_call, grad_and_value
from torch.optim import SGD

from tests.answers.bank import wrong


def as_real(logits):
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def minimise(loss, generator, optimizer):
    optimizer.zero_grad()
    loss.backward(inputs=list(generator.parameters()))
    optimizer.step()
    return loss


def right_backward_of_inputs(generator, discriminator, optimizer, noise):
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise)))
    loss.backward(inputs=list(generator.parameters()))
    optimizer.step()
    return loss


def right_autograd_grad(generator, discriminator, optimizer, noise):
    loss = F.softplus(-discriminator(generator(noise))).mean()
    parameters = list(generator.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()
    return loss.item()


def right_freezing(generator, discriminator, optimizer, noise):
    for parameter in discriminator.parameters():
        parameter.requires_grad_(False)
    loss = -F.logsigmoid(discriminator(generator(noise))).mean()
    generator.zero_grad()
    loss.backward()
    optimizer.step()
    for parameter in discriminator.parameters():
        parameter.requires_grad_(True)
    return loss.detach()


def right_freezing_in_try(generator, discriminator, optimizer, noise):
    flags = [parameter.requires_grad for parameter in discriminator.parameters()]
    discriminator.requires_grad_(False)
    try:
        optimizer.zero_grad(set_to_none=False)
        loss = as_real(discriminator(generator(noise)))
        loss.backward()
        optimizer.step()
    finally:
        for parameter, flag in zip(discriminator.parameters(), flags, strict=True):
            parameter.requires_grad = flag
    return float(loss)


def right_clearing(generator, discriminator, optimizer, noise):
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise)))
    loss.backward()
    optimizer.step()
    discriminator.zero_grad()
    return loss


def right_clearing_to_zeros(generator, discriminator, optimizer, noise):
    generator.zero_grad(set_to_none=False)
    loss = as_real(discriminator(generator(noise)))
    loss.backward()
    for parameter in discriminator.parameters():
        parameter.grad.zero_()
    optimizer.step()
    return loss.reshape(1)


def right_gradients_put_back(generator, discriminator, optimizer, noise):
    kept = [None if p.grad is None else p.grad.clone() for p in discriminator.parameters()]
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise)))
    loss.backward()
    for parameter, gradient in zip(discriminator.parameters(), kept, strict=True):
        parameter.grad = gradient
    optimizer.step()
    return loss.detach().numpy()


def right_functional_discriminator(generator, discriminator, optimizer, noise):
    frozen = {name: p.detach() for name, p in discriminator.named_parameters()}
    loss = as_real(functional_call(discriminator, frozen, (generator(noise),)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def right_functional_generator(generator, discriminator, optimizer, noise):
    def loss_at(parameters):
        return F.softplus(-discriminator(functional_call(generator, parameters, (noise,)))).mean()

    gradients, loss = grad_and_value(loss_at)({name: p.detach() for name, p in generator.named_parameters()})
    for name, parameter in generator.named_parameters():
        parameter.grad = gradients[name]
    optimizer.step()
    return loss


def right_gradient_of_the_fakes(generator, discriminator, optimizer, noise):
    fake = generator(noise)
    middle = fake.detach().requires_grad_()
    loss = as_real(discriminator(middle))
    (slope,) = torch.autograd.grad(loss, middle)
    optimizer.zero_grad()
    fake.backward(slope)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def right_closure(generator, discriminator, optimizer, noise):
    discriminator.requires_grad_(False)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.BCEWithLogitsLoss()(logits := discriminator(generator(noise)), torch.ones_like(logits))
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    discriminator.requires_grad_(True)
    return loss


def right_loop(generator, discriminator, optimizer, noise):
    optimizer.zero_grad()
    total = 0.0
    for z in noise.split(1):
        loss = F.softplus(-discriminator(generator(z))).mean() / len(noise)
        loss.backward(inputs=list(generator.parameters()))
        total += loss.item()
    optimizer.step()
    return total


def right_freezing_before_backward(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    discriminator.requires_grad_(False)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    discriminator.requires_grad_(True)
    return loss


@wrong("discriminator-gradient", credit=0.8)
def wrong_plain_backward(generator, discriminator, optimizer, noise):
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise)))
    loss.backward()
    optimizer.step()
    return loss


@wrong("discriminator-gradient", credit=0.8)
def wrong_clears_before(generator, discriminator, optimizer, noise):
    discriminator.zero_grad()
    return wrong_plain_backward(generator, discriminator, optimizer, noise)


@wrong("moves-discriminator")
def wrong_moves_both(generator, discriminator, optimizer, noise):
    loss = wrong_plain_backward(generator, discriminator, optimizer, noise)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter -= 0.1 * parameter.grad
    return loss


@wrong("moves-discriminator")
def wrong_moves_the_discriminator_only(generator, discriminator, optimizer, noise):
    own = SGD(discriminator.parameters(), lr=0.1)
    loss = as_real(discriminator(generator(noise)))
    own.zero_grad()
    loss.backward()
    own.step()
    return loss


@wrong("left-frozen", credit=0.8)
def wrong_left_frozen(generator, discriminator, optimizer, noise):
    discriminator.requires_grad_(False)
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise)))
    loss.backward()
    optimizer.step()
    return loss


@wrong("left-frozen", credit=0.9)
def wrong_freezes_the_generator_after(generator, discriminator, optimizer, noise):
    generator.requires_grad_(True)
    loss = minimise(as_real(discriminator(generator(noise))), generator, optimizer).item()
    generator.requires_grad_(False)
    return loss


@wrong("fake-detached")
def wrong_detached(generator, discriminator, optimizer, noise):
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise).detach()))
    loss.backward()
    optimizer.step()
    return loss


@wrong("fake-detached")
def wrong_no_grad(generator, discriminator, optimizer, noise):
    with torch.no_grad():
        fake = generator(noise)
    discriminator.requires_grad_(False)
    optimizer.zero_grad()
    loss = as_real(discriminator(fake))
    loss.backward()
    optimizer.step()
    discriminator.requires_grad_(True)
    return loss


@wrong("fake-detached")
def wrong_cleared_too_late(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    loss.backward(inputs=list(generator.parameters()))
    optimizer.zero_grad()
    optimizer.step()
    return loss


@wrong("cleared-too-late")
def wrong_zeroed_too_late(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    loss.backward(inputs=list(generator.parameters()))
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    return loss


@wrong("no-step")
def wrong_no_step(generator, discriminator, optimizer, noise):
    optimizer.zero_grad()
    loss = as_real(discriminator(generator(noise)))
    loss.backward(inputs=list(generator.parameters()))
    return loss


@wrong("not-cleared")
def wrong_not_cleared(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    loss.backward(inputs=list(generator.parameters()))
    optimizer.step()
    return loss


@wrong("not-cleared")
def wrong_cleared_at_the_end(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    loss.backward()
    optimizer.step()
    generator.zero_grad(), discriminator.zero_grad()
    return loss


@wrong("step-before-backward")
def wrong_step_before_backward(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    optimizer.step()
    optimizer.zero_grad()
    loss.backward(inputs=list(generator.parameters()))
    return loss


@wrong("two-steps")
def wrong_two_steps(generator, discriminator, optimizer, noise):
    minimise(as_real(discriminator(generator(noise))), generator, optimizer)
    return minimise(as_real(discriminator(generator(noise))), generator, optimizer)


@wrong("fresh-optimizer")
def wrong_fresh_optimizer(generator, discriminator, optimizer, noise):
    fresh = type(optimizer)([dict(group) for group in optimizer.param_groups])
    return minimise(as_real(discriminator(generator(noise))), generator, fresh)


@wrong("by-hand")
def wrong_by_hand(generator, discriminator, optimizer, noise):
    loss = as_real(discriminator(generator(noise)))
    parameters = list(generator.parameters())
    with torch.no_grad():
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter -= optimizer.param_groups[0]["lr"] * gradient
    return loss.detach()


@wrong("ascent")
def wrong_ascent(generator, discriminator, optimizer, noise):
    return minimise(-as_real(discriminator(generator(noise))), generator, optimizer)


@wrong("saturating")
def wrong_saturating(generator, discriminator, optimizer, noise):
    return minimise(F.logsigmoid(-discriminator(generator(noise))).mean(), generator, optimizer)


@wrong("saturating")
def wrong_saturating_by_probabilities(generator, discriminator, optimizer, noise):
    probability = torch.sigmoid(discriminator(generator(noise)))
    return minimise(torch.log(1 - probability + 1e-9).mean(), generator, optimizer)


@wrong("labels-swapped")
def wrong_labels_swapped(generator, discriminator, optimizer, noise):
    return minimise(F.softplus(discriminator(generator(noise))).mean(), generator, optimizer)


@wrong("summed")
def wrong_summed(generator, discriminator, optimizer, noise):
    return minimise(F.softplus(-discriminator(generator(noise))).sum(), generator, optimizer)


@wrong("half")
def wrong_half(generator, discriminator, optimizer, noise):
    return minimise(as_real(discriminator(generator(noise))) / 2, generator, optimizer)


@wrong("sigmoid-twice")
def wrong_sigmoid_twice(generator, discriminator, optimizer, noise):
    return minimise(as_real(torch.sigmoid(discriminator(generator(noise)))), generator, optimizer)


@wrong("smoothed")
def wrong_smoothed(generator, discriminator, optimizer, noise):
    logits = discriminator(generator(noise))
    loss = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 0.9))
    return minimise(loss, generator, optimizer)


@wrong("critic-loss")
def wrong_wasserstein(generator, discriminator, optimizer, noise):
    return minimise(-discriminator(generator(noise)).mean(), generator, optimizer)


@wrong("critic-loss")
def wrong_least_squares(generator, discriminator, optimizer, noise):
    return minimise((discriminator(generator(noise)) - 1).square().mean() / 2, generator, optimizer)


@wrong("own-noise")
def wrong_own_noise(generator, discriminator, optimizer, noise):
    return minimise(as_real(discriminator(generator(torch.randn_like(noise)))), generator, optimizer)


@wrong("logit-shape")
def wrong_label_shape(generator, discriminator, optimizer, noise):
    logits = discriminator(generator(noise))
    return minimise(F.binary_cross_entropy_with_logits(logits, torch.ones(len(noise), 1)), generator, optimizer)


@wrong("loss-after", credit=0.8)
def wrong_loss_after(generator, discriminator, optimizer, noise):
    minimise(as_real(discriminator(generator(noise))), generator, optimizer)
    return as_real(discriminator(generator(noise)))


@wrong("other-loss", credit=0.8)
def wrong_returns_the_saturating_loss(generator, discriminator, optimizer, noise):
    logits = discriminator(generator(noise))
    minimise(as_real(logits), generator, optimizer)
    return F.logsigmoid(-logits).mean()


@wrong("returns-nothing", credit=0.8)
def wrong_returns_nothing(generator, discriminator, optimizer, noise):
    minimise(as_real(discriminator(generator(noise))), generator, optimizer)


@wrong("not-one-number", credit=0.8)
def wrong_returns_logits(generator, discriminator, optimizer, noise):
    logits = discriminator(generator(noise))
    minimise(as_real(logits), generator, optimizer)
    return F.softplus(-logits)


@wrong("saturates", credit=0.9)
def wrong_logarithm_of_sigmoid(generator, discriminator, optimizer, noise):
    probability = torch.sigmoid(discriminator(generator(noise)))
    return minimise(-torch.log(probability + 1e-12).mean(), generator, optimizer)


@wrong("changes-mode", credit=0.9)
def wrong_eval(generator, discriminator, optimizer, noise):
    discriminator.eval()
    return right_autograd_grad(generator, discriminator, optimizer, noise)


@wrong("changes-mode", credit=0.9)
def wrong_train(generator, discriminator, optimizer, noise):
    generator.train()
    return right_autograd_grad(generator, discriminator, optimizer, noise)


@wrong("touches-rng", credit=0.9)
def wrong_seed(generator, discriminator, optimizer, noise):
    torch.manual_seed(0)
    return right_autograd_grad(generator, discriminator, optimizer, noise)


@wrong("changes-arguments")
def wrong_noise_in_place(generator, discriminator, optimizer, noise):
    return right_autograd_grad(generator, discriminator, optimizer, noise.mul_(2))


@wrong("fixed-dtype", credit=0.9)
def wrong_float(generator, discriminator, optimizer, noise):
    return right_autograd_grad(generator, discriminator, optimizer, noise.float())


@wrong("wrong-names", credit=0.9)
def wrong_names(G, D, opt, z):
    return right_autograd_grad(G, D, opt, z)
