"""beta-VAE: a VAE whose KL weighs more than the bound asks, so that each latent variable must earn its nats.

    loss(x) = -E_q(z|x)[log p(x | z)] + beta KL(q(z | x) || p(z)),    beta > 1

and, with a capacity C that grows while training,  -E_q[log p(x | z)] + gamma |KL(q(z | x) || p(z)) - C|.

Sources: Higgins et al. 2017 (ICLR, "beta-VAE"); Burgess et al. 2018 (arXiv 1804.03599), equation 8, for the capacity;
Bowman et al. 2016 (arXiv 1511.06349) and Sonderby et al. 2016 (arXiv 1602.02282) for the warm-up of beta.
Shapes: images x (B, C, H, W) in [0, 1]; latents (B, Z).
"""

from torch import Tensor, nn

from course_utils.models.latent.vae import VAE, gaussian_kl


def beta_schedule(step: int, warmup_steps: int, beta_max: float = 1.0) -> float:
    """Return beta at a training step: linear from 0 at step 0 to beta_max at warmup_steps, constant after.

    Raises ValueError if warmup_steps is not above 0 or step is below 0.
    """
    if not warmup_steps > 0:
        raise ValueError(f"warmup_steps must be above 0, got {warmup_steps}")
    if step < 0:
        raise ValueError(f"step must be at least 0, got {step}")
    return beta_max * min(1.0, step / warmup_steps)


class BetaVAE(VAE):
    """A VAE trained with a fixed beta; `elbo(x)` stays the bound, with beta = 1.

    Build one by `dense_vae(image_shape, model=BetaVAE, beta=4.0)` or by `conv_vae` likewise.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_dim: int,
        likelihood: nn.Module | None = None,
        beta: float = 4.0,
    ):
        super().__init__(encoder, decoder, latent_dim, likelihood)
        if beta < 0:
            raise ValueError(f"beta must be at least 0, got {beta}")
        self.beta = beta

    def loss(self, x: Tensor, beta: float | Tensor | None = None) -> Tensor:
        """Return -log p(x | z) + beta KL, the mean over the batch: (), in nats. `beta` here overrules the model's."""
        return super().loss(x, self.beta if beta is None else beta)

    def capacity_loss(self, x: Tensor, capacity: float | Tensor, gamma: float = 100.0) -> Tensor:
        """Return -log p(x | z) + gamma |KL - capacity|, the mean over the batch: (), in nats.

        Burgess et al. raise the capacity linearly, from 0 to about 25 nats: `beta_schedule(step, warmup_steps, 25.0)`.
        """
        log_px_given_z, kl = self.terms(x)
        return (-log_px_given_z + gamma * (kl - capacity).abs()).mean()

    def kl_per_latent(self, x: Tensor) -> Tensor:
        """Return the KL of each latent variable: (B, Z), in nats, at least 0; near 0 where a variable is not used."""
        mu, logvar = self.encode(x)
        return gaussian_kl(mu.unsqueeze(-1), logvar.unsqueeze(-1))
