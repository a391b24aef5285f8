"""Sets for translation: what holds for each of them, and what is said when they are asked for wrongly."""

import pytest
import torch

from course_utils.data import DOMAIN_NAMES, PAIR_NAMES, Domains, Pairs, load_domains, load_pairs
from course_utils.data.translation import PROCEDURAL_PAIRS


def every_set(number, size, seed, split="train"):
    sets = {name: load_pairs(name, num_pairs=number, size=size, seed=seed, split=split) for name in PROCEDURAL_PAIRS}
    return sets | {
        name: load_domains(name, num_images=number, size=size, seed=seed, split=split) for name in DOMAIN_NAMES
    }


def pictures(data):
    return [getattr(data, part) for part in ("source", "target", "translated") if hasattr(data, part)]


def test_the_names_are_those_that_are_documented():
    assert PAIR_NAMES == (
        "labels_to_facade",
        "edges_to_picture",
        "grey_to_colour",
        "day_to_night",
        "aerial_to_map",
        "scene_viewpoint",
        "scene_light",
        "scene_background",
        "scene_attribute",
        "facades",
    )
    assert DOMAIN_NAMES == ("plain_to_striped",)


@pytest.mark.parametrize("size", [16, 24, 64])
def test_pictures_have_their_size_their_range_and_contrast(size):
    for name, data in every_set(6, size, 0).items():
        for x in pictures(data):
            channels = 1 if x is data.source and name in ("grey_to_colour", "edges_to_picture") else 3
            assert x.shape == (6, channels, size, size), name
            assert x.dtype == torch.float32
            assert x.min() >= 0, name
            assert x.max() <= 1, name
            assert x.flatten(1).std(1).min() > 0.05, name  # none is blank
            assert x.std(0).max() > 0.05, name  # nor are all alike


def test_the_seed_and_the_split_say_what_is_drawn_and_nothing_else_does():
    state = torch.get_rng_state()
    first = every_set(3, 32, 5)
    torch.rand(7)
    again = every_set(3, 32, 5)
    others = [every_set(3, 32, seed, split) for seed, split in ((6, "train"), (5, "valid"), (5, "test"), (4, "test"))]
    torch.set_rng_state(state)
    for name, data in first.items():
        for x, same in zip(pictures(data), pictures(again[name]), strict=True):
            assert torch.equal(x, same)
        for other in others:
            assert (data.target[:, None] != other[name].target[None]).flatten(2).any(2).all(), name
            assert not torch.equal(data.source, other[name].source), name


def test_drawing_takes_nothing_from_the_global_generator():
    state = torch.get_rng_state()
    every_set(2, 16, 0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name in PROCEDURAL_PAIRS if name != "labels_to_facade"])
def test_a_large_picture_is_the_small_one_with_more_pixels(name):
    """Facades are laid out in whole pixels, so theirs differ."""
    small, large = (load_pairs(name, num_pairs=4, size=size, seed=1) for size in (32, 64))
    for x, y in ((small.source, large.source), (small.target, large.target)):
        assert (torch.nn.functional.avg_pool2d(y, 2) - x).abs().mean() < 0.05


def test_descriptions_are_one_printable_sentence():
    for name, data in every_set(2, 16, 3).items():
        for part in ("2 ", "16x16", "train of seed 3"):
            assert part in data.description
        assert "\n" not in data.description
        assert name in repr(data)
        assert data.description in repr(data)
    assert len(load_pairs("aerial_to_map", size=16)) == 512


@pytest.mark.parametrize(
    ("name", "near"), [("label_to_facade", "labels_to_facade"), ("FACADE", "facades"), ("scene_lights", "scene_light")]
)
def test_unknown_pairs_name_the_nearest(name, near):
    with pytest.raises(
        ValueError, match=f'no set of pairs {name!r} \\(did you mean "{near}"\\?\\); the names are labels'
    ):
        load_pairs(name)


def test_unknown_domains_name_the_nearest_and_nothing_near_suggests_nothing():
    with pytest.raises(ValueError, match=r'did you mean "plain_to_striped"\?'):
        load_domains("plain_to_stripes")
    with pytest.raises(ValueError, match=r"no pair of domains 'horses'; the names are plain_to_striped\."):
        load_domains("horses")


@pytest.mark.parametrize("load", [load_pairs, load_domains])
@pytest.mark.parametrize("size", [8, 20, 0, -16, 32.0, True, "32"])
def test_wrong_sizes(load, size):
    with pytest.raises(ValueError, match=f"multiple of 8 pixels and at least 16, got {size!r}"):
        load("scene_light" if load is load_pairs else "plain_to_striped", size=size)


@pytest.mark.parametrize("number", [0, -1, 2.0, True])
def test_wrong_numbers(number):
    with pytest.raises(ValueError, match=f"num_pairs must be a whole number of at least 1, got {number!r}"):
        load_pairs("facades", num_pairs=number)
    with pytest.raises(ValueError, match=f"num_images must be a whole number of at least 1, got {number!r}"):
        load_domains("plain_to_striped", num_images=number)


def test_wrong_splits():
    with pytest.raises(ValueError, match="split must be one of train, valid, test, got 'val'"):
        load_pairs("day_to_night", split="val")


def test_pairs_that_do_not_fit():
    x = torch.zeros(3, 1, 16, 16)
    for y in (x[:2], torch.zeros(3, 1, 16, 24)):
        with pytest.raises(ValueError, match=r"every source needs a target of its size, got sources \(3, 1, 16, 16\)"):
            Pairs("mine", "Mine.", x, y)
    assert len(Pairs("mine", "Mine.", x, torch.zeros(3, 3, 16, 16))) == 3


def test_missing_domains():
    x = torch.zeros(3, 1, 16, 16)
    for domain, parts in (("source", (x[:0], x, x[:0])), ("target", (x, x[:0], x))):
        with pytest.raises(ValueError, match=f"two domains are needed, and the {domain} domain has no images"):
            Domains("mine", "Mine.", *parts)
    with pytest.raises(ValueError, match="every source needs its translation"):
        Domains("mine", "Mine.", x, x, x[:2])
    assert len(Domains("mine", "Mine.", x, x[:2], x).target) == 2  # the domains need not be of one size
