"""The adversarial game in one dimension: a step of either player, and the curves of a state, as graphs.

A player's parameters travel as one vector, with Adam's two averages below it: a state is (3, P). The gradient is
written by `torch.func.grad` and stands in the graph, so that the page plays the game of `course_utils.widgets.game`.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parameters_to_vector

from course_utils.models.adversarial.gan import discriminator_loss, generator_loss, optimal_discriminator
from course_utils.widgets.game import LIMIT, MEANS, NUM_BINS, STDS, WEIGHTS, Game, data_density
from publish.live.export import export, write_data

NAME = "game"
NUM_NOISE = 4000  # quantiles of the noise, whose fakes give the density
BETAS, EPS = (0.5, 0.999), 1e-8
BATCH_SIZE = 128


def named(network: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    """The parameters of a network by their names, from one vector."""
    parts = vector.split([parameter.numel() for parameter in network.parameters()])
    return {
        name: part.view(parameter.shape)
        for (name, parameter), part in zip(network.named_parameters(), parts, strict=True)
    }


def adam(state: Tensor, gradient: Tensor, steps: Tensor, lr: Tensor) -> Tensor:
    """The state (3, P) after Adam's step number `steps` + 1: parameters, mean and mean square of the gradients."""
    vector, mean, square = state
    mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
    square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
    number = steps + 1
    unbiased_mean, unbiased_square = mean / (1 - BETAS[0] ** number), square / (1 - BETAS[1] ** number)
    return torch.stack([vector - lr * unbiased_mean / (unbiased_square.sqrt() + EPS), mean, square])


class Players(nn.Module):
    """The shapes of the two networks; their parameters come with each call."""

    def __init__(self, game: Game):
        super().__init__()
        self.networks = (game.generator, game.discriminator)  # a tuple: nothing of theirs goes into the graph

    def generate(self, vector: Tensor, noise: Tensor) -> Tensor:
        return functional_call(self.networks[0], named(self.networks[0], vector), noise)

    def discriminate(self, vector: Tensor, x: Tensor) -> Tensor:
        return functional_call(self.networks[1], named(self.networks[1], vector), x)


class DiscriminatorStep(Players):
    """The discriminator's state after a step, and the loss before it."""

    def forward(
        self, generator: Tensor, discriminator: Tensor, steps: Tensor, lr: Tensor, real: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        fake = self.generate(generator[0], noise)

        def loss(vector: Tensor) -> Tensor:
            return discriminator_loss(self.discriminate(vector, real), self.discriminate(vector, fake))

        vector = discriminator[0]
        return adam(discriminator, grad(loss)(vector), steps, lr), loss(vector)


class GeneratorStep(Players):
    """The generator's state after a step, and the loss before it."""

    def forward(
        self, generator: Tensor, discriminator: Tensor, steps: Tensor, lr: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        def loss(vector: Tensor) -> Tensor:
            return generator_loss(self.discriminate(discriminator[0], self.generate(vector, noise)))

        vector = generator[0]
        return adam(generator, grad(loss)(vector), steps, lr), loss(vector)


class Curves(Players):
    """What is drawn of a state, at the middles of NUM_BINS bins: p_G, D and D*, each (NUM_BINS,)."""

    def __init__(self, game: Game):
        super().__init__(game)
        edges = torch.linspace(-LIMIT, LIMIT, NUM_BINS + 1)
        self.register_buffer("lower", edges[:-1])
        self.register_buffer("upper", torch.cat([edges[1:-1], torch.tensor([torch.inf])]))
        self.register_buffer("x", ((edges[1:] + edges[:-1]) / 2).view(-1, 1))
        self.register_buffer("p_data", data_density(self.x[:, 0]))
        self.register_buffer("noise", torch.special.ndtri((torch.arange(NUM_NOISE) + 0.5) / NUM_NOISE).view(-1, 1))

    def forward(self, generator: Tensor, discriminator: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fake = self.generate(generator[0], self.noise).clamp(-LIMIT, LIMIT)
        inside = (fake >= self.lower) & (fake < self.upper)
        p_fake = inside.to(fake.dtype).mean(0) / (2 * LIMIT / NUM_BINS)
        verdict = torch.sigmoid(self.discriminate(discriminator[0], self.x))[:, 0]
        best = optimal_discriminator(self.p_data.log(), p_fake.log())
        return p_fake, verdict, best


def state(network: nn.Module) -> Tensor:
    """A player's state before its first step, (3, P)."""
    vector = parameters_to_vector(network.parameters()).detach()
    return torch.stack([vector, torch.zeros_like(vector), torch.zeros_like(vector)])


def main() -> None:
    game = Game(batch_size=BATCH_SIZE)
    curves = Curves(game)
    players = {"generator": state(game.generator), "discriminator": state(game.discriminator)}
    numbers = {"steps": torch.tensor(1.0), "lr": torch.tensor(0.01)}
    noise, real = torch.zeros(BATCH_SIZE, 1), torch.zeros(BATCH_SIZE, 1)
    for name, module, inputs, outputs in (
        ("discriminator", DiscriminatorStep(game), {**numbers, "real": real, "noise": noise}, ["state", "loss"]),
        ("generator", GeneratorStep(game), {**numbers, "noise": noise}, ["state", "loss"]),
        ("curves", curves, {}, ["p_fake", "verdict", "best"]),
    ):
        inputs = {**players, **inputs}
        graph = make_fx(module)(*inputs.values())  # with the gradient written out
        export(graph, inputs, outputs, f"{NAME}_{name}")
    values = {
        "start": {name: value[0].tolist() for name, value in players.items()},
        "mixture": {"weights": WEIGHTS, "means": MEANS, "stds": STDS},
        "p_data": curves.p_data.tolist(),
        "limit": LIMIT,
        "batch_size": BATCH_SIZE,
    }
    write_data(values, NAME)
