# %% reconstruction_loss
def reconstruction_loss(x_hat, x):
    return ((x_hat - x) ** 2).flatten(start_dim=1).sum(dim=1)


# %% reparameterize
def reparameterize(mu, logvar):
    sigma = torch.exp(logvar / 2)
    return mu + sigma * torch.randn_like(sigma)


# %% gaussian_kl
def gaussian_kl(mu, logvar):
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(dim=-1)


# %% bernoulli_log_prob
def bernoulli_log_prob(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


# %% elbo
def elbo(logits, x, mu, logvar, beta=1.0):
    return bernoulli_log_prob(logits, x) - beta * gaussian_kl(mu, logvar)


# %% beta_schedule
def beta_schedule(step, warmup_steps, beta_max=1.0):
    if step >= warmup_steps:
        return beta_max
    return beta_max * step / warmup_steps


# %% importance_weighted_bound
def importance_weighted_bound(log_weights):
    return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[0])


# %% condition_on_label
def condition_on_label(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes).to(z)], dim=1)
