"""sprites: the factors come back from the pixels by image moments."""

import colorsys
import math

import pytest
import torch

from course_utils.data import FACTOR_NAMES, SHAPES, factor_grid, load, render_sprites, sprites
from course_utils.data.sprites import LEVELS, POSITION_RANGE, SIZE_RANGE, _ellipse, hue_to_rgb

SIZE = 64
CENTRES = (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE


def factors_of(num_images: int = 200, seed: int = 1) -> torch.Tensor:
    return sprites(num_images, size=8, seed=seed).y.double()


def ink(factors: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    return render_sprites(factors, size, colour=False)[:, 0]


def centroid(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean column and row in image widths: from the left, from the top."""
    mass = mask.sum((1, 2))
    return (mask.sum(1) @ CENTRES) / mass, (mask.sum(2) @ CENTRES) / mass


def harmonic(mask: torch.Tensor, order: int) -> torch.Tensor:
    """The complex moment sum of mask * (u + iv)^order about the centroid, v upwards: it turns by order * angle."""
    x, y = centroid(mask)
    w = torch.complex(CENTRES - x[:, None, None], torch.zeros_like(mask)) + 1j * (y[:, None, None] - CENTRES[:, None])
    return (mask * w**order).sum((1, 2))


def angle_error(measured: torch.Tensor, angle: torch.Tensor, period: float) -> torch.Tensor:
    return ((measured - angle + period / 2) % period - period / 2).abs()


@pytest.mark.parametrize("index", range(3), ids=SHAPES)
def test_area_and_centroid_are_the_factors(index):
    factors = factors_of()
    factors[:, 0] = index
    mask = ink(factors)
    area = mask.mean((1, 2))
    assert (area.sqrt() / factors[:, 1] - 1).abs().max() < 0.01
    x, y = centroid(mask)
    assert (x - factors[:, 3]).abs().max() * SIZE < 0.1  # pixels
    assert (y - factors[:, 4]).abs().max() * SIZE < 0.1


def test_angle_of_the_square():
    factors = factors_of()
    factors[:, 0] = 0
    # The fourth moment of an upright square is negative: its corners lie on the diagonals.
    assert angle_error((-harmonic(ink(factors), 4)).angle() / 4, factors[:, 2], math.pi / 2).max() < 0.02


def test_angle_and_axes_of_the_ellipse():
    factors = factors_of()
    factors[:, 0] = 1
    mask = ink(factors)
    assert angle_error(harmonic(mask, 2).angle() / 2, factors[:, 2], math.pi).max() < 0.02
    # (a^2 - b^2) / 4 of an ellipse of area pi a b = size^2 with a = 2b.
    due = 3 / 4 * factors[:, 1] ** 2 / (2 * math.pi)
    assert (harmonic(mask, 2).abs() / mask.sum((1, 2)) / due - 1).abs().max() < 0.05


def test_angle_of_the_heart():
    factors = factors_of()
    factors[:, 0] = 2
    mask = ink(factors)
    # Roughly a triangle on its tip, where w^3 = (-i r)^3 = i r^3: the angle up to thirds of a turn ...
    assert angle_error((harmonic(mask, 3).angle() - math.pi / 2) / 3, factors[:, 2], 2 * math.pi / 3).max() < 0.02
    # ... and weighted by the squared radius its centroid moves up, to the broad side, which settles the third.
    x, y = centroid(mask)
    u, v = CENTRES - x[:, None, None], y[:, None, None] - CENTRES[:, None]
    weight = mask * (u**2 + v**2)
    up = torch.atan2((weight * v).sum((1, 2)), (weight * u).sum((1, 2)))
    assert angle_error(up - math.pi / 2, factors[:, 2], 2 * math.pi).max() < 0.3


def test_heart_stands_on_its_tip():
    mask = ink(factor_grid(shape=[2], size=[0.5]).double())[0]
    rows = mask.sum(1)
    top, bottom = rows.nonzero()[0].item(), rows.nonzero()[-1].item()
    assert rows[top + 4] > 2 * rows[bottom - 4]
    assert torch.allclose(mask, mask.flip(1))
    notch = mask[:, SIZE // 2].nonzero()[0].item()
    # The heart in closed form: width 2 (h / sqrt 2 + h) and height (3 / sqrt 2 + 1 ) h of half side h.
    h = 0.5 * SIZE / math.sqrt(4 + math.pi)
    assert abs(mask.amax(0).sum() - (math.sqrt(2) + 2) * h) < 1
    assert abs(mask.amax(1).sum() - (3 / math.sqrt(2) + 1) * h) < 1.5
    assert abs(notch - top - (1 - 1 / math.sqrt(2)) * h) < 1.5  # the lobes rise above the middle


def test_turning_is_anticlockwise_as_seen():
    upright, turned = ink(factor_grid(shape=[2], angle=[0.0, math.pi / 2]).double())
    assert torch.allclose(turned, upright.rot90(), atol=1e-6)  # rot90 turns anticlockwise as images are shown


def test_colour_comes_back_and_is_the_same_all_over():
    factors = factors_of()
    x = render_sprites(factors, SIZE)
    mask = ink(factors)
    colour = x.sum((2, 3)) / mask.sum((1, 2))[:, None]
    due = torch.tensor([colorsys.hsv_to_rgb(hue, 1, 1) for hue in factors[:, 5].tolist()], dtype=torch.float64)
    assert torch.allclose(colour, due, atol=1e-6)
    assert torch.allclose(x, mask[:, None] * due[:, :, None, None], atol=1e-6)


def test_hues_are_those_of_hsv():
    hue = torch.linspace(0, 1, 101, dtype=torch.float64)
    due = torch.tensor([colorsys.hsv_to_rgb(value, 1, 1) for value in hue.tolist()], dtype=torch.float64)
    assert torch.allclose(hue_to_rgb(hue), due, atol=1e-9)


@pytest.mark.parametrize("index", range(3), ids=SHAPES)
def test_one_factor_changes_only_what_it_should(index):
    def measure(**levels):
        factors = factor_grid(shape=[index], **levels).double()
        mask = ink(factors)
        return mask.mean((1, 2)), *centroid(mask), render_sprites(factors, SIZE).sum((2, 3)) / mask.sum((1, 2))[:, None]

    for name, levels in {"size": (0.2, 0.35), "angle": (0.0, 0.7), "x": (0.35, 0.6), "y": (0.35, 0.6)}.items():
        area, x, y, colour = measure(**{name: levels})
        assert abs(area[1] / area[0] - (0.35**2 / 0.2**2 if name == "size" else 1)) < 0.03, name
        assert abs(x[1] - x[0] - (0.25 if name == "x" else 0)) < 1e-3, name
        assert abs(y[1] - y[0] - (0.25 if name == "y" else 0)) < 1e-3, name
        assert torch.allclose(colour[0], colour[1]), name
    first, second = render_sprites(factor_grid(shape=[index], colour=[0.0, 0.5]), SIZE)
    assert torch.allclose(first.amax(0), second.amax(0))  # the same ink
    assert (first - second).abs().max() > 0.9


def test_shapes_differ():
    square, ellipse, heart = ink(factor_grid(shape=[0, 1, 2], size=[0.35]))
    for a, b in [(square, ellipse), (square, heart), (ellipse, heart)]:
        assert (a - b).abs().mean() > 0.1 * 0.35**2


@pytest.mark.parametrize("index", range(3), ids=SHAPES)
def test_coverage_is_that_of_fine_sampling(index):
    """Oracle: the mean over 32 x 32 points a pixel of the same shape drawn 32 times larger."""
    factors = factors_of(4, seed=3)
    factors[:, 0] = index
    fine = (ink(factors, 32 * 32) > 0.5).double()
    exact = torch.nn.functional.avg_pool2d(fine[:, None], 32)[:, 0]
    coarse = ink(factors, 32)
    assert (coarse - exact).abs().max() < 0.25  # the worst is a corner, shared by one pixel
    assert (coarse - exact).abs().mean() < 0.002
    between = (coarse > 0.02) & (coarse < 0.98)
    assert between.sum() > 4 * 8  # outlines are soft
    assert (coarse >= 0).all()
    assert (coarse <= 1).all()


def test_ellipse_distance_is_a_distance_at_its_outline():
    b = 1 / math.sqrt(2 * math.pi)
    t, offset = torch.linspace(0, 2 * math.pi, 50, dtype=torch.float64), 1e-5
    normal = torch.nn.functional.normalize(torch.stack([t.cos() / (2 * b), t.sin() / b]), dim=0)
    u, v = torch.stack([2 * b * t.cos(), b * t.sin()]) + offset * normal
    assert torch.allclose(_ellipse(u, v), torch.full_like(t, offset), rtol=1e-3)


def test_moving_by_whole_pixels_shifts_the_image():
    here, there = ink(factor_grid(shape=[2], angle=[0.4], x=[0.5, 0.5 + 5 / SIZE]).double())
    assert torch.allclose(there, here.roll(5, dims=1), atol=1e-6)


def test_sprites_are_finite_even_where_a_pixel_is_the_centre():
    x = render_sprites(factor_grid(shape=[0, 1, 2], x=[0.5], y=[0.5]), 33)
    assert x.isfinite().all()
    assert torch.equal(x[:, 0, 16, 16], torch.ones(3))


def test_rendering_is_differentiable():
    factors = factor_grid(shape=[1], angle=[0.3]).double().requires_grad_()
    weights = torch.rand(16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    (gradient,) = torch.autograd.grad((render_sprites(factors, 16)[:, 0] * weights).sum(), factors)
    for column in (1, 2, 3, 4):
        step = torch.zeros_like(factors)
        step[0, column] = 1e-6
        high, low = ((render_sprites(factors.detach() + s, 16)[:, 0] * weights).sum() for s in (step, -step))
        assert torch.isclose(gradient[0, column], (high - low) / 2e-6, rtol=1e-3, atol=1e-3), FACTOR_NAMES[column]


def test_sprites_are_deterministic_by_seed_and_leave_the_global_generator():
    state = torch.get_rng_state()
    first, again, other = sprites(20, seed=5), sprites(20, seed=5), sprites(20, seed=6)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y, again.y)
    assert not torch.equal(first.y, other.y)
    assert torch.equal(first.x, render_sprites(first.y))
    assert torch.equal(torch.get_rng_state(), state)


def test_random_factors_fill_their_ranges():
    y = sprites(20_000, size=1).y
    assert FACTOR_NAMES == ("shape", "size", "angle", "x", "y", "colour")
    assert y.shape == (20_000, 6)
    assert y.dtype == torch.float32
    shares = y[:, 0].long().bincount(minlength=3) / len(y)
    assert (shares - 1 / 3).abs().max() < 5 * (2 / 9 / len(y)) ** 0.5
    for column, (low, high) in enumerate(
        [SIZE_RANGE, (0, 2 * math.pi), POSITION_RANGE, POSITION_RANGE, (0, 1)], start=1
    ):
        values = (y[:, column] - low) / (high - low)
        assert values.min() >= -1e-6
        assert values.max() <= 1 + 1e-6
        assert abs(values.mean() - 1 / 2) < 5 * (1 / 12 / len(y)) ** 0.5
        assert abs(values.var() - 1 / 12) < 5 * (1 / 180 / len(y)) ** 0.5
    correlation = torch.corrcoef(y.T) - torch.eye(6)
    assert correlation.abs().max() < 5 / len(y) ** 0.5


def test_no_random_sprite_touches_the_frame():
    corners = {"shape": (0, 1, 2), "size": (SIZE_RANGE[1],), "x": POSITION_RANGE, "y": POSITION_RANGE}
    mask = ink(factor_grid(**corners, angle=torch.linspace(0, 6.2, 24)))
    frame = torch.ones(SIZE, SIZE, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    assert mask[:, frame].max() == 0


def test_grid_holds_each_combination_once():
    grid = sprites(None, size=4)
    assert len(grid.x) == len(grid.y) == 3 * 3 * 6 * 5 * 5 * 4
    assert len(grid.y.unique(dim=0)) == len(grid.y)
    for column, name in enumerate(FACTOR_NAMES):
        assert torch.allclose(grid.y[:, column].unique(), torch.tensor(LEVELS[name], dtype=torch.float32))
    grey = sprites(None, size=4, colour=False)
    assert grey.x.shape == (1350, 1, 4, 4)
    assert (grey.y[:, 5] == 0).all()


def test_factor_grid_fixes_what_is_not_named():
    grid = factor_grid(size=[0.2, 0.3], angle=[0.0, 1.0, 2.0])
    assert torch.allclose(grid[:, 1], torch.tensor([0.2, 0.2, 0.2, 0.3, 0.3, 0.3]))
    assert torch.allclose(grid[:, 2], torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]))
    assert (grid[:, [0, 3, 4, 5]] == torch.tensor([0, 0.5, 0.5, 0])).all()
    with pytest.raises(ValueError, match="unknown factor color: the factors are shape, size"):
        factor_grid(color=[0.1])


def test_grey_sprites_are_the_ink_of_the_coloured():
    coloured, grey = sprites(30, size=16), sprites(30, size=16, colour=False)
    assert grey.x.shape == (30, 1, 16, 16)
    assert torch.equal(grey.y[:, :5], coloured.y[:, :5])
    assert torch.allclose(grey.x[:, 0], coloured.x.amax(1))


def test_load_sprites_splits():
    images = load("sprites", size=16)
    x, y = sprites(10_000, size=16)
    assert torch.equal(torch.cat([split.x for split in images[2:]]), x)
    assert torch.equal(torch.cat([split.y for split in images[2:]]), y)
    assert [len(split.x) for split in images[2:]] == [8000, 1000, 1000]
    assert load("sprites").valid.x.shape == (1000, 3, 32, 32)


def test_rendering_keeps_dtype_and_arguments():
    factors = factors_of(5)
    before = factors.clone()
    assert render_sprites(factors, 8).dtype == torch.float64
    assert torch.equal(factors, before)


@pytest.mark.parametrize(
    ("factors", "match"),
    [
        (torch.zeros(6), r"\(N, 6\)"),
        (torch.zeros(2, 5), r"\(2, 5\)"),
        (torch.zeros(2, 6, dtype=torch.long), "int64"),
        (torch.tensor([[3.0, 0.3, 0, 0.5, 0.5, 0]]), "shape must be 0, 1 or 2"),
        (torch.tensor([[0.5, 0.3, 0, 0.5, 0.5, 0]]), "shape must be 0, 1 or 2"),
        (torch.tensor([[0.0, 0.0, 0, 0.5, 0.5, 0]]), "must be above 0"),
    ],
)
def test_wrong_factors_are_named(factors, match):
    with pytest.raises(ValueError, match=match):
        render_sprites(factors)


@pytest.mark.parametrize("number", [0, -1, 2.5])
def test_wrong_numbers_are_named(number):
    with pytest.raises(ValueError, match="num_images"):
        sprites(number)
    with pytest.raises(ValueError, match="size"):
        sprites(1, size=number)
