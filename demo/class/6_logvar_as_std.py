# %% reparameterize
def reparameterize(mu, logvar):
    return mu + logvar * torch.randn_like(mu)


# %% gaussian_kl
def gaussian_kl(mu, logvar):
    std = logvar
    return 0.5 * (mu**2 + std**2 - 1 - torch.log(std**2)).sum(dim=1)
