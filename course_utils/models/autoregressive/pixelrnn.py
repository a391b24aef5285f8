"""PixelRNN: images pixel by pixel, each from a two-dimensional LSTM's summary of the pixels before it.

    log p(x) = sum_i log p(x_i | x_1 ... x_{i-1}),    p(x_i | ...) = p(R | ...) p(G | R, ...) p(B | R, G, ...)

in raster order, each factor a softmax over V levels. A 7 x 7 masked convolution (type A) reads the image, LSTM layers
with residual connections follow, and two 1 x 1 masked convolutions (type B) give the logits. In colour, all channels
lie in three groups R, G, B, and masks let a group see itself and those before it; of earlier pixels it sees everything.

One value escapes the Diagonal BiLSTM of the paper, though earlier: the last of the row above, where the 7 x 7 kernel
does not reach it. The mirrored sweep starts there with features that, by mask A, hold only what is before that value.

The published models of binarised MNIST: `PixelRNN((1, 28, 28), hidden_dim=16, num_layers=7)`, 79.20 nats, and
`PixelRNN((1, 28, 28))`, 80.75 nats.

Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (PixelRNN, arXiv 1601.06759), sections 2 and 3, figures 2 and 4.
Shapes: images x (B, C, H, W) in [0, 1]; logits (B, V, C, H, W); features (B, 2 hidden_dim, H, W).
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from course_utils.models.autoregressive.diagonal_lstm import DiagonalBiLSTM
from course_utils.models.autoregressive.levels import PixelModel
from course_utils.models.autoregressive.masked import MaskedConv2d


class PixelRNN(PixelModel):
    """A PixelRNN of either kind of layer.

    Args:
        image_shape: (C, H, W).
        num_levels: the number V of levels that a value can have.
        layer: makes an LSTM layer from (in_channels, hidden_dim, num_colors): `DiagonalBiLSTM` or `RowLSTM`.
        hidden_dim: the channels of hidden states, a multiple of C; features between layers have twice as many.
        num_layers: how many LSTM layers.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_levels: int = 2,
        layer: Callable[[int, int, int], nn.Module] = DiagonalBiLSTM,
        hidden_dim: int = 32,
        num_layers: int = 1,
    ):
        super().__init__(image_shape, num_levels)
        colors = self.image_shape[0]
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        if hidden_dim < 1 or hidden_dim % colors:
            raise ValueError(f"hidden_dim must be a multiple of the {colors} channels, got {hidden_dim}")
        features = 2 * hidden_dim
        self.first = MaskedConv2d("A", colors, features, 7, colors)
        self.layers = nn.ModuleList(layer(features, hidden_dim, colors) for _ in range(num_layers))
        self.upsamplings = nn.ModuleList(MaskedConv2d("B", hidden_dim, features, 1, colors) for _ in range(num_layers))
        self.head = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d("B", features, features, 1, colors),
            nn.ReLU(),
            MaskedConv2d("B", features, colors * num_levels, 1, colors),
        )

    def forward(self, x: Tensor, gate_biases: Sequence[Tensor] | None = None) -> Tensor:
        """Return the logits of each value given those before it: (B, V, C, H, W).

        gate_biases, one a layer, are added to the layers' input-to-state maps: (B, layer.gate_channels, H, W).
        Raises ValueError for images of another shape.
        """
        self.require_shape(x)
        features = self.first(x)
        biases = gate_biases if gate_biases is not None else [None] * len(self.layers)
        for layer, upsampling, bias in zip(self.layers, self.upsamplings, biases, strict=True):
            features = features + upsampling(layer(features, bias))
        # The last convolution's channels lie in groups of colours, V to each.
        return self.head(features).unflatten(1, (len(x[0]), self.num_levels)).transpose(1, 2)
