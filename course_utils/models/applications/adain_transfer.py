"""Style transfer in one pass: give the content's features the style's mean and deviation, and decode.

    t = AdaIN(f(content), f(style))                     each channel of features: the style's mean and deviation
    x = g(t)                                            f an encoder that is fixed, g a decoder that is learned

    loss = mean (f(x) - t)^2
           + style_weight sum_l [mean (mu_l(x) - mu_l(style))^2 + mean (sigma_l(x) - sigma_l(style))^2]

Where `style_transfer` optimises each image anew, here any pair of images costs one pass; and alpha t + (1 - alpha)
f(content) goes from the content to the transfer. With the pixels themselves as features, f and g the identity, it moves
colours alone.

Source: Huang & Belongie 2017 (arXiv 1703.06868), equations 8 to 14. Shapes: images (B, C, H, W), features
(B, K, H', W').
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.stylegan import adain

EPS = 1e-5


def channel_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each example's channel over its places, both (B, K), of features (B, K, H, W)."""
    variance, mean = torch.var_mean(features, dim=(2, 3), correction=0)
    return mean, (variance + EPS).sqrt()  # as `adain` has it: a constant channel has a gradient


def match_statistics(content: Tensor, style: Tensor) -> Tensor:
    """Return the content's features with the style's mean and deviation in each channel, like the content.

    Huang & Belongie 2017, equation 8. Given images, it moves the colours. `content` (B, K, H, W), `style`
    (1 or B, K, H', W'). Raises ValueError for other shapes.
    """
    if (
        content.ndim != 4
        or style.ndim != 4
        or style.shape[1] != content.shape[1]
        or len(style) not in (1, len(content))
    ):
        raise ValueError(
            f"content (B, K, H, W) needs one style, or one for each, with K channels: got {tuple(content.shape)} and "
            f"{tuple(style.shape)}"
        )
    mean, std = channel_statistics(style)
    return adain(content, std.expand(content.shape[:2]), mean.expand(content.shape[:2]), EPS)


class AdaINTransfer(nn.Module):
    """A fixed encoder, AdaIN, and a decoder that `loss(content, style)` trains.

    Args:
        encoder: has `features(x)`, a list of layers, the last for the decoder. The model keeps a frozen copy.
        decoder: from the last layer's features to images.
        style_weight: of the difference of statistics.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, style_weight: float = 10.0):
        super().__init__()
        if style_weight < 0:
            raise ValueError(f"style_weight must be at least 0, got {style_weight}")
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.decoder = decoder
        self.style_weight = style_weight

    def forward(self, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        """Return the content in the style, like the content; alpha 0 leaves the content's own statistics, 1 none.

        Raises ValueError for alpha outside [0, 1].
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
        features = self.encoder.features(content)[-1]
        matched = match_statistics(features, self.encoder.features(style)[-1])
        return self.decoder(alpha * matched + (1 - alpha) * features)

    def loss(self, content: Tensor, style: Tensor) -> Tensor:
        """Return the loss of transferring styles (B, C, H', W') to contents (B, C, H, W), (); `fit` minimises it."""
        layers_style = self.encoder.features(style)
        matched = match_statistics(self.encoder.features(content)[-1], layers_style[-1])
        layers = self.encoder.features(self.decoder(matched))
        difference = F.mse_loss(layers[-1], matched)
        for layer, layer_style in zip(layers, layers_style, strict=True):
            for statistic, due in zip(channel_statistics(layer), channel_statistics(layer_style), strict=True):
                difference = difference + self.style_weight * F.mse_loss(statistic, due)
        return difference

    @torch.no_grad()
    def sample(self, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        """Return what `forward` does, without gradients."""
        return self(content, style, alpha)
