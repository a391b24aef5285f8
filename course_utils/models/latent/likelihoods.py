"""What a decoder says about an image: p(x | z) as a Bernoulli, a Gaussian or a categorical of each value.

    log p(x | z) = sum over the values i of the image of log p(x_i | params_i)

A decoder returns `params` (raw numbers, no sigmoid or softmax); a likelihood turns them into log-probabilities, a mean
image and draws. Values are independent given z. Images x are (B, C, H, W) in [0, 1]; any (B, ...) will do.

Sources: Kingma & Welling 2013 (arXiv 1312.6114), appendix C, for the Bernoulli and the Gaussian; van den Oord et al.
2016 (arXiv 1601.06759), section 3.4, for the categorical over levels of grey.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def require_same_shape(**tensors: Tensor) -> None:
    """Raise a ValueError that names the shapes unless all tensors have the same one."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"the shapes must be equal, got {found}")


def require_unit_range(x: Tensor) -> None:
    """Raise a ValueError that names the range of x unless it lies in [0, 1]."""
    low, high = x.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"x must lie in [0, 1], got values from {low:.4g} to {high:.4g}")


def require_binary(x: Tensor) -> None:
    """Raise a ValueError unless x holds zeros and ones: for grey values a Bernoulli's log-probability is none."""
    if not ((x == 0) | (x == 1)).all():
        low, high = x.aminmax()
        raise ValueError(
            f"x must hold zeros and ones, got other values between {low:.4g} and {high:.4g}: binarise it first"
        )


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """Return log p(x | z) for binary x, summed over all but the batch axis: (B,), in nats, exact for any logits.

    Raises ValueError for unequal shapes.
    """
    require_same_shape(logits=logits, x=x)
    # Working on logits keeps value and gradient exact where sigmoid(logit) would round to 0 or 1.
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


class Bernoulli(nn.Module):
    """p(x_i = 1) = sigmoid(logit_i); params are logits, shaped like x.

    For grey x in (0, 1) it is the usual cross-entropy, no longer a normalised density: binarise to compare likelihoods.
    """

    num_params = 1

    def params_shape(self, *image_shape: int) -> tuple[int, ...]:
        """Return the shape of one image's params."""
        return image_shape

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """Return log p(x | params), (B,), in nats, at most 0. Raises ValueError for unequal shapes."""
        return bernoulli_log_prob(params, x)

    def mean(self, params: Tensor) -> Tensor:
        """Return E[x | params], like x, in [0, 1]."""
        return params.sigmoid()

    @torch.no_grad()
    def sample(self, params: Tensor) -> Tensor:
        """Return one draw for each row of params: zeros and ones, like x."""
        return torch.bernoulli(params.sigmoid())


class Gaussian(nn.Module):
    """p(x_i) = N(x_i; param_i, scale^2); params are the means, shaped like x, and one scale serves all values.

    With a fixed scale, log p(x | z) is the squared error over 2 scale^2, up to a constant. With `learn_scale` the scale
    is a parameter, whose best value is the root mean squared error (Rybkin et al. 2021, arXiv 2006.13202).
    Its log-probability is of a density: it may be above 0.
    """

    num_params = 1

    def __init__(self, scale: float = 0.1, learn_scale: bool = False):
        super().__init__()
        if not scale > 0:
            raise ValueError(f"the scale of a Gaussian must be above 0, got {scale}")
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=learn_scale)

    def params_shape(self, *image_shape: int) -> tuple[int, ...]:
        """Return the shape of one image's params."""
        return image_shape

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """Return log p(x | params), (B,), in nats. Raises ValueError for unequal shapes."""
        require_same_shape(params=params, x=x)
        standardised = (x - params) * torch.exp(-self.log_scale)
        return (-0.5 * standardised**2 - self.log_scale - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the mean image, like x, clipped to [0, 1]."""
        return params.clamp(0, 1)

    @torch.no_grad()
    def sample(self, params: Tensor) -> Tensor:
        """Return one draw for each row of params, like x, clipped to [0, 1]."""
        return (params + self.log_scale.exp() * torch.randn_like(params)).clamp(0, 1)


class Categorical(nn.Module):
    """p(x_i = v / (V - 1)) = softmax(logits_i)_v for V levels; params are logits (B, V, C, H, W) for x (B, C, H, W)."""

    def __init__(self, num_levels: int = 256):
        super().__init__()
        if num_levels < 2:
            raise ValueError(f"a categorical likelihood needs at least 2 levels, got {num_levels}")
        self.num_levels = self.num_params = num_levels

    def params_shape(self, *image_shape: int) -> tuple[int, ...]:
        """Return the shape of one image's params."""
        return (self.num_levels, *image_shape)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """Return log p(x | params), (B,), in nats, at most 0.

        Raises ValueError if the shapes do not fit, or if x lies outside the levels 0, 1/(V-1), ..., 1.
        """
        due = (len(x), self.num_levels, *x.shape[1:])
        if tuple(params.shape) != due:
            raise ValueError(f"params must be {due} for x {tuple(x.shape)}, got {tuple(params.shape)}")
        scaled = x * (self.num_levels - 1)
        levels = scaled.round().long()
        if not (levels.min() >= 0 and levels.max() < self.num_levels and (scaled - levels).abs().max() < 0.01):
            raise ValueError(
                f"x must lie on the {self.num_levels} levels 0, 1/{self.num_levels - 1}, ..., 1, got values from "
                f"{x.min():.4g} to {x.max():.4g}, up to {(scaled - levels).abs().max():.2g} of a level away"
            )
        return -F.cross_entropy(params, levels, reduction="none").flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return E[x | params], (B, C, H, W), in [0, 1]."""
        levels = torch.linspace(0, 1, self.num_levels, dtype=params.dtype, device=params.device)
        # Rounding may carry a weighted mean of numbers in [0, 1] a hair above 1.
        return torch.einsum("bv...,v->b...", params.softmax(1), levels).clamp(0, 1)

    @torch.no_grad()
    def sample(self, params: Tensor) -> Tensor:
        """Return one draw for each row of params, (B, C, H, W), on the levels 0, 1/(V-1), ..., 1."""
        levels = torch.distributions.Categorical(logits=params.movedim(1, -1)).sample()
        return levels.to(params.dtype) / (self.num_levels - 1)
