"""The game in the page is the game in PyTorch: the same steps of Adam, the same curves."""

import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from course_utils.models.adversarial.gan import discriminator_step, generator_step, optimal_discriminator
from course_utils.widgets.game import LIMIT, NUM_BINS, Game, data_density, draw_real, fake_density
from publish.live.export import read_data
from publish.live.game import BATCH_SIZE, NUM_NOISE
from tests.site.live import changed_by, milliseconds

pytestmark = pytest.mark.browser
RATES = 0.01, 0.005


def drawn_rounds(num_rounds: int, num_steps: int) -> list[dict]:
    """What happens by chance in so many rounds, as tensors."""
    random = torch.Generator().manual_seed(5)

    def noise():
        return torch.randn(BATCH_SIZE, 1, generator=random)

    return [
        {
            "discriminator": [{"real": draw_real(BATCH_SIZE, random), "noise": noise()} for _ in range(num_steps)],
            "generator": noise(),
        }
        for _ in range(num_rounds)
    ]


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(part) for key, part in value.items()}
    return [as_lists(part) for part in value] if isinstance(value, list) else value.flatten().tolist()


def played(rounds: list[dict]) -> Game:
    """The game after these rounds from the page's start, by PyTorch's own autograd and Adam."""
    game = Game(batch_size=BATCH_SIZE)
    start = read_data("game")["start"]
    players = game.generator, game.discriminator
    for network, name in zip(players, ("generator", "discriminator"), strict=True):
        vector_to_parameters(torch.tensor(start[name]), network.parameters())
    of_generator, of_discriminator = (
        torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.999))
        for network, lr in zip(players, RATES[::-1], strict=True)
    )
    for each in rounds:
        for batch in each["discriminator"]:
            discriminator_step(*players, of_discriminator, batch["real"], batch["noise"])
        generator_step(*players, of_generator, each["generator"])
    return game


def test_parameters_and_curves_are_those_of_pytorch_after_many_rounds(figure):
    _, compute = figure("game")
    x = (torch.arange(NUM_BINS) + 0.5) * (2 * LIMIT / NUM_BINS) - LIMIT
    for num_rounds in (1, 5, 20):
        rounds = drawn_rounds(num_rounds, num_steps=3)
        game, found = played(rounds), compute("play", as_lists(rounds), *RATES)
        found = {name: torch.tensor(values) for name, values in found.items()}
        for name in ("generator", "discriminator"):
            expected = parameters_to_vector(getattr(game, name).parameters()).detach()
            print(num_rounds, name, (found[name][: len(expected)] - expected).abs().max())
            torch.testing.assert_close(found[name][: len(expected)], expected, atol=1e-4, rtol=0)
        with torch.no_grad():
            verdict = torch.sigmoid(game.discriminator(x[:, None]))[:, 0]
        torch.testing.assert_close(found["verdict"], verdict, atol=1e-4, rtol=0)
        # a fake may lie at the edge of two bins, and rounding decides
        moved = (found["p_fake"] - fake_density(game.generator, NUM_NOISE)).abs().sum() * (2 * LIMIT / NUM_BINS) / 2
        assert moved <= 4 / NUM_NOISE
        best = optimal_discriminator(data_density(x).log(), found["p_fake"].log())
        torch.testing.assert_close(found["best"], best, atol=1e-4, rtol=0)


def test_the_data_are_those_of_the_lectures_game():
    data = read_data("game")
    x = (torch.arange(NUM_BINS) + 0.5) * (2 * LIMIT / NUM_BINS) - LIMIT
    torch.testing.assert_close(torch.tensor(data["p_data"]), data_density(x), atol=1e-5, rtol=0)
    for name in ("generator", "discriminator"):
        fresh = parameters_to_vector(getattr(Game(), name).parameters())
        torch.testing.assert_close(torch.tensor(data["start"][name]), fresh.detach())


def test_a_step_takes_less_than_50_ms(figure):
    page, _ = figure("game")
    start = 'document.querySelector("figure.live").compute.begin()'
    noise = "Array.from({length: 128}, (_, n) => n / 64 - 1)"
    assert milliseconds(page, f"moveDiscriminator({start}, 0.01, {{real: {noise}, noise: {noise}}})") < 50
    assert milliseconds(page, f"moveGenerator({start}, 0.01, {noise})") < 50
    assert milliseconds(page, f"curves({start})") < 50


def test_the_page_moves_one_player_or_both_and_runs_and_stops(figure):
    page, _ = figure("game")
    said = page.locator(".live-said")

    def press(name):
        page.get_by_role("button", name=name, exact=True).click()

    def wait_for(steps):
        page.wait_for_function(f"document.querySelector('.live-said').textContent.startsWith('Steps of D: {steps}.')")

    wait_for("0, of G: 0")
    assert changed_by(page, lambda: (press("D moves"), wait_for("3, of G: 0")), 1)
    assert changed_by(page, lambda: (press("G moves"), wait_for("3, of G: 1")), 0)
    page.get_by_label("steps of D").press("ArrowRight")
    press("20 rounds")
    wait_for("83, of G: 21")
    press("Run")
    page.wait_for_function("Number(document.querySelector('.live-said').textContent.match(/of G: (\\d+)/)[1]) > 25")
    press("Stop")
    page.wait_for_timeout(300)
    before = said.inner_text()
    page.wait_for_timeout(300)
    assert said.inner_text() == before
    press("Start again")
    wait_for("0, of G: 0")
    assert page.get_by_label("rate of G").get_attribute("aria-valuetext") == "0.0050"


def test_three_hundred_rounds_find_both_hills_of_the_data(figure):
    page, _ = figure("game")
    for _ in range(15):
        page.get_by_role("button", name="20 rounds").click()
    page.wait_for_function("document.querySelector('.live-said').textContent.includes('of G: 300.')", timeout=60_000)
    shared = int(page.locator(".live-said").inner_text().split("share ")[1].split()[0])
    assert shared > 75
