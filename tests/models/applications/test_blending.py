"""Poisson blending: the equation pixel by pixel, its minimum by dense least squares, harmonic functions."""

import pytest
import torch

from course_utils.models.applications.blending import (
    blend_gradients,
    gradients,
    grid_laplacian,
    mixed_blend,
    poisson_blend,
)

DOUBLE = torch.float64


def images(*shape, seed=0):
    return torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def disc(height, width):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((rows - height // 2) ** 2 + (columns - width // 2) ** 2 < 7).double()


def neighbours(i, j, height, width):
    around = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
    return [(k, m) for k, m in around if 0 <= k < height and 0 <= m < width]


MASKS = {
    "disc": disc(7, 9),
    "to the corner": torch.cat([torch.ones(7, 4), torch.zeros(7, 5)], 1).double(),
    "all but one pixel": torch.arange(63).view(7, 9).ne(30).double(),
    "two parts": (torch.arange(63).view(7, 9) % 9 % 4 == 1).double(),
    "random": (images(7, 9, seed=9) < 0.6).double(),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_laplacian_inside_is_the_sources_and_outside_is_the_target(mask):
    source, target = images(2, 3, 7, 9), images(2, 3, 7, 9, seed=1)
    blended = poisson_blend(source, target, mask)
    for i in range(7):
        for j in range(9):
            if mask[i, j] == 0:
                assert torch.equal(blended[..., i, j], target[..., i, j])
                continue
            around = neighbours(i, j, 7, 9)
            laplacian, due = (
                len(around) * x[..., i, j] - sum(x[..., k, m] for k, m in around) for x in (blended, source)
            )
            torch.testing.assert_close(laplacian, due, atol=1e-10, rtol=0)


@pytest.mark.parametrize("mask", [MASKS["disc"], MASKS["to the corner"], MASKS["random"]])
def test_no_image_has_gradients_nearer_to_the_guidance(mask):
    """Dense least squares over the unknown pixels, for guidance that is no image's gradient."""
    target = images(1, 1, 7, 9)
    down, right = images(1, 1, 6, 9, seed=1), images(1, 1, 7, 8, seed=2)
    rows, due = [], []
    for (i, j), (k, m), v in [
        *[((i + 1, j), (i, j), down[0, 0, i, j]) for i in range(6) for j in range(9)],
        *[((i, j + 1), (i, j), right[0, 0, i, j]) for i in range(7) for j in range(8)],
    ]:
        if mask[i, j] == 0 and mask[k, m] == 0:
            continue  # both are given
        row = torch.zeros(7, 9, dtype=DOUBLE)
        row[i, j], row[k, m] = 1, -1
        rows.append((row * mask).flatten())
        due.append(v - (row * (1 - mask) * target[0, 0]).sum())
    inside = mask.flatten() == 1
    best = torch.linalg.lstsq(torch.stack(rows)[:, inside], torch.stack(due)[:, None]).solution[:, 0]
    blended = blend_gradients((down, right), target, mask)
    torch.testing.assert_close(blended.flatten()[inside], best)


def test_an_offset_of_the_source_changes_nothing_and_one_of_the_target_everything():
    source, target, mask = images(1, 3, 7, 9), images(1, 3, 7, 9, seed=1), MASKS["disc"]
    blended = poisson_blend(source, target, mask)
    torch.testing.assert_close(poisson_blend(source + 5, target, mask), blended)
    torch.testing.assert_close(poisson_blend(source, target + 5, mask), blended + 5)


def test_the_seam_is_gone():
    """Copying a source that is the target, darker and with a spot, shows the whole border; blending, the spot alone."""
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    target = (0.1 * rows + 0.05 * columns).to(DOUBLE)[None, None]
    spot = torch.zeros_like(target)
    spot[..., 3, 4] = 0.5
    torch.testing.assert_close(poisson_blend(target - 0.7 + spot, target, MASKS["disc"]), target + spot)


def test_a_flat_source_gives_the_harmonic_function():
    """Discrete harmonic polynomials: i^2 - j^2, i j, i, 1; the Laplacian of each is 0 on the grid."""
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    target = torch.stack([rows**2 - columns**2, rows * columns, rows, torch.ones(7, 9)]).to(DOUBLE)[None]
    hidden = target.where(MASKS["disc"] == 0, -100.0)
    torch.testing.assert_close(poisson_blend(torch.zeros_like(target), hidden, MASKS["disc"]), target)


def test_mixed_blend_takes_the_stronger_gradient_at_each_place():
    source, target, mask = images(1, 2, 7, 9), images(1, 2, 7, 9, seed=1), MASKS["random"]
    v = []
    for axis in (-2, -1):
        s, t = source.diff(dim=axis), target.diff(dim=axis)
        v.append(s * (s.abs() > t.abs()) + t * (s.abs() <= t.abs()))
    torch.testing.assert_close(mixed_blend(source, target, mask), blend_gradients(tuple(v), target, mask))
    torch.testing.assert_close(mixed_blend(torch.zeros_like(target), target, mask), target)


def test_each_image_has_its_own_mask_and_nothing_is_changed():
    source, target = images(2, 1, 7, 9), images(2, 1, 7, 9, seed=1)
    masks = torch.stack([MASKS["disc"], torch.zeros(7, 9, dtype=DOUBLE)])[:, None]
    kept = source.clone(), target.clone()
    blended = poisson_blend(source, target, masks.bool())
    torch.testing.assert_close(blended[:1], poisson_blend(source[:1], target[:1], masks[0]))
    assert torch.equal(blended[1], target[1])
    assert torch.equal(source, kept[0])
    assert torch.equal(target, kept[1])
    assert poisson_blend(source.float(), target.float(), masks).dtype == torch.float32


def test_grid_laplacian_and_gradients():
    x = images(1, 1, 3, 4)
    due = torch.tensor(
        [[sum(x[0, 0, i, j] - x[0, 0, k, m] for k, m in neighbours(i, j, 3, 4)) for j in range(4)] for i in range(3)]
    )
    torch.testing.assert_close(torch.from_numpy(grid_laplacian(3, 4) @ x.flatten().numpy()).view(3, 4), due)
    down, right = gradients(x)
    assert down[0, 0, 1, 2] == x[0, 0, 2, 2] - x[0, 0, 1, 2]
    assert right[0, 0, 1, 2] == x[0, 0, 1, 3] - x[0, 0, 1, 2]


X = torch.zeros(2, 1, 4, 5)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: poisson_blend(X, X[..., :4], torch.ones(4, 5)), "must have one shape"),
        (lambda: mixed_blend(X[0], X[0], torch.ones(4, 5)), r"one shape \(B, C, H, W\)"),
        (lambda: poisson_blend(X, X, torch.full((4, 5), 0.5)), "only zeros and ones, got 0.5"),
        (lambda: poisson_blend(X, X, torch.ones(5, 4)), r"does not broadcast to \(2, 1, 4, 5\)"),
        (lambda: poisson_blend(X, X, torch.ones(4, 5)), "leave some of the target"),
        (lambda: blend_gradients((X, X), X, disc(4, 5)), "guidance"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
