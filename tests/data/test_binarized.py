"""Binarisation by chance and by level, and the static set in its two forms."""

import hashlib
import http.client
import socket
import time

import numpy as np
import pytest
import torch

from course_utils.data import DamagedDataError, DataNotFoundError, binarize, load, threshold
from course_utils.data import binarized as module
from course_utils.data import download as download_module

SIZES = {"train": 7, "valid": 3, "test": 2}


def amat(bits: np.ndarray) -> bytes:
    """The authors' text: values separated by a space, one image a line."""
    return "".join(" ".join(map(str, row)) + "\n" for row in bits).encode()


@pytest.fixture
def small(monkeypatch, cache):
    """A stand-in of 7 + 3 + 2 images, with its checksums in the place of the real ones."""
    generator = np.random.default_rng(0)
    bits = {split: generator.integers(0, 2, (count, 784), dtype=np.uint8) for split, count in SIZES.items()}
    texts = {split: amat(values) for split, values in bits.items()}
    monkeypatch.setattr(
        module, "TEXT_SHA256", {split: hashlib.sha256(text).hexdigest() for split, text in texts.items()}
    )
    return bits, texts


def put_texts(folder, texts):
    folder.mkdir(parents=True, exist_ok=True)
    for split, text in texts.items():
        (folder / f"binarized_mnist_{split}.amat").write_bytes(text)


def put_packed(folder, bits):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "binarized_mnist.npz", **{s: np.packbits(values, axis=1) for s, values in bits.items()}
    )


# Binarisation of grey images.


def test_binarize_draws_ones_with_probability_x():
    x = torch.linspace(0, 1, 11).repeat(20_000, 1)
    draws = binarize(x, torch.Generator().manual_seed(0))
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    p = x[0]
    sigma = (p * (1 - p) / len(x)).sqrt()
    assert ((draws.mean(0) - p).abs() <= 5 * sigma).all()  # sigma is 0 at p = 0 and p = 1: there it is exact
    pairs = torch.corrcoef(draws[:, 1:-1].T) - torch.eye(9)
    assert pairs.abs().max() < 5 / len(x) ** 0.5  # independent pixels


def test_binarize_obeys_its_generator_and_leaves_the_global_one():
    x = torch.full((3, 1, 8, 8), 0.5)
    state = torch.get_rng_state()
    first, again, other = (binarize(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert (x == 0.5).all()


def test_binarize_without_a_generator_follows_the_global_seed():
    x = torch.full((3, 1, 8, 8), 0.5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second = binarize(x), binarize(x)
        torch.manual_seed(3)
        again = binarize(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)  # dynamic: each epoch sees other pixels


def test_threshold_is_strict():
    x = torch.tensor([0.0, 0.2, 0.5, 0.7, 1.0], dtype=torch.float64)
    assert threshold(x).tolist() == [0, 0, 0, 1, 1]
    assert threshold(x, level=0.1).tolist() == [0, 1, 1, 1, 1]
    assert threshold(x).dtype == torch.float64


@pytest.mark.parametrize("function", [binarize, threshold])
def test_binarisation_wants_the_unit_interval(function):
    assert function(torch.rand(2, 3, dtype=torch.float64)).dtype == torch.float64
    assert function(torch.empty(0, 3)).shape == (0, 3)
    for wrong, match in [
        (torch.tensor([0.0, 1.5]), "from 0 to 1.5"),
        (torch.tensor([-0.5, 0.5]), "from -0.5 to 0.5"),
        (torch.tensor([0.5, float("nan")]), "nan"),
        (torch.tensor([0, 255], dtype=torch.uint8), "uint8; divide bytes by 255"),
    ]:
        with pytest.raises(ValueError, match=match):
            function(wrong)


# The static set.


def test_text_and_packed_forms_give_the_same_tensors(small, tmp_path):
    bits, texts = small
    put_texts(tmp_path / "text", texts)
    put_packed(tmp_path / "packed", bits)
    from_text = load("binarized_mnist", root=tmp_path / "text", download=False)
    from_packed = load("binarized_mnist", root=tmp_path / "packed", download=False)
    for split, count in SIZES.items():
        a, b = getattr(from_text, split), getattr(from_packed, split)
        assert torch.equal(a.x, b.x)
        assert a.x.dtype == torch.float32
        assert a.x.shape == (count, 1, 28, 28)
        assert np.array_equal(a.x.numpy().reshape(count, 784), bits[split])
        assert a.y is None
        assert b.y is None
    assert "7 / 3 / 2" in from_text.description
    assert "static binarisation" in from_text.description


def test_other_sizes_are_refused(small):
    with pytest.raises(ValueError, match=r"28x28.*size=32"):
        load("binarized_mnist", size=32)


@pytest.mark.parametrize("damage", ["shorter", "longer", "flipped", "empty"])
def test_damaged_text_is_named_and_stays(small, tmp_path, damage, snapshot):
    _, texts = small
    good = texts["valid"]
    bad = {"shorter": good[:-5], "longer": good + b"0\n", "flipped": bytes([good[0] ^ 1]) + good[1:], "empty": b""}[
        damage
    ]
    put_texts(tmp_path / "mine", texts | {"valid": bad})
    before = snapshot(tmp_path)
    with pytest.raises(DamagedDataError, match=r"binarized_mnist_valid\.amat is damaged") as caught:
        load("binarized_mnist", root=tmp_path / "mine")
    assert isinstance(caught.value, OSError)
    for part in (hashlib.sha256(bad).hexdigest(), hashlib.sha256(good).hexdigest(), f"{len(bad):,} bytes"):
        assert part in str(caught.value)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "no zip", "no test", "wrong width", "npy"])
def test_damaged_packed_file_is_named_and_stays(small, tmp_path, damage, snapshot):
    bits, _ = small
    folder, path = tmp_path / "mine", tmp_path / "mine" / "binarized_mnist.npz"
    wrong = {split: values.copy() for split, values in bits.items()}
    if damage == "flipped":
        wrong["test"][1, 300] ^= 1
    elif damage == "no test":
        del wrong["test"]
    elif damage == "wrong width":
        wrong["train"] = wrong["train"][:, :392]
    put_packed(folder, wrong)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no zip":
        path.write_bytes(b"<html>404</html>" * 50)
    elif damage == "npy":
        np.save(path.open("wb"), wrong["test"])
    before = snapshot(tmp_path)
    with pytest.raises(DamagedDataError, match=r"binarized_mnist.npz is damaged.*left as it is"):
        load("binarized_mnist", root=folder)
    assert snapshot(tmp_path) == before


def test_each_byte_of_a_packed_file_may_be_wrong(small, tmp_path):
    """A flipped byte gives the right pixels (it was in a time stamp, say) or DamagedDataError, nothing else."""
    bits, _ = small
    put_packed(tmp_path / "mine", bits)
    path = tmp_path / "mine" / "binarized_mnist.npz"
    good, named = path.read_bytes(), 0
    for position in range(0, len(good), 3):
        path.write_bytes(good[:position] + bytes([good[position] ^ 255]) + good[position + 1 :])
        try:
            images = load("binarized_mnist", root=tmp_path / "mine", download=False)
        except DamagedDataError:
            named += 1
        else:
            assert np.array_equal(images.test.x.numpy().reshape(-1, 784), bits["test"])
    assert named > 0.8 * len(good) / 3


# Its download, from a server on this machine.


@pytest.fixture
def source(small, server, monkeypatch):
    folder, url = server
    put_texts(folder, small[1])
    monkeypatch.setattr(module, "URL", url)
    return folder


def test_download_brings_the_three_files_and_then_reads_them_from_disk(source, small, cache, monkeypatch, snapshot):
    images = load("binarized_mnist")
    assert np.array_equal(images.train.x.numpy().reshape(-1, 784), small[0]["train"])
    assert snapshot(cache) == {f"binarized_mnist_{split}.amat": text for split, text in small[1].items()}
    monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/")  # nothing listens there
    assert torch.equal(load("binarized_mnist").valid.x, images.valid.x)


def test_no_download_when_told_not_to(source, cache):
    with pytest.raises(DataNotFoundError, match="download=False"):
        load("binarized_mnist", download=False)
    assert not cache.exists()


def test_truncated_download_is_named_and_nothing_is_kept(source, small, cache, snapshot):
    text = small[1]["valid"]
    (source / "binarized_mnist_valid.amat.cut").write_bytes(text[:1000])
    with pytest.raises(DamagedDataError, match=r"binarized_mnist_valid\.amat is damaged: 1,000 bytes"):
        load("binarized_mnist")
    assert set(snapshot(cache)) == {"binarized_mnist_train.amat"}  # the whole one; no half of another
    (source / "binarized_mnist_valid.amat.cut").unlink()
    assert len(load("binarized_mnist").valid.x) == 3  # the next try goes on from there


def test_a_python_that_reports_a_truncated_body_gives_the_same_error(source, cache, monkeypatch, snapshot):
    def read(self, amount):
        raise http.client.IncompleteRead(b"0 1 0")

    monkeypatch.setattr(http.client.HTTPResponse, "read", read)
    with pytest.raises(DamagedDataError, match=r"binarized_mnist_train\.amat is damaged: 5 bytes"):
        load("binarized_mnist")
    assert snapshot(cache) == {}


def test_wrong_file_is_named_and_nothing_is_kept(source, small, cache, snapshot):
    wrong = b"<html>The page has moved.</html>"
    (source / "binarized_mnist_train.amat").write_bytes(wrong)
    with pytest.raises(DamagedDataError, match=r"binarized_mnist_train\.amat") as caught:
        load("binarized_mnist")
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert module.TEXT_SHA256["train"] in str(caught.value)
    assert snapshot(cache) == {}


def test_file_that_the_server_lacks_says_where_to_put_it(source, cache, snapshot):
    (source / "binarized_mnist_test.amat").unlink()
    with pytest.raises(DataNotFoundError, match=r'download failed: .*404.*load\("digits"\), which always works'):
        load("binarized_mnist")
    assert set(snapshot(cache)) == {"binarized_mnist_train.amat", "binarized_mnist_valid.amat"}


def test_no_network_says_where_to_put_the_files(small, cache, monkeypatch, snapshot):
    monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/")
    with pytest.raises(DataNotFoundError, match=r"download failed: .*refused"):
        load("binarized_mnist")
    assert snapshot(cache) == {}


def test_silent_network_counts_as_absent(small, server, cache, monkeypatch, snapshot):
    monkeypatch.setattr(download_module, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(module, "URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        start = time.monotonic()
        with pytest.raises(DataNotFoundError, match="timed out"):
            load("binarized_mnist")
        assert time.monotonic() - start < 3
    assert snapshot(cache) == {}


def test_damaged_file_in_the_cache_is_not_overwritten_by_a_download(source, small, cache):
    put_texts(cache, {"train": b"half a fi"})
    with pytest.raises(DamagedDataError, match=r"binarized_mnist_train\.amat is damaged"):
        load("binarized_mnist")
    assert (cache / "binarized_mnist_train.amat").read_bytes() == b"half a fi"


def test_a_later_folder_is_used_when_an_earlier_lacks_a_file(small, tmp_path, monkeypatch):
    bits, texts = small
    put_texts(tmp_path / "first", {"train": texts["train"]})
    put_packed(tmp_path / "second", bits)
    monkeypatch.setenv("COURSE_DATA", f"{tmp_path / 'first'}{module.os.pathsep}{tmp_path / 'second'}")
    assert len(load("binarized_mnist", download=False).train.x) == 7


# The real thing.


@pytest.mark.real_data
def test_real_binarized_mnist(real_root):
    images = load("binarized_mnist", root=real_root("binarized_mnist.npz"), download=False)
    for split, (count, mean) in {
        "train": (50_000, 0.130562),
        "valid": (10_000, 0.131127),
        "test": (10_000, 0.132512),
    }.items():
        x = getattr(images, split).x
        assert x.shape == (count, 1, 28, 28)
        assert ((x == 0) | (x == 1)).all()
        assert abs(x.double().mean() - mean) < 1e-6
    # Upright digits: the margins are empty and there is more ink in the middle.
    assert images.train.x[:, 0, :2].mean() < 1e-3 < 0.3 < images.train.x[:, 0, 10:18, 10:18].mean()


@pytest.mark.real_data
def test_real_text_files_give_the_tensors_of_the_packed_file(real_root, tmp_path):
    root = real_root("binarized_mnist.npz")
    with np.load(root / "binarized_mnist.npz") as packed:
        for split in SIZES:
            bits = np.unpackbits(packed[split], axis=1)
            assert len(bits) in (50_000, 10_000)
            lines = np.full((len(bits), 2 * 784), ord(" "), np.uint8)
            lines[:, ::2] = bits + ord("0")
            lines[:, -1] = ord("\n")
            assert lines[:2].tobytes() == amat(bits[:2])
            lines.tofile(tmp_path / f"binarized_mnist_{split}.amat")
    from_text = load("binarized_mnist", root=tmp_path, download=False)
    from_packed = load("binarized_mnist", root=root, download=False)
    assert all(torch.equal(a.x, b.x) for a, b in zip(from_text[2:], from_packed[2:], strict=True))
