# %% reconstruction_loss
def reconstruction_loss(x_hat, x):
    difference = (x_hat - x).reshape(len(x), -1)
    return torch.einsum("bd,bd->b", difference, difference)


# %% reparameterize
def reparameterize(mu, logvar):
    return torch.distributions.Normal(mu, logvar.exp().sqrt()).rsample()


# %% gaussian_kl
def gaussian_kl(mu, logvar):
    from torch.distributions import Independent, Normal, kl_divergence

    q = Independent(Normal(mu, (0.5 * logvar).exp()), 1)
    p = Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    return kl_divergence(q, p)


# %% bernoulli_log_prob
def bernoulli_log_prob(logits, x):
    log_p = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return log_p.sum(dim=tuple(range(1, x.dim())))


# %% elbo
def elbo(logits, x, mu, logvar, beta=1.0):
    total = []
    for i in range(len(x)):  # one example after the other
        log_px = torch.distributions.Bernoulli(logits=logits[i]).log_prob(x[i]).sum()
        kl = 0.5 * (torch.expm1(logvar[i]) + mu[i] ** 2 - logvar[i]).sum()
        total.append(log_px - beta * kl)
    return torch.stack(total)


# %% beta_schedule
def beta_schedule(step, warmup_steps, beta_max=1.0):
    return torch.clamp(torch.as_tensor(step / warmup_steps, dtype=torch.float64), max=1.0) * beta_max


# %% importance_weighted_bound
def importance_weighted_bound(log_weights):
    largest = log_weights.max(dim=0).values.detach()
    return largest + (log_weights - largest).exp().mean(dim=0).log()


# %% condition_on_label
def condition_on_label(z, y, num_classes):
    one_hot = torch.zeros(len(z), num_classes, dtype=z.dtype, device=z.device)
    one_hot[torch.arange(len(y)), y] = 1
    return torch.hstack((z, one_hot))
