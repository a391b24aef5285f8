import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.optim import SGD

from tests.answers.bank import wrong


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def both(logits_real, logits_fake):
    return bce(logits_real, 1.0) + bce(logits_fake, 0.0)


def loss_of(generator, discriminator, real, noise):
    return both(discriminator(real), discriminator(generator(noise).detach()))


def right_detach(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    fake = generator(noise).detach()
    loss = bce(discriminator(real), 1.0) + bce(discriminator(fake), 0.0)
    loss.backward()
    optimizer.step()
    return loss


def right_no_grad(generator, discriminator, optimizer, real, noise):
    with torch.no_grad():
        fake = generator(noise)
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    discriminator.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def right_two_backwards(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad(set_to_none=False)
    criterion = torch.nn.BCEWithLogitsLoss()
    logits = discriminator(real)
    loss_real = criterion(logits, torch.ones_like(logits))
    loss_real.backward()
    logits = discriminator(generator(noise).detach())
    loss_fake = criterion(logits, torch.zeros_like(logits))
    loss_fake.backward()
    optimizer.step()
    return loss_real.item() + loss_fake.item()


def right_backward_of_inputs(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    loss = both(discriminator(real), discriminator(generator(noise)))
    loss.backward(inputs=list(discriminator.parameters()))
    optimizer.step()
    return loss.detach()


def right_autograd_grad(generator, discriminator, optimizer, real, noise):
    loss = both(discriminator(real), discriminator(generator(noise)))
    parameters = list(discriminator.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()
    return loss.detach().numpy()


def right_freezing_the_generator(generator, discriminator, optimizer, real, noise):
    generator.requires_grad_(False)
    loss = both(discriminator(real), discriminator(generator(noise)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    generator.requires_grad_(True)
    return loss.reshape(1)


def right_clearing_the_generator(generator, discriminator, optimizer, real, noise):
    loss = both(discriminator(real), discriminator(generator(noise)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    generator.zero_grad()
    return loss.item()


def right_clearing_to_zeros(generator, discriminator, optimizer, real, noise):
    loss = both(discriminator(real), discriminator(generator(noise)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    generator.zero_grad(set_to_none=False)
    return loss


def right_closure(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).data

    def closure():
        optimizer.zero_grad()
        loss = both(discriminator(real), discriminator(fake))
        loss.backward()
        return loss

    return optimizer.step(closure)


def right_functional(generator, discriminator, optimizer, real, noise):
    def loss_at(parameters):
        logits_real, logits_fake = (functional_call(discriminator, parameters, (x,)) for x in (real, fake))
        return -F.logsigmoid(logits_real).mean() - F.logsigmoid(-logits_fake).mean()

    fake = generator(noise).detach()
    parameters = {name: p.detach() for name, p in discriminator.named_parameters()}
    gradients, loss = torch.func.grad_and_value(loss_at)(parameters)
    for name, parameter in discriminator.named_parameters():
        parameter.grad = gradients[name]
    optimizer.step()
    return loss


def right_one_batch(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).detach()
    logits = discriminator(torch.cat([real, fake]))
    logits_real, logits_fake = logits.split([len(real), len(fake)])
    loss = torch.nn.functional.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss)


def right_modes_restored(generator, discriminator, optimizer, real, noise):
    modes = generator.training, discriminator.training
    generator.eval(), discriminator.train()
    with torch.inference_mode():
        fake = generator(noise)
    loss = both(discriminator(real), discriminator(fake.clone()))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    generator.train(modes[0]), discriminator.train(modes[1])
    return loss


def right_gradients_put_back(generator, discriminator, optimizer, real, noise):
    kept = [None if p.grad is None else p.grad.clone() for p in generator.parameters()]
    optimizer.zero_grad()
    loss = both(discriminator(real), discriminator(generator(noise)))
    loss.backward()
    for parameter, gradient in zip(generator.parameters(), kept, strict=True):
        parameter.grad = gradient
    optimizer.step()
    return loss


def right_mean_over_examples(generator, discriminator, optimizer, real, noise):
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    terms = [F.softplus(-discriminator(x[None])).mean() for x in real]
    loss = sum(terms) / len(terms)
    terms = [F.softplus(discriminator(generator(z[None]).detach())).mean() for z in noise]
    loss = loss + sum(terms) / len(terms)
    loss.backward()
    optimizer.step()
    return loss


@wrong("generator-gradient", credit=0.8)
def wrong_no_detach(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    loss = both(discriminator(real), discriminator(generator(noise)))
    loss.backward()
    optimizer.step()
    return loss


@wrong("generator-gradient", credit=0.8)
def wrong_clears_the_generator_before(generator, discriminator, optimizer, real, noise):
    generator.zero_grad()
    return wrong_no_detach(generator, discriminator, optimizer, real, noise)


@wrong("moves-generator")
def wrong_moves_both(generator, discriminator, optimizer, real, noise):
    loss = wrong_no_detach(generator, discriminator, optimizer, real, noise)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter -= 0.1 * parameter.grad
    return loss


@wrong("moves-generator")
def wrong_clips_the_generator(generator, discriminator, optimizer, real, noise):
    loss = right_detach(generator, discriminator, optimizer, real, noise)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.clamp_(-0.1, 0.1)
    return loss


@wrong("no-step")
def wrong_no_step(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    return loss


@wrong("cleared-too-late")
def wrong_no_backward(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    loss = loss_of(generator, discriminator, real, noise)
    optimizer.step()
    return loss


@wrong("cleared-too-late")
def wrong_cleared_too_late(generator, discriminator, optimizer, real, noise):
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss


@wrong("cleared-too-late")
def wrong_zeroed_too_late(generator, discriminator, optimizer, real, noise):
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    return loss


@wrong("not-cleared")
def wrong_not_cleared(generator, discriminator, optimizer, real, noise):
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    optimizer.step()
    return loss


@wrong("not-cleared")
def wrong_cleared_at_the_end(generator, discriminator, optimizer, real, noise):
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss


@wrong("not-cleared")
def wrong_clears_the_generator_only(generator, discriminator, optimizer, real, noise):
    generator.zero_grad()
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    optimizer.step()
    return loss


@wrong("step-before-backward")
def wrong_step_before_backward(generator, discriminator, optimizer, real, noise):
    loss = loss_of(generator, discriminator, real, noise)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss


@wrong("two-steps")
def wrong_two_steps(generator, discriminator, optimizer, real, noise):
    right_detach(generator, discriminator, optimizer, real, noise)
    return right_detach(generator, discriminator, optimizer, real, noise)


@wrong("one-at-a-time")
def wrong_one_at_a_time(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    loss_real = bce(discriminator(real), 1.0)
    loss_real.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss_fake = bce(discriminator(generator(noise).detach()), 0.0)
    loss_fake.backward()
    optimizer.step()
    return loss_real + loss_fake


def minimise(loss, optimizer):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@wrong("fresh-optimizer")
def wrong_fresh_optimizer(generator, discriminator, optimizer, real, noise):
    fresh = type(optimizer)([dict(group) for group in optimizer.param_groups])
    return minimise(loss_of(generator, discriminator, real, noise), fresh)


@wrong("by-hand")
def wrong_by_hand(generator, discriminator, optimizer, real, noise):
    optimizer.zero_grad()
    loss = loss_of(generator, discriminator, real, noise)
    loss.backward()
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter -= optimizer.param_groups[0]["lr"] * parameter.grad
    return loss


@wrong("by-hand")
def wrong_own_sgd(generator, discriminator, optimizer, real, noise):
    own = SGD(discriminator.parameters(), lr=optimizer.param_groups[0]["lr"])
    return minimise(loss_of(generator, discriminator, real, noise), own)


@wrong(None)
def wrong_own_adam(generator, discriminator, optimizer, real, noise):
    own = torch.optim.Adam(discriminator.parameters(), lr=2e-4)
    return minimise(loss_of(generator, discriminator, real, noise), own)


@wrong("ascent")
def wrong_ascent(generator, discriminator, optimizer, real, noise):
    return minimise(-loss_of(generator, discriminator, real, noise), optimizer)


@wrong("labels-swapped")
def wrong_labels_swapped(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).detach()
    return minimise(bce(discriminator(real), 0.0) + bce(discriminator(fake), 1.0), optimizer)


@wrong("half")
def wrong_half(generator, discriminator, optimizer, real, noise):
    return minimise(loss_of(generator, discriminator, real, noise) / 2, optimizer)


@wrong("half")
def wrong_twice(generator, discriminator, optimizer, real, noise):
    return minimise(loss_of(generator, discriminator, real, noise) * 2, optimizer)


@wrong("real-only")
def wrong_real_only(generator, discriminator, optimizer, real, noise):
    return minimise(bce(discriminator(real), 1.0), optimizer)


@wrong("fake-only")
def wrong_fake_only(generator, discriminator, optimizer, real, noise):
    return minimise(bce(discriminator(generator(noise).detach()), 0.0), optimizer)


@wrong("fakes-as-real")
def wrong_fakes_as_real(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).detach()
    return minimise(bce(discriminator(real), 1.0) + bce(discriminator(fake), 1.0), optimizer)


@wrong("fakes-as-real")
def wrong_generator_loss(generator, discriminator, optimizer, real, noise):
    return minimise(bce(discriminator(generator(noise).detach()), 1.0), optimizer)


@wrong("one-mean")
def wrong_one_mean(generator, discriminator, optimizer, real, noise):
    logits_real, logits_fake = discriminator(real), discriminator(generator(noise).detach())
    labels = torch.cat([torch.ones_like(logits_real), torch.zeros_like(logits_fake)])
    loss = F.binary_cross_entropy_with_logits(torch.cat([logits_real, logits_fake]), labels)
    return minimise(loss, optimizer)


@wrong("summed")
def wrong_summed(generator, discriminator, optimizer, real, noise):
    logits_real, logits_fake = discriminator(real), discriminator(generator(noise).detach())
    return minimise(F.softplus(-logits_real).sum() + F.softplus(logits_fake).sum(), optimizer)


@wrong("sigmoid-twice")
def wrong_sigmoid_twice(generator, discriminator, optimizer, real, noise):
    logits_real, logits_fake = discriminator(real), discriminator(generator(noise).detach())
    return minimise(both(torch.sigmoid(logits_real), torch.sigmoid(logits_fake)), optimizer)


@wrong("smoothed")
def wrong_smoothed(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).detach()
    return minimise(bce(discriminator(real), 0.9) + bce(discriminator(fake), 0.0), optimizer)


@wrong("critic-loss")
def wrong_wasserstein(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).detach()
    return minimise(discriminator(fake).mean() - discriminator(real).mean(), optimizer)


@wrong("critic-loss")
def wrong_hinge(generator, discriminator, optimizer, real, noise):
    logits_real, logits_fake = discriminator(real), discriminator(generator(noise).detach())
    return minimise(F.relu(1 - logits_real).mean() + F.relu(1 + logits_fake).mean(), optimizer)


@wrong("critic-loss")
def wrong_least_squares(generator, discriminator, optimizer, real, noise):
    logits_real, logits_fake = discriminator(real), discriminator(generator(noise).detach())
    return minimise((logits_real - 1).square().mean() / 2 + logits_fake.square().mean() / 2, optimizer)


@wrong("own-noise")
def wrong_own_noise(generator, discriminator, optimizer, real, noise):
    return minimise(loss_of(generator, discriminator, real, torch.randn_like(noise)), optimizer)


@wrong("own-noise")
def wrong_own_noise_for_each_real(generator, discriminator, optimizer, real, noise):
    noise = torch.randn(len(real), noise.shape[1])
    return minimise(loss_of(generator, discriminator, real, noise), optimizer)


@wrong("unequal-batches")
def wrong_labels_of_the_real_batch(generator, discriminator, optimizer, real, noise):
    logits_real, logits_fake = discriminator(real), discriminator(generator(noise).detach())
    loss = F.binary_cross_entropy_with_logits(logits_real, torch.ones_like(logits_real))
    loss = loss + F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_real))
    return minimise(loss, optimizer)


@wrong("logit-shape")
def wrong_label_shape(generator, discriminator, optimizer, real, noise):
    loss = F.binary_cross_entropy_with_logits(discriminator(real), torch.ones(len(real), 1))
    return minimise(loss + bce(discriminator(generator(noise).detach()), 0.0), optimizer)


@wrong("left-frozen", credit=0.8)
def wrong_leaves_the_generator_frozen(generator, discriminator, optimizer, real, noise):
    generator.requires_grad_(False)
    return minimise(both(discriminator(real), discriminator(generator(noise))), optimizer)


@wrong("left-frozen", credit=0.9)
def wrong_leaves_the_discriminator_frozen(generator, discriminator, optimizer, real, noise):
    discriminator.requires_grad_(True)
    loss = minimise(loss_of(generator, discriminator, real, noise), optimizer)
    discriminator.requires_grad_(False)
    return loss.detach()


@wrong("loss-after", credit=0.8)
def wrong_loss_after(generator, discriminator, optimizer, real, noise):
    minimise(loss_of(generator, discriminator, real, noise), optimizer)
    return loss_of(generator, discriminator, real, noise)


@wrong("other-loss", credit=0.8)
def wrong_returns_half(generator, discriminator, optimizer, real, noise):
    return minimise(loss_of(generator, discriminator, real, noise), optimizer).item() / 2


@wrong("other-loss", credit=0.8)
def wrong_returns_a_part(generator, discriminator, optimizer, real, noise):
    loss_real, loss_fake = bce(discriminator(real), 1.0), bce(discriminator(generator(noise).detach()), 0.0)
    minimise(loss_real + loss_fake, optimizer)
    return loss_fake


@wrong(None, credit=0.8)
def wrong_returns_a_score(generator, discriminator, optimizer, real, noise):
    minimise(loss_of(generator, discriminator, real, noise), optimizer)
    return discriminator(real).mean()


@wrong("returns-nothing", credit=0.8)
def wrong_returns_nothing(generator, discriminator, optimizer, real, noise):
    minimise(loss_of(generator, discriminator, real, noise), optimizer)


@wrong("returns-tuple", credit=0.8)
def wrong_returns_both(generator, discriminator, optimizer, real, noise):
    loss = minimise(loss_of(generator, discriminator, real, noise), optimizer)
    return loss.item(), loss.item()


@wrong("not-one-number", credit=0.8)
def wrong_returns_a_vector(generator, discriminator, optimizer, real, noise):
    loss = minimise(loss_of(generator, discriminator, real, noise), optimizer)
    return loss.detach().expand(2)


@wrong("saturates", credit=0.9)
def wrong_logarithm_of_sigmoid(generator, discriminator, optimizer, real, noise):
    real, fake = (torch.sigmoid(discriminator(x)) for x in (real, generator(noise).detach()))
    return minimise(-torch.log(real + 1e-12).mean() - torch.log(1 - fake + 1e-12).mean(), optimizer)


@wrong("saturates", credit=0.9)
def wrong_bce_of_probabilities(generator, discriminator, optimizer, real, noise):
    real, fake = (torch.sigmoid(discriminator(x)) for x in (real, generator(noise).detach()))
    loss = F.binary_cross_entropy(real, torch.ones_like(real)) + F.binary_cross_entropy(fake, torch.zeros_like(fake))
    return minimise(loss, optimizer)


@wrong("changes-mode", credit=0.9)
def wrong_eval(generator, discriminator, optimizer, real, noise):
    generator.eval()
    return right_detach(generator, discriminator, optimizer, real, noise)


@wrong("changes-mode", credit=0.9)
def wrong_train(generator, discriminator, optimizer, real, noise):
    discriminator.train()
    return right_detach(generator, discriminator, optimizer, real, noise)


@wrong("touches-rng", credit=0.9)
def wrong_seed(generator, discriminator, optimizer, real, noise):
    torch.manual_seed(0)
    return right_detach(generator, discriminator, optimizer, real, noise)


@wrong("changes-arguments")
def wrong_noise_in_place(generator, discriminator, optimizer, real, noise):
    fake = generator(noise.normal_()).detach()
    return minimise(both(discriminator(real), discriminator(fake)), optimizer)


@wrong("fixed-dtype", credit=0.9)
def wrong_float(generator, discriminator, optimizer, real, noise):
    return right_detach(generator, discriminator, optimizer, real.float(), noise.float())


@wrong("single-example", credit=0.9)
def wrong_squeeze(generator, discriminator, optimizer, real, noise):
    fake = generator(noise).detach()
    logits_real, logits_fake = (discriminator(x).squeeze() for x in (real, fake))
    loss = F.binary_cross_entropy_with_logits(logits_real, torch.ones(len(logits_real), *logits_real.shape[1:]))
    return minimise(loss + bce(logits_fake, 0.0), optimizer)


@wrong("wrong-names", credit=0.9)
def wrong_names(G, D, opt, x, z):
    return right_detach(G, D, opt, x, z)
