import math

import numpy as np
import torch
from torch.distributions import MultivariateNormal, Normal

from tests.answers.bank import wrong


def right_plain(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


def right_minus(mu, logvar):
    return mu - logvar.exp().sqrt() * torch.randn(mu.shape, dtype=mu.dtype, device=mu.device)


def right_rsample(mu, logvar):
    return Normal(mu, (logvar / 2).exp()).rsample()


def right_addcmul(mu, logvar):
    std = logvar.mul(0.5).exp_()
    return torch.addcmul(mu, std, torch.empty_like(std).normal_())


def right_loop(mu, logvar):
    rows = []
    for m, lv in zip(mu, logvar, strict=True):
        rows.append(m + torch.randn_like(m) * torch.exp(lv / 2))
    return torch.stack(rows)


def right_float64(mu, logvar):
    noise = torch.randn(mu.shape, dtype=torch.float64, device=mu.device)
    return mu.double() + torch.exp(logvar.double() / 2) * noise


def right_numpy_noise(mu, logvar):
    noise = torch.from_numpy(np.random.randn(*mu.shape)).to(mu)
    return mu + noise * torch.exp(logvar / 2)


GENERATOR = torch.Generator().manual_seed(7)


def right_own_generator(mu, logvar):
    noise = torch.randn(mu.shape, generator=GENERATOR, dtype=mu.dtype).to(mu.device)
    return noise * torch.exp(logvar * 0.5) + mu


def right_box_muller(mu, logvar):
    radius = torch.sqrt(-2 * torch.log1p(-torch.rand_like(mu)))
    return mu + torch.exp(logvar / 2) * radius * torch.cos(2 * math.pi * torch.rand_like(mu))


def right_normal_of_zero(mu, logvar):
    noise = torch.normal(torch.zeros_like(mu), torch.ones_like(mu))
    return mu + torch.sqrt(torch.exp(logvar)) * noise


def right_multivariate(mu, logvar):
    return MultivariateNormal(mu, scale_tril=torch.diag_embed(torch.exp(logvar / 2))).rsample()


def right_loose_clamp(mu, logvar):
    std = torch.exp(0.5 * logvar.clamp(-20, 20))
    noise = torch.randn_like(std).detach()
    return mu + std * noise


def right_small_eps(mu, logvar):
    return mu + (torch.exp(0.5 * logvar) + 1e-8) * torch.randn_like(mu)


@wrong("exp-logvar-as-std")
def wrong_exp_logvar(mu, logvar):
    return mu + torch.exp(logvar) * torch.randn_like(mu)


@wrong("exp-logvar-as-std")
def wrong_exp_two_logvar(mu, logvar):
    return mu + torch.exp(2 * logvar) * torch.randn_like(mu)


@wrong("logvar-as-std")
def wrong_logvar(mu, logvar):
    return mu + logvar * torch.randn_like(mu)


@wrong("logvar-as-std")
def wrong_logvar_in_normal(mu, logvar):
    return Normal(mu, logvar).rsample()


@wrong("logvar-as-variance")
def wrong_root_of_logvar(mu, logvar):
    return mu + torch.sqrt(logvar) * torch.randn_like(mu)


@wrong("logvar-as-variance")
def wrong_root_of_logvar_in_normal(mu, logvar):
    return Normal(mu, logvar.sqrt()).rsample()


@wrong("logvar-as-std")
def wrong_torch_normal_logvar(mu, logvar):
    return torch.normal(mu, logvar)


@wrong("quarter")
def wrong_two_roots(mu, logvar):
    return mu + torch.exp(0.5 * logvar).sqrt() * torch.randn_like(mu)


@wrong("inverse-std")
def wrong_negative_exponent(mu, logvar):
    return mu + torch.exp(-0.5 * logvar) * torch.randn_like(mu)


@wrong("no-scale")
def wrong_no_scale(mu, logvar):
    return mu + torch.randn_like(mu)


@wrong("no-noise")
def wrong_no_noise(mu, logvar):
    return mu + torch.exp(0.5 * logvar)


@wrong("no-noise")
def wrong_mean_only(mu, logvar):
    return mu


@wrong("no-mean")
def wrong_no_mean(mu, logvar):
    return torch.exp(0.5 * logvar) * torch.randn_like(mu)


@wrong("mean-sign")
def wrong_mean_sign(mu, logvar):
    return torch.exp(0.5 * logvar) * torch.randn_like(mu) - mu


@wrong("roles-swapped")
def wrong_roles(mu, logvar):
    return torch.exp(0.5 * logvar) + mu * torch.randn_like(mu)


@wrong("mean-scaled")
def wrong_mean_scaled(mu, logvar):
    return (mu + torch.randn_like(mu)) * torch.exp(0.5 * logvar)


@wrong("uniform-noise")
def wrong_uniform(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.rand_like(mu)


@wrong("uniform-noise")
def wrong_uniform_centred(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * (2 * torch.rand_like(mu) - 1)


@wrong("not-normal")
def wrong_uniform_of_unit_variance(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * (torch.rand_like(mu) - 0.5) * math.sqrt(12)


@wrong("not-normal")
def wrong_coin(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.sign(torch.randn_like(mu))


@wrong("not-normal")
def wrong_laplace(mu, logvar):
    noise = torch.distributions.Laplace(torch.zeros_like(mu), 0.5**0.5).sample()
    return mu + torch.exp(0.5 * logvar) * noise


@wrong("shared-over-batch")
def wrong_noise_of_one_example(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape[1], dtype=mu.dtype)


@wrong("shared-over-dims")
def wrong_noise_per_example(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape[0], 1, dtype=mu.dtype)


@wrong("one-noise")
def wrong_one_number(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn(1, dtype=mu.dtype)


@wrong("one-noise")
def wrong_python_number(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * np.random.randn()


@wrong("fixed-seed")
def wrong_seed(mu, logvar):
    torch.manual_seed(0)
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


@wrong("fixed-seed")
def wrong_numpy_seed(mu, logvar):
    np.random.seed(0)
    return mu + torch.exp(0.5 * logvar) * torch.from_numpy(np.random.randn(*mu.shape)).to(mu)


@wrong("fixed-seed", credit=0.8)
def wrong_seed_of_another_generator(mu, logvar):
    np.random.seed(1)
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


@wrong("same-noise")
def wrong_seeded_generator(mu, logvar):
    generator = torch.Generator().manual_seed(1)
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


@wrong("dependent-noise")
def wrong_antithetic(mu, logvar):
    half = torch.randn(mu.shape[0] - mu.shape[0] // 2, *mu.shape[1:], dtype=mu.dtype)
    noise = torch.cat([half, -half])[: mu.shape[0]]
    return mu + torch.exp(0.5 * logvar) * noise


@wrong("wrong-shape")
def wrong_shape(mu, logvar):
    noise = torch.randn(mu.shape[0], 1, mu.shape[1], dtype=mu.dtype)
    return mu + torch.exp(0.5 * logvar) * noise


@wrong("zero-gradient", credit=0.5)
def wrong_torch_normal(mu, logvar):
    return torch.normal(mu, torch.exp(0.5 * logvar))


@wrong("detached", credit=0.5)
def wrong_sample(mu, logvar):
    return Normal(mu, torch.exp(0.5 * logvar)).sample()


@wrong("detached", credit=0.5)
def wrong_no_grad(mu, logvar):
    with torch.no_grad():
        return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


@wrong("std-detached", credit=0.5)
def wrong_std_detached(mu, logvar):
    return mu + torch.exp(0.5 * logvar).detach() * torch.randn_like(mu)


@wrong("mu-detached", credit=0.5)
def wrong_mu_data(mu, logvar):
    return mu.data + torch.exp(0.5 * logvar) * torch.randn_like(mu)


@wrong("clamped", credit=0.8)
def wrong_clamp(mu, logvar):
    return mu + torch.exp(0.5 * logvar.clamp(-2, 2)) * torch.randn_like(mu)


@wrong("changes-arguments", credit=0.8)
def wrong_in_place(mu, logvar):
    return mu + logvar.mul_(0.5).exp_() * torch.randn_like(mu)


@wrong("not-normal")
def wrong_clipped_noise(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu).clamp(-2, 2)


@wrong("not-normal")
def wrong_positive_noise(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu).abs()


@wrong("not-normal")
def wrong_five_percent(mu, logvar):
    return mu + 1.05 * torch.exp(0.5 * logvar) * torch.randn_like(mu)


@wrong("dependent-noise")
def wrong_pairs_of_examples(mu, logvar):
    noise = torch.randn_like(mu)
    noise[1::2] = -noise[::2][: noise[1::2].shape[0]]
    return mu + torch.exp(0.5 * logvar) * noise


@wrong(None)
def wrong_softplus(mu, logvar):
    return mu + torch.nn.functional.softplus(logvar) * torch.randn_like(mu)


@wrong(None)
def wrong_sorted_noise(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu).sort(0).values


CACHE = {}


@wrong("same-noise")
def wrong_remembered_noise(mu, logvar):
    return mu + CACHE.setdefault(mu.shape, torch.randn_like(mu)) * torch.exp(0.5 * logvar)


@wrong("shared-over-batch")
def wrong_shared_noise_and_std(mu, logvar):
    return mu + torch.exp(logvar) * torch.randn(mu.shape[1], dtype=mu.dtype)


@wrong("wrong-shape")
def wrong_extra_axis(mu, logvar):
    return Normal(mu, torch.exp(0.5 * logvar)).rsample((1,))


def right_transformed(mu, logvar):
    base = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    transform = torch.distributions.AffineTransform(mu, torch.exp(logvar / 2))
    return torch.distributions.TransformedDistribution(base, [transform]).rsample()


def right_numpy_generator(mu, logvar):
    noise = np.random.default_rng().standard_normal(mu.shape)
    return mu + torch.as_tensor(noise, dtype=mu.dtype) * torch.exp(0.5 * logvar)
