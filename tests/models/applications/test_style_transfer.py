"""Style transfer: losses by loops and by the paper's sums, optima that are known, what Gram matrices forget."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models.applications.style_transfer import (
    RandomFeatures,
    content_loss,
    gram_matrix,
    style_loss,
    transfer_style,
)

DOUBLE = torch.float64


def images(*shape, seed=0):
    return torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


class Pixels(nn.Module):
    """The image is its own only layer of features."""

    def features(self, x):
        return [x]


def test_gram_matrix_by_loops():
    features = images(2, 3, 4, 5)
    gram = gram_matrix(features)
    for b in range(2):
        for k in range(3):
            for m in range(3):
                due = sum(features[b, k, i, j] * features[b, m, i, j] for i in range(4) for j in range(5)) / 20
                assert gram[b, k, m].item() == pytest.approx(due.item())


def test_gram_matrix_forgets_where():
    features = images(1, 3, 4, 5)
    shuffled = features.flatten(2)[:, :, torch.randperm(20)].view_as(features)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features))
    tiled = features.repeat(1, 1, 2, 3)
    torch.testing.assert_close(gram_matrix(tiled), gram_matrix(features))


def test_style_loss_is_the_papers():
    """Gatys et al. 2015, equation 4: sum of (G - A)^2 / (4 N^2 M^2), G and A sums over M places, N maps."""
    layers = [images(2, 3, 4, 5), images(2, 6, 2, 2, seed=1)]
    styles = [images(2, 3, 4, 5, seed=2), images(2, 6, 2, 2, seed=3)]
    due = 0
    for f, s in zip(layers, styles, strict=True):
        f, s = f.flatten(2), s.flatten(2)
        num_maps, num_places = f.shape[1:]
        difference = torch.einsum("bkp,bmp->bkm", f, f) - torch.einsum("bkp,bmp->bkm", s, s)
        due = due + (difference**2).sum((1, 2)) / (4 * num_maps**2 * num_places**2)
    torch.testing.assert_close(style_loss(layers, [gram_matrix(s) for s in styles]), due)


def test_style_gradient_is_the_papers():
    """Equation 6, at features above 0: F^T (G - A) / (N^2 M^2), transposed."""
    features, style = images(1, 3, 4, 5).requires_grad_(), images(1, 3, 4, 5, seed=1)
    style_loss([features], [gram_matrix(style)]).sum().backward()
    f, s = features.detach()[0].flatten(1), style[0].flatten(1)
    due = (f @ f.T - s @ s.T) @ f / (3**2 * 20**2)
    torch.testing.assert_close(features.grad[0].flatten(1), due)


def test_content_loss_is_half_the_mean_square_of_each_layer():
    layers, others = ([images(2, 3, 4, 5, seed=s), images(2, 6, 2, 2, seed=s + 1)] for s in (0, 7))
    due = sum(0.5 * ((a - b) ** 2).flatten(1).sum(1) / a[0].numel() for a, b in zip(layers, others, strict=True))
    torch.testing.assert_close(content_loss(layers, others), due)


def test_random_features_are_filters_of_mean_zero_with_the_deviation_of_noise():
    net = RandomFeatures(3, (3, 7), num_filters=32, seed=5).double()
    x = images(2, 3, 9, 8)
    layers = net.features(x)
    assert torch.equal(layers[0], x)
    for size, layer in zip((3, 7), layers[1:], strict=True):
        filters = getattr(net, f"filters_{size}")
        torch.testing.assert_close(filters.mean((2, 3)), torch.zeros(32, 3, dtype=DOUBLE), atol=1e-6, rtol=0)
        torch.testing.assert_close(filters.flatten(1).norm(dim=1), torch.ones(32, dtype=DOUBLE), atol=1e-6, rtol=0)
        inner = F.conv2d(x, filters).relu()
        margin = size // 2
        torch.testing.assert_close(layer[:, :, margin : 9 - margin, margin : 8 - margin], inner)
        mirrored = F.conv2d(F.pad(x, [margin] * 4, mode="reflect"), filters).relu()
        torch.testing.assert_close(layer, mirrored)
    torch.testing.assert_close(net.features(x.flip(0))[2], layers[2].flip(0))
    assert torch.equal(RandomFeatures(3, (3, 7), 32, seed=5).filters_7, net.filters_7.float())
    assert not torch.equal(RandomFeatures(3, (3, 7), 32, seed=6).filters_7, net.filters_7.float())


def test_content_alone_brings_back_the_content():
    content = images(2, 3, 6, 6)
    start = images(2, 3, 6, 6, seed=1)
    found = transfer_style(
        RandomFeatures(3, (3,), 8), content, content[:1], style_weight=0.0, num_steps=300, start=start
    )
    torch.testing.assert_close(found, content, atol=1e-3, rtol=0)


def test_optimum_of_one_pixel_by_hand():
    """Features are the pixel x itself, c its content and s its style: x - c + weight x (x^2 - s^2) = 0."""
    content, style = torch.full((1, 1, 1, 1), 0.2, dtype=DOUBLE), torch.full((1, 1, 1, 1), 0.9, dtype=DOUBLE)
    x = transfer_style(Pixels(), content, style, style_weight=3.0, num_steps=200).item()
    assert x - 0.2 + 3.0 * x * (x**2 - 0.81) == pytest.approx(0, abs=1e-6)
    assert 0.2 < x < 0.9
    bound = transfer_style(Pixels(), content, style, style_weight=0.0, content_weight=1.0, start=style).item()
    assert bound == pytest.approx(0.2, abs=1e-6)


def test_the_loss_falls_and_the_image_stays_in_range():
    net = RandomFeatures(1, (3, 5), 16).double()
    content, style = images(2, 1, 10, 12), (images(1, 1, 9, 9, seed=1) > 0.5).double()
    found = transfer_style(net, content, style, style_weight=100.0, num_steps=40)
    assert found.min() >= 0
    assert found.max() <= 1
    grams = [gram_matrix(layer) for layer in net.features(style)]

    def loss(x):
        return content_loss(net.features(x), net.features(content)) + 100.0 * style_loss(net.features(x), grams)

    assert (loss(found) < 0.5 * loss(content)).all()
    for nearby in (found + 0.01 * images(2, 1, 10, 12, seed=k) - 0.005 for k in range(5)):
        assert (loss(nearby.clamp(0, 1)) > loss(found)).all()


def test_transfer_depends_on_no_other_image_nor_on_chance():
    net = RandomFeatures(1, (3,), 8)
    content, style = images(2, 1, 8, 8).float(), images(2, 1, 8, 8, seed=1).float()
    kept = content.clone()
    both = transfer_style(net, content, style, num_steps=10)
    torch.testing.assert_close(transfer_style(net, content[1:], style[1:], num_steps=10), both[1:])
    assert both.dtype == torch.float32
    assert net.filters_3.dtype == torch.float32
    assert torch.equal(content, kept)


def direction(x):
    """Return how much steeper a picture is along one diagonal than along the other, between -1 and 1."""
    down, up = x[..., 1:, 1:] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., 1:, :-1]
    return ((down**2).mean() - (up**2).mean()) / ((down**2).mean() + (up**2).mean())


def test_texture_is_made_from_noise_and_has_the_styles_direction():
    rows, columns = torch.meshgrid(*[torch.arange(24, dtype=DOUBLE)] * 2, indexing="ij")
    net = RandomFeatures(1, (3, 7), 32)
    for sign in (1, -1):
        style = 0.5 + 0.5 * torch.sin(1.2 * (rows + sign * columns))[None, None]
        made = transfer_style(net, images(1, 1, 24, 24), style, content_weight=0.0, num_steps=60)
        assert direction(style).item() * sign > 0.99
        assert direction(made).item() * sign > 0.7


X = torch.full((2, 1, 8, 8), 0.5)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: RandomFeatures(3, (3, 4)), r"odd numbers, at least one, got \[3, 4\]"),
        (lambda: RandomFeatures(3, ()), "at least one"),
        (lambda: gram_matrix(X[0]), r"must be \(B, K, H, W\)"),
        (lambda: style_loss([X], [gram_matrix(X), gram_matrix(X)]), "those of the style"),
        (lambda: content_loss([X], [X[..., 1:]]), "same layers"),
        (lambda: transfer_style(Pixels(), 2 * X - 1.5, X), r"content must be .* in \[0, 1\]"),
        (lambda: transfer_style(Pixels(), X, 3 * X), r"style must be .* \[1.5, 1.5\]"),
        (lambda: transfer_style(Pixels(), X, X[0]), "style must be"),
        (lambda: transfer_style(Pixels(), X, torch.cat([X, X])), "one style, or one for each"),
        (lambda: transfer_style(Pixels(), X, X, start=X[:1]), "needs a start of its shape"),
        (lambda: transfer_style(Pixels(), X, X, style_weight=-1.0), "weights must be at least 0"),
        (lambda: transfer_style(Pixels(), X, X, num_steps=0), "num_steps at least 1"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
