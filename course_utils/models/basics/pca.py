"""Principal component analysis (PCA): the flat subspace that keeps most of the data's variance.

    z = (x - mean) W,    x_hat = mean + z W^T,    W (D, K) with orthonormal columns

Of all such pairs of linear maps it has the least squared error sum_n |x_n - x_hat_n|^2; the columns of W are the right
singular vectors of the centred data with the largest singular values.

Source: Pearson 1901; Bishop 2006, Pattern Recognition and Machine Learning, section 12.1. Shapes: x (N, D), z (N, K).
"""

import torch
from torch import Tensor, nn

from course_utils.models.points import require_points


class PCA(nn.Module):
    """PCA from D to K dimensions; `encode` and `decode` are the two halves of a linear autoencoder.

    After `fit`: `mean` (D,), `components` (D, K), `variances` along them (K,), `variance_shares` of the whole (K,).
    """

    def __init__(self, num_dims: int, latent_dim: int):
        super().__init__()
        if not 1 <= latent_dim <= num_dims:
            raise ValueError(f"latent_dim must be 1 ... {num_dims}, the number of dimensions, got {latent_dim}")
        self.latent_dim = latent_dim
        self.register_buffer("mean", torch.zeros(num_dims))
        self.register_buffer("components", torch.eye(num_dims, latent_dim))
        self.register_buffer("variances", torch.ones(latent_dim))
        self.register_buffer("variance_shares", torch.full((latent_dim,), 1 / num_dims))

    def fit(self, x: Tensor) -> "PCA":
        """Find the components of x (N, D), of largest variance first. Return the model.

        Each component's sign is such that its largest entry is positive.

        Raises ValueError for fewer points than components, or values that are not finite.
        """
        require_points(x, len(self.mean))
        if len(x) < self.latent_dim:
            raise ValueError(f"{self.latent_dim} components need as many points, got {len(x)}")
        mean = x.mean(0)
        _, singular, right = torch.linalg.svd(x - mean, full_matrices=False)
        largest = right.gather(1, right.abs().argmax(1, keepdim=True))
        components = (right * largest.sign())[: self.latent_dim].T
        variances = singular.square() / max(1, len(x) - 1)
        self.mean, self.components, self.variances = mean, components, variances[: self.latent_dim]
        self.variance_shares = self.variances / variances.sum()
        return self

    def encode(self, x: Tensor) -> Tensor:
        """Return the coordinates z of x (N, D) in the subspace, (N, K)."""
        require_points(x, len(self.mean))
        return (x - self.mean) @ self.components

    def decode(self, z: Tensor) -> Tensor:
        """Return the point of each z (N, K), (N, D)."""
        return self.mean + z @ self.components.T

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction x_hat, the nearest point of the subspace, (N, D)."""
        return self.decode(self.encode(x))
