"""Scenes: boxes, masks, labels and captions against the picture itself."""

import re

import pytest
import torch
from torchvision.ops import box_iou, masks_to_boxes

from course_utils.data import load
from course_utils.data.scenes import INK, SIDE, SIZES, caption, draw_scenes, rotate_digits

DIGITS = load("digits").train


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(300, *DIGITS, seed=3)


def test_same_seed_same_scenes_and_no_global_draws(scenes):
    state = torch.get_rng_state()
    again = draw_scenes(300, *DIGITS, seed=3)
    assert torch.equal(again.x, scenes.x)
    assert again.captions == scenes.captions
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(draw_scenes(300, *DIGITS, seed=4).x, scenes.x)


def test_pictures_and_masks_agree(scenes):
    x = scenes.x.squeeze(1)
    assert x.min() >= 0
    assert x.max() <= 1
    assert torch.equal(scenes.mask > 0, x >= INK)


def test_each_mask_fills_its_box(scenes):
    """Digits reach the sides of their box from top to bottom (all do in this data set), and never leave it."""
    for mask, boxes, labels in zip(scenes.mask, scenes.boxes, scenes.labels, strict=True):
        rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        for (left, top, right, bottom), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            if label < 0:
                continue
            mine = (columns + 1 > left) & (columns < right) & (rows + 1 > top) & (rows < bottom)
            inside |= mine
            assert set(mask[mine].unique().tolist()) == {0, label + 1}
            found = masks_to_boxes((mask * mine > 0).unsqueeze(0))[0]
            assert abs(found[1] - top) < 3
            assert abs(found[3] + 1 - bottom) < 3
        assert not (mask > 0)[~inside].any()


def test_boxes_are_in_the_picture_apart_and_of_the_stated_size(scenes):
    there = scenes.labels >= 0
    boxes = scenes.boxes[there]
    sides = boxes[:, 2:] - boxes[:, :2]
    assert boxes.min() >= 0
    assert boxes.max() <= SIDE
    assert SIZES[0] <= sides.min()
    assert sides.max() <= SIZES[1]
    assert (scenes.boxes[~there] == 0).all()
    for some, labels in zip(scenes.boxes, scenes.labels, strict=True):
        real = some[labels >= 0]
        assert torch.allclose(box_iou(real, real), torch.eye(len(real)))


def test_labels_come_first_and_counts_vary(scenes):
    there = scenes.labels >= 0
    assert (there[:, :-1] | ~there[:, 1:]).all()
    counts = torch.bincount(there.sum(1), minlength=4)
    assert counts[0] == 0
    assert counts[1:].min() > 60  # 100 of each expected, standard deviation 8
    only_two = draw_scenes(20, *DIGITS, num_digits=2)
    assert ((only_two.labels >= 0).sum(1) == 2).all()


def test_captions_say_what_stands_where(scenes):
    for sentence, boxes, labels in zip(scenes.captions, scenes.boxes, scenes.labels, strict=True):
        count = int((labels >= 0).sum())
        assert len(re.findall(r"\ban? ", sentence)) == count
        quarter = ((boxes[:, :2] + boxes[:, 2:]) / 2 >= SIDE / 2).long()  # column, row
        places = (quarter[:count, 0] + 2 * quarter[:count, 1]).tolist()
        assert places == sorted(places)
        if count == 2:
            assert ("left of" in sentence) == (quarter[0, 1] == quarter[1, 1]).item()
            assert ("above" in sentence) == (quarter[0, 1] != quarter[1, 1]).item()


def test_captions_in_words():
    assert caption([3, -1, -1], [2, 0, 1]) == "a three"
    assert caption([8, -1, -1], [1, 0, 2]) == "an eight"
    assert caption([3, 7, -1], [0, 1, 2]) == "a three left of a seven"
    assert caption([3, 7, -1], [1, 2, 0]) == "a three above a seven"
    assert caption([0, 7, 9], [1, 2, 3]) == "a zero and a seven and a nine"
    with pytest.raises(ValueError, match="got 0"):
        caption([-1, -1, -1], [0, 1, 2])


def test_rotation_turns_counter_clockwise():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 1, 4] = 1  # above the middle
    turned = rotate_digits(x.expand(3, 1, 8, 8), torch.tensor([0.0, 90.0, -90.0])).squeeze(1)
    total = turned.sum((1, 2))
    rows = (turned.sum(2) * (torch.arange(16.0) - 7.5)).sum(1) / total
    columns = (turned.sum(1) * (torch.arange(16.0) - 7.5)).sum(1) / total
    expected = 2.5 * 10 / 8  # it lay 2.5 of 8 pixels above the middle and half a pixel to the right
    torch.testing.assert_close(rows, torch.tensor([-expected, -0.625, 0.625]), atol=0.05, rtol=0)
    torch.testing.assert_close(columns, torch.tensor([0.625, -expected, expected]), atol=0.05, rtol=0)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="num_scenes must be at least 1, got 0"):
        draw_scenes(0, *DIGITS)
    with pytest.raises(ValueError, match=r"num_digits must be 1 ... 3, got 4"):
        draw_scenes(1, *DIGITS, num_digits=4)
    with pytest.raises(ValueError, match="3 digits and 2 labels"):
        draw_scenes(1, DIGITS.x[:3], DIGITS.y[:2])
