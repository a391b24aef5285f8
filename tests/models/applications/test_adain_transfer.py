"""AdaIN transfer: statistics of what comes out, the loss by hand, and a decoder that is known to be right."""

import pytest
import torch
from torch import nn

from course_utils.models.applications.adain_transfer import AdaINTransfer, channel_statistics, match_statistics

DOUBLE = torch.float64


def images(*shape, seed=0):
    return torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


class Encoder(nn.Module):
    """Two layers: the image, and an invertible mixture of its channels."""

    def __init__(self):
        super().__init__()
        self.mixture = nn.Conv2d(2, 2, 1, bias=False)

    def features(self, x):
        return [x, self.mixture(x)]


def inverse_of(encoder):
    decoder = nn.Conv2d(2, 2, 1, bias=False).double()
    with torch.no_grad():
        decoder.weight.copy_(torch.linalg.inv(encoder.mixture.weight[:, :, 0, 0])[:, :, None, None])
    return decoder


def test_statistics_by_hand():
    features = images(2, 3, 4, 5)
    mean, std = channel_statistics(features)
    for b in range(2):
        for k in range(3):
            values = features[b, k].flatten().tolist()
            average = sum(values) / 20
            assert mean[b, k].item() == pytest.approx(average)
            due = sum((v - average) ** 2 for v in values) / 20
            assert std[b, k].item() == pytest.approx(due**0.5, rel=1e-3)


def test_matched_features_have_the_styles_statistics_and_the_contents_form():
    content, style = images(2, 3, 6, 6), 2 * images(2, 3, 4, 5, seed=1) - 5
    matched = match_statistics(content, style)
    mean, std = style.mean((2, 3)), style.flatten(2).std(2, correction=0)
    torch.testing.assert_close(matched.mean((2, 3)), mean)
    torch.testing.assert_close(matched.flatten(2).std(2, correction=0), std, atol=0, rtol=1e-3)
    for b in range(2):
        for k in range(3):
            pair = torch.stack([content[b, k].flatten(), matched[b, k].flatten()])
            assert torch.corrcoef(pair)[0, 1].item() == pytest.approx(1.0)
    torch.testing.assert_close(match_statistics(content, style[:1])[0], matched[0])
    torch.testing.assert_close(match_statistics(content, content), content, atol=1e-3, rtol=0)


def test_a_perfect_decoder_has_no_feature_loss_left():
    """Then t = f(x), whose last layer has the style's statistics: what remains is the first layer's difference."""
    encoder = Encoder().double()
    model = AdaINTransfer(encoder, inverse_of(encoder), style_weight=3.0).double()
    content, style = images(2, 2, 6, 6), images(2, 2, 4, 4, seed=1)
    x = model(content, style)
    torch.testing.assert_close(
        encoder.features(x)[-1], match_statistics(encoder.features(content)[-1], encoder.features(style)[-1])
    )
    (mean, std), (mean_style, std_style) = channel_statistics(x), channel_statistics(style)
    due = 3.0 * (((mean - mean_style) ** 2).mean() + ((std - std_style) ** 2).mean())
    torch.testing.assert_close(model.loss(content, style), due, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(model(content, style, alpha=0.0), content)
    torch.testing.assert_close(model(content, style, alpha=0.3), 0.3 * x + 0.7 * content)


def test_loss_by_hand():
    encoder, decoder = Encoder().double(), nn.Conv2d(2, 2, 3, padding=1).double()
    model = AdaINTransfer(encoder, decoder, style_weight=7.0)
    content, style = images(2, 2, 6, 6), images(2, 2, 6, 6, seed=1)
    t = match_statistics(encoder.features(content)[-1], encoder.features(style)[-1])
    x = decoder(t)
    due = ((encoder.features(x)[1] - t) ** 2).mean()
    for layer, layer_style in zip(encoder.features(x), encoder.features(style), strict=True):
        for statistic in (0, 1):
            difference = channel_statistics(layer)[statistic] - channel_statistics(layer_style)[statistic]
            due = due + 7 * (difference**2).mean()
    torch.testing.assert_close(model.loss(content, style), due)


def test_only_the_decoder_learns_from_it():
    encoder = Encoder().double()
    model = AdaINTransfer(encoder, nn.Conv2d(2, 2, 1).double())
    model.loss(images(2, 2, 6, 6), images(2, 2, 6, 6, seed=1)).backward()
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.encoder.parameters())
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    with torch.no_grad():
        encoder.mixture.weight.zero_()
    assert model.encoder.mixture.weight.abs().min() > 0


def test_gradients_exist_at_a_constant_channel():
    x = torch.full((1, 1, 3, 3), 0.5, dtype=DOUBLE, requires_grad=True)
    channel_statistics(x)[1].sum().backward()
    assert x.grad.isfinite().all()


X = torch.zeros(2, 2, 4, 4, dtype=DOUBLE)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: match_statistics(X, X[:, :1]), "with K channels: got"),
        (lambda: match_statistics(X, torch.cat([X, X])), "one style, or one for each"),
        (lambda: match_statistics(X[0], X[0]), "needs one style"),
        (lambda: AdaINTransfer(Encoder(), nn.Identity(), -1.0), "style_weight must be at least 0, got -1"),
        (lambda: AdaINTransfer(Encoder(), nn.Identity())(X, X, 1.5), "alpha must lie in .*, got 1.5"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
