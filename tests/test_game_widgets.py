"""The game's buttons move one player at a time, as the mathematics says; the walk decodes where its slider stands."""

import copy
import math

import ipywidgets
import matplotlib

matplotlib.use("agg")
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from course_utils.widgets import figure as front_end
from course_utils.widgets import game, gan_game, latent_walk, walk
from course_utils.widgets.game import Game, data_density, draw_real, fake_density


@pytest.fixture
def _front_end(monkeypatch):
    monkeypatch.setattr(front_end, "has_front_end", lambda: True)


def density(x):
    return data_density(torch.tensor(x)).numpy()


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_a_move_changes_one_player():
    state = Game()
    for move, moved, still in (
        (state.move_discriminator, state.discriminator, state.generator),
        (state.move_generator, state.generator, state.discriminator),
    ):
        before, frozen = weights(moved), weights(still)
        move()
        assert not torch.equal(weights(moved), before)
        assert torch.equal(weights(still), frozen)
    assert state.moves == "DG"


def numeric_gradient(network, value, step=1e-3):
    """Central differences of value() in each parameter of the network, flat."""
    gradient = []
    for parameter in network.parameters():
        for index in np.ndindex(*parameter.shape):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter[index] += sign * step
                    ends.append(value().item())
                    parameter[index] -= sign * step
            gradient.append((ends[0] - ends[1]) / (2 * step))
    return torch.tensor(gradient)


def require_first_step(before, after, gradient, lr):
    """Adam's first step is -lr times the sign of the gradient, wherever that is not tiny."""
    clear = gradient.abs() > 1e-4
    assert clear.float().mean() > 0.5
    torch.testing.assert_close((after - before)[clear], -lr * gradient[clear].sign(), rtol=0.01, atol=1e-7)


def test_the_discriminator_climbs_the_value_of_the_game():
    state = Game(hidden_dim=4)
    twin = copy.deepcopy(state.discriminator).double()
    before = weights(state.discriminator)
    state.move_discriminator(lr=0.003)
    real, fake = state.real.double(), state.fake.double()  # the batch on which it has moved

    def loss():
        return -(twin(real).sigmoid().log().mean() + (1 - twin(fake).sigmoid()).log().mean())

    require_first_step(before, weights(state.discriminator), numeric_gradient(twin, loss), 0.003)


def test_the_generator_raises_the_chance_of_its_fakes():
    state = Game(hidden_dim=4)
    twin = copy.deepcopy(state)
    generator, discriminator = twin.generator.double(), twin.discriminator.double()
    noise = twin._noise().double()  # what the next move will draw
    before = weights(state.generator)
    state.move_generator(lr=0.002)

    def loss():
        return -discriminator(generator(noise)).sigmoid().log().mean()

    require_first_step(before, weights(state.generator), numeric_gradient(generator, loss), 0.002)


def test_reset_brings_the_same_game_back():
    state = Game(seed=3)
    start = weights(state.generator), weights(state.discriminator), state.real, state.fake

    def play():
        state.move_discriminator(num_steps=4)
        state.move_generator()
        return weights(state.generator), weights(state.discriminator), state.real, state.fake

    first = play()
    state.reset()
    assert state.moves == ""
    again = weights(state.generator), weights(state.discriminator), state.real, state.fake
    assert all(torch.equal(a, b) for a, b in zip(start, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(first, play(), strict=True))
    assert not torch.equal(weights(Game(seed=4).generator), start[0])


def test_real_numbers_have_the_density_that_is_drawn():
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    p = data_density(x)
    assert torch.trapezoid(p, x).item() == pytest.approx(1, abs=1e-6)
    mean = torch.trapezoid(x * p, x).item()
    spread = math.sqrt(torch.trapezoid((x - mean) ** 2 * p, x).item())
    real = draw_real(40_000, torch.Generator().manual_seed(0))
    assert real.mean().item() == pytest.approx(mean, abs=5 * spread / 200)
    below = torch.trapezoid(p[x <= 0.5], x[x <= 0.5]).item()
    assert (real < 0.5).float().mean().item() == pytest.approx(below, abs=5 * 0.5 / 200)


def test_the_fake_density_is_that_of_the_fakes():
    affine = nn.Linear(1, 1)
    with torch.no_grad():
        affine.weight.fill_(0.5)
        affine.bias.fill_(1.0)
    edges = torch.linspace(-game.LIMIT, game.LIMIT, game.NUM_BINS + 1)
    centre = (edges[1:] + edges[:-1]) / 2
    exact = torch.exp(-0.5 * ((centre - 1) / 0.5) ** 2) / (0.5 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(fake_density(affine), exact, atol=0.01, rtol=0)


def test_the_discriminator_approaches_the_best_one_that_is_drawn():
    state = Game()
    state.move_generator(lr=0.3)
    state.move_discriminator(lr=0.01, num_steps=600)
    figure = Figure()
    above, below = figure.subplots(2, 1)
    game.draw_game(state, above, below)
    curves = {line.get_label(): line.get_ydata() for line in [*above.lines, *below.lines]}
    learned, best = curves["$D(x)$"], curves["$D^*(x)$"]
    x = above.lines[0].get_xdata()
    mass = density(x) + curves["fake: $p_G$"]
    error = np.sum(np.abs(learned - best) * mass) / mass.sum()
    assert error < 0.06
    assert np.sum(np.abs(learned - (1 - best)) * mass) / mass.sum() > 0.3  # real and fake are not exchanged


@pytest.fixture
def board():
    state = Game()
    buttons, settings, said, picture = gan_game(state).children
    click = {button.description: button.click for button in buttons.children}
    return state, click, {slider.description: slider for slider in settings.children}, said, picture


@pytest.mark.usefixtures("_front_end")
def test_buttons_move_the_players(board):
    state, click, settings, said, picture = board
    assert said.value.startswith("Nobody has moved yet")
    pictures = [picture.value]
    settings["K"].value = 5
    click["discriminator step"]()
    assert state.moves == "DDDDD"
    assert said.value == "The discriminator moved last. Steps so far: 5 of the discriminator, 0 of the generator."
    pictures.append(picture.value)
    click["generator step"]()
    assert state.moves == "DDDDDG"
    assert said.value.startswith("The generator moved last")
    pictures.append(picture.value)
    settings["K"].value = 2
    click["10 rounds"]()
    assert state.moves == "DDDDDG" + "DDG" * 10
    pictures.append(picture.value)
    assert len(set(pictures)) == 4
    click["reset"]()
    assert state.moves == ""
    assert picture.value == pictures[0]


@pytest.mark.usefixtures("_front_end")
def test_each_player_has_its_learning_rate(board):
    state, click, settings, _, _ = board
    for slider, button, player in (
        ("D: rate", "discriminator step", state.discriminator),
        ("G: rate", "generator step", state.generator),
    ):
        settings["K"].value = 1
        other = "G: rate" if slider == "D: rate" else "D: rate"
        settings[slider].value, settings[other].value = 0.02, 0.0001
        before = weights(player)
        click[button]()
        assert (weights(player) - before).abs().max().item() == pytest.approx(0.02, rel=0.01)


def test_without_a_front_end_the_game_is_a_strip():
    figure = gan_game()
    assert isinstance(figure, Figure)
    titles = [ax.get_title() for ax in figure.axes[:6]]
    assert titles == ["start", "D moves", "G moves", "10 rounds", "50 rounds", "300 rounds"]
    fakes = [next(line for line in ax.lines if line.get_label().startswith("fake")) for ax in figure.axes[:6]]
    x = fakes[0].get_xdata()
    distance = [np.abs(line.get_ydata() - density(x)).sum().item() for line in fakes]
    assert distance[0] == distance[1], "the discriminator's move leaves the fakes where they are"
    assert distance[5] < 0.5 * distance[0]


def columns(z):
    """Images whose columns are the latents, from [-4, 4] to [0, 1]."""
    return ((z + 4) / 8).view(len(z), 1, 1, -1).expand(-1, 1, 3, -1)


@pytest.mark.usefixtures("_front_end")
def test_a_walk_decodes_where_its_slider_stands(monkeypatch):
    shown = []
    monkeypatch.setattr(walk, "image_grid", lambda images, ax, *_, **__: shown.append(images[:, 0, 0] * 8 - 4))
    z_a, z_b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    box = latent_walk(columns, z_a, z_b)
    step, path, _ = box.children
    assert isinstance(step, ipywidgets.IntSlider)
    step.value = 25
    torch.testing.assert_close(shown[-1], torch.tensor([[3.0, 0.0], [2.25, 0.75], [0.0, 3.0]]), atol=1e-5, rtol=0)
    path.value = "on the sphere"
    on_arc = [3 * math.cos(math.pi / 8), 3 * math.sin(math.pi / 8)]
    torch.testing.assert_close(shown[-1][1], torch.tensor(on_arc), atol=1e-5, rtol=0)


def test_without_a_front_end_both_paths_are_drawn():
    figure = latent_walk(columns, torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0]), num_steps=3)
    halfway = []
    for ax in figure.axes:
        picture = np.asarray(ax.images[0].get_array())[0, :, 0] * 8 - 4
        halfway.append(picture[3:5])  # two columns an image, one between
    np.testing.assert_allclose(halfway, [[1.5, 1.5], [3 / math.sqrt(2)] * 2], atol=1e-5)


def test_a_walk_names_what_does_not_fit():
    with pytest.raises(ValueError, match=r"must be \(Z,\) alike, got \(1, 2\) and \(2,\)"):
        latent_walk(columns, torch.zeros(1, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        latent_walk(columns, torch.zeros(2), torch.ones(2), num_steps=1)
