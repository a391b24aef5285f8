"""Fixtures for all tests."""

import sys

import pytest
import torch


def pytest_addoption(parser):
    parser.addoption("--seeds", type=int, default=1, help="training claims are shown with this many seeds")


def pytest_generate_tests(metafunc):
    """A training claim that takes `training_seed` is shown with each seed in turn."""
    if "training_seed" in metafunc.fixturenames:
        metafunc.parametrize("training_seed", range(metafunc.config.getoption("seeds")))


@pytest.fixture
def training_seeds(request):
    """The seeds of a training claim about all of them together."""
    return range(request.config.getoption("seeds"))


@pytest.fixture
def claim(training_seeds):
    """Print a figure of each seed, and the interval, closed on both sides, that every one must lie in."""

    def show(name: str, found: list[float], low: float, high: float) -> None:
        values = ", ".join(f"{value:.3g}" for value in found)
        print(f"{name}: {values} for seeds {list(training_seeds)}; due in [{low:g}, {high:g}]")
        assert len(found) == len(training_seeds), name
        assert all(low <= value <= high for value in found), f"{name}: {values}, due in [{low:g}, {high:g}]"

    return show


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tests work on small tensors: a second thread only makes the first one wait, the longer the busier the machine."""
    torch.set_num_threads(1)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that widgets draw where there is a front end, as lists of their axes."""
    from course_utils.widgets import figure as front_end  # here: most tests have no use for it

    monkeypatch.setattr(front_end, "has_front_end", lambda: True)
    figures = []
    original = front_end.interactive_figure

    def recording(draw, controls, draw_static=None, figsize=(6.0, 3.2)):
        def draw_and_record(figure, **values):
            draw(figure, **values)
            figures.append(figure.axes)

        return original(draw_and_record, controls, draw_static, figsize)

    for name, module in list(sys.modules.items()):
        if (
            name.startswith("course_utils.widgets.")
            and module is not front_end
            and "interactive_figure" in vars(module)
        ):
            monkeypatch.setattr(module, "interactive_figure", recording)
    return figures
