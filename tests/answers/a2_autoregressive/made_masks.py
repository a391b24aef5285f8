import itertools
import random

import numpy as np
import torch

from tests.answers.bank import wrong


def right_broadcast(degrees):
    masks = [after[:, None] >= before for before, after in itertools.pairwise(degrees[:-1])]
    return [*masks, degrees[-1][:, None] > degrees[-2]]


def right_loops(degrees):
    masks = []
    for layer in range(len(degrees) - 1):
        is_output = layer == len(degrees) - 2
        rows = []
        for k in degrees[layer + 1].tolist():
            rows.append([float(k > j if is_output else k >= j) for j in degrees[layer].tolist()])
        masks.append(torch.tensor(rows))
    return masks


def right_integers_in_a_tuple(degrees):
    shift = [0] * (len(degrees) - 2) + [1]
    return tuple(
        (torch.sub(b.unsqueeze(1), a.unsqueeze(0)) >= s).to(torch.uint8)
        for a, b, s in zip(degrees[:-1], degrees[1:], shift, strict=True)
    )


def right_numpy(degrees):
    arrays = [np.asarray(d) for d in degrees]
    masks = [np.greater_equal.outer(b, a) for a, b in itertools.pairwise(arrays)]
    masks[-1] = np.greater.outer(arrays[-1], arrays[-2])
    return [torch.from_numpy(mask.astype(np.int64)) for mask in masks]


def right_arrays(degrees):
    ds = [d.numpy() for d in degrees]
    masks = [(ds[i + 1][:, None] >= ds[i][None]).astype("float32") for i in range(len(ds) - 2)]
    return [*masks, (ds[-1][:, None] > ds[-2][None]).astype("float32")]


def right_output_one_lower(degrees):
    *hidden, output = degrees
    lowered = [*hidden, output - 1]
    return [torch.ge(*torch.meshgrid(b, a, indexing="ij")).double() for a, b in itertools.pairwise(lowered)]


def right_transposed_at_the_end(degrees):
    masks = []
    for i, (before, after) in enumerate(itertools.pairwise(degrees)):
        mask = before.view(-1, 1) <= after.view(1, -1)
        if i + 2 == len(degrees):
            mask = before.view(-1, 1) < after.view(1, -1)
        masks.append(mask.t().half())
    return masks


def right_searchsorted(degrees):
    masks = []
    for i in range(1, len(degrees)):
        ordered, places = degrees[i - 1].sort()
        last = i == len(degrees) - 1
        counts = torch.searchsorted(ordered, degrees[i], right=not last)
        mask = torch.zeros(len(degrees[i]), len(ordered))
        for row, count in enumerate(counts.tolist()):
            mask[row, places[:count]] = 1
        masks.append(mask)
    return masks


def right_recursive(degrees):
    if len(degrees) == 2:
        return [1 - (degrees[1][:, None] <= degrees[0]).int()]
    return [(degrees[1][:, None] >= degrees[0]).int(), *right_recursive(degrees[1:])]


def right_clamped_difference(degrees):
    last = len(degrees) - 1
    return [
        (degrees[n][:, None] - degrees[n - 1][None, :] + (n < last)).clamp(0, 1).float() for n in range(1, last + 1)
    ]


def right_noisy(degrees):
    print(len(degrees), "layers")
    masks = [torch.where(b[:, None] >= a, 1.0, 0.0) for a, b in itertools.pairwise(degrees)]
    masks[-1][degrees[-1][:, None] == degrees[-2]] = 0
    return masks


def pairs(degrees):
    return [(b.unsqueeze(1), a) for a, b in itertools.pairwise(degrees)]


@wrong("output-not-strict")
def wrong_output_not_strict(degrees):
    return [k >= j for k, j in pairs(degrees)]


@wrong("hidden-strict")
def wrong_strict_everywhere(degrees):
    return [(k > j).float() for k, j in pairs(degrees)]


@wrong("rules-swapped")
def wrong_rules_swapped(degrees):
    *hidden, (k, j) = pairs(degrees)
    return [k > j for k, j in hidden] + [k >= j]


@wrong("single-as-hidden")
def wrong_single_as_hidden(degrees):
    masks = []
    for n, (k, j) in enumerate(pairs(degrees)):
        masks.append(k > j if 0 < n == len(degrees) - 2 else k >= j)
    return masks


@wrong("first-strict")
def wrong_first_strict(degrees):
    return [k > j if n == 0 else k >= j for n, (k, j) in enumerate(pairs(degrees))]


@wrong("reversed")
def wrong_reversed(degrees):
    *hidden, (k, j) = pairs(degrees)
    return [k <= j for k, j in hidden] + [k < j]


@wrong("inverted")
def wrong_inverted(degrees):
    return [~mask for mask in right_broadcast(degrees)]


@wrong("transposed")
def wrong_transposed(degrees):
    return [mask.T.float() for mask in right_broadcast(degrees)]


@wrong("transposed")
def wrong_other_axis(degrees):
    masks = [after >= before[:, None] for before, after in itertools.pairwise(degrees[:-1])]
    return [*masks, degrees[-1] > degrees[-2][:, None]]


@wrong("from-input")
def wrong_from_input(degrees):
    masks = [degrees[n][:, None] >= degrees[0] for n in range(1, len(degrees) - 1)]
    return [*masks, degrees[-1][:, None] > degrees[0]]


@wrong("from-input")
def wrong_output_from_input(degrees):
    return [*right_broadcast(degrees)[:-1], degrees[-1][:, None] > degrees[0]]


@wrong("all-ones")
def wrong_ones(degrees):
    return [torch.ones(len(b), len(a)) for a, b in itertools.pairwise(degrees)]


@wrong("hidden-sees-all")
def wrong_output_masked_only(degrees):
    return [torch.ones_like(mask) for mask in right_broadcast(degrees)[:-1]] + right_broadcast(degrees)[-1:]


@wrong("output-sees-all")
def wrong_hidden_masked_only(degrees):
    *masks, last = right_broadcast(degrees)
    return [*masks, torch.ones_like(last)]


@wrong("equal-only")
def wrong_equal(degrees):
    return [k == j for k, j in pairs(degrees)]


@wrong("by-position")
def wrong_triangular(degrees):
    masks = [torch.ones(len(b), len(a)) for a, b in itertools.pairwise(degrees)]
    return [mask.tril() for mask in masks[:-1]] + [masks[-1].tril(-1)]


@wrong("reversed-list")
def wrong_from_output_to_input(degrees):
    return right_broadcast(degrees)[::-1]


@wrong("output-missing")
def wrong_without_output(degrees):
    return [k >= j for k, j in pairs(degrees)[:-1]]


@wrong("wrong-count")
def wrong_additional_mask(degrees):
    return [torch.eye(len(degrees[0])), *right_broadcast(degrees)]


@wrong("not-a-list")
def wrong_bare_tensor(degrees):
    masks = right_broadcast(degrees)
    return masks[0] if len(masks) == 1 else masks


@wrong("not-a-list")
def wrong_dictionary(degrees):
    return {f"layer {n}": mask for n, mask in enumerate(right_broadcast(degrees))}


@wrong("additive")
def wrong_additive(degrees):
    return [torch.zeros(mask.shape).masked_fill(~mask, -torch.inf) for mask in right_broadcast(degrees)]


@wrong("not-binary")
def wrong_difference(degrees):
    return [(k - j + 1).clamp(min=0) for k, j in pairs(degrees)[:-1]] + [
        (k - j).clamp(min=0) for k, j in pairs(degrees)[-1:]
    ]


@wrong("not-binary")
def wrong_normalised(degrees):
    return [mask / mask.sum(1, keepdim=True).clamp(min=1) for mask in right_broadcast(degrees)]


@wrong("off-by-one")
def wrong_one_more(degrees):
    *hidden, (k, j) = pairs(degrees)
    return [k >= j + 1 for k, j in hidden] + [k > j + 1]


@wrong("off-by-one")
def wrong_one_less(degrees):
    *hidden, (k, j) = pairs(degrees)
    return [k >= j - 1 for k, j in hidden] + [k > j]


@wrong("random-result")
def wrong_random_degrees(degrees):
    drawn = [degrees[0]] + [torch.randint(1, 5, d.shape) for d in degrees[1:-1]] + [degrees[-1]]
    return right_broadcast(drawn)


CALLS = [0]


@wrong("keeps-state")
def wrong_counts_calls(degrees):
    CALLS[0] += 1
    first, *others = right_broadcast(degrees)
    return [first & (CALLS[0] % 3 == 0), *others]


@wrong("changes-arguments", credit=0.85)
def wrong_lowers_the_output_in_place(degrees):
    degrees[-1] -= 1
    return [k >= j for k, j in pairs(degrees)]


@wrong("touches-rng", credit=0.85)
def wrong_seed(degrees):
    random.seed(0)
    return right_broadcast(degrees)


@wrong("returns-nothing")
def wrong_forgets_return(degrees):
    right_broadcast(degrees)


@wrong("no-tensor")
def wrong_nested_lists(degrees):
    return [mask.int().tolist() for mask in right_broadcast(degrees)]


@wrong("wrong-names", credit=0.85)
def wrong_other_name(m):
    return right_broadcast(m)


@wrong(None)
def wrong_squeezed(degrees):
    return [mask.squeeze() for mask in right_broadcast(degrees)]


@wrong(None)
def wrong_last_unit_sees_all(degrees):
    masks = right_broadcast(degrees)
    masks[0][-1] = True
    return masks
