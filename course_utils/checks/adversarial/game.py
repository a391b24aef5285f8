"""A game of two small networks with an optimiser: played by a student's function, and by known answers.

A known answer is a `Way` to take a step. Playing the same rounds with the right `Way` in float64 gives what is due, and
with a wrong one what a student with that mistake gets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from course_utils.checks.stubs import (
    ImageGenerator,
    LinearDiscriminator,
    LinearGenerator,
    PatchDiscriminator,
    SmoothCritic,
)

NUM_LATENTS, NUM_FEATURES, IMAGE = 2, 3, (2, 4, 3)
NUM_ROUNDS = 3
NETWORKS = ("generator", "discriminator")


@dataclass
class Case:
    """What a game is made of, so that it can be set up again: optimiser, networks, batches (real, noise) in turn."""

    text: str
    optimizer: type[torch.optim.Optimizer]
    options: dict
    images: type | None  # the class of a discriminator of images, or None for vectors
    seed: int
    rounds: list
    scale: float = 1.0  # of the discriminator's weights
    grads: dict = field(default_factory=dict)  # .grad at the start: name of a parameter -> tensor
    training: bool = True
    dtype: torch.dtype = torch.float32

    def set_up(self, player, dtype=None):
        """A fresh game in which `player`, one of NETWORKS, has the optimiser."""
        if self.images is None:
            generator = LinearGenerator(num_latents=NUM_LATENTS, num_features=NUM_FEATURES, seed=self.seed)
            discriminator = LinearDiscriminator(num_features=NUM_FEATURES, seed=self.seed + 1)
        else:
            generator = ImageGenerator(num_latents=NUM_LATENTS, shape=IMAGE, seed=self.seed)
            discriminator = self.images(channels=IMAGE[0], seed=self.seed + 1)
        networks = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
        networks.to(dtype or self.dtype).train(self.training)
        with torch.no_grad():
            for parameter in networks["discriminator"].parameters():
                parameter *= self.scale
        for name, parameter in networks.named_parameters():
            if name in self.grads:
                parameter.grad = self.grads[name].to(parameter, copy=True)
        optimizer = self.optimizer(networks[player].parameters(), **self.options)
        return Game(networks, optimizer, self.rounds)


@dataclass
class Game:
    networks: nn.ModuleDict
    optimizer: torch.optim.Optimizer
    rounds: list

    def state(self):
        """Copies of what can be seen of the networks after a call."""
        parameters = dict(self.networks.named_parameters())
        return State(
            {name: p.detach().clone() for name, p in parameters.items()},
            {name: None if p.grad is None else p.grad.detach().clone() for name, p in parameters.items()},
            {name: p.requires_grad for name, p in parameters.items()},
            {name: module.training for name, module in self.networks.named_modules() if name},
        )

    def loss(self, number, loss):
        """A loss of logits_real and logits_fake in one round, as a tensor with a gradient."""
        return loss(*self.logits(number))

    def logits(self, number=0):
        """Of the real and of the fake examples of one round."""
        arguments = self.arguments("discriminator", number)
        discriminator = arguments["discriminator"]
        return discriminator(arguments["real"]), discriminator(arguments["generator"](arguments["noise"]))

    def arguments(self, player, number):
        """The arguments of `discriminator_step` or `generator_step` in one round, by name."""
        real, noise = self.rounds[number]
        dtype = next(self.networks.parameters()).dtype
        real = {"real": real.to(dtype, copy=True)} if player == "discriminator" else {}
        return {**self.networks, "optimizer": self.optimizer, **real, "noise": noise.to(dtype, copy=True)}


@dataclass
class State:
    values: dict
    grads: dict
    requires_grad: dict
    training: dict


def draw_cases(rng):
    """Three games of different optimisers and networks, with fewer, as many and more fakes than real examples."""

    def rounds(images, num_real, num_fake):
        shape = IMAGE if images else (NUM_FEATURES,)
        return [
            (0.5 + rng.normal(num_real, *shape, scale=0.7), rng.normal(num_fake, NUM_LATENTS))
            for _ in range(NUM_ROUNDS)
        ]

    momentum = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.05}
    cases = [
        Case("SGD", torch.optim.SGD, {"lr": 0.5}, None, _seed(rng), rounds(False, 5, 3)),
        # A large eps, so that rounding cannot turn the sign of a gradient near 0 into a step.
        Case("Adam", torch.optim.Adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}, SmoothCritic, _seed(rng), []),
        Case("SGD with momentum", torch.optim.SGD, momentum, PatchDiscriminator, _seed(rng), rounds(True, 2, 6)),
    ]
    cases[1].rounds = rounds(True, 4, 4)
    cases[1].grads = {
        name: rng.normal(*value.shape) for name, value in cases[1].set_up("generator").state().values.items()
    }
    cases[2].training = False
    return cases


def sure_case(rng):
    """A round whose logits reach some hundreds, on the wrong side for some examples."""
    while True:
        rounds = [(rng.normal(4, NUM_FEATURES, scale=2.0), rng.normal(6, NUM_LATENTS, scale=2.0))]
        case = Case("SGD, sure discriminator", torch.optim.SGD, {"lr": 0.5}, None, _seed(rng), rounds, scale=150.0)
        real, fake = case.set_up("discriminator").logits()
        if real.min() < -120 and fake.min() < -120 and fake.max() > 120:
            return case


def small_case(rng, num_examples):
    """A game with as many fakes as real examples."""
    rounds = [(rng.normal(num_examples, NUM_FEATURES), rng.normal(num_examples, NUM_LATENTS)) for _ in range(2)]
    return Case("SGD", torch.optim.SGD, {"lr": 0.5}, None, _seed(rng), rounds)


def in_float64(case):
    return replace(case, dtype=torch.float64)


def _seed(rng):
    return int(rng.integers(10**6))


@dataclass(frozen=True)
class Way:
    """How a step can be taken: what it minimises, when gradients are cleared, and what moves the parameters.

    `losses` are functions of logits_real and logits_fake, one for each step in turn; gradients are cleared
    "before" they are computed.
    """

    losses: tuple[Callable, ...]
    # "never", "after backward", "after the step", or with a step on old gradients before or after the loss is computed:
    # "step first", "step between".
    clear: str = "before"
    optimizer: str = "given"  # or "fresh", or "by hand": parameters minus lr times gradients

    def take(self, game, player, number):
        network, optimizer = game.networks[player], game.optimizer
        if self.optimizer == "fresh":
            optimizer = type(optimizer)([dict(group) for group in optimizer.param_groups])
        if self.optimizer == "by hand":
            optimizer = torch.optim.SGD(network.parameters(), lr=optimizer.param_groups[0]["lr"])
        parameters = list(network.parameters())
        for loss in self.losses:
            if self.clear == "before":
                optimizer.zero_grad()
            if self.clear == "step first":
                optimizer.step()
                optimizer.zero_grad()
            gradients = torch.autograd.grad(game.loss(number, loss), parameters)
            if self.clear == "step between":
                optimizer.step()
                optimizer.zero_grad()
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
            if self.clear == "after backward":
                optimizer.zero_grad(set_to_none=False)
            if not self.clear.startswith("step"):
                optimizer.step()
            if self.clear == "after the step":
                optimizer.zero_grad()


def play(case, player, way, losses):
    """The states of a game after each round in float64, and before each round and after the last the given losses."""
    game = case.set_up(player, torch.float64)
    states, values = [game.state()], []
    for number in range(len(case.rounds)):
        before = [game.loss(number, loss).item() for loss in losses]
        way.take(game, player, number)
        values.append((before, [game.loss(number, loss).item() for loss in losses]))
        states.append(game.state())
    return states, values
