"""Importance-weighted autoencoder: the VAE's two networks, trained on a tighter bound that averages K draws.

    log p(x) >= L_K(x) = E[log (1/K) sum_k p(x, z_k) / q(z_k | x)],    z_1 ... z_K drawn from q(z | x)

L_1 is the ELBO; L_K never falls as K grows, and tends to log p(x).

Source: Burda, Grosse & Salakhutdinov 2015 (arXiv 1509.00519).
Shapes: images x (B, C, H, W) in [0, 1]; log-weights (K, B); bounds (B,), in nats.
"""

import math

from torch import Tensor, nn

from course_utils.models.latent.vae import VAE


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """Return the log of the mean of the weights over K, from log_weights (K, B): (B,), in nats.

    Burda et al. 2015, equation 8, in the log-domain throughout, where weights of e^-1000 do not vanish.
    Raises ValueError for another number of axes, or for no weights.
    """
    if log_weights.ndim != 2 or len(log_weights) == 0:
        raise ValueError(f"log_weights must be (K, B) with K at least 1, got {tuple(log_weights.shape)}")
    return log_weights.logsumexp(0) - math.log(len(log_weights))


class IWAE(VAE):
    """A VAE trained on L_K; `elbo(x)` stays the bound of one draw.

    Build one by `dense_vae(image_shape, model=IWAE, num_samples=5)` or by `conv_vae` likewise.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_dim: int,
        likelihood: nn.Module | None = None,
        num_samples: int = 5,
    ):
        super().__init__(encoder, decoder, latent_dim, likelihood)
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        self.num_samples = num_samples

    def bound(self, x: Tensor, num_samples: int | None = None) -> Tensor:
        """Return an estimate of L_K from K draws, by default the model's number: (B,), in nats."""
        return importance_weighted_bound(self.log_weights(x, self.num_samples if num_samples is None else num_samples))

    def loss(self, x: Tensor, num_samples: int | None = None) -> Tensor:
        """Return the negative bound L_K, the mean over the batch: (), in nats."""
        return -self.bound(x, num_samples).mean()
