"""CIFAR-10: small stand-ins of the batches, of the archive and of the packed sheets, and the real set where it is."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from course_utils.data import DamagedDataError, DataNotFoundError, load
from course_utils.data import cifar10 as module

BATCHES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def small(monkeypatch, cache):
    """Six batches of 6 images each, in all three forms, with their checksums in the place of the real ones."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (6, 6, 3, 32, 32), dtype=np.uint8)
    y = generator.integers(0, 10, (6, 6))
    batches = {
        batch: pickle.dumps({"data": x[i].reshape(6, -1), "labels": y[i].tolist()}) for i, batch in enumerate(BATCHES)
    }
    batches["batches.meta"] = pickle.dumps({"label_names": [str(label) for label in range(10)]})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(CIFAR10, "train_list", [[batch, md5(batches[batch])] for batch in BATCHES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(batches["test_batch"])]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(batches["batches.meta"])})
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(buffer.getvalue()))

    sheets = {}
    for i, sheet in enumerate(module.SHEETS_SHA256):  # 2 rows of 3 tiles
        rows = [
            np.concatenate([x[i, 3 * row + column].transpose(1, 2, 0) for column in range(3)], 1) for row in range(2)
        ]
        image = io.BytesIO()
        Image.fromarray(np.concatenate(rows)).save(image, "webp", lossless=True, exact=True)
        sheets[sheet] = image.getvalue()
    labels = io.BytesIO()
    np.savez(labels, train=y[:5].reshape(-1).astype(np.uint8), test=y[5].astype(np.uint8))
    monkeypatch.setattr(
        module, "SHEETS_SHA256", {s: hashlib.sha256(content).hexdigest() for s, content in sheets.items()}
    )
    monkeypatch.setattr(module, "LABELS_SHA256", hashlib.sha256(labels.getvalue()).hexdigest())
    monkeypatch.setattr(module, "TILES_PER_ROW", 3)
    monkeypatch.setattr(module, "NUM_VALID", 6)
    forms = {
        "batches": {f"cifar-10-batches-py/{name}": content for name, content in batches.items()},
        "archive": {"cifar-10-python.tar.gz": buffer.getvalue()},
        "sheets": {f"cifar10/{sheet}": content for sheet, content in sheets.items()}
        | {"cifar10/cifar10_labels.npz": labels.getvalue()},
    }
    return x, y, forms


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def check(images, x, y):
    due = {"train": (x[:4], y[:4]), "valid": (x[4], y[4]), "test": (x[5], y[5])}  # valid: the fifth batch
    for split, (pixels, labels) in due.items():
        got = getattr(images, split)
        assert got.x.dtype == torch.float32
        assert got.x.is_contiguous()
        assert np.array_equal(got.x.numpy(), pixels.reshape(-1, 3, 32, 32).astype(np.float32) / 255)
        assert got.y.dtype == torch.int64
        assert np.array_equal(got.y.numpy(), labels.reshape(-1))


@pytest.mark.parametrize("form", ["batches", "archive", "sheets"])
def test_each_form_gives_the_same_tensors_and_writes_nothing(small, tmp_path, cache, form, snapshot):
    x, y, forms = small
    put(tmp_path / "mine", forms[form])
    images = load("cifar10", root=tmp_path / "mine", download=False)
    check(images, x, y)
    assert "24 / 6 / 6" in images.description
    assert snapshot(tmp_path / "mine") == forms[form]
    assert not cache.exists()


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("batches", "cifar-10-batches-py/data_batch_3"),
        ("batches", "cifar-10-batches-py/batches.meta"),
        ("archive", "cifar-10-python.tar.gz"),
        ("sheets", "cifar10/cifar10_test.webp"),
        ("sheets", "cifar10/cifar10_labels.npz"),
    ],
)
def test_damaged_file_is_named_and_stays(small, tmp_path, cache, form, file, snapshot):
    files = small[2][form] | {file: small[2][form][file][:-9]}
    put(tmp_path / "mine", files)
    algorithm = hashlib.sha256 if form == "sheets" else hashlib.md5
    with pytest.raises(DamagedDataError, match=f"{file} is damaged") as caught:
        load("cifar10", root=tmp_path / "mine")
    assert algorithm(files[file]).hexdigest() in str(caught.value)
    assert algorithm(small[2][form][file]).hexdigest() in str(caught.value)
    assert snapshot(tmp_path / "mine") == files
    assert not cache.exists()


def test_size_resizes(small, tmp_path):
    put(tmp_path / "mine", small[2]["sheets"])
    assert load("cifar10", size=16, root=tmp_path / "mine").train.x.shape == (24, 3, 16, 16)


@pytest.fixture
def source(small, server, monkeypatch):
    folder, url = server
    put(folder, small[2]["archive"])
    monkeypatch.setattr(CIFAR10, "url", url + "cifar-10-python.tar.gz")
    return folder


def test_download_through_torchvision(source, small, cache, snapshot):
    x, y, forms = small
    check(load("cifar10"), x, y)
    assert snapshot(cache) == forms["batches"]


@pytest.mark.parametrize("how", ["truncated", "wrong"])
def test_bad_download_is_named_and_nothing_is_kept(source, small, cache, how, snapshot):
    good = small[2]["archive"]["cifar-10-python.tar.gz"]
    bad = good[:100] if how == "truncated" else b"<html>The page has moved.</html>"
    (source / ("cifar-10-python.tar.gz" + (".cut" if how == "truncated" else ""))).write_bytes(bad)
    with pytest.raises(DamagedDataError, match=r"download of cifar-10-python\.tar\.gz is damaged") as caught:
        load("cifar10")
    assert md5(good) in str(caught.value)
    assert md5(bad) in str(caught.value)
    assert snapshot(cache) == {}


def test_absent_network_says_where_to_put_the_files(small, cache, monkeypatch, snapshot):
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(DataNotFoundError, match=r"download failed: .*refused"):
        load("cifar10")
    assert snapshot(cache) == {}


@pytest.mark.real_data
@pytest.mark.slow
def test_real_cifar10(real_root):
    root = real_root("cifar10/cifar10_labels.npz")
    images = load("cifar10", root=root, download=False)
    assert images.train.x.shape == (40_000, 3, 32, 32)
    assert images.test.x.shape == images.valid.x.shape == (10_000, 3, 32, 32)
    labels = torch.cat([images.train.y, images.valid.y])
    assert labels.bincount().tolist() == [5000] * 10
    assert images.test.y.bincount().tolist() == [1000] * 10
    total = images.train.x.double().sum((0, 2, 3)) + images.valid.x.double().sum((0, 2, 3))
    assert torch.allclose(
        total / (50_000 * 1024), torch.tensor([0.49140, 0.48216, 0.44653], dtype=torch.float64), atol=1e-5
    )
    # The authors' binary files, byte for byte: a label and the pixels, channel first, for each image.
    digests = [
        "5dd7e06a14cb22eb9f671a540d1b7c25",
        "5ea93a67294ea407fff1d09f752e9692",
        "942cd6a4bcdd0dd3c604fbe906cb4421",
        "ae636b3ba5c66a11e91e8cb52e771fcb",
        "53f37980c15c3d472c316c40844f3f0d",
        "803d5f7f4d78ea53de84dbe85f74fb6d",
    ]
    pieces = [(images.train.x[i : i + 10_000], images.train.y[i : i + 10_000]) for i in range(0, 40_000, 10_000)]
    for (x, y), digest in zip([*pieces, images.valid, images.test], digests, strict=True):
        rows = torch.cat([y.byte()[:, None], (x * 255).round().byte().flatten(1)], dim=1)
        assert md5(rows.numpy().tobytes()) == digest
