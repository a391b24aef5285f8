# %% reparameterize
def reparameterize(mu, logvar):
    std = (0.5 * logvar).exp().detach()
    return mu.detach() + std * torch.randn_like(mu)


# %% reconstruction_loss
def reconstruction_loss(x_hat, x):
    return (x_hat.detach() - x).square().flatten(1).sum(1)
