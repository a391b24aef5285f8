"""Denoising autoencoder: the input is spoilt, the target is not, so copying the input does not help.

    loss = mean of ||x_hat - x||^2,    x_hat = decode(encode(x_noisy)),    x_noisy = x + noise_scale * noise

The best possible answer is the mean of all clean images that could lie behind the noisy one, E[x | x_noisy]. For
Gaussian noise it points uphill on the density p of noisy images (Tweedie's formula; Vincent 2011, Neural Computation):

    E[x | x_noisy] = x_noisy + noise_scale^2 * gradient of log p(x_noisy)

Sources: Vincent et al. 2008 (ICML), masking noise; Vincent et al. 2010 (JMLR 11), Gaussian noise.
Shapes: images x, x_noisy, x_hat (B, C, H, W), x in [0, 1], x_noisy of any range.
"""

import torch
from torch import Tensor, nn

from course_utils.models.latent.autoencoder import ImageAutoencoder, reconstruction_loss
from course_utils.models.latent.likelihoods import require_unit_range


class Denoiser(nn.Module):
    """Any autoencoder, trained to undo what `corrupt` does; subclasses say what that is.

    The autoencoder need not be a bottleneck: what is spoilt cannot be copied.
    """

    def __init__(self, autoencoder: ImageAutoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def corrupt(self, x: Tensor) -> Tensor:
        """Return x_noisy, like x, by a fresh draw."""
        raise NotImplementedError

    def forward(self, x_noisy: Tensor) -> Tensor:
        """Return x_hat, the guess at the clean image, like x_noisy."""
        return self.autoencoder(x_noisy)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared L2 distance of the guesses from the clean x: ().

        Raises ValueError if x leaves [0, 1].
        """
        require_unit_range(x)
        return reconstruction_loss(self(self.corrupt(x)), x).mean()

    @torch.no_grad()
    def reconstruct(self, x_noisy: Tensor) -> Tensor:
        """Return x_hat, like x_noisy, clipped to [0, 1]."""
        return self(x_noisy).clamp(0, 1)

    @torch.no_grad()
    def anomaly_score(self, x: Tensor) -> Tensor:
        """Return how far the denoiser moves each image as it is, ||x_hat - x||^2: (B,).

        Small where images are typical; large where the denoiser knows of no image like this one.
        """
        return reconstruction_loss(self(x), x)


class DenoisingAutoencoder(Denoiser):
    """Takes Gaussian noise away (Vincent et al. 2010).

    Args:
        autoencoder: the two networks, from `autoencoder.py`.
        noise_scale: the standard deviation of the noise of a pixel, above 0.
    """

    def __init__(self, autoencoder: ImageAutoencoder, noise_scale: float = 0.3):
        super().__init__(autoencoder)
        if not noise_scale > 0:
            raise ValueError(f"noise_scale must be above 0, got {noise_scale}")
        self.noise_scale = noise_scale

    def corrupt(self, x: Tensor) -> Tensor:
        """Return x + noise_scale * noise, like x; not clipped, since clipping would break Tweedie's formula."""
        return x + self.noise_scale * torch.randn_like(x)


class MaskingAutoencoder(Denoiser):
    """Fills in lost places: each is 0, in all channels, with probability `mask_fraction` (Vincent et al. 2008)."""

    def __init__(self, autoencoder: ImageAutoencoder, mask_fraction: float = 0.5):
        super().__init__(autoencoder)
        if not 0 < mask_fraction < 1:
            raise ValueError(f"mask_fraction must lie between 0 and 1, got {mask_fraction}")
        self.mask_fraction = mask_fraction

    def corrupt(self, x: Tensor) -> Tensor:
        """Return x with lost places, like x."""
        kept = torch.rand_like(x[:, :1]) >= self.mask_fraction
        return x * kept
