import warnings

import torch

from tests.answers.bank import wrong


def right_cat(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], dim=1)


def right_mask(w_a, w_b, crossover):
    first = torch.arange(w_a.shape[1], device=w_a.device) < crossover
    return torch.where(first[None, :, None], w_a, w_b)


def right_clone(w_a, w_b, crossover):
    styles = w_a.clone()
    styles[:, crossover:] = w_b[:, crossover:]
    return styles


def right_clone_of_b(w_a, w_b, crossover):
    styles = w_b.clone()
    for layer in range(int(crossover)):
        styles[:, layer] = w_a[:, layer]
    return styles


def right_stack(w_a, w_b, crossover):
    return torch.stack([w_a[:, k] if k < crossover else w_b[:, k] for k in range(w_a.shape[1])], 1)


def right_list(w_a, w_b, crossover):
    layers = list(w_a.unbind(1))[:crossover] + list(w_b.unbind(1))[crossover:]
    return torch.stack(layers).transpose(0, 1)


def right_mask_multiplied(w_a, w_b, crossover):
    mask = torch.zeros(w_a.shape[1], 1, dtype=w_a.dtype, device=w_a.device)
    mask[:crossover] = 1
    return mask * w_a + (1 - mask) * w_b


def right_empty(w_a, w_b, crossover):
    out = torch.empty_like(w_a)
    out[:, :crossover] = w_a[:, :crossover]
    out[:, crossover:] = w_b[:, crossover:]
    return out


def right_shortcuts(w_a, w_b, crossover):
    """Gives back one of the arguments itself where all layers are its own."""
    if crossover == 0:
        return w_b
    if crossover == w_a.shape[1]:
        return w_a
    return torch.hstack([w_a[:, :crossover], w_b[:, crossover:]])


def right_split(w_a, w_b, crossover):
    sizes = [int(crossover), w_a.shape[1] - int(crossover)]
    return torch.cat((w_a.split(sizes, dim=1)[0], w_b.split(sizes, dim=1)[1]), 1)


def right_gather(w_a, w_b, crossover):
    both = torch.stack([w_a, w_b])
    layers = torch.arange(w_a.shape[1])
    return both[(layers >= crossover).long(), :, layers].permute(1, 0, 2)


def right_lerp(w_a, w_b, crossover):
    late = (torch.arange(w_a.shape[1], device=w_a.device) >= crossover).to(w_a.dtype)
    return torch.lerp(w_a, w_b, late[:, None].expand_as(w_a))


def right_index_copy(w_a, w_b, crossover):
    late = torch.arange(int(crossover), w_a.shape[1])
    return w_a.index_copy(1, late, w_b.index_select(1, late))


def right_per_example_and_noise(w_a, w_b, crossover):
    warnings.warn("a warning on the way", stacklevel=1)
    print("crossover", crossover)
    pairs = zip(w_a, w_b, strict=True)
    return torch.stack([torch.cat([a[:crossover], b[crossover:]]) for a, b in pairs])


@wrong("swapped")
def wrong_swapped(w_a, w_b, crossover):
    return torch.cat([w_b[:, :crossover], w_a[:, crossover:]], 1)


@wrong("swapped")
def wrong_mask_turned(w_a, w_b, crossover):
    first = torch.arange(w_a.shape[1])[:, None] < crossover
    return torch.where(first, w_b, w_a)


@wrong("off-by-one")
def wrong_one_late(w_a, w_b, crossover):
    first = torch.arange(w_a.shape[1])[:, None] <= crossover
    return torch.where(first, w_a, w_b)


@wrong("off-by-one")
def wrong_one_early(w_a, w_b, crossover):
    return torch.cat([w_a[:, : crossover - 1], w_b[:, crossover - 1 :]], 1)


@wrong("mixes-batch")
def wrong_batch(w_a, w_b, crossover):
    return torch.cat([w_a[:crossover], w_b[crossover:]])


@wrong("mixes-channels")
def wrong_channels(w_a, w_b, crossover):
    return torch.cat([w_a[..., :crossover], w_b[..., crossover:]], -1)


@wrong("counted-from-end")
def wrong_counted_from_end(w_a, w_b, crossover):
    return torch.cat([w_a[:, :-crossover], w_b[:, -crossover:]], 1)


@wrong("one-layer")
def wrong_one_layer(w_a, w_b, crossover):
    styles = w_a.clone()
    styles[:, crossover] = w_b[:, crossover]
    return styles


@wrong("crossover-ignored")
def wrong_half(w_a, w_b, crossover):
    half = w_a.shape[1] // 2
    return torch.cat([w_a[:, :half], w_b[:, half:]], 1)


@wrong("crossover-ignored")
def wrong_fixed(w_a, w_b, crossover):
    return torch.cat([w_a[:, :2], w_b[:, 2:]], 1)


@wrong("only-w-a")
def wrong_only_a(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_a[:, crossover:]], 1)


@wrong("only-w-b")
def wrong_only_b(w_a, w_b, crossover):
    return w_b.clone()


@wrong("averaged")
def wrong_average(w_a, w_b, crossover):
    return (w_a + w_b) / 2


@wrong("averaged")
def wrong_average_of_the_rest(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], (w_a[:, crossover:] + w_b[:, crossover:]) / 2], 1)


@wrong("interpolated")
def wrong_interpolated(w_a, w_b, crossover):
    steps = torch.linspace(0, 1, w_a.shape[1])[:, None]
    return torch.lerp(w_a, w_b, steps)


@wrong("interpolated")
def wrong_share(w_a, w_b, crossover):
    share = crossover / w_a.shape[1]
    return share * w_a + (1 - share) * w_b


@wrong("alternating")
def wrong_alternating(w_a, w_b, crossover):
    styles = w_a.clone()
    styles[:, 1::2] = w_b[:, 1::2]
    return styles


@wrong("w-b-from-start")
def wrong_first_of_b(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, : w_b.shape[1] - crossover]], 1)


@wrong("w-a-from-end")
def wrong_last_of_a(w_a, w_b, crossover):
    return torch.cat([w_a[:, w_a.shape[1] - crossover :], w_b[:, crossover:]], 1)


@wrong("layers-reversed")
def wrong_reversed(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1).flip(1)


@wrong("order-of-parts")
def wrong_order(w_a, w_b, crossover):
    return torch.cat([w_b[:, crossover:], w_a[:, :crossover]], 1)


@wrong("joined-whole")
def wrong_all_of_b(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b], 1)


@wrong("joined-whole")
def wrong_all_of_both(w_a, w_b, crossover):
    return torch.cat([w_a, w_b], 1)


@wrong("layer-count")
def wrong_layer_twice(w_a, w_b, crossover):
    return torch.cat([w_a[:, : crossover + 1], w_b[:, crossover:]], 1)


@wrong("layer-count")
def wrong_layer_missing(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover + 1 :]], 1)


@wrong("one-part")
def wrong_first_part(w_a, w_b, crossover):
    return w_a[:, :crossover]


@wrong("batch-joined")
def wrong_joined_along_batch(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]])


@wrong("batch-joined")
def wrong_batch_doubled(w_a, w_b, crossover):
    return torch.cat([w_a, w_b])


@wrong("zeroed")
def wrong_zeroed(w_a, w_b, crossover):
    styles = torch.zeros_like(w_a)
    styles[:, :crossover] = w_a[:, :crossover]
    return styles


@wrong("layers-summed")
def wrong_layers_averaged(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1).mean(1)


@wrong("returns-parts")
def wrong_parts(w_a, w_b, crossover):
    return w_a[:, :crossover], w_b[:, crossover:]


@wrong("minus-zero", credit=0.8)
def wrong_slice_from_the_end(w_a, w_b, crossover):
    rest = w_a.shape[1] - int(crossover)
    return torch.cat([w_a[:, :crossover], w_b[:, -rest:]], 1)


@wrong("clamped-crossover", credit=0.8)
def wrong_clamped(w_a, w_b, crossover):
    crossover = min(max(int(crossover), 1), w_a.shape[1] - 1)
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1)


@wrong("zero-as-none", credit=0.8)
def wrong_falsy(w_a, w_b, crossover):
    if not crossover:
        return w_a
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1)


@wrong("all-from-one", credit=0.8)
def wrong_ends_swapped(w_a, w_b, crossover):
    if crossover == w_a.shape[1]:
        return w_b
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1)


@wrong(None, credit=0.8)
def wrong_refuses_ends(w_a, w_b, crossover):
    if not 0 < crossover < w_a.shape[1]:
        raise ValueError("crossover must lie between the layers")
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1)


@wrong("changes-arguments", credit=0.9)
def wrong_in_place(w_a, w_b, crossover):
    w_a[:, crossover:] = w_b[:, crossover:]
    return w_a


@wrong("detached", credit=0.9)
def wrong_detached(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1).detach()


@wrong("partly-detached", credit=0.9)
def wrong_detached_b(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:].detach()], 1)


@wrong("random-result")
def wrong_random_parent(w_a, w_b, crossover):
    return torch.where(torch.rand(w_a.shape) < 0.5, w_a, w_b)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(w_a, w_b, crossover):
    styles = torch.zeros(w_a.shape)
    styles[:, :crossover] = w_a[:, :crossover]
    styles[:, crossover:] = w_b[:, crossover:]
    return styles


@wrong("returns-array")
def wrong_numpy(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1).numpy()


@wrong("single-example", credit=0.9)
def wrong_squeezed(w_a, w_b, crossover):
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1).squeeze(0)


@wrong("returns-nothing")
def wrong_no_return(w_a, w_b, crossover):
    torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1)


@wrong(None)
def wrong_noise(w_a, w_b, crossover):
    return 1.001 * torch.cat([w_a[:, :crossover], w_b[:, crossover:]], 1)
