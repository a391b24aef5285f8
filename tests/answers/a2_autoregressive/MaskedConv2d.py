import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from tests.answers.bank import wrong


def mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = torch.zeros(out_channels, in_channels, kernel_size, kernel_size)
    middle = kernel_size // 2
    mask[:, :, :middle] = 1
    mask[:, :, middle, :middle] = 1
    color_in = torch.arange(in_channels) // (in_channels // num_colors)
    color_out = torch.arange(out_channels)[:, None] // (out_channels // num_colors)
    mask[:, :, middle, middle] = (color_in < color_out if mask_type == "A" else color_in <= color_out).float()
    return mask


class Base(nn.Conv2d):
    """What most answers share; each changes one thing."""

    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs.setdefault("padding", kernel_size // 2)
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        self.register_buffer("mask", self.make_mask(mask_type, in_channels, out_channels, kernel_size, num_colors))

    def make_mask(self, *args):
        return mask_of(*args)

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class right_multiplies(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs.setdefault("padding", kernel_size // 2)
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        mask = mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, self.stride, self.padding, self.dilation, self.groups)


class right_zeroes_itself(Base):
    def forward(self, x):
        self.weight.data *= self.mask
        return super(Base, self).forward(x)


class right_zeroes_under_no_grad(Base):
    def forward(self, x):
        with torch.no_grad():
            self.weight.masked_fill_(self.mask == 0, 0.0)
        return super(Base, self).forward(x)


class right_boolean_where(Base):
    def make_mask(self, *args):
        return mask_of(*args).bool()

    def forward(self, x):
        weight = torch.where(self.mask, self.weight, torch.zeros((), dtype=x.dtype))
        return self._conv_forward(x, weight, self.bias)


class right_plain_attribute(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, padding=None, **kwargs):
        padding = kernel_size // 2 if padding is None else padding
        super().__init__(in_channels, out_channels, kernel_size, padding=padding, **kwargs)
        self.mask_arguments = (mask_type, in_channels, out_channels, kernel_size, num_colors)

    def forward(self, x):
        mask = mask_of(*self.mask_arguments).to(self.weight)  # made anew in each call
        return self._conv_forward(x, self.weight * mask, self.bias)


class right_frozen_parameter(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)
        mask = self._buffers.pop("mask")
        self.mask = nn.Parameter(mask, requires_grad=False)


class Masks(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight * self.mask


class right_parametrized(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, **{"padding": "same", **kwargs})
        mask = mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors)
        parametrize.register_parametrization(self, "weight", Masks(mask))


class right_unfold(Base):
    def forward(self, x):
        columns = F.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)
        out = (self.weight * self.mask).flatten(1) @ columns
        if self.bias is not None:
            out = out + self.bias[:, None]
        height, width = (
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, p, d, k, s in zip(
                x.shape[2:], self.padding, self.dilation, self.kernel_size, self.stride, strict=True
            )
        )
        return out.view(len(x), -1, height, width)


class right_sum_over_taps(Base):
    def forward(self, x):
        (ph, pw), (sh, sw), (dh, dw) = self.padding, self.stride, self.dilation
        side = self.kernel_size[0]
        padded = F.pad(x, (pw, pw, ph, ph))
        height = (padded.shape[2] - dh * (side - 1) - 1) // sh + 1
        width = (padded.shape[3] - dw * (side - 1) - 1) // sw + 1
        out = 0 if self.bias is None else self.bias[:, None, None]
        for u in range(side):
            for v in range(side):
                tap = self.weight[:, :, u, v] * self.mask[:, :, u, v]
                if tap.any():
                    part = padded[:, :, u * dh : u * dh + sh * height : sh, v * dw : v * dw + sw * width : sw]
                    out = out + torch.einsum("oi,bihw->bohw", tap, part[:, :, :height, :width])
        return out


class right_hooks_too(Base):
    """Masks at the start, in gradients, and whenever the weight is used."""

    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)
        with torch.no_grad():
            self.weight.mul_(self.mask)
        self.weight.register_hook(lambda gradient: gradient * self.mask)


class right_two_convolutions(Base):
    """A vertical and a horizontal part, cut out of one weight."""

    def forward(self, x):
        weight, middle = self.weight * self.mask, self.kernel_size[0] // 2
        rows = torch.arange(self.kernel_size[0])[:, None] < middle
        above = self._conv_forward(x, weight * rows, self.bias)
        return above + self._conv_forward(x, weight * ~rows, None)


class right_pre_hook(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs["padding"] = kwargs.get("padding", kernel_size // 2)
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        self.register_buffer("mask", mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors))
        self.register_forward_pre_hook(self.zero)

    @staticmethod
    def zero(layer, inputs):
        with torch.no_grad():
            layer.weight.copy_(layer.weight * layer.mask)


class right_starts_at_zero(Base):
    def reset_parameters(self):
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class right_float64_inside(Base):
    def forward(self, x):
        print("input", tuple(x.shape))
        bias = None if self.bias is None else self.bias.double()
        return self._conv_forward(x.double(), self.weight.double() * self.mask, bias)


# Wrong masks.


@wrong("types-swapped")
class wrong_types_swapped(Base):
    def make_mask(self, mask_type, *args):
        return mask_of("B" if mask_type == "A" else "A", *args)


@wrong("always-a")
class wrong_always_a(Base):
    def make_mask(self, mask_type, *args):
        return mask_of("A", *args)


@wrong("always-b")
class wrong_always_b(Base):
    def make_mask(self, mask_type, *args):
        return mask_of("B", *args)


@wrong("rotated")
class wrong_rotated(Base):
    def make_mask(self, *args):
        return mask_of(*args).flip(2, 3)


@wrong("transposed")
class wrong_transposed(Base):
    def make_mask(self, *args):
        return mask_of(*args).mT


@wrong("right-half")
class wrong_right_half(Base):
    def make_mask(self, *args):
        return mask_of(*args).flip(3)


@wrong("rows-above-hidden")
class wrong_rows_above_hidden(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[:, :, : mask.shape[2] // 2] = 0
        return mask


@wrong("row-hidden")
class wrong_row_hidden(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[:, :, mask.shape[2] // 2, : mask.shape[2] // 2] = 0
        return mask


@wrong("whole-row")
class wrong_whole_row(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[:, :, mask.shape[2] // 2, mask.shape[2] // 2 + 1 :] = 1
        return mask


@wrong("quadrant")
class wrong_quadrant(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[:, :, :, mask.shape[2] // 2 + 1 :] = 0
        return mask


@wrong("shifted")
class wrong_shifted(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[:, :, mask.shape[2] // 2, mask.shape[2] // 2 - 1] = 0
        return mask


@wrong("colors-reversed")
class wrong_colors_reversed(Base):
    def make_mask(self, *args):
        return mask_of(*args).flip(0, 1)


@wrong("colors-ignored")
class wrong_colors_ignored(Base):
    def make_mask(self, mask_type, in_channels, out_channels, kernel_size, num_colors):
        return mask_of(mask_type, in_channels, out_channels, kernel_size)


@wrong("colors-interleaved")
class wrong_colors_interleaved(Base):
    def make_mask(self, mask_type, in_channels, out_channels, kernel_size, num_colors):
        mask = mask_of(mask_type, in_channels, out_channels, kernel_size)
        ins, outs = torch.arange(in_channels) % num_colors, torch.arange(out_channels)[:, None] % num_colors
        mask[:, :, kernel_size // 2, kernel_size // 2] = (ins < outs if mask_type == "A" else ins <= outs).float()
        return mask


# Right masks, wrong layers.


@wrong("not-masked")
class wrong_masks_a_copy(Base):
    def forward(self, x):
        weight = self.weight.clone()
        weight *= self.mask
        return super(Base, self).forward(x)


@wrong("not-masked")
class wrong_forgets_the_mask(Base):
    def forward(self, x):
        return super(Base, self).forward(x)


@wrong("gradient-masked-only")
class wrong_masks_gradients_only(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)
        self.weight.register_hook(lambda gradient: gradient * self.mask)

    def forward(self, x):
        return super(Base, self).forward(x)


@wrong("masked-once", credit=0.6)
class wrong_masks_at_the_start(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, **{"padding": kernel_size // 2, **kwargs})
        self.weight.data *= mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors)


@wrong("leaks-after-loading", credit=0.6)
class wrong_start_and_gradients(wrong_masks_at_the_start):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)
        mask = mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors)
        self.weight.register_hook(lambda gradient: gradient * mask)


@wrong("masked-once", credit=0.6)
class wrong_masks_in_the_first_call(Base):
    def forward(self, x):
        if not hasattr(self, "done"):
            self.weight.data *= self.mask
            self.done = True
        return super(Base, self).forward(x)


@wrong("leaks-in-eval", credit=0.7)
class wrong_masks_in_training_only(Base):
    def forward(self, x):
        weight = self.weight * self.mask if self.training else self.weight
        return self._conv_forward(x, weight, self.bias)


@wrong("only-in-eval")
class wrong_masks_in_eval_only(Base):
    def forward(self, x):
        weight = self.weight if self.training else self.weight * self.mask
        return self._conv_forward(x, weight, self.bias)


@wrong("other-in-eval", credit=0.7)
class wrong_drops_bias_in_eval(Base):
    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias if self.training else None)


@wrong("weights-erased")
class wrong_fading_mask(Base):
    def forward(self, x):
        self.mask.mul_(0.5)
        self.weight.data *= self.mask
        return super(Base, self).forward(x)


@wrong("weights-erased")
class wrong_other_masks_in_turn(Base):
    """Each call multiplies another mask into the weights, until nothing is left of them."""

    def forward(self, x):
        self.turn = getattr(self, "turn", 0) + 1
        self.weight.data *= self.mask.roll(self.turn % 3, dims=-1)
        return super(Base, self).forward(x)


@wrong("weights-ignored", credit=0.6)
class wrong_keeps_first_weights(Base):
    def forward(self, x):
        if not hasattr(self, "first"):
            self.first = (self.weight * self.mask).detach().clone()
        return self._conv_forward(x, self.first.to(x.dtype) + 0 * self.weight, self.bias)


@wrong("weights-detached", credit=0.8)
class wrong_detached_weights(Base):
    def forward(self, x):
        bias = None if self.bias is None else self.bias.data
        return self._conv_forward(x, self.weight.data * self.mask, bias)


@wrong("detached", credit=0.7)
class wrong_no_grad(Base):
    @torch.no_grad()
    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


@wrong("mask-trained", credit=0.5)
class wrong_mask_is_a_parameter(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)
        self.mask = nn.Parameter(self._buffers.pop("mask"))


@wrong("mask-shared")
class wrong_mask_of_the_class(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, **{"padding": kernel_size // 2, **kwargs})
        wrong_mask_of_the_class.mask_type = mask_type
        self.sizes = (in_channels, out_channels, kernel_size, num_colors)

    def forward(self, x):
        mask = mask_of(wrong_mask_of_the_class.mask_type, *self.sizes).to(x.dtype)
        return self._conv_forward(x, self.weight * mask, self.bias)


@wrong("loading-breaks", credit=0.7)
class wrong_late_buffer(Base):
    """What is registered in the first call only, a new layer does not know when it loads."""

    def forward(self, x):
        if "seen" not in self._buffers:
            self.register_buffer("seen", torch.zeros(()))
        return super().forward(x)


@wrong("no-padding")
class wrong_without_padding(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        self.register_buffer("mask", mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors))

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


@wrong("padding-of-one")
class wrong_padding_of_one(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs.setdefault("padding", 1)
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("other-shape")
class wrong_padding_of_k(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs.setdefault("padding", kernel_size)
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("border")
class wrong_circular(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs["padding_mode"] = "circular"
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("border")
class wrong_rolls(Base):
    """Shifts the image with roll, which brings in what leaves at the other side."""

    def forward(self, x):
        middle, out = self.kernel_size[0] // 2, 0
        for u in range(self.kernel_size[0]):
            for v in range(self.kernel_size[0]):
                tap = (self.weight * self.mask)[:, :, u, v]
                out = out + torch.einsum("oi,bihw->bohw", tap, x.roll((middle - u, middle - v), (2, 3)))
        return out + self.bias[:, None, None]


@wrong("ignores-padding", credit=0.9)
class wrong_own_padding(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs["padding"] = kernel_size // 2 * kwargs.get("dilation", 1)
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("ignores-stride", credit=0.9)
class wrong_functional_without_stride(Base):
    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding, dilation=self.dilation)


@wrong("ignores-dilation", credit=0.9)
class wrong_functional_without_dilation(Base):
    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, self.stride, self.padding)


@wrong("ignores-bias", credit=0.9)
class wrong_always_bias(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs["bias"] = True
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("no-bias", credit=0.9)
class wrong_drops_the_bias(Base):
    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, None)


@wrong("no-options", credit=0.9)
class wrong_padding_twice(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, **kwargs)
        self.register_buffer("mask", mask_of(mask_type, in_channels, out_channels, kernel_size, num_colors))

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


@wrong("no-options", credit=0.9)
class wrong_without_options(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors)


@wrong("one-size-only", credit=0.8)
class wrong_remembers_the_size(Base):
    def forward(self, x):
        if not hasattr(self, "size"):
            self.size = x.shape[2:]
        return super().forward(x).view(len(x), -1, *self.size)


@wrong("sets-seed", credit=0.9)
class wrong_seeds(Base):
    def __init__(self, *args, **kwargs):
        torch.manual_seed(0)
        super().__init__(*args, **kwargs)


@wrong("fixed-dtype", credit=0.9)
class wrong_float(Base):
    def forward(self, x):
        return super().forward(x).float()


@wrong("changes-arguments", credit=0.6)
class wrong_in_place(Base):
    def forward(self, x):
        out = super().forward(x)
        with torch.no_grad():
            x.relu_()
        return out


@wrong("random-result")
class wrong_noise(Base):
    def forward(self, x):
        return super().forward(x) + torch.randn_like(x[:, :1])


@wrong("touches-rng", credit=0.9)
class wrong_draws(Base):
    def forward(self, x):
        torch.rand(1)
        return super().forward(x)


@wrong("wrong-arguments")
class wrong_other_arguments(nn.Conv2d):
    def __init__(self, mask, in_channels, out_channels):
        super().__init__(in_channels, out_channels, 3, padding=1)


@wrong("wrong-names", credit=0.9)
class wrong_names(Base):
    def __init__(self, kind, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(kind, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("wrong-default", credit=0.9)
class wrong_default(Base):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=3, **kwargs):
        super().__init__(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("not-a-layer")
class wrong_no_layer:
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        self.layer = Base(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)

    def __call__(self, x):
        return self.layer(x)


@wrong("not-a-class")
def wrong_factory(mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
    return Base(mask_type, in_channels, out_channels, kernel_size, num_colors, **kwargs)


@wrong("returns-nothing")
class wrong_forgets_return(Base):
    def forward(self, x):
        super().forward(x)


@wrong("not-attempted")
class wrong_stub(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        raise NotImplementedError()


@wrong("not-attempted")
class wrong_half_a_stub(Base):
    def forward(self, x):
        raise NotImplementedError()


@wrong(None)
class wrong_nearest_rows_only(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[:, :, : max(0, mask.shape[2] // 2 - 1)] = 0
        return mask


@wrong(None)
class wrong_leaks_one_weight(Base):
    def make_mask(self, *args):
        mask = mask_of(*args)
        mask[-1, 0, -1, 0] = 1
        return mask
