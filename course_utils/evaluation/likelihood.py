"""How good is a generative model: likelihoods and bounds on held-out data, in nats and in bits per dimension."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm


def bits_per_dim(nll: Tensor | float, num_dims: int) -> Tensor | float:
    """Negative log-likelihood in nats to bits per dimension, elementwise: nll / (D log 2).

    Raises:
        ValueError: `num_dims` is not positive.
    """
    if num_dims < 1:
        raise ValueError(f"num_dims must be at least 1, got {num_dims}")
    return nll / (num_dims * math.log(2))


@dataclass(frozen=True)
class Estimate:
    """A mean over examples, in nats, with its standard error."""

    mean: float
    standard_error: float
    num_examples: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} +- {self.standard_error:.2f} nats"


def estimate_mean(
    per_example: Callable[..., Tensor], *data: Tensor, batch_size: int = 500, description: str = ""
) -> Estimate:
    """The mean of `per_example(*batch)`, which returns (B,), over all examples, without gradients.

    Raises:
        ValueError: there are no examples, or `per_example` does not return one number for each.
    """
    if len(data[0]) == 0:
        raise ValueError("no examples to evaluate")
    values = []
    batches = list(zip(*(tensor.split(batch_size) for tensor in data), strict=True))
    hidden = not description or os.environ.get("COURSE_STATIC") == "1"
    with torch.no_grad():
        for batch in tqdm(batches, desc=description, disable=hidden, leave=False, unit="batch"):
            value = per_example(*batch)
            if value.shape != batch[0].shape[:1]:
                raise ValueError(
                    f"one number for each of {len(batch[0])} examples was due, but the shape is {tuple(value.shape)}"
                )
            values.append(value.double().cpu())
    values = torch.cat(values)
    spread = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else float("nan")
    return Estimate(values.mean().item(), spread, len(values))


def evaluate_elbo(model: nn.Module, *data: Tensor, description: str = "") -> Estimate:
    """The ELBO of held-out data, one latent draw an example: a lower bound on the mean log-likelihood, in nats."""
    return estimate_mean(model.elbo, *data, description=description)


def evaluate_importance_weighted(
    model: nn.Module, *data: Tensor, num_samples: int = 500, description: str = ""
) -> Estimate:
    """The importance-weighted bound of held-out data with `num_samples` latent draws an example, in nats.

    It lies between the ELBO and the log-likelihood, and rises with `num_samples` (Burda et al. 2015,
    arXiv 1509.00519, theorem 1).
    """
    return estimate_mean(
        lambda *batch: model.importance_log_prob(*batch, num_samples=num_samples),
        *data,
        batch_size=100,
        description=description,
    )
