"""The net of 8x8 digits: its weights are those that belong to it, and it knows digits that it was not trained on."""

import math
import statistics
import subprocess
import sys

import pytest
import torch

from course_utils.data import load
from course_utils.data.folders import DamagedDataError
from course_utils.evaluation import digit_classifier, features, image_features
from course_utils.evaluation.feature_training import jitter, train_digit_classifier


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def accuracy(net, split) -> float:
    return (net(split.x).argmax(1) == split.y).double().mean().item()


def test_the_net_knows_held_out_digits(digits):
    net = digit_classifier()
    found = {name: accuracy(net, split) for name, split in (("valid", digits.valid), ("test", digits.test))}
    print(f"accuracy of the committed net: {found}")
    assert 0.97 <= found["valid"] < 1
    assert 0.97 <= found["test"] < 1


@pytest.mark.training
def test_training_again_gives_a_net_of_the_same_quality(digits, training_seeds):
    found = [accuracy(train_digit_classifier(seed), digits.test) for seed in training_seeds]
    mean, committed = statistics.mean(found), accuracy(digit_classifier(), digits.test)
    print(f"test accuracy of seeds {list(training_seeds)}: {found}; committed {committed:.4f}; due: 0.975 to 0.997")
    assert 0.975 <= mean <= 0.997
    assert min(found) >= 0.965
    assert abs(committed - mean) < 0.015


def test_training_starts_from_its_seed_alone_and_leaves_the_random_state():
    state = torch.get_rng_state()
    first = train_digit_classifier(seed=3, epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    again, other = train_digit_classifier(seed=3, epochs=1), train_digit_classifier(seed=4, epochs=1)
    weights = [net.head.weight for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(weights[0], weights[0].half().float())  # what a file in half precision can hold


def test_jitter_moves_less_than_a_pixel():
    """The centre of mass of a blob in the middle moves by up to half a pixel each way, evenly in both directions.

    The shift is turned with the image: 0.5 (cos 0.15 + sin 0.15) = 0.57 is the most.
    """
    x = torch.zeros(4000, 1, 8, 8)
    x[:, :, 3:5, 3:5] = 1
    place = torch.arange(8) - 3.5
    moved = jitter(x)
    mass = moved.sum((1, 2, 3))
    for profile in (moved.sum((1, 2)), moved.sum((1, 3))):
        centre = (profile * place).sum(1) / mass
        assert 0.5 < centre.abs().max() < 0.57
        assert abs(centre.mean()) < 5 * (1 / 12 / 4000) ** 0.5
        assert centre.std() == pytest.approx((1 / 12) ** 0.5, rel=0.05)
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_jitter_turns_and_does_not_shear():
    """A horizontal and a vertical bar of one image (two channels here) turn together, by up to 0.15 radians."""
    x = torch.zeros(2000, 2, 8, 8)
    x[:, 0, 3:5, 1:7] = 1
    x[:, 1, 1:7, 3:5] = 1
    moved, place = jitter(x), torch.arange(8) - 3.5
    mass = moved.sum((2, 3))
    right = place - (moved.sum(2) * place).sum(2, keepdim=True) / mass.unsqueeze(2)
    down = place - (moved.sum(3) * place).sum(2, keepdim=True) / mass.unsqueeze(2)
    across = torch.einsum("bchw,bch,bcw->bc", moved, down, right) / mass
    along = torch.stack([(moved.sum(2) * right**2).sum(2)[:, 0], (moved.sum(3) * down**2).sum(2)[:, 1]], dim=1) / mass
    slope = across / along
    assert (slope[:, 0] + slope[:, 1]).abs().max() < 0.03
    assert 0.08 < slope.abs().max() < math.tan(0.15)


def test_loading_is_pure_and_frozen():
    state = torch.get_rng_state()
    net, again = digit_classifier(), digit_classifier()
    assert torch.equal(torch.get_rng_state(), state)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    x = torch.rand(3, 1, 8, 8, requires_grad=True)
    assert torch.equal(net(x), again(x))
    net(x).sum().backward()
    assert x.grad.abs().sum() > 0  # a generator could learn from it
    torch.testing.assert_close(net(x), net.features(x) @ net.head.weight.T + net.head.bias)
    assert net.features(x).shape == (3, net.num_features)
    torch.testing.assert_close(digit_classifier().double()(x.double()), net(x).double(), atol=1e-4, rtol=1e-4)


def test_every_feature_says_something(digits):
    spread = image_features(digit_classifier(), digits.test.x).std(0)
    assert spread.min() > 0.05 * spread.max()


def test_features_of_batches_are_those_of_the_whole(digits):
    net, x = digit_classifier(), digits.test.x[:25]
    torch.testing.assert_close(image_features(net, x, batch_size=7), net.features(x), atol=1e-5, rtol=1e-5)
    assert not image_features(net, x.clone().requires_grad_()).requires_grad
    with pytest.raises(ValueError, match="no images"):
        image_features(net, x[:0])


def test_damaged_weights_are_named(tmp_path, monkeypatch):
    content = bytearray(features.WEIGHTS.read_bytes())
    content[2000] ^= 1
    damaged = tmp_path / "digit_classifier.npz"
    damaged.write_bytes(content)
    monkeypatch.setattr(features, "WEIGHTS", damaged)
    with pytest.raises(DamagedDataError, match=r"digit_classifier\.npz has a wrong checksum"):
        digit_classifier()


def test_wrong_images_are_named():
    net = digit_classifier()
    with pytest.raises(ValueError, match=r"x must be images \(B, 1, 8, 8\), got \(2, 1, 28, 28\)"):
        net(torch.rand(2, 1, 28, 28))
    with pytest.raises(ValueError, match=r"from -1 to 0\.5; images in \[-1, 1\] are mapped by \(x \+ 1\) / 2"):
        net(torch.stack([torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 0.5)]))
    with pytest.raises(ValueError, match="got values from nan to nan"):
        net(torch.full((2, 1, 8, 8), float("nan")))


PROGRAM = "import sys, course_utils.evaluation; print([n for n in sys.argv[1:] if n in sys.modules])"


def test_importing_the_evaluation_brings_no_heavy_library():
    heavy = ["scipy", "sklearn", "lightning_fabric", "torchvision", "matplotlib"]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
