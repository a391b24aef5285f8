"""The adversarial game in one dimension, a move at a time: buttons for the two players, and the densities they shape.

Real numbers come from a mixture of two Gaussians; generator and discriminator are small networks that move as they do
in `course_utils.models.adversarial.gan`. In one dimension every density is known, so that the best discriminator,
D*(x) = p_data(x) / (p_data(x) + p_G(x)), can be drawn beside the learned one (Goodfellow et al. 2014, arXiv 1406.2661).
"""

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.distributions import Normal

from course_utils.models.adversarial.gan import discriminator_step, generator_step, optimal_discriminator
from course_utils.widgets.figure import interactive_figure

WEIGHTS, MEANS, STDS = (0.6, 0.4), (-1.0, 2.0), (0.7, 0.4)  # of the real numbers
LIMIT, NUM_BINS = 5.0, 200  # the line that is drawn, and the bins of the fake density
NUM_SHOWN = 60  # points of each kind


class Game:
    """Two players, their optimisers and what they did so far; everything random comes from `seed`.

    Attributes: `generator` (B, 1) to (B, 1), `discriminator` (B, 1) to logits (B, 1), `real` and `fake` (B, 1), the
    batches of the last move, and `moves`, one letter each: "D" or "G".
    """

    def __init__(self, seed: int = 0, batch_size: int = 128, hidden_dim: int = 32):
        self.seed, self.batch_size, self.hidden_dim = seed, batch_size, hidden_dim
        self.reset()

    def reset(self) -> None:
        """Go back to the start of the game: the same networks, the same draws to come."""
        width = self.hidden_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.generator = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))
            self.discriminator = nn.Sequential(
                nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
            )
        self._optimizers = {
            player: torch.optim.Adam(player.parameters(), betas=(0.5, 0.999))
            for player in (self.generator, self.discriminator)
        }
        self._random = torch.Generator().manual_seed(self.seed)
        self.moves = ""
        self.real = draw_real(self.batch_size, self._random)
        self._show_fakes(self._noise())

    def move_discriminator(self, lr: float = 0.01, num_steps: int = 1) -> None:
        """Let the discriminator take `num_steps` steps (K), each on a fresh batch; the generator stays as it is."""
        for _ in range(num_steps):
            self.real, noise = draw_real(self.batch_size, self._random), self._noise()
            discriminator_step(
                self.generator, self.discriminator, self._optimizer(self.discriminator, lr), self.real, noise
            )
            self._show_fakes(noise)
            self.moves += "D"

    def move_generator(self, lr: float = 0.005) -> None:
        """Let the generator take a step on its non-saturating loss; the discriminator stays as it is."""
        noise = self._noise()
        generator_step(self.generator, self.discriminator, self._optimizer(self.generator, lr), noise)
        self._show_fakes(noise)
        self.moves += "G"

    def _optimizer(self, player: nn.Module, lr: float) -> torch.optim.Optimizer:
        optimizer = self._optimizers[player]
        optimizer.param_groups[0]["lr"] = lr
        return optimizer

    def _noise(self) -> Tensor:
        return torch.randn(self.batch_size, 1, generator=self._random)

    @torch.no_grad()
    def _show_fakes(self, noise: Tensor) -> None:
        self.fake = self.generator(noise)


def gan_game(game: Game | None = None) -> ipywidgets.Box | Figure:
    """Return the 1-D game with a button for each player's move, their learning rates, K and a reset.

    "discriminator step" takes K steps at once, "generator step" one, "10 rounds" both in turn. Above: the real and
    the fake density, and some points of each. Below: D(x), and dashed the best discriminator of this generator.
    Without a front end, the figure shows a game of 300 rounds at six moments.
    """
    game = game or Game()

    def draw(figure: Figure, said: str) -> None:  # `said` is drawn by the label itself
        draw_game(game, *figure.subplots(2, 1, sharex=True, height_ratios=[3, 2]))
        add_legend(figure)

    def draw_static(figure: Figure) -> None:
        game.reset()
        moments = {"start": 0, "D moves": 0, "G moves": 1, "10 rounds": 10, "50 rounds": 50, "300 rounds": 300}
        axes = figure.subplots(2, len(moments), sharex=True, sharey="row", height_ratios=[3, 2])
        for column, (name, rounds) in enumerate(moments.items()):
            if name == "D moves":
                game.move_discriminator(num_steps=30)
            while game.moves.count("G") < rounds:
                if name != "G moves":
                    game.move_discriminator(num_steps=3)
                game.move_generator(0.05 if name == "G moves" else 0.005)
            draw_game(game, *axes[:, column])
            axes[0, column].set_title(name, fontsize="small")
        add_legend(figure)

    said = ipywidgets.Label(value=describe(game))  # redraws the figure whenever it says something new
    box = interactive_figure(draw, {"said": said}, draw_static, figsize=(6.4, 4.2))
    if isinstance(box, Figure):
        box.set_size_inches(8.4, 2.9)
        return box

    lr_discriminator, lr_generator = (
        ipywidgets.FloatLogSlider(value=value, min=-4, max=-1, step=0.1, description=name)
        for name, value in (("D: rate", 0.01), ("G: rate", 0.005))
    )
    num_steps = ipywidgets.IntSlider(value=3, min=1, max=50, description="K")

    def discriminator() -> None:
        game.move_discriminator(lr_discriminator.value, num_steps.value)

    def generator() -> None:
        game.move_generator(lr_generator.value)

    def rounds() -> None:
        for _ in range(10):
            discriminator()
            generator()

    buttons = []
    moves = {
        "discriminator step": discriminator,
        "generator step": generator,
        "10 rounds": rounds,
        "reset": game.reset,
    }
    for name, move in moves.items():
        button = ipywidgets.Button(description=name)

        def on_click(_button, move=move) -> None:
            move()
            said.value = describe(game)

        button.on_click(on_click)
        buttons.append(button)
    settings = ipywidgets.HBox([lr_discriminator, lr_generator, num_steps])
    box.children = (ipywidgets.HBox(buttons), settings, *box.children)
    return box


def describe(game: Game) -> str:
    """Return who moved last, and how often each has moved, as one line."""
    if not game.moves:
        return "Nobody has moved yet: begin with the discriminator."
    last = "discriminator" if game.moves[-1] == "D" else "generator"
    steps = {player: game.moves.count(player) for player in "DG"}
    return f"The {last} moved last. Steps so far: {steps['D']} of the discriminator, {steps['G']} of the generator."


@torch.no_grad()
def draw_game(game: Game, above: Axes, below: Axes) -> None:
    """Draw both densities with some points of the last move, and below them D(x) and the best discriminator."""
    edges = torch.linspace(-LIMIT, LIMIT, NUM_BINS + 1)
    x = (edges[1:] + edges[:-1]) / 2
    p_data, p_fake = data_density(x), fake_density(game.generator)
    best = optimal_discriminator(p_data.log(), p_fake.log())
    above.fill_between(x.numpy(), p_data.numpy(), alpha=0.35, color="C0", linewidth=0, label="real: $p_{data}$")
    above.plot(x.numpy(), p_fake.numpy(), color="C1", label="fake: $p_G$")
    for row, (points, color) in enumerate(((game.real, "C0"), (game.fake, "C1"))):
        heights = [-0.06 - 0.08 * row] * len(points[:NUM_SHOWN])
        above.plot(points[:NUM_SHOWN, 0].numpy(), heights, "|", color=color, markersize=6)
    above.set(ylim=(-0.2, 1.0), yticks=[], xlim=(-LIMIT, LIMIT))
    below.plot(x.numpy(), torch.sigmoid(game.discriminator(x.view(-1, 1)))[:, 0].numpy(), color="C2", label="$D(x)$")
    below.plot(x.numpy(), best.numpy(), color="black", ls=":", label="$D^*(x)$")
    below.axhline(0.5, color="0.8", linewidth=0.8, zorder=0)
    below.set(ylim=(-0.05, 1.05), yticks=[0, 0.5, 1])


def add_legend(figure: Figure) -> None:
    """Name the four curves of `draw_game` below the figure."""
    above, below = figure.axes[0], figure.axes[-1]
    handles = [*above.get_legend_handles_labels()[0], *below.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize="small", frameon=False)


def draw_real(num_points: int, generator: torch.Generator | None = None) -> Tensor:
    """Return real numbers (N, 1). They have two modes, so that a small generator gets there in a few hundred moves."""
    right = (torch.rand(num_points, 1, generator=generator) < WEIGHTS[1]).long()
    return torch.tensor(MEANS)[right] + torch.tensor(STDS)[right] * torch.randn(num_points, 1, generator=generator)


def data_density(x: Tensor) -> Tensor:
    """Return the density of the real numbers at x, like it."""
    parts = zip(WEIGHTS, MEANS, STDS, strict=True)
    return sum(weight * Normal(mean, std).log_prob(x).exp() for weight, mean, std in parts)


@torch.no_grad()
def fake_density(generator: nn.Module, num_points: int = 20_000) -> Tensor:
    """Return the density of the fakes in NUM_BINS bins of [-LIMIT, LIMIT], (NUM_BINS,): integral 1.

    The noise stands at quantiles of the normal distribution: a fine grid in place of draws. Fakes beyond the line are
    counted at its ends.
    """
    noise = torch.special.ndtri((torch.arange(num_points) + 0.5) / num_points).view(-1, 1)
    counts = torch.histc(generator(noise).clamp(-LIMIT, LIMIT), NUM_BINS, -LIMIT, LIMIT)
    return counts / num_points / (2 * LIMIT / NUM_BINS)
