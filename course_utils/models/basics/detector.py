"""A one-stage detector: from an image to boxes, each with a class and a confidence.

The image is cut into a grid of cells. The cell in which an object's centre lies answers for it, with
    one logit that there is an object, its centre relative to the cell and its size relative to a cell, K class logits;
    loss = cross-entropy of the first over all cells + squared error of the box and cross-entropy of the class over the
           cells that answer for an object, both per object.
Boxes that overlap a more confident one of their class are dropped (non-maximum suppression).

Source: Redmon et al. 2016, You only look once (arXiv 1506.02640), sections 2 and 2.2. Shapes: x (B, C, H, W), boxes
(B, M, 4) as (left, top, right, bottom) in pixels, labels (B, M) int64, -1 for no object.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import batched_nms

CELL = 8  # pixels


class Detections(NamedTuple):
    """The objects found in one image: boxes (n, 4) in pixels, labels (n,), scores (n,) in [0, 1], best first."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor


class Targets(NamedTuple):
    """What each cell has to say: `present` (B, H', W') bool, `box` (B, 4, H', W'), `label` (B, H', W') int64."""

    present: Tensor
    box: Tensor
    label: Tensor


def encode(boxes: Tensor, labels: Tensor, height: int, width: int) -> Targets:
    """Return the targets of a grid over a height x width image; a cell with two centres takes the later object."""
    num_rows, num_columns = height // CELL, width // CELL
    center = (boxes[..., :2] + boxes[..., 2:]) / 2 / CELL
    size = (boxes[..., 2:] - boxes[..., :2]) / CELL
    present = torch.zeros(len(boxes), num_rows, num_columns, dtype=torch.bool, device=boxes.device)
    box = torch.zeros(len(boxes), 4, num_rows, num_columns, dtype=boxes.dtype, device=boxes.device)
    label = torch.zeros(len(boxes), num_rows, num_columns, dtype=torch.int64, device=boxes.device)
    image, place = (labels >= 0).nonzero(as_tuple=True)
    column, row = center[image, place].long().unbind(1)
    row, column = row.clamp(0, num_rows - 1), column.clamp(0, num_columns - 1)
    corner = torch.stack([column, row], 1)
    present[image, row, column] = True
    box[image, :, row, column] = torch.cat([center[image, place] - corner, size[image, place]], 1)
    label[image, row, column] = labels[image, place]
    return Targets(present, box, label)


def decode(box: Tensor) -> Tensor:
    """Return the boxes in pixels, (B, H', W', 4), of cells' (B, 4, H', W'): the inverse of `encode`."""
    _, _, num_rows, num_columns = box.shape
    row = torch.arange(num_rows, device=box.device).view(-1, 1).expand(num_rows, num_columns)
    column = torch.arange(num_columns, device=box.device).expand(num_rows, num_columns)
    center = (box[:, :2] + torch.stack([column, row])) * CELL
    half = box[:, 2:] * CELL / 2
    return torch.cat([center - half, center + half], 1).permute(0, 2, 3, 1)


class Detector(nn.Module):
    """Three convolutions that halve the resolution to one answer a cell, for sides that are multiples of CELL."""

    def __init__(self, num_channels: int, num_classes: int, hidden_dim: int = 16):
        super().__init__()
        self.num_classes = num_classes
        layers, dims = [], [num_channels, hidden_dim, 2 * hidden_dim, 4 * hidden_dim]
        for num_in, num_out in pairwise(dims):
            layers += [nn.Conv2d(num_in, num_out, 3, padding=1, bias=False), nn.BatchNorm2d(num_out), nn.ReLU()]
            layers += [nn.Conv2d(num_out, num_out, 2, stride=2, bias=False), nn.BatchNorm2d(num_out), nn.ReLU()]
        self.trunk = nn.Sequential(*layers, nn.Conv2d(dims[-1], dims[-1], 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(dims[-1], 1 + 4 + num_classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return object logits (B, H', W'), boxes (B, 4, H', W'), class logits (B, K, H', W').

        Raises ValueError for sides that are not multiples of CELL.
        """
        if x.shape[2] % CELL or x.shape[3] % CELL:
            raise ValueError(f"height and width must be multiples of {CELL}, got {x.shape[2]}x{x.shape[3]}")
        object_logits, box, class_logits = self.head(self.trunk(x)).split([1, 4, self.num_classes], 1)
        return object_logits.squeeze(1), box, class_logits

    def loss(self, x: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        """Return the detection loss per image, (). Raises ValueError for labels out of range."""
        if labels.max() >= self.num_classes:
            raise ValueError(f"labels must lie in 0 ... {self.num_classes - 1}, or be -1, got {int(labels.max())}")
        due = encode(boxes, labels, *x.shape[2:])
        object_logits, box, class_logits = self(x)
        objects = F.binary_cross_entropy_with_logits(object_logits, due.present.to(x.dtype), reduction="sum")
        error = (box - due.box).square().sum(1)[due.present].sum()
        classes = F.cross_entropy(class_logits, due.label, reduction="none")[due.present].sum()
        return (objects + error + classes) / len(x)

    @torch.no_grad()
    def detect(self, x: Tensor, min_score: float = 0.5, max_overlap: float = 0.3) -> list[Detections]:
        """Return what is found in each image: confident boxes, none that overlaps a better one of its class."""
        object_logits, box, class_logits = self(x)
        boxes, scores = decode(box).flatten(1, 2), torch.sigmoid(object_logits).flatten(1)
        labels = class_logits.argmax(1).flatten(1)
        found = []
        for candidates, score, label in zip(boxes, scores, labels, strict=True):
            kept = batched_nms(candidates, score, label, max_overlap)
            kept = kept[score[kept] >= min_score]
            found.append(Detections(candidates[kept], label[kept], score[kept]))
        return found
