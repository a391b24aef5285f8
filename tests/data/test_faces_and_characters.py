"""Olivetti faces and Omniglot: which image goes into which split, from small files and from the real ones."""

import hashlib

import numpy as np
import pytest
import torch

from course_utils.data import DamagedDataError, load, olivetti, omniglot

# Small stand-ins of the same form.


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """Three people: the value of every pixel is 10 person + number of the photograph."""
    values = np.arange(30, dtype=np.uint8)
    path = tmp_path / "olivetti_faces.npz"
    images = np.broadcast_to(values[:, None, None], (30, 64, 64))
    np.savez_compressed(path, images=images, subject=np.repeat(np.arange(3, dtype=np.uint8), 10))
    monkeypatch.setattr(olivetti, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return tmp_path


@pytest.fixture
def characters(tmp_path, monkeypatch):
    """Five characters by twenty people, three of the background set: pixels are 20 character + drawer."""
    character, drawer = np.repeat(np.arange(5, dtype=np.uint16), 20), np.tile(np.arange(1, 21, dtype=np.uint8), 5)
    values = (20 * character + drawer).astype(np.uint8)
    np.savez(tmp_path / "omniglot_28.npz", images=np.broadcast_to(values[:, None, None], (100, 28, 28)))
    np.savez(tmp_path / "omniglot_105.npz", character=character, drawer=drawer, n_background=np.int64(60))
    sums = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in omniglot.SHA256}
    monkeypatch.setattr(omniglot, "SHA256", sums)
    return tmp_path


def test_everybodys_photographs_are_dealt_eight_one_one(faces, snapshot):
    before = snapshot(faces)
    images = load("olivetti_faces", root=faces)
    for split, numbers in {"train": range(8), "valid": [8], "test": [9]}.items():
        x, y = getattr(images, split)
        assert (255 * x[:, 0, 5, 7]).round().tolist() == [10 * who + n for who in range(3) for n in numbers]
        assert y.tolist() == [who for who in range(3) for _ in numbers]
        assert x.shape[1:] == (1, 64, 64)
    assert "30 photographs of 3 people" in images.description
    assert "24 / 3 / 3" in images.description
    assert load("olivetti_faces", root=faces, size=16).test.x.shape == (3, 1, 16, 16)
    assert snapshot(faces) == before


def test_characters_of_test_are_new_and_valid_is_by_the_last_two_people(characters, snapshot):
    before = snapshot(characters)
    images = load("omniglot", root=characters)
    due = {
        "train": [(c, d) for c in range(3) for d in range(1, 19)],
        "valid": [(c, d) for c in range(3) for d in (19, 20)],
        "test": [(c, d) for c in (3, 4) for d in range(1, 21)],
    }
    for split, drawn in due.items():
        x, y = getattr(images, split)
        assert (255 * x[:, 0, 3, 4]).round().tolist() == [20 * c + d for c, d in drawn]
        assert y.tolist() == [c for c, _ in drawn]
        assert y.dtype == torch.int64
    assert "54 / 6 / 40" in images.description
    assert load("omniglot", root=characters, size=32).valid.x.shape == (6, 1, 32, 32)
    assert snapshot(characters) == before


@pytest.mark.parametrize("file", ["omniglot_28.npz", "omniglot_105.npz"])
def test_damaged_characters_are_named_and_half_a_set_is_none(characters, file):
    path = characters / file
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(DamagedDataError, match=rf"{file} is damaged: its SHA256"):
        load("omniglot", root=characters)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"the course does not download it.*omniglot_105\.npz"):
        load("omniglot", root=characters)


def test_damaged_faces_are_named(faces):
    (faces / "olivetti_faces.npz").write_bytes(b"half a fi")
    with pytest.raises(DamagedDataError, match=r"olivetti_faces\.npz is damaged.*left as it is"):
        load("olivetti_faces", root=faces)


# The real ones.


@pytest.mark.real_data
def test_real_faces(real_root):
    images = load("olivetti_faces", root=real_root("olivetti_faces.npz"))
    for split, count in (("train", 8), ("valid", 1), ("test", 1)):
        x, y = getattr(images, split)
        assert x.shape == (40 * count, 1, 64, 64)
        assert torch.equal(torch.bincount(y), torch.full((40,), count))
    # The same person is nearer than the others: the nearest training face is of that person for most.
    gap = torch.cdist(images.test.x.flatten(1), images.train.x.flatten(1))
    assert (images.train.y[gap.argmin(1)] == images.test.y).float().mean() > 0.8


@pytest.mark.real_data
def test_real_omniglot(real_root):
    images = load("omniglot", root=real_root("omniglot_105.npz"))
    assert [len(part.x) for part in images[2:]] == [964 * 18, 964 * 2, 659 * 20]
    assert torch.equal(torch.bincount(images.train.y), torch.full((964,), 18))
    assert torch.equal(torch.bincount(images.test.y)[964:], torch.full((659,), 20))
    x = torch.cat([part.x for part in images[2:]])
    assert x.mean().item() == pytest.approx(20.531116 / 255, abs=1e-6)
    # Drawings of a character are more alike than those of two.
    characters = images.train.x.flatten(1).view(964, 18, -1).mean(1)
    right = torch.cdist(images.valid.x.flatten(1), characters).argmin(1) == images.valid.y
    assert right.float().mean() > 0.1  # by chance 0.001
