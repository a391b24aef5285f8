"""The check of `condition_on_label`."""

# ruff: noqa: E501

from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck


class ConditionOnLabel(OracleCheck):
    name = "condition_on_label"
    arguments = ("z", "y", "num_classes")
    differentiable = ("z",)
    wrong_canary_mistake = "label-first"
    mistakes: ClassVar = {
        "label-first": "the label stands before z: z comes first, then the one-hot label.",
        "label-as-number": "the label is joined as a number: make it one-hot, (B, num_classes), first.",
        "only-label": "only the one-hot label came: join it to z.",
        "only-z": "only z came: join the one-hot label to it.",
        "label-off-by-one": "the labels are shifted by one: they count from 0 to num_classes - 1, use y as it is.",
        "one-cold": "zeros and ones are swapped in the one-hot label: the 1 stands at the label.",
        "z-truncated": "z was cut to integers on the way: turn the one-hot label to the type of z, not the reverse.",
        "classes-from-data": "the number of classes came from the batch (its largest label + 1): pass num_classes to one_hot.",
        "extra-class": "there is one class too many: labels count from 0 to num_classes - 1.",
        "label-repeated": "the label is repeated in each column: a one-hot vector has a 1 at the label and 0 elsewhere.",
        "one-label-for-all": "all examples got the same label: each has its own, y[i].",
        "softmax-label": "the one-hot label went through a softmax: use it as it is.",
        "wrong-axis": "you join along axis 0 (the batch): join along axis 1, `dim=1`.",
        "scaled-label": "the 1 of the one-hot label is scaled: it is to be 1.",
    }  # fmt: skip

    def cases(self, rng):
        cases = []
        for batch, latent_dim, num_classes in ((6, 3, 5), (4, 2, 7), (9, 4, 3)):
            y = rng.integers(num_classes, batch)
            y[0], y[1], y[2] = 0, num_classes - 1, 1
            if num_classes == 7:
                y = y.clamp(max=5)  # the batch need not hold every class
            cases.append({"z": rng.normal(batch, latent_dim, scale=2.0), "y": y, "num_classes": num_classes})
        return cases[1:] + cases[:1]

    def far_cases(self, rng):
        z = rng.normal(5, 300, scale=1e4)
        return [{"z": z, "y": rng.integers(250, 5), "num_classes": 250}]

    def single_case(self, rng):
        return {"z": rng.normal(1, 3), "y": rng.integers(4, 1), "num_classes": 4}

    def oracle(self, z, y, num_classes):
        one_hot = (y[:, None] == torch.arange(num_classes)).double()
        return torch.cat([z, one_hot], 1)

    def guesses(self, z, y, num_classes):
        classes = torch.arange(num_classes)
        column = y[:, None].double()
        one_hot = (y[:, None] == classes).double()

        def join(*parts):
            return torch.cat(parts, 1)

        guesses = [
            ("label-first", join(one_hot, z)),
            ("label-as-number", join(z, column)),
            ("label-as-number", join(column, z)),
            ("only-label", one_hot),
            ("only-z", z),
            ("label-off-by-one", join(z, one_hot.roll(1, 1))),
            ("label-off-by-one", join(z, one_hot.roll(-1, 1))),
            ("label-off-by-one", join(z, (y[:, None] - 1 == classes).double())),
            ("label-off-by-one", join(z, (y[:, None] + 1 == classes).double())),
            ("one-cold", join(z, 1 - one_hot)),
            ("z-truncated", join(z.trunc(), one_hot)),
            ("z-truncated", join(one_hot, z.trunc())),
            ("classes-from-data", join(z, F.one_hot(y).double())),
            ("classes-from-data", join(F.one_hot(y).double(), z)),
            ("extra-class", join(z, F.one_hot(y, num_classes + 1).double())),
            ("extra-class", join(z, F.one_hot(y + 1, num_classes + 1).double())),
            ("label-repeated", join(z, column.expand_as(one_hot))),
            ("one-label-for-all", join(z, one_hot[:1].expand_as(one_hot))),
            ("softmax-label", join(z, one_hot.softmax(1))),
            ("scaled-label", join(z, one_hot * num_classes)),
            ("scaled-label", join(z, one_hot / num_classes)),
            ("scaled-label", join(z, one_hot * column)),
            ("scaled-label", join(z, 2 * one_hot - 1)),
            ("label-off-by-one", join(z, one_hot.flip(1))),
        ]
        return [((name,), value) for name, value in guesses]

    def explain_error(self, trial, case, failure):
        if "Class values must be" in failure.got:
            return "label-off-by-one"
        if "same number of dimensions" in failure.got:
            return "label-as-number"
        size = case["z"].shape[1]
        try:
            output = trial.call(case["z"].clone(), case["y"].clamp(max=size - 1), size)
        except Failure:
            return None
        axis_0 = isinstance(output, torch.Tensor) and output.shape == (2 * len(case["z"]), size)
        return "wrong-axis" if axis_0 else None

    def right_canary(self, z, y, num_classes):
        return torch.cat([z, torch.eye(num_classes, dtype=z.dtype, device=z.device)[y]], 1)

    def wrong_canary(self, z, y, num_classes):
        return torch.cat([torch.eye(num_classes, dtype=z.dtype, device=z.device)[y], z], 1)
