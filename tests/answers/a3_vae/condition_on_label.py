import warnings

import numpy as np
import torch
import torch.nn.functional as F

from tests.answers.bank import wrong


def right_one_hot(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes).to(z.dtype)], dim=1)


def right_one_hot_promoted(z, y, num_classes):
    return torch.cat((z, F.one_hot(y, num_classes=num_classes)), -1)


def right_eye(z, y, num_classes):
    return torch.hstack([z, torch.eye(num_classes).to(z)[y]])


def right_scatter(z, y, num_classes):
    label = torch.zeros(len(y), num_classes, dtype=z.dtype, device=z.device)
    label.scatter_(1, y.unsqueeze(1), 1.0)
    return torch.cat([z, label], 1)


def right_comparison(z, y, num_classes):
    return torch.cat([z, (y[:, None] == torch.arange(num_classes, device=y.device)).type_as(z)], 1)


def right_fill(z, y, num_classes):
    out = z.new_zeros(z.shape[0], z.shape[1] + num_classes)
    out[:, : z.shape[1]] = z
    out[torch.arange(len(y)), z.shape[1] + y] = 1
    return out


def right_loop(z, y, num_classes):
    rows = []
    for row, label in zip(z, y.tolist(), strict=True):
        rows.append(torch.cat([row, torch.tensor([float(k == label) for k in range(num_classes)], dtype=z.dtype)]))
    return torch.stack(rows)


def right_float64(z, y, num_classes):
    return torch.cat([z.double(), torch.from_numpy(np.eye(num_classes))[y]], 1)


def right_noisy(z, y, num_classes):
    print("labels", y)
    warnings.warn("a warning on the way", stacklevel=1)
    return torch.column_stack([z, F.one_hot(y, num_classes).float().to(z.dtype)])


def right_padding(z, y, num_classes):
    place = torch.zeros(z.shape[0], z.shape[1] + num_classes, dtype=torch.bool)
    place[range(len(y)), (y + z.shape[1]).tolist()] = True
    return torch.where(place, torch.ones((), dtype=z.dtype), F.pad(z, (0, num_classes)))


@wrong("label-first")
def wrong_order(z, y, num_classes):
    return torch.cat([F.one_hot(y, num_classes).to(z.dtype), z], dim=1)


@wrong("label-as-number")
def wrong_number(z, y, num_classes):
    return torch.cat([z, y[:, None].to(z.dtype)], 1)


@wrong("label-as-number")
def wrong_no_one_hot(z, y, num_classes):
    return torch.cat([z, y], 1)


@wrong("only-label")
def wrong_only_label(z, y, num_classes):
    return F.one_hot(y, num_classes).to(z.dtype)


@wrong("label-off-by-one")
def wrong_minus_one(z, y, num_classes):
    return torch.cat([z, torch.eye(num_classes, dtype=z.dtype)[y - 1]], 1)


@wrong("label-off-by-one")
def wrong_one_hot_minus_one(z, y, num_classes):
    return torch.cat([z, F.one_hot(y - 1, num_classes).to(z.dtype)], 1)


@wrong("one-cold")
def wrong_one_cold(z, y, num_classes):
    return torch.cat([z, 1 - F.one_hot(y, num_classes).to(z.dtype)], 1)


@wrong("integer-result")
def wrong_integers(z, y, num_classes):
    return torch.cat([z.long(), F.one_hot(y, num_classes)], 1)


@wrong("z-truncated")
def wrong_truncated(z, y, num_classes):
    return torch.cat([z.long(), F.one_hot(y, num_classes)], 1).to(z.dtype)


@wrong("classes-from-data")
def wrong_classes_from_data(z, y, num_classes):
    return torch.cat([z, F.one_hot(y).to(z.dtype)], 1)


@wrong("extra-class")
def wrong_extra_class(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes + 1).to(z.dtype)], 1)


@wrong("label-repeated")
def wrong_repeated(z, y, num_classes):
    return torch.cat([z, y[:, None].repeat(1, num_classes).to(z.dtype)], 1)


@wrong("one-label-for-all")
def wrong_first_label(z, y, num_classes):
    label = torch.zeros(len(y), num_classes, dtype=z.dtype)
    label[:, y[0]] = 1
    return torch.cat([z, label], 1)


@wrong("wrong-axis")
def wrong_axis_0(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes).to(z.dtype)])


@wrong("detached", credit=0.6)
def wrong_detached(z, y, num_classes):
    return torch.cat([z.detach(), F.one_hot(y, num_classes).to(z.dtype)], 1)


@wrong("detached", credit=0.6)
def wrong_new_tensor(z, y, num_classes):
    return torch.tensor([a + b for a, b in zip(z.tolist(), F.one_hot(y, num_classes).tolist(), strict=True)]).to(
        z.dtype
    )


@wrong("fixed-dtype", credit=0.8)
def wrong_float(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes)], 1).float()


@wrong("changes-arguments", credit=0.8)
def wrong_label_in_place(z, y, num_classes):
    out = torch.cat([z, F.one_hot(y, num_classes).to(z.dtype)], 1)
    y += 1
    return out


@wrong("returns-array")
def wrong_numpy(z, y, num_classes):
    return np.concatenate([z.detach().numpy(), np.eye(num_classes)[y.numpy()]], 1)


@wrong("half-precision")
def wrong_half(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes)], 1).half()


@wrong("only-z")
def wrong_only_z(z, y, num_classes):
    return z


@wrong("softmax-label")
def wrong_softmax(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes).to(z.dtype).softmax(1)], 1)


@wrong("scaled-label")
def wrong_label_times_one_hot(z, y, num_classes):
    return torch.cat([z, F.one_hot(y, num_classes) * y[:, None]], 1)


@wrong("random-result")
def wrong_new_embedding(z, y, num_classes):
    return torch.cat([z, torch.nn.Embedding(num_classes, num_classes)(y).to(z.dtype)], 1)


@wrong("extra-class")
def wrong_counts_from_one(z, y, num_classes):
    return torch.cat([z, F.one_hot(y + 1, num_classes + 1)], 1)


@wrong(None)
def wrong_normalised(z, y, num_classes):
    return torch.cat([F.normalize(z), F.one_hot(y, num_classes)], 1)


@wrong(None)
def wrong_ten_classes(z, y, num_classes):
    return torch.cat([z, torch.eye(10)[y]], 1)


def right_embedding(z, y, num_classes):
    table = torch.nn.Embedding.from_pretrained(torch.eye(num_classes, dtype=z.dtype))
    return torch.cat([z, table(y)], -1)


def right_index_put(z, y, num_classes):
    place = (torch.arange(len(y)), z.shape[1] + y)
    return F.pad(z, (0, num_classes)).index_put(place, torch.ones(len(y), dtype=z.dtype))
