"""The real facades: from the archive or the folder, halves the right way round, and what is said of damage."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import DamagedDataError, DataNotFoundError, load_pairs
from course_utils.data.translation import cmp_facades

COUNTS = {"train": 3, "val": 2, "test": 1}


def jpeg(number: int) -> bytes:
    """A red photograph of some brightness beside a blue map."""
    pixels = np.zeros((256, 512, 3), np.uint8)
    pixels[:, :256, 0], pixels[:, 256:, 2] = 100 + 20 * number, 250 - 30 * number
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def stand_ins(monkeypatch):
    """The JPEGs of three small splits by their name in the archive."""
    files, sums = {}, {}
    for split, (folder, _, _) in cmp_facades.SPLITS.items():
        names = {f"facades/{folder}/{n}.jpg": jpeg(n) for n in range(1, COUNTS[folder] + 1)}
        sums[split] = (folder, COUNTS[folder], hashlib.sha256(b"".join(names.values())).hexdigest())
        files |= names
    monkeypatch.setattr(cmp_facades, "SPLITS", sums)
    return files


def put(folder, files, packed: bool):
    folder.mkdir(exist_ok=True)
    if packed:
        with zipfile.ZipFile(folder / "facades.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("packed", [True, False])
def test_the_map_is_the_source_and_the_photograph_the_target(stand_ins, tmp_path, packed, snapshot):
    put(tmp_path / "mine", stand_ins, packed)
    before = snapshot(tmp_path)
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        pairs = load_pairs("facades", size=32, split=split, root=tmp_path / "mine")
        assert pairs.source.shape == pairs.target.shape == (count, 3, 32, 32)
        for index in range(count):
            red, blue = (100 + 20 * (index + 1)) / 255, (250 - 30 * (index + 1)) / 255
            middle = (slice(None), slice(8, 24), slice(8, 24))  # away from the border of the halves
            flat = [pairs.target[index][middle].mean((1, 2)), pairs.source[index][middle].mean((1, 2))]
            assert torch.allclose(flat[0], torch.tensor([red, 0.0, 0.0]), atol=0.02)
            assert torch.allclose(flat[1], torch.tensor([0.0, 0.0, blue]), atol=0.02)
        assert f"{count} label maps" in pairs.description
        assert f"split {split}" in pairs.description
    first = load_pairs("facades", size=16, num_pairs=2, root=tmp_path / "mine")
    assert torch.equal(first.target, load_pairs("facades", size=16, root=tmp_path / "mine").target[:2])
    assert snapshot(tmp_path) == before


def test_more_than_there_are(stand_ins, tmp_path):
    with pytest.raises(ValueError, match="split valid of the facades has 2 pairs, got num_pairs=3"):
        load_pairs("facades", num_pairs=3, split="valid", root=tmp_path)


def test_absent_facades_say_where_one_gets_them(tmp_path, cache):
    with pytest.raises(DataNotFoundError) as caught:
        load_pairs("facades", root=tmp_path / "mine")
    for part in ("facades.zip", "facades.tar.gz", "efrosgans", f"into {tmp_path / 'mine'}", "labels_to_facade"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["cut", "no zip", "a file less", "another file", "two swapped"])
def test_damaged_archives_are_named_and_stay(stand_ins, tmp_path, damage, snapshot):
    one, other = "facades/train/1.jpg", "facades/train/2.jpg"
    changes = {"another file": {one: jpeg(7)}, "two swapped": {one: stand_ins[other], other: stand_ins[one]}}
    files = stand_ins | changes.get(damage, {})
    if damage == "a file less":
        del files[one]
    put(tmp_path / "mine", files, packed=True)
    path = tmp_path / "mine" / "facades.zip"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "no zip":
        path.write_bytes(b"<html>404</html>")
    before = snapshot(tmp_path)
    with pytest.raises(DamagedDataError, match=r"facades\.zip is damaged: .*train.*left as it is"):
        load_pairs("facades", root=tmp_path / "mine")
    assert snapshot(tmp_path) == before


def test_a_damaged_folder_is_named_and_one_without_all_files_counts_as_absent(stand_ins, tmp_path, cache):
    put(tmp_path / "mine", stand_ins | {"facades/val/2.jpg": jpeg(7)}, packed=False)
    with pytest.raises(DamagedDataError, match=r"facades/val is damaged: the SHA-256"):
        load_pairs("facades", split="valid", root=tmp_path / "mine")
    (tmp_path / "mine" / "facades" / "val" / "2.jpg").unlink()
    with pytest.raises(DataNotFoundError):
        load_pairs("facades", split="valid", root=tmp_path / "mine")


@pytest.mark.real_data
def test_real_facades(real_root):
    root = real_root("facades.zip")
    for split, count in (("valid", 100), ("test", 106)):
        pairs = load_pairs("facades", size=64, split=split, root=root)
        assert len(pairs) == count
        # Maps are saturated colours with much blue, photographs are not.
        saturation = [x.amax(1).sub(x.amin(1)).mean() for x in (pairs.source, pairs.target)]
        assert saturation[0] > 2 * saturation[1]
        assert pairs.source.mean((0, 2, 3)).argmax() == 2
