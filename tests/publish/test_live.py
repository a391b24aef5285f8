"""The committed models of the live pages are those that their checksums name, and hold PyTorch's weights."""

import hashlib

import pytest

from publish.live import MODELS, infogan, pixelcnn, vae
from publish.live.export import SUMS, weights


def test_checksums_name_every_file_and_fit():
    sums = dict(reversed(line.split("  ")) for line in SUMS.read_text().splitlines())
    files = {path for path in MODELS.iterdir() if path.suffix in (".onnx", ".json")}
    assert set(sums) == {path.name for path in files}
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[path.name]
        assert path.stat().st_size < 500_000


@pytest.mark.parametrize(
    ("name", "prefix", "network"),
    [
        ("infogan", "generator.", lambda: infogan.build().generator),
        ("pixelcnn", "", pixelcnn.build),
        ("vae", "decoder.", lambda: vae.build().decoder),
    ],
)
def test_graphs_hold_all_parameters_under_their_names(name, prefix, network):
    stored = weights(name)
    for parameter, value in network().named_parameters():
        assert stored[prefix + parameter].shape == value.shape
