"""PixelCNN++: a U-shaped causal network whose pixels are mixtures of discretised logistics, all colours at once.

    log p(x) = sum over pixels of log sum_k w_k prod_c P(x_c | mean_kc + earlier colours, scale_kc)

with weights, means and scales computed from the pixels before (see `logistics`). Two streams replace masks:
convolutions that reach only upwards ("down-shifted") see the rows above, and others that reach up and left
("down-right-shifted") see, with the first stream's help, the whole context. Gated residual blocks work at several
resolutions, strided convolutions halve the sides and transposed ones double them again, and short-cuts carry what that
would lose. Since colours are coupled in the likelihood, the network needs no colour groups.

The published model of CIFAR-10, 2.92 bits per dimension: `PixelCNNPlusPlus((3, 32, 32), 256, hidden_dim=160,
num_blocks=5, num_components=10, dropout=0.5)`, there with weight normalisation, which is left out here.

Source: Salimans, Karpathy, Chen & Kingma 2017 (PixelCNN++, arXiv 1701.05517), section 2.
Shapes: images x (B, C, H, W) in [0, 1]; features (B, hidden_dim, H, W); params of the mixtures (B, P, H, W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.autoregressive.levels import PixelModel, eval_mode, require_known, to_levels, uniforms
from course_utils.models.autoregressive.logistics import mixture_log_prob, num_mixture_params, sample_mixture


def concat_elu(x: Tensor) -> Tensor:
    """Return ELU(x) and ELU(-x), side by side: (B, 2 F, ...) of (B, F, ...)."""
    return F.elu(torch.cat([x, -x], dim=1))


def down_shifted(in_channels: int, out_channels: int, kernel_size: tuple[int, int] = (2, 3), stride: int = 1):
    """Return a convolution that sees its own row and those above, at both sides."""
    rows, columns = kernel_size
    return nn.Sequential(
        nn.ZeroPad2d((columns // 2, columns // 2, rows - 1, 0)),
        nn.Conv2d(in_channels, out_channels, kernel_size, stride),
    )


def down_right_shifted(in_channels: int, out_channels: int, kernel_size: tuple[int, int] = (2, 2), stride: int = 1):
    """Return a convolution that sees its own column and those to the left, in its own row and those above."""
    rows, columns = kernel_size
    return nn.Sequential(
        nn.ZeroPad2d((columns - 1, 0, rows - 1, 0)),
        nn.Conv2d(in_channels, out_channels, kernel_size, stride),
    )


class GatedResidual(nn.Module):
    """x + a sigmoid(b), with (a, b) from two convolutions of x; a second input joins between them.

    Args:
        conv: `down_shifted` or `down_right_shifted`.
        channels: of x.
        extra_channels: of the second input; 0 for none.
        dropout: the probability with which a value between the convolutions is dropped.
    """

    def __init__(self, conv, channels: int, extra_channels: int, dropout: float):
        super().__init__()
        self.first = conv(2 * channels, channels)
        self.from_extra = nn.Conv2d(2 * extra_channels, channels, 1) if extra_channels else None
        self.dropout = nn.Dropout(dropout)
        self.second = conv(2 * channels, 2 * channels)

    def forward(self, x: Tensor, *extra: Tensor) -> Tensor:
        """Return x, changed, (B, channels, H, W); the parts of the second input are put side by side."""
        out = self.first(concat_elu(x))
        if extra:
            out = out + self.from_extra(concat_elu(torch.cat(extra, dim=1)))
        a, b = self.second(self.dropout(concat_elu(out))).chunk(2, dim=1)
        return x + a * b.sigmoid()


class TwoStreams(nn.Module):
    """A pair of layers, of the stream that sees rows above and of the one that sees what is above and to the left."""

    def __init__(self, above: nn.Module, left: nn.Module):
        super().__init__()
        self.above = above
        self.left = left

    def forward(self, above: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        return self.above(above), self.left(left)


class Block(TwoStreams):
    """A gated residual layer in each stream; the second sees the first, and both see a short-cut if there is one."""

    def forward(self, above: Tensor, left: Tensor, *shortcut: Tensor) -> tuple[Tensor, Tensor]:
        """Return both streams, changed. A short-cut is a pair of earlier features of the streams."""
        above = self.above(above, *shortcut[:1])
        return above, self.left(left, above, *shortcut[1:])


class Resolution(nn.Module):
    """Blocks at one resolution, around those at the lower ones.

    Args:
        channels: of both streams.
        num_blocks: on the way to the lower resolution, and again after it.
        num_resolutions: how many there are from here on, this one included.
        dropout: as in `GatedResidual`.
    """

    def __init__(self, channels: int, num_blocks: int, num_resolutions: int, dropout: float):
        super().__init__()

        def block(num_shortcuts: int) -> Block:
            return Block(
                GatedResidual(down_shifted, channels, num_shortcuts * channels, dropout),
                GatedResidual(down_right_shifted, channels, (1 + num_shortcuts) * channels, dropout),
            )

        self.encoder = nn.ModuleList(block(0) for _ in range(num_blocks))
        self.lower = None
        if num_resolutions > 1:
            self.down = TwoStreams(
                down_shifted(channels, channels, stride=2), down_right_shifted(channels, channels, stride=2)
            )
            self.lower = Resolution(channels, num_blocks, num_resolutions - 1, dropout)
            # Rows 2 I and 2 I + 1 get what row I has seen, which is above both; the same holds for columns.
            self.up = TwoStreams(
                nn.ConvTranspose2d(channels, channels, (2, 3), 2, padding=(0, 1), output_padding=(0, 1)),
                nn.ConvTranspose2d(channels, channels, 2, 2),
            )
        # The lowest resolution's last features need no short-cut: they are where the way back starts.
        self.decoder = nn.ModuleList(block(1) for _ in range(num_blocks + (self.lower is not None)))

    def forward(self, above: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """Return both streams, changed, (B, channels, H, W)."""
        shortcuts = [(above, left)]
        for block in self.encoder:
            shortcuts.append(block(*shortcuts[-1]))
        if self.lower is None:
            above, left = shortcuts.pop()
        else:
            above, left = self.up(*self.lower(*self.down(*shortcuts[-1])))
        for block in self.decoder:
            above, left = block(above, left, *shortcuts.pop())
        return above, left


class PixelCNNPlusPlus(PixelModel):
    """A PixelCNN++; for binary images, V = 2, a logistic cut in two is a Bernoulli.

    Args:
        image_shape: (C, H, W), with H and W multiples of 2^(num_resolutions - 1).
        num_levels: the number V of levels that a value can have.
        hidden_dim: the channels of each stream.
        num_blocks: blocks at each resolution, on the way down and again on the way up.
        num_resolutions: how many resolutions, each of half the side of the one before.
        num_components: the number K of logistics in a mixture.
        dropout: the probability with which a value inside a block is dropped in training.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_levels: int = 2,
        hidden_dim: int = 32,
        num_blocks: int = 2,
        num_resolutions: int = 3,
        num_components: int = 5,
        dropout: float = 0.1,
    ):
        super().__init__(image_shape, num_levels)
        channels, height, width = image_shape
        if min(hidden_dim, num_blocks, num_resolutions, num_components) < 1:
            raise ValueError(
                "hidden_dim, num_blocks, num_resolutions and num_components must be at least 1, "
                f"got {hidden_dim}, {num_blocks}, {num_resolutions}, {num_components}"
            )
        factor = 2 ** (num_resolutions - 1)
        if height % factor or width % factor:
            raise ValueError(
                f"{num_resolutions} resolutions need sides that are multiples of {factor}, got {height}x{width}"
            )
        # One more channel, of ones, tells the image from the zeros around it.
        self.first_above = down_shifted(channels + 1, hidden_dim)
        self.first_row_above = down_shifted(channels + 1, hidden_dim, (1, 3))
        self.first_left = down_right_shifted(channels + 1, hidden_dim, (2, 1))
        self.body = Resolution(hidden_dim, num_blocks, num_resolutions, dropout)
        self.head = nn.Sequential(nn.ELU(), nn.Conv2d(hidden_dim, num_mixture_params(channels, num_components), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw params of each pixel's mixture given the pixels before it: (B, P, H, W).

        Raises ValueError for images of another shape.
        """
        self.require_shape(x)
        image = torch.cat([2 * x - 1, torch.ones_like(x[:, :1])], dim=1)
        # Moved down by a row, or right by a column, what a convolution saw at a pixel is seen by the next.
        above = F.pad(self.first_above(image), (0, 0, 1, -1))
        left = F.pad(self.first_row_above(image), (0, 0, 1, -1)) + F.pad(self.first_left(image), (1, -1))
        return self.head(self.body(above, left)[1])

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each image: (B,), in nats, exact. Raises ValueError if x holds anything but levels."""
        levels = to_levels(x, self.num_levels).to(x.dtype)
        return mixture_log_prob(self(x), 2 * levels / (self.num_levels - 1) - 1, self.num_levels).sum((1, 2))

    def complete(self, x: Tensor, known: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """As `complete_plainly`, from kept activations: the same images, many times faster."""
        from course_utils.models.autoregressive.fast_pixelcnn_pp import complete_cached  # which imports this file

        return complete_cached(self, x, known, generator)

    @torch.no_grad()
    def complete_plainly(self, x: Tensor, known: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return x (B, C, H, W) where `known` is True, and elsewhere draws given all that comes earlier: like x.

        `known` is boolean, (H, W) or (B, 1, H, W). What x holds at the other pixels has no influence. All random
        numbers, 1 + C a pixel, are drawn first. Dropout is off meanwhile. Raises ValueError for shapes that do not fit.
        """
        known = require_known(known, x)
        uniform = uniforms(x.new_empty(len(x), 1 + x.shape[1], *x.shape[2:]), generator)
        x = torch.where(known, x, 0)
        with eval_mode(self):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    pixel = ..., slice(i, i + 1), slice(j, j + 1)
                    if not known[pixel].all():
                        drawn = sample_mixture(self(x)[pixel], uniform[pixel], self.num_levels)
                        x[pixel] = torch.where(known[pixel], x[pixel], (drawn + 1) / 2)
        return x
