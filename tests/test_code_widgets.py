"""The controls over a generator's codes show what it makes of exactly these codes."""

import matplotlib

matplotlib.use("agg")
import ipywidgets
import numpy as np
import pytest
import torch

from course_utils.widgets import code_sliders, codes
from course_utils.widgets import figure as front_end


def generate(y, c):
    """Images of 2 x 4 pixels that show what was asked: the class above, the two codes below, from [-2, 2] to [0, 1]."""
    images = torch.zeros(len(y), 1, 2, 4)
    images[:, 0, 0] = (y / 10).unsqueeze(1)
    images[:, 0, 1] = ((c + 2) / 4).repeat_interleave(2, dim=1)
    return images


def controls_and_picture(box):
    *controls, picture = box.children
    return {control.description: control for control in controls}, picture


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn: (images, titles), two entries each time: the chosen class, then all of them."""
    calls = []
    monkeypatch.setattr(front_end, "has_front_end", lambda: True)
    monkeypatch.setattr(
        codes, "image_grid", lambda images, ax, num_columns=None, titles=None: calls.append((images, titles))
    )
    return calls


def test_the_image_follows_class_and_codes(drawn):
    box = code_sliders(generate, ["slant", "width"], ["zero", "one", "two"], limits=(-2, 1))
    controls, _ = controls_and_picture(box)
    assert list(controls) == ["class", "slant", "width"]
    assert isinstance(controls["class"], ipywidgets.ToggleButtons)
    assert controls["class"].options == (("zero", 0), ("one", 1), ("two", 2))
    for name in ("slant", "width"):
        assert (controls[name].min, controls[name].max, controls[name].value) == (-2, 1, -0.5)

    def shown(label, c):
        (one, title), (every, titles) = drawn[-2:]
        expected = generate(torch.arange(3), torch.tensor([c]).expand(3, 2))
        torch.testing.assert_close(every, expected)
        torch.testing.assert_close(one, expected[label : label + 1])
        names = ["zero", "one", "two"]
        assert (title, titles) == ([names[label]], names)

    shown(0, [-0.5, -0.5])
    controls["class"].value = 2
    shown(2, [-0.5, -0.5])
    controls["width"].value = 0.75
    shown(2, [-0.5, 0.75])
    controls["slant"].value = -2
    shown(2, [-2, 0.75])
    assert len(drawn) == 2 * 4


@pytest.mark.usefixtures("drawn")
def test_many_classes_stand_in_a_menu():
    controls, _ = controls_and_picture(code_sliders(generate, ["a", "b"], range(13), limits=(-1, 0)))
    assert isinstance(controls["class"], ipywidgets.Dropdown)
    assert controls["class"].options[12] == ("12", 12)


def test_the_picture_changes(monkeypatch):
    monkeypatch.setattr(front_end, "has_front_end", lambda: True)
    controls, picture = controls_and_picture(code_sliders(generate, ["a", "b"], range(3)))
    seen = [picture.value]
    for name, value in [("class", 1), ("a", 1.0), ("b", -1.0)]:
        controls[name].value = value
        seen.append(picture.value)
    assert len(set(seen)) == 4
    controls["class"].value, controls["a"].value, controls["b"].value = 0, 0.0, 0.0
    assert picture.value == seen[0]


def test_without_a_front_end_there_is_a_row_for_each_class_and_a_block_for_each_code():
    figure = code_sliders(generate, ["slant", "width"], ["A", "B", "C"], limits=(-2, 2))
    assert [ax.get_title() for ax in figure.axes] == ["slant", "width"]
    for index, ax in enumerate(figure.axes):
        assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B", "C"]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["low", *[""] * 5, "high"]
        picture = ax.images[0].get_array()[..., 0]  # tiles of 2 x 4 pixels, a pixel apart
        np.testing.assert_allclose(picture[0::3, 0], [0.0, 0.1, 0.2], atol=1e-6)
        for row in (1, 4, 7):
            moved, other = picture[row, 2 * index :: 5], picture[row, 2 - 2 * index :: 5]
            np.testing.assert_allclose(moved, np.linspace(0, 1, 7), atol=1e-6)
            np.testing.assert_allclose(other, 0.5, atol=1e-6)


def test_there_may_be_no_continuous_codes():
    figure = code_sliders(lambda y, c: (y / 10).view(-1, 1, 1, 1).expand(-1, 1, 2, 2), [], range(4))
    (ax,) = figure.axes
    np.testing.assert_allclose(ax.images[0].get_array()[0::3, 0, 0], [0.0, 0.1, 0.2, 0.3], atol=1e-6)


def test_no_gradient_is_kept():
    weight = torch.ones((), requires_grad=True)
    kept = []

    def weighted(y, c):
        kept.append(weight * generate(y, c))
        return kept[-1]

    code_sliders(weighted, ["a", "b"], range(2))
    assert not any(images.requires_grad for images in kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((generate, ["a", "b"], []), "at least one class, got none"),
        ((generate, ["a", "a"], range(2)), r"names must differ.*got \['a', 'a'\]"),
        ((generate, ["a", "class"], range(2)), r'and from "class"'),
        ((generate, ["a", "b"], range(2), (1, 1)), r"limits must be \(low, high\).*got \(1, 1\)"),
        ((lambda y, c: c, ["a", "b"], range(2)), r"generate must return images \(7, C, H, W\), got \(7, 2\)"),
        ((lambda y, c: generate(y, c)[:1], ["a", "b"], range(2)), r"images \(7, C, H, W\), got \(1, 1, 2, 4\)"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        code_sliders(*arguments)
