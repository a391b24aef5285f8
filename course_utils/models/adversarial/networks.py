"""Small fully connected networks for GANs of points: noise (B, Z) to points (B, D), points to logits (B,)."""

from itertools import pairwise

from torch import nn


def mlp_generator(latent_dim: int, data_dim: int, hidden_dim: int = 128, num_layers: int = 2) -> nn.Sequential:
    """Return a network from noise (B, latent_dim) to points (B, data_dim), with `num_layers` hidden ReLU layers."""
    return nn.Sequential(*_hidden(latent_dim, hidden_dim, num_layers, nn.ReLU), nn.Linear(hidden_dim, data_dim))


def mlp_discriminator(data_dim: int, hidden_dim: int = 128, num_layers: int = 2) -> nn.Sequential:
    """Return a network from points (B, data_dim) to logits (B,), with `num_layers` hidden LeakyReLU(0.2) layers."""
    hidden = _hidden(data_dim, hidden_dim, num_layers, lambda: nn.LeakyReLU(0.2))
    return nn.Sequential(*hidden, nn.Linear(hidden_dim, 1), nn.Flatten(0))


def _hidden(input_dim, hidden_dim, num_layers, activation):
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, got {num_layers}")
    widths = [input_dim] + [hidden_dim] * num_layers
    return [module for a, b in pairwise(widths) for module in (nn.Linear(a, b), activation())]
