"""cartoons: what the factors say comes back from the pixels, and chance changes only hair and cheeks."""

import pytest
import torch

from course_utils.data import CARTOON_FACTORS, cartoon_detail, cartoons, load, render_cartoons
from course_utils.data.cartoons import CURLS, DETAIL_DIM, EYE, HAIR, SKIN, X_RANGE, ramp

SIZE = 64
CENTRES = (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE


def faces(num_images=1, **values):
    """Factors (N, 9) in the middle but for those given, and the same detail for all."""
    factors = torch.full((num_images, len(CARTOON_FACTORS)), 0.5, dtype=torch.float64)
    for name, value in values.items():
        factors[:, CARTOON_FACTORS.index(name.replace("_", " "))] = torch.as_tensor(value, dtype=torch.float64)
    detail = cartoon_detail(1, torch.Generator().manual_seed(0)).double().expand(num_images, -1)
    return render_cartoons(factors, detail, SIZE)


def close_to(image, colour, tolerance=0.02):
    """Where the image (N, 3, S, S) has this colour: (N, S, S)."""
    return (image - torch.tensor(colour, dtype=image.dtype)[:, None, None]).abs().amax(1) < tolerance


def middle_across(mask):
    return (mask.double().sum(1) @ CENTRES) / mask.sum((1, 2))


def test_eyes_follow_position_and_turn():
    x = torch.linspace(0, 1, 5)
    expected = X_RANGE[0] + (X_RANGE[1] - X_RANGE[0]) * x.double()
    torch.testing.assert_close(middle_across(close_to(faces(5, x=x), EYE)), expected, atol=0.01, rtol=0)
    expected = 0.5 + 0.16 * (x.double() - 0.5)
    torch.testing.assert_close(middle_across(close_to(faces(5, turn=x), EYE)), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("name", ["hair", "eyes", "width"])
def test_parts_grow_with_their_factor(name):
    steps = torch.linspace(0, 1, 5)
    image = faces(5, **{name: steps})
    if name == "eyes":
        part = close_to(image, EYE)
    else:
        # Count what is not background.
        part = ~close_to(image, image[0, :, 1, 1].tolist())
    areas = part.sum((1, 2))
    assert (areas.diff() > 0).all(), areas.tolist()


def test_a_smile_has_its_corners_up():
    for smile, sign in ((0.0, -1), (1.0, 1)):
        red = faces(1, smile=smile)[0]
        mouth = (red[0] > 0.55) & (red[1] < 0.25)
        rows = torch.arange(SIZE)[:, None].expand(SIZE, SIZE).double()
        mouth[: round(0.6 * SIZE)] = False  # ginger hair is red, too
        left = round(0.38 * SIZE)
        corner = rows[:, left][mouth[:, left]].mean()
        middle = rows[:, SIZE // 2][mouth[:, SIZE // 2]].mean()
        assert sign * (middle - corner) > 2


def test_colours_are_those_of_the_ramps_and_touch_nothing_else():
    skins = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(ramp(skins, SKIN), torch.tensor(SKIN, dtype=torch.float64))
    torch.testing.assert_close(ramp(skins.new_tensor([0.125]), HAIR)[0], skins.new_tensor(HAIR[:2]).mean(0))
    image = faces(3, skin=skins)
    nose = image[:, :, round(0.6 * SIZE), SIZE // 2]
    torch.testing.assert_close(nose, ramp(skins, SKIN), atol=0.02, rtol=0)
    assert torch.equal(image[0, :, :8], image[2, :, :8])
    backgrounds = faces(2, background=[0.0, 0.5])
    changed = (backgrounds[0] - backgrounds[1]).abs().amax(0) > 0
    assert changed[0].all()
    assert not changed[SIZE // 2, SIZE // 3 : 2 * SIZE // 3].any()


def test_chance_is_in_hair_and_cheeks_and_nowhere_else():
    factors = torch.full((50, 9), 0.5, dtype=torch.float64)
    images = render_cartoons(factors, cartoon_detail(50, torch.Generator().manual_seed(1)).double(), SIZE)
    spread = images.std(0).mean(0)
    assert spread[0].max() == 0  # background
    assert spread[round(0.2 * SIZE), SIZE // 2] > 0.02  # hair
    cheek = round(0.62 * SIZE)
    assert spread[cheek].max() > 0.02
    one, other = cartoon_detail(2, torch.Generator().manual_seed(2)).double().unbind(0)
    mixed = torch.stack([one, torch.cat([one[: CURLS**2], other[CURLS**2 :]])])
    two = render_cartoons(factors[:2], mixed, SIZE)
    rows = (two[0] - two[1]).abs().amax((0, 2)).nonzero().flatten()
    assert rows.min() > 0.5 * SIZE  # other freckles, the same hair
    assert rows.max() < 0.75 * SIZE


def test_gradients_in_factors_are_those_of_differences():
    torch.manual_seed(0)
    factors = torch.rand(2, 9, dtype=torch.float64) * 0.8 + 0.1
    detail = cartoon_detail(2, torch.Generator().manual_seed(3)).double()
    weights = torch.randn(3, 24, 24, dtype=torch.float64)

    def total(values):
        return (render_cartoons(values, detail, 24) * weights).sum()

    (gradient,) = torch.autograd.grad(total(factors.requires_grad_()), factors)
    step = torch.randn(2, 9, dtype=torch.float64) * 1e-6
    step[:, 0] = step[:, 2] = 0  # curls jump from column to column as the face moves
    difference = total((factors + step).detach()) - total((factors - step).detach())
    torch.testing.assert_close(difference / 2, (gradient * step).sum(), rtol=1e-3, atol=1e-9)


def test_seeds_sizes_and_the_splits():
    a, b, c = cartoons(20, 16, seed=1), cartoons(20, 16, seed=1), cartoons(20, 16, seed=2)
    assert torch.equal(a.x, b.x)
    assert not torch.equal(a.x, c.x)
    assert a.x.dtype == torch.float32
    assert 0 <= a.x.min() < a.x.max() <= 1
    # Another size is the same picture: the mean colour stays.
    torch.testing.assert_close(cartoons(20, 64, seed=1).x.mean((2, 3)), a.x.mean((2, 3)), atol=0.03, rtol=0)
    images = load("cartoons", size=8)
    assert [len(part.x) for part in (images.train, images.valid, images.test)] == [8000, 1000, 1000]
    assert "hair colour" in images.description


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: cartoons(0), "num_images must be a whole number of at least 1, got 0"),
        (lambda: cartoons(1, 0), "size must be a positive whole number of pixels, got 0"),
        (lambda: render_cartoons(torch.rand(2, 8), torch.rand(2, DETAIL_DIM)), r"\(N, 9\), got \(2, 8\)"),
        (lambda: render_cartoons(torch.rand(2, 9), torch.rand(2, 3)), rf"detail must be .*\(N, {DETAIL_DIM}\)"),
        (lambda: render_cartoons(torch.rand(2, 9), torch.rand(1, DETAIL_DIM)), "got 2 factors and 1 details"),
        (lambda: render_cartoons(2 + torch.rand(1, 9), torch.rand(1, DETAIL_DIM)), r"factors must lie in \[0, 1\]"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
