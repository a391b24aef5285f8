"""Accuracies by hand, and the best matching against all matchings."""

import itertools
import math

import pytest
import torch

from course_utils.data import load
from course_utils.evaluation import digit_classifier, label_accuracy, matched_accuracy


def test_label_accuracy_by_hand():
    """A classifier that reads the class off the image; the labels of 3 of 12 images are wrong."""
    images = torch.arange(12).double() % 4
    labels = (torch.arange(12) % 4).clone()
    labels[[1, 5, 6]] = 0
    found = label_accuracy(lambda x: -(x.unsqueeze(1) - torch.arange(4)).abs(), images, labels)
    assert found.mean == 0.75
    assert found.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 11))
    assert found.num_examples == 12
    assert str(found) == "75.0 +- 13.1 %"


def test_label_accuracy_of_real_digits():
    net, (x, y) = digit_classifier(), load("digits").test
    assert label_accuracy(net, x, y).mean == pytest.approx((net(x).argmax(1) == y).double().mean().item())
    assert label_accuracy(net, x, (y + 1) % 10).mean < 0.03


def test_label_accuracy_names_what_is_wrong():
    x, y = torch.zeros(3, 1), torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match="got 3 images and 2 labels"):
        label_accuracy(lambda x: x, x, y[:2])
    with pytest.raises(ValueError, match=r"logits \(3, K\) were due from the classifier, got \(3,\)"):
        label_accuracy(lambda x: x[:, 0], x, y)
    with pytest.raises(ValueError, match=r"labels must be whole numbers \(N,\), got \(3,\) of torch.float32"):
        label_accuracy(lambda x: x, x, y.float())
    with pytest.raises(ValueError, match="no examples"):
        label_accuracy(lambda x: x, x[:0], y[:0])


@pytest.mark.parametrize(("num_codes", "num_labels"), [(5, 5), (6, 3), (3, 6), (1, 4)])
def test_the_matching_is_the_best_of_all(num_codes, num_labels):
    """Every one-to-one matching, tried in turn; None stands for no label."""
    for _ in range(5):
        codes, labels = torch.randint(num_codes, (60,)), torch.randint(num_labels, (60,))
        names = [*range(num_labels), *[None] * num_codes]
        pairs = list(zip(codes.tolist(), labels.tolist(), strict=True))
        best = max(
            sum(matching[code] == label for code, label in pairs) / 60
            for matching in set(itertools.permutations(names, num_codes))
        )
        found = matched_accuracy(codes, labels)
        assert found.accuracy == pytest.approx(best, abs=1e-12)
        # The matching is one to one, maps codes to labels, and earns the accuracy that is claimed.
        assert len(set(found.assignment.values())) == len(found.assignment) == min(num_codes, num_labels)
        earned = sum(found.assignment.get(code) == label for code, label in pairs) / 60
        assert earned == pytest.approx(best, abs=1e-12)


def test_renamed_labels_match_perfectly():
    labels = torch.arange(30) % 3
    names = torch.tensor([7, -2, 40])
    found = matched_accuracy(names[labels], labels)
    assert found.accuracy == 1
    assert found.assignment == {7: 0, -2: 1, 40: 2}


def test_one_code_for_all_earns_the_most_frequent_label():
    found = matched_accuracy(torch.zeros(10, dtype=torch.int64), torch.tensor([1] * 4 + [2] * 6))
    assert (found.accuracy, found.assignment) == (0.6, {0: 2})


def test_matched_accuracy_names_what_is_wrong():
    codes = torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match="got 3 codes and 2 labels"):
        matched_accuracy(codes, codes[:2])
    with pytest.raises(ValueError, match="got 0 codes and 0 labels"):
        matched_accuracy(codes[:0], codes[:0])
    with pytest.raises(ValueError, match=r"codes must be whole numbers \(N,\), got \(3, 1\) of torch.int64"):
        matched_accuracy(codes.unsqueeze(1), codes)
