"""FFJORD: a flow in continuous time, whose network needs no structure at all.

    dx/dt = f(x, t)  from x at t = 0 to z at t = 1
    d log p / dt = -tr(df/dx),  so  log p(x) = log N(z; 0, I) + integral over t of tr(df/dx) dt

The trace takes D passes; Hutchinson's estimator takes one: E[noise^T (df/dx) noise] = tr(df/dx) for noise of mean 0 and
covariance I. One noise is drawn for a whole path, so that the integrand stays smooth. The inverse solves the same
equation backwards in time.

Source: Grathwohl et al. 2018 (arXiv 1810.01367), equations 3 to 8; Chen et al. 2018 (arXiv 1806.07366). The solver is
torchdiffeq's. Shapes: x and z (B, D), log-determinants (B,), in nats.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torchdiffeq import odeint, odeint_adjoint

from course_utils.models.flows.flow import Flow


class Dynamics(nn.Module):
    """f(x, t) of fully connected layers, smooth (tanh), with the time as one more input: (B, D) and () to (B, D)."""

    def __init__(self, num_dims: int, hidden_dim: int = 64, num_layers: int = 2):
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise([num_dims + 1] + [hidden_dim] * num_layers):
            layers += [nn.Linear(width_in, width_out), nn.Tanh()]
        self.network = nn.Sequential(*layers, nn.Linear(hidden_dim, num_dims))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """Return dx/dt at time t, (B, D)."""
        return self.network(torch.cat([x, t.expand(len(x), 1)], 1))


def exact_trace(velocity: Tensor, x: Tensor) -> Tensor:
    """Return tr(dv/dx) of each example, (B,), with D passes; x (B, D) must have made the velocity (B, D)."""
    rows = [torch.autograd.grad(velocity[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(velocity.shape[1])]
    return torch.stack(rows, 1).sum(1)


def hutchinson_trace(velocity: Tensor, x: Tensor, noise: Tensor) -> Tensor:
    """Return noise^T (dv/dx) noise of each example, (B,), with one pass: unbiased for noise of covariance I."""
    (product,) = torch.autograd.grad(velocity, x, noise, create_graph=True)
    return (product * noise).flatten(1).sum(1)


class _Augmented(nn.Module):
    """The state (x, integral of the trace so far) and its time derivative; `noise` is None for the exact trace."""

    def __init__(self, dynamics: nn.Module):
        super().__init__()
        self.dynamics = dynamics
        self.noise: Tensor | None = None
        self.num_evaluations = 0

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        self.num_evaluations += 1
        with torch.enable_grad():
            x = state[0] if state[0].requires_grad else state[0].detach().requires_grad_()
            velocity = self.dynamics(t, x)
            trace = exact_trace(velocity, x) if self.noise is None else hutchinson_trace(velocity, x, self.noise)
        return velocity, trace


class ContinuousFlow(nn.Module):
    """The invertible layer of one ODE.

    Args:
        dynamics: f(t, x).
        estimate_trace: whether Hutchinson's estimator stands for the trace while training; in eval mode it is exact.
        adjoint: gradients by a second ODE, in constant memory, rather than through the solver's steps.
        tolerance: of the adaptive solver (Dormand-Prince of order 5), absolute and relative.
    """

    def __init__(
        self, dynamics: nn.Module, estimate_trace: bool = True, adjoint: bool = False, tolerance: float = 1e-5
    ):
        super().__init__()
        if not tolerance > 0:
            raise ValueError(f"tolerance must be above 0, got {tolerance}")
        self.augmented = _Augmented(dynamics)
        self.estimate_trace = estimate_trace
        self.tolerance = tolerance
        self.solve = odeint_adjoint if adjoint else odeint

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and log |det dz/dx|, (B,)."""
        return self._integrate(x, (0.0, 1.0))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log |det dx/dz|, (B,)."""
        return self._integrate(z, (1.0, 0.0))

    def _integrate(self, x: Tensor, times: tuple[float, float]) -> tuple[Tensor, Tensor]:
        self.augmented.noise = torch.randn_like(x) if self.training and self.estimate_trace else None
        self.augmented.num_evaluations = 0
        states, traces = self.solve(
            self.augmented,
            (x, x.new_zeros(len(x))),
            torch.tensor(times, dtype=x.dtype, device=x.device),
            rtol=self.tolerance,
            atol=self.tolerance,
            method="dopri5",
        )
        return states[-1], traces[-1]


class FFJORD(Flow):
    """FFJORD for points (B, D); `num_evaluations` tells how often the solver called f in the last pass."""

    def __init__(
        self,
        num_dims: int,
        hidden_dim: int = 64,
        num_layers: int = 2,
        estimate_trace: bool = True,
        adjoint: bool = False,
        tolerance: float = 1e-5,
    ):
        if num_dims < 1:
            raise ValueError(f"num_dims must be at least 1, got {num_dims}")
        dynamics = Dynamics(num_dims, hidden_dim, num_layers)
        super().__init__(ContinuousFlow(dynamics, estimate_trace, adjoint, tolerance), (num_dims,))

    @property
    def num_evaluations(self) -> int:
        return self.network.augmented.num_evaluations
