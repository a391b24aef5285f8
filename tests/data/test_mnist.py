"""MNIST and Fashion-MNIST: small stand-ins in the real format, and the real sets where they are."""

import gzip
import hashlib
import socket

import numpy as np
import pytest
import torch
from torchvision import datasets

from course_utils.data import DamagedDataError, DataNotFoundError, load
from course_utils.data import mnist as module

CLASSES = {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}
NUM_TRAIN, NUM_TEST = 12, 4


def idx(array: np.ndarray) -> bytes:
    """LeCun's format: two zeros, 8 for bytes, the number of axes, their lengths, then the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture(params=CLASSES)
def small(request, monkeypatch, cache):
    """(name, arrays, files, archives) of a stand-in with its checksums in the place of the real ones."""
    name, generator = request.param, np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", NUM_TRAIN), ("t10k", NUM_TEST)):
        arrays[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = generator.integers(0, 10, count, dtype=np.uint8)
    files = {file: idx(array) for file, array in arrays.items()}
    archives = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in files.items()}
    dataset_class = CLASSES[name]
    monkeypatch.setattr(dataset_class, "resources", [(a, hashlib.md5(c).hexdigest()) for a, c in archives.items()])
    unpacked = {file: hashlib.md5(content).hexdigest() for file, content in files.items()}
    monkeypatch.setattr(module, "UNPACKED_MD5", {dataset_class.__name__: unpacked})
    monkeypatch.setattr(module, "NUM_VALID", 5)
    return name, arrays, files, archives


def put(folder, name, files):
    raw = folder / CLASSES[name].__name__ / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (raw / file).write_bytes(content)
    return raw


def check(images, arrays):
    x, y = arrays["train-images-idx3-ubyte"], arrays["train-labels-idx1-ubyte"]
    due = {
        "train": (x[:-5], y[:-5]),
        "valid": (x[-5:], y[-5:]),  # the end of the training set, by convention
        "test": (arrays["t10k-images-idx3-ubyte"], arrays["t10k-labels-idx1-ubyte"]),
    }
    for split, (pixels, labels) in due.items():
        got = getattr(images, split)
        assert got.x.dtype == torch.float32
        assert np.array_equal(got.x.numpy(), pixels[:, None].astype(np.float32) / 255)
        assert got.y.dtype == torch.int64
        assert np.array_equal(got.y.numpy(), labels)


def cached(name, files):
    return {f"{CLASSES[name].__name__}/raw/{file}": content for file, content in files.items()}


@pytest.mark.parametrize("packed", [True, False])
def test_both_forms_are_read_and_the_users_folder_is_not_written_to(small, tmp_path, cache, packed, snapshot):
    name, arrays, files, archives = small
    put(tmp_path / "mine", name, archives if packed else files)
    before = snapshot(tmp_path / "mine")
    images = load(name, root=tmp_path / "mine", download=False)
    check(images, arrays)
    assert "7 / 5 / 4" in images.description
    assert images.name == name
    assert snapshot(tmp_path / "mine") == before
    assert snapshot(cache) == (cached(name, files) if packed else {})
    check(load(name, root=tmp_path / "mine", download=False), arrays)  # now with the cache filled


def test_cache_that_cannot_be_made_does_not_matter(small, tmp_path, monkeypatch):
    name, arrays, _, archives = small
    put(tmp_path / "mine", name, archives)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # a file: no folder can be made in it
    check(load(name, root=tmp_path / "mine", download=False), arrays)


def test_archives_in_the_cache_itself_are_unpacked_beside(small, cache, snapshot):
    name, arrays, files, archives = small
    put(cache, name, archives)
    check(load(name, download=False), arrays)
    assert snapshot(cache) == cached(name, files) | cached(name, archives)


def test_size_resizes(small, tmp_path):
    name, arrays, _, archives = small
    put(tmp_path / "mine", name, archives)
    images = load(name, root=tmp_path / "mine", size=32)
    assert images.test.x.shape == (4, 1, 32, 32)
    assert "32x32" in images.description
    assert abs(images.test.x.mean() - arrays["t10k-images-idx3-ubyte"].mean() / 255) < 0.02


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_file_is_named_and_stays(small, tmp_path, cache, packed, damage, snapshot):
    name, _, files, archives = small
    good = dict(archives if packed else files)
    file = next(name for name in good if name.startswith("t10k-images"))
    content = good[file]
    bad = {"cut": content[:-7], "flipped": content[:-1] + bytes([content[-1] ^ 1]), "empty": b""}[damage]
    put(tmp_path / "mine", name, good | {file: bad})
    before = snapshot(tmp_path / "mine")
    with pytest.raises(DamagedDataError) as caught:
        load(name, root=tmp_path / "mine")
    for part in (
        f"raw/{file} is damaged",
        hashlib.md5(bad).hexdigest(),
        hashlib.md5(content).hexdigest(),
        f"{len(bad):,}",
    ):
        assert part in str(caught.value)
    assert snapshot(tmp_path / "mine") == before
    assert snapshot(cache) == {}


def test_damaged_file_in_the_cache_is_named_and_stays(small, tmp_path, cache):
    name, _, _, archives = small
    put(tmp_path / "mine", name, archives)
    raw = put(cache, name, {"train-images-idx3-ubyte": b"half"})
    with pytest.raises(DamagedDataError, match=str(raw / "train-images-idx3-ubyte") + " is damaged"):
        load(name, root=tmp_path / "mine")
    assert (raw / "train-images-idx3-ubyte").read_bytes() == b"half"


def test_incomplete_folder_counts_as_absent(small, tmp_path):
    name, _, _, archives = small
    archives = dict(archives)
    del archives["t10k-labels-idx1-ubyte.gz"]
    put(tmp_path / "mine", name, archives)
    with pytest.raises(DataNotFoundError, match="t10k-labels-idx1-ubyte"):
        load(name, root=tmp_path / "mine", download=False)


@pytest.fixture
def source(small, server, monkeypatch):
    folder, url = server
    for archive, content in small[3].items():
        (folder / archive).write_bytes(content)
    monkeypatch.setattr(CLASSES[small[0]], "mirrors", [url])
    return folder


def test_download_through_torchvision(source, small, cache, snapshot):
    name, arrays, files, _ = small
    timeout = socket.getdefaulttimeout()
    check(load(name), arrays)
    assert snapshot(cache) == cached(name, files)
    assert socket.getdefaulttimeout() == timeout
    (source / "train-images-idx3-ubyte.gz").unlink()
    check(load(name), arrays)  # from disk


@pytest.mark.parametrize("how", ["truncated", "wrong"])
def test_bad_download_is_named_and_nothing_is_kept(source, small, cache, how, snapshot):
    name, _, _, archives = small
    good = archives["t10k-images-idx3-ubyte.gz"]
    bad = good[:100] if how == "truncated" else b"<html>The page has moved.</html>"
    (source / ("t10k-images-idx3-ubyte.gz" + (".cut" if how == "truncated" else ""))).write_bytes(bad)
    with pytest.raises(DamagedDataError, match=r"download of t10k-images-idx3-ubyte\.gz is damaged") as caught:
        load(name)
    assert hashlib.md5(good).hexdigest() in str(caught.value)
    assert f"{len(bad):,} bytes" in str(caught.value)
    assert snapshot(cache) == {}


def test_absent_network_says_where_to_put_the_files(small, cache, monkeypatch, snapshot):
    name = small[0]
    monkeypatch.setattr(CLASSES[name], "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataNotFoundError, match=r'download failed: .*refused.*load\("digits"\)') as caught:
        load(name)
    assert "\n" not in str(caught.value)
    assert snapshot(cache) == {}


def test_server_without_the_file_says_where_to_put_it(source, small, cache, snapshot):
    (source / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataNotFoundError, match="404"):
        load(small[0])
    assert snapshot(cache) == {}


def test_download_does_not_overwrite_a_damaged_file_of_the_cache(source, small, cache):
    raw = put(cache, small[0], {"train-images-idx3-ubyte": b"half"})
    with pytest.raises(DamagedDataError, match="train-images-idx3-ubyte is damaged"):
        load(small[0])
    assert (raw / "train-images-idx3-ubyte").read_bytes() == b"half"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)],
    ids=["mnist", "fashion_mnist"],
)
def test_real_sets(real_root, cache, name, mean, std):
    folder = CLASSES[name].__name__
    root = real_root(f"{folder}/raw/train-images-idx3-ubyte.gz")
    images = load(name, root=root, download=False)
    train = torch.cat([images.train.x, images.valid.x])
    labels = torch.cat([images.train.y, images.valid.y])
    assert train.shape == (60_000, 1, 28, 28)
    assert images.valid.x.shape == images.test.x.shape == (10_000, 1, 28, 28)
    assert abs(train.mean() - mean) < 5e-5
    assert abs(train.std() - std) < 5e-5
    if name == "mnist":
        counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    else:
        counts, test_counts = [6000] * 10, [1000] * 10
    assert labels.bincount().tolist() == counts
    assert images.test.y.bincount().tolist() == test_counts
    # Read on one's own: the same images in the same order.
    with gzip.open(root / folder / "raw" / "train-images-idx3-ubyte.gz") as file:
        assert np.array_equal(
            (train * 255).round().byte().numpy().reshape(-1), np.frombuffer(file.read(), np.uint8, offset=16)
        )
    assert {path.name for path in cache.rglob("*ubyte*")} == set(module.UNPACKED_MD5[folder])
