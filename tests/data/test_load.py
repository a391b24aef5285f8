"""load(): names, where data is looked for, and what is said when it is not there."""

import os
from pathlib import Path

import pytest
import torch

from course_utils.data import NAMES, DataNotFoundError, data_folders, load


def test_names_are_those_that_load_knows():
    assert NAMES == (
        "digits",
        "mnist",
        "fashion_mnist",
        "cifar10",
        "binarized_mnist",
        "sprites",
        "olivetti_faces",
        "omniglot",
        "cartoons",
    )


@pytest.mark.parametrize("wrong", ["mnits", "CIFAR-10", "imagenet", "", 7])
def test_unknown_name_lists_the_names(wrong):
    with pytest.raises(ValueError, match="digits, mnist, fashion_mnist, cifar10, binarized_mnist, sprites"):
        load(wrong)


@pytest.mark.parametrize(("wrong", "near"), [("mnits", "mnist"), ("CIFAR-10", "cifar10"), ("sprite", "sprites")])
def test_unknown_name_suggests_the_nearest(wrong, near):
    with pytest.raises(ValueError, match=f'did you mean "{near}"'):
        load(wrong)


def test_nothing_near_suggests_nothing():
    with pytest.raises(ValueError, match="no data set 'imagenet'; the names"):
        load("imagenet")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mnist", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", ".gz", "MNIST/raw"]),
        ("fashion_mnist", ["train-images-idx3-ubyte", "FashionMNIST/raw"]),
        ("cifar10", ["cifar-10-batches-py", "cifar-10-python.tar.gz", "cifar10_test.webp", "cifar10_labels.npz"]),
        ("binarized_mnist", ["binarized_mnist_train.amat", "binarized_mnist_test.amat", "binarized_mnist.npz"]),
        ("olivetti_faces", ["olivetti_faces.npz", "AT&T", "the course does not download it"]),
        ("omniglot", ["omniglot_28.npz", "omniglot_105.npz", "brendenlake/omniglot"]),
    ],
)
def test_missing_set_says_what_to_put_where(cache, tmp_path, name, files):
    with pytest.raises(DataNotFoundError) as caught:
        load(name, root=tmp_path / "mine", download=False)
    message = str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    for part in [f'"{name}"', *files, f"into {tmp_path / 'mine'}", str(cache), "COURSE_DATA", 'load("digits")']:
        assert part in message
    assert "\n" not in message
    assert not (tmp_path / "mine").exists()
    assert not cache.exists()


def test_without_root_or_course_data_the_cache_is_advised(cache, tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_DATA")
    monkeypatch.setattr("course_utils.data.folders._COURSE", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataNotFoundError, match="into " + str(cache)):
        load("binarized_mnist", download=False)


def test_order_of_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    cache = tmp_path / "x" / "dgm-course"
    monkeypatch.setenv("COURSE_DATA", os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b")]))
    assert data_folders() == [tmp_path / "a", tmp_path / "b", cache]
    assert data_folders("/given") == [Path("/given"), cache]
    monkeypatch.delenv("COURSE_DATA")
    monkeypatch.chdir(tmp_path)
    clone = tmp_path / "work" / "course"
    monkeypatch.setattr("course_utils.data.folders._COURSE", clone)
    assert data_folders() == [tmp_path / "data", cache]  # installed from an index: nothing beside the package
    clone.mkdir(parents=True)
    (clone / "pyproject.toml").touch()
    assert data_folders() == [tmp_path / "data", clone / "data", tmp_path / "work" / "shared" / "data", cache]


def test_cache_folder_without_xdg_is_in_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert data_folders("/given")[-1] == tmp_path / ".cache" / "dgm-course"


@pytest.mark.parametrize("name", ["digits", "sprites"])
def test_embedded_sets_need_neither_disk_nor_network(cache, name):
    images = load(name, download=False)
    assert images.name == name
    for split in (images.train, images.valid, images.test):
        assert split.x.dtype == torch.float32
        assert split.x.ndim == 4
        assert 0 <= split.x.min() < split.x.max() <= 1
        assert f"{len(split.x):,}" in images.description
    assert "\n" not in images.description
    assert images.description in repr(images)
    assert not cache.exists()
