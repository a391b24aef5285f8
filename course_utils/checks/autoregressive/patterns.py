"""Causal masks, right and wrong: what each mistake makes of the mask, and its sentence.

A mask (out, in, k, k) is put together from an area, the pixels around the centre that are seen, and from a table
(out, in) of what is seen at the centre itself.
"""

# ruff: noqa: E501

import torch

CAUSAL_MISTAKES = {
    "types-swapped": 'the types are swapped: "A" hides the centre, "B" shows it.',
    "always-a": '"B" hides the centre, as "A" does: in type B a pixel (with colours: a group) sees itself.',
    "always-b": '"A" shows the centre, as "B" does: in type A a pixel (with colours: a group) must not see itself.',
    "rotated": "it is turned by 180 degrees: rows above and pixels to the left are seen, not what comes later.",
    "transposed": "rows and columns are swapped: the last two axes are height, then width.",
    "right-half": "in the middle row the right half is seen: seen are the pixels to the left of the centre.",
    "upside-down": "the rows below are seen instead of the rows above: row 0 of a mask lies above its centre.",
    "row-hidden": "in the middle row the pixels to the left of the centre are hidden: they come earlier, so they are seen.",
    "rows-above-hidden": "the rows above are hidden: all of their pixels come earlier, so they are seen.",
    "whole-row": "the whole middle row is seen: the pixels to the right of the centre come later.",
    "quadrant": "in the rows above only some columns are seen: all pixels of a row above come earlier, also those to the right.",
    "only-centre-hidden": "pixels that come later are seen: the right half of the middle row and all rows below are hidden.",
    "all-ones": "everything is seen: rows below, the right half of the middle row and, in type A, the centre are hidden.",
    "shifted": "it is shifted by one: the centre of a kernel of size k is at index k // 2, counted from 0.",
    "inverted": "zeros and ones are swapped: 1 is seen, 0 is hidden.",
    "colors-reversed": "the colours are in reverse order: G sees R and B sees both, not the other way round.",
    "colors-interleaved": "the channels are dealt out in turn (c % 3): the groups R, G, B are contiguous thirds.",
    "colors-ignored": "`num_colors` is ignored: at the centre a group sees the groups before it, and its own in type B.",
    "colors-always": "with `num_colors=1` the channels fall into colours all the same: then there is one group only.",
    "own-color-only": "at the centre a group does not see the groups before it: G sees R, B sees R and G, in both types.",
    "b-sees-all": "in type B the centre shows every colour: a group sees itself and the groups before it, not those after.",
    "a-sees-none": "in type A the centre hides every colour: a group sees the groups before it, also in type A.",
    "colors-everywhere": "later colours are hidden at every pixel: the order of colours counts at the centre only.",
    "one-group-size": "input and output channels are cut into groups of one size: each side has thirds of its own.",
}  # fmt: skip


# Which pixels around the centre are seen, from their rows and columns and the middle; the centre is set afterwards.
def earlier(row, column, middle):
    return (row < middle) | ((row == middle) & (column < middle))


WRONG_AREAS = {
    "rotated": [lambda r, c, m: (r > m) | ((r == m) & (c > m))],
    "transposed": [lambda r, c, m: (c < m) | ((c == m) & (r < m))],
    "right-half": [lambda r, c, m: (r < m) | ((r == m) & (c > m))],
    "upside-down": [lambda r, c, m: (r > m) | ((r == m) & (c < m))],
    "row-hidden": [lambda r, c, m: (r < m) & (c == c)],
    "rows-above-hidden": [lambda r, c, m: (r == m) & (c < m)],
    "whole-row": [lambda r, c, m: (r <= m) & (c == c)],
    "quadrant": [
        lambda r, c, m: (r < m) & (c < m),
        lambda r, c, m: (r <= m) & (c <= m),
        lambda r, c, m: ((r < m) & (c <= m)) | ((r == m) & (c < m)),
        lambda r, c, m: (r < m) & (c <= m),
    ],
    "only-centre-hidden": [lambda r, c, m: (r == r) & (c == c)],
    "shifted": [
        lambda r, c, m: (r < m - 1) | ((r == m) & (c < m)),
        lambda r, c, m: (r < m) | ((r == m) & (c < m - 1)),
    ],
}


def area(seen, kernel_size):
    steps = torch.arange(kernel_size)
    return seen(steps.unsqueeze(1), steps, kernel_size // 2)


def groups(channels, num_colors):
    return torch.arange(channels) // (channels // num_colors)


def centre(mask_type, out_groups, in_groups):
    """What is seen at the centre, (out, in)."""
    out_groups = out_groups.unsqueeze(1)
    return in_groups < out_groups if mask_type == "A" else in_groups <= out_groups


def put_together(around, at_centre):
    """The mask (out, in, k, k) from an area (k, k) and a table (out, in)."""
    middle = len(around) // 2
    mask = around.expand(*at_centre.shape, *around.shape).clone()
    mask[:, :, middle, middle] = at_centre
    return mask


def causal(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    """The right mask, (out, in, k, k), as booleans."""
    at_centre = centre(mask_type, groups(out_channels, num_colors), groups(in_channels, num_colors))
    return put_together(area(earlier, kernel_size), at_centre)


def wrong_centres(mask_type, in_channels, out_channels, num_colors):
    """Pairs (id, table): wrong readings of what is seen at the centre; always as many, in the same order."""
    outs, ins = groups(out_channels, num_colors), groups(in_channels, num_colors)
    right = centre(mask_type, outs, ins)
    nothing, everything = torch.zeros_like(right), torch.ones_like(right)
    is_a = mask_type == "A"
    dealt = (torch.arange(channels) % num_colors for channels in (out_channels, in_channels))
    always = 3 if in_channels % 3 == 0 and out_channels % 3 == 0 else num_colors
    sizes = (in_channels // num_colors, out_channels // num_colors)
    return [
        ("types-swapped", centre("B" if is_a else "A", outs, ins)),
        ("always-a", centre("A", outs, ins)),
        ("always-b", centre("B", outs, ins)),
        ("colors-ignored", nothing if is_a else everything),
        ("colors-reversed", centre(mask_type, -outs, -ins)),
        ("colors-interleaved", centre(mask_type, *dealt)),
        ("own-color-only", nothing if is_a else outs.unsqueeze(1) == ins),
        ("a-sees-none", nothing if is_a else right),
        ("b-sees-all", right if is_a else everything),
        ("colors-always", centre(mask_type, groups(out_channels, always), groups(in_channels, always))),
        *(
            ("one-group-size", centre(mask_type, torch.arange(out_channels) // size, torch.arange(in_channels) // size))
            for size in sizes
        ),
    ]


def wrong_masks(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    """Pairs (id, mask): what one mistake makes of the mask; always as many, in the same order."""
    outs, ins = groups(out_channels, num_colors), groups(in_channels, num_colors)
    at_centre = centre(mask_type, outs, ins)
    around = area(earlier, kernel_size)
    right = put_together(around, at_centre)
    not_later = (ins <= outs.unsqueeze(1))[:, :, None, None]
    around_and_own = put_together(around, torch.tensor([[mask_type == "B"]]))
    return [
        *(
            (name, put_together(around, table))
            for name, table in wrong_centres(mask_type, in_channels, out_channels, num_colors)
        ),
        ("inverted", ~right),
        ("all-ones", torch.ones_like(right)),
        *(
            (name, put_together(area(seen, kernel_size), at_centre))
            for name, ways in WRONG_AREAS.items()
            for seen in ways
        ),
        ("colors-everywhere", right & not_later),
        ("colors-everywhere", around_and_own & at_centre[:, :, None, None]),
        ("colors-everywhere", around_and_own & not_later),
        *(("shifted", mask) for mask in shifted(right)),
    ]


def two_mistakes(mask_type, in_channels, out_channels, kernel_size, num_colors=1):
    """Pairs (two ids, mask): a wrong area with a wrong centre."""
    tables = wrong_centres(mask_type, in_channels, out_channels, num_colors)
    return [
        ((name, other), put_together(area(ways[0], kernel_size), table))
        for name, ways in WRONG_AREAS.items()
        for other, table in tables
    ]


def shifted(right):
    """The mask with its middle at another place: further down, further right, or both, and the same the other way."""
    size = right.shape[-1]
    for down, along in ((1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)):
        # Above and to the left of the mask everything is seen, below it nothing is.
        padded = torch.nn.functional.pad(right, (1, 1, 1, 1))
        padded[:, :, 0] = True
        padded[:, :, : size // 2 + 1, -1] = True
        padded[:, :, : size // 2 + 2, 0] = True
        yield padded[:, :, 1 - down : 1 - down + size, 1 - along : 1 - along + size]
