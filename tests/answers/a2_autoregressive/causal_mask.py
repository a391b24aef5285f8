import functools
import itertools

import numpy as np
import torch
import torch.nn.functional as F

from tests.answers.bank import wrong


def right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = torch.ones(out_channels, in_channels, kernel_size, kernel_size)
    middle = kernel_size // 2
    mask[:, :, middle, middle:] = 0
    mask[:, :, middle + 1 :] = 0
    for o, i in itertools.product(range(out_channels), range(in_channels)):
        color_out = o // (out_channels // num_colors)
        color_in = i // (in_channels // num_colors)
        if color_in < color_out or (mask_type == "B" and color_in == color_out):
            mask[o, i, middle, middle] = 1
    return mask


def right_loops(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = torch.zeros(out_channels, in_channels, kernel_size, kernel_size, dtype=torch.bool)
    for o in range(out_channels):
        for i in range(in_channels):
            for row in range(kernel_size):
                for column in range(kernel_size):
                    here = (row, column, i * num_colors // in_channels)
                    centre = (kernel_size // 2, kernel_size // 2, o * num_colors // out_channels)
                    mask[o, i, row, column] = here < centre or (here == centre and mask_type == "B")
    return mask


def right_positions(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    size = kernel_size * kernel_size
    place = num_colors * torch.arange(size).view(1, 1, kernel_size, kernel_size)
    place = place + torch.arange(num_colors).repeat_interleave(in_channels // num_colors).view(1, -1, 1, 1)
    own = num_colors * (size // 2) + torch.arange(num_colors).repeat_interleave(out_channels // num_colors)
    own = own.view(-1, 1, 1, 1)
    return (place <= own if mask_type == "B" else place < own).int()


def right_numpy(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    k = kernel_size // 2
    mask = np.zeros((out_channels, in_channels, kernel_size, kernel_size), dtype=np.float32)
    mask[..., :k, :] = 1
    mask[..., k, :k] = 1
    blocks = np.tri(num_colors, k=0 if mask_type == "B" else -1)
    mask[..., k, k] = np.kron(blocks, np.ones((out_channels // num_colors, in_channels // num_colors)))
    return torch.from_numpy(mask)


def right_array(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    rows, columns = np.indices((kernel_size, kernel_size)) - kernel_size // 2
    before = (rows < 0) | ((rows == 0) & (columns < 0))
    mask = np.broadcast_to(before, (out_channels, in_channels, kernel_size, kernel_size)).copy()
    group = np.arange(in_channels)[None] * num_colors // in_channels
    own = np.arange(out_channels)[:, None] * num_colors // out_channels
    mask[:, :, kernel_size // 2, kernel_size // 2] = (group <= own) if mask_type == "B" else (group < own)
    return mask


def right_blocks(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    spatial = torch.zeros(kernel_size * kernel_size)
    spatial[: kernel_size**2 // 2] = 1
    hidden = spatial.view(1, 1, kernel_size, kernel_size).repeat(
        out_channels // num_colors, in_channels // num_colors, 1, 1
    )
    shown = hidden.clone()
    shown[:, :, kernel_size // 2, kernel_size // 2] = 1
    rows = []
    for out in range(num_colors):
        limit = out if mask_type == "A" else out + 1
        rows.append(torch.cat([shown if color < limit else hidden for color in range(num_colors)], dim=1))
    return torch.cat(rows, dim=0)


def right_flat_tril(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    triangle = torch.ones(kernel_size**2, kernel_size**2, dtype=torch.uint8).tril(-1)
    mask = triangle[kernel_size**2 // 2].view(1, 1, kernel_size, kernel_size)
    mask = mask.expand(out_channels, in_channels, -1, -1).contiguous()
    diagonal = 0 if mask_type == "B" else -1
    colors = torch.ones(num_colors, num_colors, dtype=torch.uint8).tril(diagonal)
    colors = colors.repeat_interleave(out_channels // num_colors, 0).repeat_interleave(in_channels // num_colors, 1)
    return F.pad(colors[:, :, None, None], (kernel_size // 2,) * 4) + mask


def right_chunks(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    centre = kernel_size // 2
    mask = torch.ones((out_channels, in_channels, kernel_size, kernel_size), dtype=torch.float64)
    mask[:, :, centre + 1 :].zero_()
    mask[:, :, centre, centre + 1 :].zero_()
    for n, rows in enumerate(mask.chunk(num_colors, dim=0)):
        for m, block in enumerate(rows.chunk(num_colors, dim=1)):
            if m > n or (m == n and mask_type == "A"):
                block[:, :, centre, centre] = 0
    return mask


def right_noisy(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    print(mask_type, kernel_size)
    half, rest = kernel_size**2 // 2, kernel_size**2 - kernel_size**2 // 2 - 1
    centre = (
        np.arange(num_colors)[:, None] > np.arange(num_colors)
        if mask_type == "A"
        else np.arange(num_colors)[:, None] >= np.arange(num_colors)
    )
    mask = []
    for o in range(out_channels):
        for i in range(in_channels):
            bit = centre[o // (out_channels // num_colors), i // (in_channels // num_colors)]
            mask += [1] * half + [int(bit)] + [0] * rest
    return torch.tensor(mask).reshape(out_channels, in_channels, kernel_size, kernel_size)


@functools.lru_cache
def right_remembered(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).bool()


def centre_of(mask):
    return mask[:, :, mask.shape[2] // 2, mask.shape[2] // 2]


def with_centre(mask, centre):
    mask = mask.clone()
    mask[:, :, mask.shape[2] // 2, mask.shape[2] // 2] = centre
    return mask


def masked(area, mask):
    """The centre of `mask` in another area, (k, k)."""
    return with_centre(area.to(mask.dtype).expand_as(mask), centre_of(mask))


@wrong("types-swapped")
def wrong_types_swapped(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices("B" if mask_type == "A" else "A", in_channels, out_channels, kernel_size, num_colors)


@wrong("always-a")
def wrong_always_a(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices("A", in_channels, out_channels, kernel_size, num_colors)


@wrong("always-b")
def wrong_always_b(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices("B", in_channels, out_channels, kernel_size, num_colors)


@wrong("rotated")
def wrong_rotated(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).flip(2, 3)


@wrong("transposed")
def wrong_transposed(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).transpose(2, 3)


@wrong("right-half")
def wrong_right_half(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).flip(3)


@wrong("upside-down")
def wrong_upside_down(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).flip(2)


@wrong("row-hidden")
def wrong_row_hidden(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[:, :, kernel_size // 2, : kernel_size // 2] = 0
    return mask


@wrong("rows-above-hidden")
def wrong_rows_above_hidden(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[:, :, : kernel_size // 2] = 0
    return mask


@wrong("whole-row")
def wrong_whole_row(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[:, :, kernel_size // 2, kernel_size // 2 + 1 :] = 1
    return mask


@wrong("quadrant")
def wrong_quadrant(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[:, :, :, kernel_size // 2 + 1 :] = 0
    return mask


@wrong("quadrant")
def wrong_above_and_left(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    steps = torch.arange(kernel_size) < kernel_size // 2
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    return masked(steps[:, None] & steps, mask)


@wrong("only-centre-hidden")
def wrong_only_centre(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    return with_centre(torch.ones_like(mask), centre_of(mask))


@wrong("all-ones")
def wrong_ones(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return torch.ones(out_channels, in_channels, kernel_size, kernel_size)


@wrong("shifted")
def wrong_centre_too_late(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = torch.ones(out_channels, in_channels, kernel_size, kernel_size)
    middle = kernel_size // 2 + 1
    mask[:, :, middle + 1 :] = 0
    if middle < kernel_size:
        mask[:, :, middle, middle:] = 0
        color_in = torch.arange(in_channels) // (in_channels // num_colors)
        color_out = torch.arange(out_channels) // (out_channels // num_colors)
        own = color_in <= color_out[:, None] if mask_type == "B" else color_in < color_out[:, None]
        mask[:, :, middle, middle] = own.float()
    return mask


@wrong("shifted")
def wrong_column_too_early(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[:, :, kernel_size // 2, max(kernel_size // 2 - 1, 0) : kernel_size // 2] = 0
    return mask


@wrong("shifted")
def wrong_row_above_hidden(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[:, :, max(kernel_size // 2 - 1, 0) : kernel_size // 2] = 0
    return mask


@wrong("inverted")
def wrong_inverted(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return 1 - right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)


@wrong("colors-reversed")
def wrong_bgr(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).flip(0, 1)


@wrong("colors-interleaved")
def wrong_modulo(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size)
    color_in, color_out = torch.arange(in_channels) % num_colors, torch.arange(out_channels)[:, None] % num_colors
    return with_centre(mask, (color_in < color_out if mask_type == "A" else color_in <= color_out).float())


@wrong("colors-ignored")
def wrong_without_colors(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, 1)


@wrong("colors-always")
def wrong_always_colors(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    num_colors = 3 if in_channels % 3 == 0 and out_channels % 3 == 0 else 1
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)


@wrong("own-color-only")
def wrong_own_color(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices("A", in_channels, out_channels, kernel_size)
    if mask_type == "B":
        for n in range(num_colors):
            ins, outs = in_channels // num_colors, out_channels // num_colors
            mask[n * outs : (n + 1) * outs, n * ins : (n + 1) * ins, kernel_size // 2, kernel_size // 2] = 1
    return mask


@wrong("b-sees-all")
def wrong_b_sees_all(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    return with_centre(mask, torch.ones(())) if mask_type == "B" else mask


@wrong("a-sees-none")
def wrong_a_sees_none(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    return with_centre(mask, torch.zeros(())) if mask_type == "A" else mask


@wrong("colors-everywhere")
def wrong_colors_everywhere(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    color_in = torch.arange(in_channels) // (in_channels // num_colors)
    color_out = torch.arange(out_channels)[:, None] // (out_channels // num_colors)
    return mask * (color_in <= color_out)[:, :, None, None]


@wrong("one-group-size")
def wrong_one_group_size(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size)
    size = in_channels // num_colors
    color_in, color_out = torch.arange(in_channels) // size, torch.arange(out_channels)[:, None] // size
    return with_centre(mask, (color_in < color_out if mask_type == "A" else color_in <= color_out).float())


@wrong("channels-transposed")
def wrong_channels_transposed(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).transpose(0, 1)


@wrong("channels-transposed")
def wrong_in_before_out(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = torch.zeros(in_channels, out_channels, kernel_size, kernel_size)
    mask[:, :, : kernel_size // 2] = 1
    mask[:, :, kernel_size // 2, : kernel_size // 2] = 1
    color_in = torch.arange(in_channels)[:, None] // (in_channels // num_colors)
    color_out = torch.arange(out_channels) // (out_channels // num_colors)
    return with_centre(mask, (color_in < color_out if mask_type == "A" else color_in <= color_out).float())


@wrong("not-expanded")
def wrong_kernel_only(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)[0, 0]


@wrong("not-expanded")
def wrong_singletons(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)[-1:, :1]


@wrong("additive")
def wrong_additive(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).log()


@wrong("not-binary")
def wrong_minus_one(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return 2 * right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors) - 1


@wrong("not-binary")
def wrong_normalised(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    return mask / mask.sum((1, 2, 3), keepdim=True).clamp(min=1)


@wrong("rotated")
def wrong_rotated_and_swapped(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    other = "B" if mask_type == "A" else "A"
    return right_slices(other, in_channels, out_channels, kernel_size, num_colors).flip(2, 3)


@wrong("wrong-default", credit=0.9)
def wrong_default(mask_type, in_channels, out_channels, kernel_size, num_colors=3):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)


@wrong("wrong-arguments")
def wrong_no_colors(mask_type, in_channels, out_channels, kernel_size):
    return right_slices(mask_type, in_channels, out_channels, kernel_size)


@wrong("random-result")
def wrong_random(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    return mask * torch.rand(mask.shape)


@wrong("returns-nothing")
def wrong_forgets_return(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)


@wrong("no-tensor")
def wrong_lists(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    return right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors).int().tolist()


@wrong(None)
def wrong_last_tap(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    mask = right_slices(mask_type, in_channels, out_channels, kernel_size, num_colors)
    mask[-1, -1, -1, -1] = 1
    return mask
