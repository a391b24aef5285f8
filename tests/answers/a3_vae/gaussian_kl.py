import math
import warnings

import torch
from torch.distributions import Independent, Normal, kl_divergence

from tests.answers.bank import wrong


def right_paper(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


def right_library(mu, logvar):
    q = Independent(Normal(mu, torch.exp(0.5 * logvar)), 1)
    p = Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    return kl_divergence(q, p)


def right_loop(mu, logvar):
    out = torch.zeros(mu.shape[0], dtype=mu.dtype, device=mu.device)
    for d in range(mu.shape[1]):
        out = out + 0.5 * (mu[:, d] ** 2 + torch.exp(logvar[:, d]) - logvar[:, d] - 1)
    return out


def right_einsum(mu, logvar):
    squares = torch.einsum("bi,bi->b", mu, mu)
    return 0.5 * (squares + torch.expm1(logvar).sum(1) - logvar.sum(1))


def right_float64(mu, logvar):
    m, s = mu.double(), logvar.double().exp().sqrt()
    return (0.5 * (s**2 + m**2 - 1) - s.log()).sum(-1)


def right_noisy(mu, logvar):
    print("kl of", mu.shape)
    warnings.warn("a warning on the way", stacklevel=1)
    var = logvar.exp()
    return (mu * mu + var - logvar).sum(1).div(2) - mu.shape[1] / 2


def right_in_place_on_own_copies(mu, logvar):
    out = logvar.clone()
    out.neg_().add_(torch.expm1(logvar)).add_(mu.square())
    return out.sum(1).mul_(0.5)


def right_determinants(mu, logvar):
    covariance = torch.diag_embed(logvar.exp())
    trace = covariance.diagonal(dim1=1, dim2=2).sum(1)
    return 0.5 * (trace + mu.unsqueeze(1).bmm(mu.unsqueeze(2)).flatten() - mu.shape[1] - torch.logdet(covariance))


class KL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mu, logvar):
        ctx.save_for_backward(mu, logvar)
        return 0.5 * (mu**2 + torch.expm1(logvar) - logvar).sum(1)

    @staticmethod
    def backward(ctx, grad):
        mu, logvar = ctx.saved_tensors
        return grad[:, None] * mu, grad[:, None] * 0.5 * torch.expm1(logvar)


def right_custom_autograd(mu, logvar):
    return KL.apply(mu, logvar)


def right_loose_clamp(mu, logvar):
    logvar = torch.clamp(logvar, -20, 20)
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


@wrong("kl-sign")
def wrong_sign(mu, logvar):
    return 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


@wrong("kl-no-half")
def wrong_no_half(mu, logvar):
    return -torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


@wrong("kl-half-twice")
def wrong_half_twice(mu, logvar):
    return -0.25 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


@wrong("kl-logvar-as-std")
def wrong_logvar_as_std(mu, logvar):
    return 0.5 * (mu**2 + logvar**2 - 1 - torch.log(logvar**2)).sum(1)


@wrong("kl-logvar-as-std")
def wrong_logvar_as_std_log(mu, logvar):
    return (0.5 * (mu**2 + logvar**2 - 1) - torch.log(logvar)).sum(1)


@wrong("kl-logvar-as-variance")
def wrong_logvar_as_variance(mu, logvar):
    return 0.5 * (mu**2 + logvar - 1 - torch.log(logvar)).sum(1)


@wrong("kl-exp-logvar-as-std")
def wrong_exp_logvar_as_std(mu, logvar):
    std = logvar.exp()
    return 0.5 * (mu**2 + std**2 - 1 - 2 * torch.log(std)).sum(1)


@wrong("kl-std-for-variance")
def wrong_std_for_variance(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - torch.exp(0.5 * logvar)).sum(1)


@wrong("kl-logvar-twice")
def wrong_logvar_twice(mu, logvar):
    return -0.5 * (1 + 2 * logvar - mu**2 - logvar.exp()).sum(1)


@wrong("kl-mu-not-squared")
def wrong_mu(mu, logvar):
    return -0.5 * (1 + logvar - mu - logvar.exp()).sum(1)


@wrong("kl-mu-sign")
def wrong_mu_sign(mu, logvar):
    return -0.5 * (1 + logvar + mu**2 - logvar.exp()).sum(1)


@wrong("kl-no-one")
def wrong_no_one(mu, logvar):
    return -0.5 * (logvar - mu**2 - logvar.exp()).sum(1)


@wrong("kl-no-log")
def wrong_no_log(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1).sum(1)


@wrong("kl-log-sign")
def wrong_log_sign(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1)


@wrong("kl-reversed")
def wrong_direction(mu, logvar):
    p = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return kl_divergence(p, Normal(mu, torch.exp(0.5 * logvar))).sum(1)


@wrong("kl-half-of-one-term")
def wrong_brackets(mu, logvar):
    return (-0.5 * 1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("mean-over-dims")
def wrong_mean_over_dims(mu, logvar):
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


@wrong("sum-everything")
def wrong_sum_everything(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


@wrong("mean-everything")
def wrong_mean_everything(mu, logvar):
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@wrong("mean-over-batch")
def wrong_mean_over_batch(mu, logvar):
    return torch.mean(-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1), dim=0)


@wrong("summed-over-batch-axis")
def wrong_axis(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=0)


@wrong("not-summed")
def wrong_not_summed(mu, logvar):
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())


@wrong("keeps-axis")
def wrong_keepdim(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1, keepdim=True)


@wrong("kl-sign")
def wrong_sign_and_mean(mu, logvar):
    return 0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())


@wrong("random-result")
def wrong_monte_carlo(mu, logvar):
    q = Normal(mu, torch.exp(0.5 * logvar))
    z = q.rsample()
    return (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(1)


@wrong("clamped", credit=0.8)
def wrong_clamp(mu, logvar):
    logvar = logvar.clamp(-2, 2)
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("detached", credit=0.6)
def wrong_no_grad(mu, logvar):
    with torch.no_grad():
        return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("detached", credit=0.6)
def wrong_new_leaf(mu, logvar):
    return (-0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)).detach().requires_grad_()


@wrong("partly-detached", credit=0.6)
def wrong_logvar_data(mu, logvar):
    return -0.5 * (1 + logvar.data - mu**2 - logvar.data.exp()).sum(1)


@wrong("returns-number")
def wrong_item(mu, logvar):
    return (-0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()).item()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(mu, logvar):
    log_std = logvar.mul_(0.5)
    return (0.5 * (mu**2 + torch.exp(2 * log_std) - 1) - log_std).sum(1)


@wrong("fixed-dtype", credit=0.8)
def wrong_float(mu, logvar):
    mu, logvar = mu.float(), logvar.float()
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("touches-rng", credit=0.8)
def wrong_seed(mu, logvar):
    torch.manual_seed(42)
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


@wrong("wrong-names", credit=0.8)
def wrong_names(mean, log_var):
    return -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)


@wrong("wrong-arguments")
def wrong_third_argument(x, mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


TOTAL = []


@wrong("keeps-state")
def wrong_running_total(mu, logvar):
    TOTAL.append(mu.shape)
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1) * len(TOTAL)


@wrong("kl-log-std")
def wrong_log_std(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - 0.5 * logvar).sum(1)


@wrong("kl-mu-missing")
def wrong_mu_missing(mu, logvar):
    return -0.5 * (1 + logvar - logvar.exp()).sum(1)


@wrong("kl-one-sign")
def wrong_one_sign(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() + 1 - logvar).sum(1)


@wrong("kl-variance-sign")
def wrong_variance_sign(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 + logvar.exp()).sum(1)


@wrong("kl-no-variance")
def wrong_no_variance(mu, logvar):
    return -0.5 * (1 + logvar - mu**2).sum(1)


@wrong("kl-cross-entropy")
def wrong_cross_entropy(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() + math.log(2 * math.pi)).sum(1)


@wrong("kl-bits")
def wrong_bits(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1) / math.log(2)


@wrong("kl-no-half")
def wrong_no_half_and_mean(mu, logvar):
    return (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()


@wrong(None)
def wrong_two_dimensions(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)[:, :2].sum(1)


@wrong(None, credit=0.6)
def wrong_gradient_only(mu, logvar):
    m = mu.detach()
    return 0.5 * (m**2 + logvar.exp() - 1 - logvar).sum(1) + (mu - m).sum(1)


@wrong(None)
def wrong_half_precision(mu, logvar):
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)).half().float()


def right_module(mu, logvar):
    class Divergence(torch.nn.Module):
        def forward(self, mu, logvar):
            return (mu.square() + logvar.exp() - logvar - 1).sum(-1) / 2

    return Divergence()(mu, logvar)


def right_vmap(mu, logvar):
    def one(m, v):
        return 0.5 * (m @ m + v.exp().sum() - len(m) - v.sum())

    return torch.vmap(one)(mu, logvar)


def right_log_of_inverse(mu, logvar):
    sigma = torch.sqrt(torch.exp(logvar))
    return torch.sum(torch.log(1 / sigma) + (sigma**2 + mu**2) / 2 - 1 / 2, axis=1)


@wrong("kl-exp-logvar-as-std")
def wrong_square_of_variance(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp() ** 2).sum(1)
