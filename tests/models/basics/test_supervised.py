"""Five supervised models: closed forms, enumeration, torchvision and scikit-learn as oracles, and what they learn."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn
from torchvision.ops import box_iou

from course_utils.data import load
from course_utils.data.scenes import draw_scenes, rotate_digits
from course_utils.models.basics.captioner import END, Captioner, Vocabulary
from course_utils.models.basics.classifier import ConvClassifier, SoftmaxClassifier
from course_utils.models.basics.detector import CELL, Detector, decode, encode
from course_utils.models.basics.regression import ConvRegressor
from course_utils.models.basics.unet import UNet
from course_utils.training import fit

DOUBLE = torch.float64
DIGITS = load("digits")


def scenes(num_scenes, split, seed=0, num_digits=None):
    return draw_scenes(num_scenes, *split, seed=seed, num_digits=num_digits)


@pytest.fixture(scope="module")
def detector():
    """A detector trained on scenes of three digits, from which there is most to learn."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        train, model = scenes(800, DIGITS.train, num_digits=3), Detector(1, 10)
        fit(model, (train.x, train.boxes, train.labels), epochs=10, batch_size=16, lr=1e-2, cosine=True, device="cpu")
    return model


# Classifiers


def test_classifier_loss_and_posterior_by_hand():
    model = SoftmaxClassifier((1, 2, 2), 3).double()
    x, y = torch.rand(5, 1, 2, 2, dtype=DOUBLE), torch.tensor([0, 2, 1, 1, 0])
    weight, bias = (parameter.detach().numpy() for parameter in model.parameters())
    scores = np.exp(x.flatten(1).numpy() @ weight.T + bias)
    posterior = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(model.log_posterior(x).exp().detach().numpy(), posterior)
    assert model.loss(x, y).item() == pytest.approx(-np.log(posterior[np.arange(5), y]).mean())
    assert model.predict(x).tolist() == posterior.argmax(1).tolist()


def test_softmax_classifier_reaches_scikit_learns():
    x, y = DIGITS.train
    model = SoftmaxClassifier((1, 8, 8), 10)
    fit(model, (x, y), epochs=60, batch_size=1297, lr=0.1)
    oracle = LogisticRegression(C=np.inf, max_iter=60).fit(x.flatten(1).numpy(), y.numpy())
    ours = (model.predict(DIGITS.test.x) == DIGITS.test.y).float().mean().item()
    theirs = oracle.score(DIGITS.test.x.flatten(1).numpy(), DIGITS.test.y.numpy())
    print(f"accuracy {ours:.3f}, scikit-learn {theirs:.3f}")
    assert abs(ours - theirs) < 0.03
    assert ours > 0.93


def test_convolutions_beat_the_linear_classifier():
    model = ConvClassifier((1, 8, 8), 10)
    fit(model, DIGITS.train, epochs=20, batch_size=100, lr=3e-3)
    accuracy = (model.predict(DIGITS.test.x) == DIGITS.test.y).float().mean().item()
    print(f"accuracy {accuracy:.3f}")
    assert 0.97 < accuracy < 1


def test_shuffled_labels_teach_nothing():
    x, y = DIGITS.train
    model = ConvClassifier((1, 8, 8), 10)
    fit(model, (x, y[torch.randperm(len(y))]), epochs=3, batch_size=100, lr=3e-3)
    assert (model.predict(DIGITS.test.x) == DIGITS.test.y).float().mean() < 0.25


# Regression


def test_regression_loss_by_hand_and_its_best_answer():
    model = ConvRegressor((1, 8, 8), 2)
    x, y = torch.rand(3, 1, 8, 8), torch.randn(3, 2)
    by_hand = sum((model(x[i : i + 1])[0] - y[i]).pow(2).sum().item() for i in range(3)) / 3
    assert model.loss(x, y).item() == pytest.approx(by_hand, rel=1e-5)
    # One image with two right answers: the average comes out, which is neither.
    fit(model, (x[:1].expand(40, 1, 8, 8), torch.tensor([[1.0, 0.0], [3.0, 0.0]]).repeat(20, 1)), epochs=150, lr=1e-2)
    torch.testing.assert_close(model(x[:1]).detach(), torch.tensor([[2.0, 0.0]]), atol=0.05, rtol=0)


def test_regression_finds_how_far_a_digit_is_turned():
    generator = torch.Generator().manual_seed(0)

    def turned(split, copies):
        chosen = split.x[split.y == 7].repeat(copies, 1, 1, 1)
        degrees = 120 * torch.rand(len(chosen), generator=generator) - 60
        return rotate_digits(chosen, degrees), degrees.unsqueeze(1) / 60

    model = ConvRegressor((1, 16, 16))
    fit(model, turned(DIGITS.train, 10), epochs=15, batch_size=50, lr=2e-3)
    x, y = turned(DIGITS.test, 5)
    error = (model(x) - y).detach().abs().mean().item() * 60
    print(f"mean error {error:.1f} degrees; 30 without looking")
    assert error < 12


# U-Net


def test_unet_sees_around_and_keeps_detail():
    """A pixel's logits depend on a wide square; without what came across, blocks of 4x4 could not be told apart."""
    model = UNet(1, 2, hidden_dim=4).double()
    x = torch.rand(1, 1, 32, 32, dtype=DOUBLE, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[0, 0, 16, 16], x)
    rows = gradient[0, 0].abs().sum(1).nonzero().squeeze()
    assert rows.min() <= 6
    assert rows.max() >= 26
    assert gradient[0, 0, 16, 16].abs() > 0
    # Each level reaches the head: silencing any one changes the result.
    reference = model(x)
    for block in model.down:
        handle = block.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
        assert not torch.allclose(model(x), reference)
        handle.remove()


@pytest.mark.training
def test_unet_labels_pixels():
    train, test = scenes(600, DIGITS.train, num_digits=3), scenes(100, DIGITS.test, seed=1)
    model = UNet(1, 11, hidden_dim=16)
    fit(model, (train.x, train.mask), epochs=10, batch_size=16, lr=5e-3, cosine=True, device="cpu")
    found = model.predict(test.x)
    own = (found == test.mask)[test.mask > 0].float().mean().item()
    whole = (found == test.mask).float().mean().item()
    print(f"pixels of digits right {own:.3f}, all pixels {whole:.3f}")
    assert own > 0.6
    assert whole > 0.92
    by_hand = F.nll_loss(torch.log_softmax(model(test.x), 1), test.mask).item()
    assert model.loss(test.x, test.mask).item() == pytest.approx(by_hand, rel=1e-5)


# Detector


def test_targets_come_back_as_boxes():
    some = scenes(50, DIGITS.train)
    due = encode(some.boxes, some.labels, 32, 32)
    back = decode(due.box)
    for k, (boxes, labels) in enumerate(zip(some.boxes, some.labels, strict=True)):
        real, found = boxes[labels >= 0], back[k][due.present[k]]
        assert len(found) == len(real)
        overlap = box_iou(found, real)
        torch.testing.assert_close(overlap.amax(1), torch.ones(len(real)))
        assert due.label[k][due.present[k]][overlap.argmax(0)].tolist() == labels[labels >= 0].tolist()


def test_detector_loss_is_zero_for_the_truth_and_grows_by_each_term():
    some = scenes(4, DIGITS.train)
    due = encode(some.boxes, some.labels, 32, 32)
    count = int(due.present.sum())
    model = Detector(1, 10)
    sure = 40.0 * (2 * due.present.float() - 1)
    class_logits = 40.0 * F.one_hot(due.label, 10).permute(0, 3, 1, 2).float()

    def loss(objects=sure, box=due.box, classes=class_logits):
        model.forward = lambda x: (objects, box, classes)
        return model.loss(some.x, some.boxes, some.labels).item()

    assert loss() == pytest.approx(0, abs=1e-6)
    assert loss(box=due.box + 0.5) == pytest.approx(count * 4 * 0.25 / 4)
    assert loss(objects=0 * sure) == pytest.approx(64 * math.log(2) / 4)
    assert loss(classes=0 * class_logits) == pytest.approx(count * math.log(10) / 4, rel=1e-5)
    # Boxes and classes of cells without an object do not matter.
    elsewhere = due.box.masked_fill(~due.present[:, None], 9.0)
    assert loss(box=elsewhere) == pytest.approx(0, abs=1e-6)


def test_detector_drops_doubles():
    model = Detector(1, 3)
    objects, box = torch.full((1, 4, 4), -9.0), torch.zeros(1, 4, 4, 4)
    for column, score in ((0, 2.0), (1, 3.0)):  # two cells that claim the same object
        objects[0, 0, column] = score
        box[0, :, 0, column] = torch.tensor([1.0 - column, 0.5, 1.5, 1.5])
    objects[0, 3, 3] = 1.0
    box[0, :, 3, 3] = torch.tensor([0.5, 0.5, 1.0, 1.0])
    model.forward = lambda x: (objects, box, torch.zeros(1, 3, 4, 4))
    (found,) = model.detect(torch.zeros(1, 1, 32, 32))
    torch.testing.assert_close(found.scores, torch.sigmoid(torch.tensor([3.0, 1.0])))
    torch.testing.assert_close(found.boxes, torch.tensor([[2.0, -2.0, 14.0, 10.0], [24.0, 24.0, 32.0, 32.0]]))
    assert CELL == 8


@pytest.mark.training
def test_detector_finds_digits(detector):
    test = scenes(100, DIGITS.test, seed=1)
    hits = total = found_in_all = 0
    for found, boxes, labels in zip(detector.detect(test.x), test.boxes, test.labels, strict=True):
        real, named = boxes[labels >= 0], labels[labels >= 0]
        total += len(real)
        found_in_all += len(found.boxes)
        if len(found.boxes):
            overlap, which = box_iou(real, found.boxes).max(1)
            hits += int(((overlap > 0.5) & (found.labels[which] == named)).sum())
    print(f"recall {hits / total:.3f}, precision {hits / max(1, found_in_all):.3f}")
    assert hits / total > 0.7
    assert hits / found_in_all > 0.7


# Captioner


def test_vocabulary_goes_there_and_back():
    sentences = ["a three left of a seven", "a one"]
    vocabulary = Vocabulary(sentences)
    words = vocabulary.encode(sentences)
    assert vocabulary.decode(words) == sentences
    assert words[1, 2:].tolist() == [END] * (words.shape[1] - 2)
    assert len(vocabulary) == 7
    with pytest.raises(ValueError, match="does not hold nine"):
        vocabulary.encode(["a nine"])


def tiny_captioner(num_words):
    return Captioner(nn.Conv2d(1, 3, 4, stride=4), (3, 2, 2), num_words, hidden_dim=6).double()


def test_probabilities_of_all_sentences_sum_to_one():
    """Three words, END among them: all sentences of at most four words, and the mass of the longer ones."""
    model = tiny_captioner(3)
    x = torch.rand(1, 1, 8, 8, dtype=DOUBLE)
    total = 0.0
    for length in range(5):
        for words in itertools.product((1, 2), repeat=length):
            row = torch.tensor([[*words, END, END]])
            total += model.log_prob(x, row).exp().item()
    longer = sum(_prefix_probability(model, x, words) for words in itertools.product((1, 2), repeat=5))
    assert total + longer == pytest.approx(1)
    assert 0.01 < longer < 0.9


def _prefix_probability(model, x, words):
    row = torch.tensor([words])
    return torch.log_softmax(model(x, row), 2).gather(2, row.unsqueeze(2)).sum().exp().item()


def test_caption_loss_counts_words_and_description_follows_the_likeliest():
    model = tiny_captioner(4)
    x = torch.rand(2, 1, 8, 8, dtype=DOUBLE)
    words = torch.tensor([[1, 2, END, END], [3, 1, 2, END]])
    by_hand = -(model.log_prob(x, words)[0] + model.log_prob(x, words)[1]) / 7
    torch.testing.assert_close(model.loss(x, words), by_hand)
    told = model.describe(x, max_words=5)
    logits = model(x, told)
    until_end = (told == END).long().cumsum(1) - (told == END).long() == 0
    assert torch.equal(logits.argmax(2)[until_end], told[until_end])


@pytest.mark.training
def test_captioner_describes_scenes(detector):
    train, test = scenes(1500, DIGITS.train), scenes(100, DIGITS.test, seed=1)
    vocabulary = Vocabulary(train.captions)
    trunk = copy.deepcopy(detector.trunk).requires_grad_(False)  # a copy, since batch norm goes on averaging
    model = Captioner(trunk, (64, 4, 4), len(vocabulary))
    sentences = vocabulary.encode(train.captions)
    fit(model, (train.x, sentences), epochs=12, batch_size=50, lr=1e-2, cosine=True, device="cpu")
    told = vocabulary.decode(model.describe(test.x))
    exact = np.mean([ours == theirs for ours, theirs in zip(told, test.captions, strict=True)])
    shape = np.mean([len(a.split()) == len(b.split()) for a, b in zip(told, test.captions, strict=True)])
    print(f"whole sentences right {exact:.2f}, of the right length {shape:.2f}; for instance {told[0]!r}")
    assert exact > 0.4
    assert shape > 0.8


def test_attention_weighs_the_cells_and_looks_at_them():
    model = tiny_captioner(4)
    x, words = torch.rand(2, 1, 8, 8, dtype=DOUBLE), torch.tensor([[1, 2, END], [3, 1, END]])
    weights = model.attend(x, words)
    assert weights.shape == (2, 3, 2, 2)
    torch.testing.assert_close(weights.sum((2, 3)), torch.ones(2, 3, dtype=DOUBLE))
    # With the first state fixed, a cell acts on a word through attention alone.
    model.begin.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(model(x, words)[0, 1].sum(), x)
    assert (gradient[0, 0].unfold(0, 4, 4).unfold(1, 4, 4).abs().sum((2, 3)) > 0).all()
    assert gradient[1].abs().max() == 0


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: ConvClassifier((1, 7, 8), 10), "even sides, got 7x8"),
        (lambda: SoftmaxClassifier((1, 8, 8), 1), "num_classes must be at least 2, got 1"),
        (lambda: SoftmaxClassifier((1, 2, 2), 3).loss(torch.rand(2, 1, 2, 2), torch.tensor([0, 3])), "0 to 3"),
        (lambda: ConvRegressor((1, 8, 8)).loss(torch.rand(2, 1, 8, 8), torch.rand(2)), r"y must be \(2, 1\)"),
        (lambda: ConvRegressor((1, 6, 8)), "multiples of 4, got 6x8"),
        (lambda: UNet(1, 2)(torch.rand(1, 1, 6, 8)), "multiples of 4, got 6x8"),
        (lambda: UNet(1, 2).loss(torch.rand(1, 1, 4, 4), torch.full((1, 4, 4), 2)), "got 2 to 2"),
        (lambda: Detector(1, 2)(torch.rand(1, 1, 12, 16)), "multiples of 8, got 12x16"),
        (lambda: Captioner(nn.Identity(), (3, 2, 2), 1), "num_words must be at least 2"),
        (lambda: tiny_captioner(3).attend(torch.rand(1, 1, 12, 8).double(), torch.ones(1, 2).long()), "cells were due"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
