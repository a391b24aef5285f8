import random

import numpy as np
import torch
from torch import autograd
from torch.func import functional_call, grad, vmap

from tests.answers.bank import wrong


def mix(real, fake):
    alpha = torch.rand(real.shape[0], 1, 1, 1, dtype=real.dtype, device=real.device)
    return (alpha * real + (1 - alpha) * fake).requires_grad_(True)


def slope_at(critic, x):
    return autograd.grad(critic(x).sum(), x, create_graph=True)[0]


def norm_at(critic, x):
    return slope_at(critic, x).flatten(1).norm(dim=1)


def right_plain(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device=real.device)
    x = (alpha * real + (1 - alpha) * fake).requires_grad_()
    (slope,) = autograd.grad(critic(x).sum(), x, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def right_grad_outputs(critic, real, fake):
    alpha = torch.rand(real.size(0), 1, 1, 1).to(real)
    interpolated = torch.autograd.Variable(fake + alpha * (real - fake), requires_grad=True)
    scores = critic(interpolated)
    gradients = autograd.grad(
        outputs=scores,
        inputs=interpolated,
        grad_outputs=torch.ones(scores.size()).to(scores),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def right_root_with_eps(critic, real, fake):
    slope = slope_at(critic, mix(fake, real))
    norms = torch.sqrt(slope.square().sum(dim=(1, 2, 3)) + 1e-12)
    return torch.mean((norms - 1.0).pow(2))


def right_lerp(critic, real, fake):
    alpha = torch.empty(len(real), 1, 1, 1, dtype=real.dtype).uniform_()
    x = torch.lerp(real, fake, alpha).detach().requires_grad_()
    norms = torch.linalg.vector_norm(slope_at(critic, x), dim=(1, 2, 3))
    return torch.nn.functional.mse_loss(norms, torch.ones_like(norms))


def right_loop(critic, real, fake):
    total = 0.0
    for one, other in zip(real, fake, strict=True):
        alpha = random.random()
        x = (alpha * one + (1 - alpha) * other).unsqueeze(0).requires_grad_()
        total = total + (slope_at(critic, x).norm() - 1) ** 2
    return total / real.shape[0]


def right_func_grad(critic, real, fake):
    alpha = torch.rand(len(real), dtype=real.dtype).reshape(-1, 1, 1, 1)
    slope = grad(lambda x: critic(x).sum())(alpha * real + (1 - alpha) * fake)
    return (slope.reshape(len(real), -1).pow(2).sum(1).add(1e-16).sqrt() - 1).square().mean()


def right_vmap(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    parameters = dict(critic.named_parameters())

    def score(x):
        return functional_call(critic, parameters, (x.unsqueeze(0),)).sum()

    slope = vmap(grad(score))(alpha * real + (1 - alpha) * fake)
    return (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1).square().mean()


def right_numpy_alpha(critic, real, fake):
    alpha = torch.from_numpy(np.random.uniform(size=(len(real), 1, 1, 1))).to(real)
    x = real.clone().mul_(alpha).add_((1 - alpha) * fake).requires_grad_()
    return (norm_at(critic, x) - 1).square().sum() / len(real)


def right_einsum(critic, real, fake):
    slope = slope_at(critic, mix(real, fake))
    squares = torch.einsum("bchw,bchw->b", slope, slope)
    return (squares - 2 * (squares + 1e-12).sqrt() + 1).mean()


GENERATOR = torch.Generator().manual_seed(11)


def right_own_generator(critic, real, fake):
    alpha = torch.rand((len(real), 1, 1, 1), generator=GENERATOR, dtype=real.dtype).expand_as(real)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


def right_enable_grad(critic, real, fake):
    with torch.no_grad():
        x = mix(real, fake).detach()
    with torch.enable_grad():
        x.requires_grad = True
        gradients = autograd.grad([critic(x).mean()], [x], create_graph=True)[0] * len(x)
        penalty = (gradients.norm(p=2, dim=(1, 2, 3)) - 1).square().mean()
    return penalty.reshape(1)


def right_backward_of_inputs_only(critic, real, fake):
    x = mix(real, fake).detach().requires_grad_()
    critic(x).sum().backward(inputs=[x], create_graph=True)
    return (x.grad.flatten(1).norm(dim=1) - 1).square().mean()


def right_grads_put_back(critic, real, fake):
    kept = [parameter.grad for parameter in critic.parameters()]
    for parameter in critic.parameters():
        parameter.grad = None
    x = mix(real, fake).detach().requires_grad_()
    critic(x).sum().backward(create_graph=True)
    for parameter, gradient in zip(critic.parameters(), kept, strict=True):
        parameter.grad = gradient
    return (x.grad.flatten(1).norm(dim=1) - 1).square().mean()


def right_beta_law(critic, real, fake):
    alpha = torch.distributions.Beta(1.0, 1.0).sample((len(real), 1, 1, 1)).to(real)
    return (norm_at(critic, (real - alpha * (real - fake)).requires_grad_()) - 1).square().mean()


def right_float64(critic, real, fake):
    penalties = [(norm - 1) ** 2 for norm in norm_at(critic, mix(real, fake)).double()]
    return torch.stack(penalties).mean()


@wrong("norm-over-channels")
def wrong_norm_over_channels(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).norm(2, dim=1) - 1) ** 2).mean()


@wrong("norm-over-channels")
def wrong_norm_over_channels_with_lambda(critic, real, fake):
    return 10 * ((slope_at(critic, mix(real, fake)).norm(2, dim=1) - 1) ** 2).mean()


@wrong("norm-over-pixels")
def wrong_norm_per_channel(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).flatten(2).norm(dim=2) - 1) ** 2).mean()


@wrong("norm-over-pixels")
def wrong_norm_over_last_axis(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).norm(dim=-1) - 1) ** 2).mean()


@wrong("norm-over-batch")
def wrong_norm_over_batch(critic, real, fake):
    return (slope_at(critic, mix(real, fake)).norm() - 1) ** 2


@wrong("norm-over-batch")
def wrong_norm_over_batch_axis(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).flatten(1).norm(dim=0) - 1) ** 2).mean()


@wrong("per-element")
def wrong_per_element(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)) - 1) ** 2).mean()


@wrong("norm-squared")
def wrong_no_root(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).square().sum((1, 2, 3)) - 1) ** 2).mean()


@wrong("norm-squared")
def wrong_square_minus_one(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) ** 2 - 1).mean()


@wrong("mean-square")
def wrong_root_of_mean(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).square().mean((1, 2, 3)).sqrt() - 1) ** 2).mean()


@wrong("l1-norm")
def wrong_l1_norm(critic, real, fake):
    return ((slope_at(critic, mix(real, fake)).flatten(1).norm(1, dim=1) - 1) ** 2).mean()


@wrong("not-squared")
def wrong_absolute(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) - 1).abs().mean()


@wrong("not-squared")
def wrong_not_squared(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) - 1).mean()


@wrong("one-sided")
def wrong_one_sided(critic, real, fake):
    return torch.relu(norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("zero-centred")
def wrong_zero_centred(critic, real, fake):
    return norm_at(critic, mix(real, fake)).square().mean()


@wrong("zero-centred")
def wrong_norms_only(critic, real, fake):
    return norm_at(critic, mix(real, fake)).mean()


@wrong("sign")
def wrong_plus_one(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) + 1).square().mean()


@wrong("sign")
def wrong_negative(critic, real, fake):
    return -(norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("mean-before-square")
def wrong_mean_before_square(critic, real, fake):
    return (norm_at(critic, mix(real, fake)).mean() - 1) ** 2


@wrong("summed")
def wrong_summed(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) - 1).square().sum()


@wrong("not-averaged")
def wrong_not_averaged(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) - 1).square()


@wrong("factor-lambda")
def wrong_lambda(critic, real, fake):
    return 10 * (norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("factor-lambda")
def wrong_half(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) - 1).square().mean() / 2


@wrong("mean-of-scores")
def wrong_mean_of_scores(critic, real, fake):
    x = mix(real, fake)
    (slope,) = autograd.grad(critic(x).mean(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("not-on-the-line")
def wrong_minus(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real - (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("not-on-the-line")
def wrong_sum(critic, real, fake):
    return (norm_at(critic, (real + fake).requires_grad_()) - 1).square().mean()


@wrong("not-on-the-line")
def wrong_difference(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * (real - fake)).requires_grad_()) - 1).square().mean()


@wrong("not-on-the-line")
def wrong_noise_around_real(critic, real, fake):
    x = real + 0.5 * real.std() * torch.rand_like(real)
    return (norm_at(critic, x.requires_grad_()) - 1).square().mean()


@wrong("not-on-the-line")
def wrong_two_alphas(critic, real, fake):
    alpha, beta = torch.rand(2, len(real), 1, 1, 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + beta * fake).requires_grad_()) - 1).square().mean()


@wrong("no-input-gradient")
def wrong_no_requires_grad(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    return (norm_at(critic, alpha * real + (1 - alpha) * fake) - 1).square().mean()


@wrong("scores-not-summed")
def wrong_scores_not_summed(critic, real, fake):
    x = mix(real, fake)
    (slope,) = autograd.grad(critic(x), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("score-shape")
def wrong_score_shape(critic, real, fake):
    x = mix(real, fake)
    (slope,) = autograd.grad(critic(x), x, grad_outputs=torch.ones(len(x), 1, dtype=x.dtype), create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("alpha-shape")
def wrong_alpha_shape(critic, real, fake):
    alpha = torch.rand(len(real), 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-per-pixel", credit=0.7)
def wrong_alpha_per_element(critic, real, fake):
    alpha = torch.rand_like(real)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-per-pixel", credit=0.7)
def wrong_alpha_per_row(critic, real, fake):
    alpha = torch.rand(len(real), 1, real.shape[2], 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-per-channel", credit=0.7)
def wrong_alpha_per_channel(critic, real, fake):
    alpha = torch.rand(*real.shape[:2], 1, 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-shared", credit=0.7)
def wrong_alpha_shared(critic, real, fake):
    alpha = torch.rand(1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-shared", credit=0.7)
def wrong_alpha_from_python(critic, real, fake):
    alpha = random.uniform(0, 1)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("real-only", credit=0.7)
def wrong_real_only(critic, real, fake):
    return (norm_at(critic, real.clone().requires_grad_()) - 1).square().mean()


@wrong("fake-only", credit=0.7)
def wrong_fake_only(critic, real, fake):
    return (norm_at(critic, fake.clone().requires_grad_()) - 1).square().mean()


@wrong("midpoint", credit=0.7)
def wrong_midpoint(critic, real, fake):
    return (norm_at(critic, (0.5 * real + 0.5 * fake).requires_grad_()) - 1).square().mean()


@wrong("same-alpha", credit=0.7)
def wrong_constant_alpha(critic, real, fake):
    return (norm_at(critic, (0.3 * real + 0.7 * fake).requires_grad_()) - 1).square().mean()


@wrong("same-alpha", credit=0.7)
def wrong_seeded_generator(critic, real, fake):
    generator = torch.Generator().manual_seed(1)
    alpha = torch.rand(len(real), 1, 1, 1, generator=generator, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("fixed-seed", credit=0.65)
def wrong_seed(critic, real, fake):
    torch.manual_seed(0)
    return (norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("fixed-seed", credit=0.8)
def wrong_seed_of_another_generator(critic, real, fake):
    np.random.seed(1)
    return (norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("coin", credit=0.7)
def wrong_coin(critic, real, fake):
    alpha = torch.randint(0, 2, (len(real), 1, 1, 1)).to(real)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-outside", credit=0.7)
def wrong_normal_alpha(critic, real, fake):
    alpha = torch.randn(len(real), 1, 1, 1, dtype=real.dtype)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-outside", credit=0.7)
def wrong_beyond_the_fake(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    return (norm_at(critic, (fake + alpha * (fake - real)).requires_grad_()) - 1).square().mean()


@wrong("alpha-outside", credit=0.7)
def wrong_from_minus_one(critic, real, fake):
    alpha = 2 * torch.rand(len(real), 1, 1, 1, dtype=real.dtype) - 1
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("not-uniform", credit=0.7)
def wrong_squared_alpha(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype).square()
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("not-uniform", credit=0.7)
def wrong_beta_law(critic, real, fake):
    alpha = torch.distributions.Beta(2.0, 2.0).sample((len(real), 1, 1, 1)).to(real)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("not-uniform", credit=0.7)
def wrong_half_of_the_way(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype) / 2
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("not-uniform", credit=0.7)
def wrong_sigmoid_of_normal(critic, real, fake):
    alpha = torch.randn(len(real), 1, 1, 1, dtype=real.dtype).sigmoid()
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("not-uniform", credit=0.7)
def wrong_clamped_alpha(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype).clamp(0.1, 0.9)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("alpha-evenly-spaced", credit=0.7)
def wrong_shuffled_grid(critic, real, fake):
    count = len(real)
    alpha = ((torch.randperm(count) + 0.5) / count) if count > 1 else torch.rand(1)
    alpha = alpha.to(real).view(-1, 1, 1, 1)
    return (norm_at(critic, (alpha * real + (1 - alpha) * fake).requires_grad_()) - 1).square().mean()


@wrong("no-create-graph", credit=0.8)
def wrong_no_create_graph(critic, real, fake):
    x = mix(real, fake)
    (slope,) = autograd.grad(critic(x).sum(), x, retain_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("no-create-graph", credit=0.7)
def wrong_penalty_detached(critic, real, fake):
    return (norm_at(critic, mix(real, fake)) - 1).square().mean().detach()


@wrong("no-create-graph", credit=0.7)
def wrong_backward_without_graph(critic, real, fake):
    x = mix(real, fake).detach().requires_grad_()
    critic(x).sum().backward()
    return (x.grad.flatten(1).norm(dim=1) - 1).square().mean()


@wrong(None, credit=0.8)
def wrong_norm_half_detached(critic, real, fake):
    norms = norm_at(critic, mix(real, fake))
    return ((norms - 1) * (norms - 1).detach()).mean()


@wrong("eps-too-large", credit=0.9)
def wrong_large_eps(critic, real, fake):
    slope = slope_at(critic, mix(real, fake))
    return ((slope.square().sum((1, 2, 3)) + 1e-5).sqrt() - 1).square().mean()


@wrong("nan-at-zero", credit=0.9)
def wrong_bare_root(critic, real, fake):
    slope = slope_at(critic, mix(real, fake))
    return (slope.square().sum((1, 2, 3)).sqrt() - 1).square().mean()


@wrong("grads-touched", credit=0.9)
def wrong_backward(critic, real, fake):
    x = mix(real, fake).detach().requires_grad_()
    critic(x).sum().backward(create_graph=True)
    return (x.grad.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("grads-touched", credit=0.9)
def wrong_backward_and_clear(critic, real, fake):
    x = mix(real, fake).detach().requires_grad_()
    critic(x).sum().backward(create_graph=True)
    slope = x.grad
    critic.zero_grad()
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("critic-changed", credit=0.9)
def wrong_eval(critic, real, fake):
    critic.eval()
    return (norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("critic-changed", credit=0.9)
def wrong_train(critic, real, fake):
    critic.train()
    return (norm_at(critic, mix(real, fake)) - 1).square().mean()


@wrong("critic-changed")
def wrong_clips_weights(critic, real, fake):
    penalty = (norm_at(critic, mix(real, fake)) - 1).square().mean()
    with torch.no_grad():
        next(critic.parameters()).clamp_(-0.01, 0.01)
    return penalty


@wrong("changes-arguments", credit=0.9)
def wrong_in_place(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    x = real.mul_(alpha).add_((1 - alpha) * fake)
    return (norm_at(critic, x.detach().requires_grad_()) - 1).square().mean()


@wrong("single-example", credit=0.7)
def wrong_squeeze(critic, real, fake):
    slope = slope_at(critic, mix(real, fake)).squeeze(0)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@wrong("fixed-dtype", credit=0.9)
def wrong_float(critic, real, fake):
    return (norm_at(critic, mix(real.float(), fake.float()).to(real)) - 1).square().mean().float()


@wrong("wrong-names", credit=0.9)
def wrong_names(discriminator, x_real, x_fake):
    return (norm_at(discriminator, mix(x_real, x_fake)) - 1).square().mean()
