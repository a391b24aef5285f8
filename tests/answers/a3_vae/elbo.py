import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from tests.answers.bank import wrong


def log_likelihood(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def kl(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


def right_two_terms(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar)


def right_distributions(logits, x, mu, logvar, beta=1.0):
    px = Independent(Bernoulli(logits=logits), logits.dim() - 1)
    q = Independent(Normal(mu, (logvar / 2).exp()), 1)
    p = Independent(Normal(torch.zeros_like(mu), 1.0), 1)
    return px.log_prob(x) - kl_divergence(q, p).mul(beta)


def right_negative_loss(logits, x, mu, logvar, beta=1.0):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").reshape(len(x), -1).sum(-1)
    loss = bce + beta * 0.5 * (mu.square() + torch.expm1(logvar) - logvar).sum(-1)
    return loss.neg()


def right_loop(logits, x, mu, logvar, beta=1.0):
    out = []
    for i in range(x.shape[0]):
        likelihood = (x[i] * F.logsigmoid(logits[i]) + (1 - x[i]) * F.logsigmoid(-logits[i])).sum()
        divergence = 0.5 * sum(m * m + v.exp() - v - 1 for m, v in zip(mu[i], logvar[i], strict=True))
        out.append(likelihood - beta * divergence)
    return torch.stack(out)


def right_float64(logits, x, mu, logvar, beta=1.0):
    logits, x, mu, logvar = logits.double(), x.double(), mu.double(), logvar.double()
    likelihood = (x * logits - F.softplus(logits)).sum(tuple(range(1, x.ndim)))
    return likelihood - beta * kl(mu, logvar)


def right_einsum(logits, x, mu, logvar, beta=1.0):
    a, b = logits.flatten(1), x.flatten(1)
    likelihood = torch.einsum("bi,bi->b", a, b) - F.softplus(a).sum(1)
    squares = torch.einsum("bi,bi->b", mu, mu)
    return likelihood - beta / 2 * (squares + logvar.exp().sum(1) - logvar.sum(1) - mu.size(1))


def right_in_place_on_own(logits, x, mu, logvar, beta=1.0):
    total = log_likelihood(logits, x)
    total -= beta * kl(mu, logvar)
    return total


def right_noisy(logits, x, mu, logvar, beta=1.0):
    print("beta", beta)
    warnings.warn("a warning on the way", stacklevel=1)
    return torch.sub(log_likelihood(logits, x), kl(mu, logvar), alpha=float(beta))


def right_beta_tensor(logits, x, mu, logvar, beta=1.0):
    beta = torch.as_tensor(beta, dtype=mu.dtype, device=mu.device)
    return torch.stack([log_likelihood(logits, x), -beta * kl(mu, logvar)]).sum(0)


@wrong("elbo-sign")
def wrong_loss(logits, x, mu, logvar, beta=1.0):
    return beta * kl(mu, logvar) - log_likelihood(logits, x)


@wrong("kl-added")
def wrong_kl_added(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) + beta * kl(mu, logvar)


@wrong("likelihood-sign")
def wrong_likelihood_sign(logits, x, mu, logvar, beta=1.0):
    return -log_likelihood(logits, x) - beta * kl(mu, logvar)


@wrong("beta-on-likelihood")
def wrong_beta_on_likelihood(logits, x, mu, logvar, beta=1.0):
    return beta * log_likelihood(logits, x) - kl(mu, logvar)


@wrong("beta-on-both")
def wrong_beta_on_both(logits, x, mu, logvar, beta=1.0):
    return beta * (log_likelihood(logits, x) - kl(mu, logvar))


@wrong("beta-ignored")
def wrong_beta_ignored(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - kl(mu, logvar)


@wrong("beta-squared")
def wrong_beta_squared(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * (beta * kl(mu, logvar))


@wrong("no-kl")
def wrong_no_kl(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x)


@wrong("no-likelihood")
def wrong_no_likelihood(logits, x, mu, logvar, beta=1.0):
    return -beta * kl(mu, logvar)


@wrong("kl-over-batch")
def wrong_kl_of_batch(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar).sum()


@wrong("kl-over-batch")
def wrong_kl_mean_of_batch(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar).mean()


@wrong("likelihood-over-batch")
def wrong_likelihood_of_batch(logits, x, mu, logvar, beta=1.0):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="sum") - beta * kl(mu, logvar)


@wrong("kl-mean-over-dims")
def wrong_kl_mean(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) + beta * 0.5 * (1 + logvar - mu**2 - logvar.exp()).mean(1)


@wrong("likelihood-mean-over-dims")
def wrong_likelihood_mean(logits, x, mu, logvar, beta=1.0):
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).mean(1)
    return -bce - beta * kl(mu, logvar)


@wrong("mean-over-batch")
def wrong_mean_of_batch(logits, x, mu, logvar, beta=1.0):
    return (log_likelihood(logits, x) - beta * kl(mu, logvar)).mean()


@wrong("sum-everything")
def wrong_sum_of_batch(logits, x, mu, logvar, beta=1.0):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="sum") - beta * kl(mu, logvar).sum()


@wrong("sum-everything")
def wrong_loss_of_batch(logits, x, mu, logvar, beta=1.0):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + beta * kl(mu, logvar).sum()


@wrong("mean-everything")
def wrong_means(logits, x, mu, logvar, beta=1.0):
    likelihood = -F.binary_cross_entropy_with_logits(logits, x)
    return likelihood + beta * 0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp())


@wrong("kl-logvar-twice")
def wrong_logvar_twice(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) + beta * 0.5 * (1 + 2 * logvar - mu**2 - logvar.exp()).sum(1)


@wrong("kl-no-half")
def wrong_no_half(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) + beta * (1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("kl-exp-logvar-as-std")
def wrong_exp_logvar_as_std(logits, x, mu, logvar, beta=1.0):
    q, p = Normal(mu, logvar.exp()), Normal(torch.zeros_like(mu), 1.0)
    return log_likelihood(logits, x) - beta * kl_divergence(q, p).sum(1)


@wrong("kl-reversed")
def wrong_direction(logits, x, mu, logvar, beta=1.0):
    q, p = Normal(mu, torch.exp(logvar / 2)), Normal(torch.zeros_like(mu), 1.0)
    return log_likelihood(logits, x) - beta * kl_divergence(p, q).sum(1)


@wrong("likelihood-sigmoid-twice")
def wrong_sigmoid_twice(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(torch.sigmoid(logits), x) - beta * kl(mu, logvar)


@wrong("likelihood-squared-error")
def wrong_squared_error(logits, x, mu, logvar, beta=1.0):
    return -((torch.sigmoid(logits) - x) ** 2).flatten(1).sum(1) - beta * kl(mu, logvar)


@wrong("likelihood-probs-for-logits")
def wrong_probs_for_logits(logits, x, mu, logvar, beta=1.0):
    log_prob = (x * torch.log(logits) + (1 - x) * torch.log(1 - logits)).flatten(1).sum(1)
    return log_prob - beta * kl(mu, logvar)


@wrong("likelihood-squared-error")
def wrong_both_terms(logits, x, mu, logvar, beta=1.0):
    return -((logits - x) ** 2).flatten(1).sum(1) + beta * (1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("broadcast-square")
def wrong_broadcast(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x)[:, None] - beta * kl(mu, logvar)


@wrong("eps-in-log", credit=0.8)
def wrong_eps(logits, x, mu, logvar, beta=1.0):
    p = torch.sigmoid(logits)
    log_prob = x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8)
    return log_prob.flatten(1).sum(1) - beta * kl(mu, logvar)


@wrong("bce-of-sigmoid", credit=0.8)
def wrong_bce_of_sigmoid(logits, x, mu, logvar, beta=1.0):
    bce = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="none").flatten(1).sum(1)
    return -bce - beta * kl(mu, logvar)


@wrong("clamped", credit=0.8)
def wrong_clamp(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar.clamp(-2, 2))


@wrong("partly-detached", credit=0.6)
def wrong_kl_detached(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar).detach()


@wrong("detached", credit=0.6)
def wrong_detached(logits, x, mu, logvar, beta=1.0):
    return (log_likelihood(logits, x) - beta * kl(mu, logvar)).detach()


@wrong("wrong-default", credit=0.8)
def wrong_default(logits, x, mu, logvar, beta=4.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar)


@wrong("wrong-default", credit=0.8)
def wrong_no_default(logits, x, mu, logvar, beta):
    return log_likelihood(logits, x) - beta * kl(mu, logvar)


@wrong("wrong-arguments")
def wrong_no_beta(logits, x, mu, logvar):
    return log_likelihood(logits, x) - kl(mu, logvar)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * 0.5 * (mu.pow_(2) + logvar.exp() - 1 - logvar).sum(1)


@wrong("beta-added")
def wrong_beta_added(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - (beta + kl(mu, logvar))


@wrong("partly-detached", credit=0.6)
def wrong_likelihood_detached(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x).detach() - beta * kl(mu, logvar)


@wrong(None)
def wrong_free_nats(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * kl(mu, logvar).clamp(min=4)


@wrong(None)
def wrong_entropy_for_kl(logits, x, mu, logvar, beta=1.0):
    return log_likelihood(logits, x) - beta * Independent(Normal(mu, (logvar / 2).exp()), 1).entropy()


@wrong(None)
def wrong_mixed_weights(logits, x, mu, logvar, beta=1.0):
    return (1 - beta) * log_likelihood(logits, x) - beta * kl(mu, logvar)


def right_lerp(logits, x, mu, logvar, beta=1.0):
    likelihood = log_likelihood(logits, x)
    weight = torch.as_tensor(float(beta), dtype=mu.dtype)
    return torch.lerp(likelihood, likelihood - kl(mu, logvar), weight)


def right_without_beta_at_zero(logits, x, mu, logvar, beta=1.0):
    if beta == 0:
        return log_likelihood(logits, x) + 0 * kl(mu, logvar)
    return log_likelihood(logits, x) - beta * kl(mu, logvar)


@wrong("mean-everything")
def wrong_mean_likelihood_and_kl_of_batch(logits, x, mu, logvar, beta=1.0):
    return F.binary_cross_entropy_with_logits(logits, x) + beta * kl(mu, logvar).sum()
