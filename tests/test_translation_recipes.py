"""What `course train` reports of pix2pix and CycleGAN: distances from the true translations, on held-out pictures."""

import json

import pytest
import torch

from course_utils import recipes
from course_utils.data import load_domains, load_pairs
from course_utils.loops import load_checkpoint

CASES = {"pix2pix": "grey_to_colour", "cyclegan": "plain_to_striped"}


@pytest.fixture(autouse=True)
def few_and_small(monkeypatch):
    """Nine pictures of 16 pixels of each split, all else as it is; the U-Net of four levels just fits."""
    monkeypatch.setattr(
        recipes.translation, "load_pairs", lambda name, size, split: load_pairs(name, num_pairs=9, size=16, split=split)
    )
    monkeypatch.setattr(
        recipes.translation, "load_domains", lambda name, split: load_domains(name, num_images=9, size=16, split=split)
    )


@pytest.mark.parametrize("name", list(CASES))
def test_translators_train_resume_and_are_judged_by_the_true_translations(name, tmp_path):
    """The figures are those of the model in the checkpoint, in [0, 1], its noise drawn by the seed."""
    recipe, before = recipes.RECIPES[name], torch.get_rng_state()
    metrics = recipes.train(name, CASES[name], tmp_path, epochs=2, batch_size=4, seed=4, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert metrics["steps"] == 5  # two passes over nine pictures, four a step
    again = recipes.train(name, CASES[name], tmp_path, epochs=2, batch_size=4, seed=4, device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.ckpt", "metrics.json", "samples.png"]
    figures = {key: metrics[key] for key in metrics if key.startswith("test_")}
    assert figures == {key: again[key] for key in figures}
    assert figures == {key: json.loads((tmp_path / "metrics.json").read_text())[key] for key in figures}

    model = recipe.build((1 if name == "pix2pix" else 3, 16, 16), 3)
    model.load_state_dict(load_checkpoint(tmp_path / "checkpoint.ckpt")["model"])
    model.eval()
    torch.manual_seed(4)
    if name == "pix2pix":
        train, test = (load_pairs(CASES[name], num_pairs=9, size=16, split=split) for split in ("train", "test"))
        x, due = test.source, test.target
        found = model.sample(2 * x - 1)
        effortless = (train.target.mean(0) - due).abs().mean().item()
    else:
        test = load_domains(CASES[name], num_images=9, size=16, split="test")
        x, due = test.source, test.translated
        with torch.no_grad():
            found = model.to_target(2 * x - 1)
            cycled = (model.to_source(found) + 1) / 2
        effortless = (x - due).abs().mean().item()
        assert figures["test_cycle_l1"] == pytest.approx((cycled - x).abs().mean().item(), rel=1e-4)
    assert figures["test_l1"] == pytest.approx(((found + 1) / 2 - due).abs().mean().item(), rel=1e-4)
    assert figures["test_l1_without_learning"] == pytest.approx(effortless, rel=1e-5)


def test_cyclegan_is_never_shown_a_true_translation(tmp_path, monkeypatch):
    """What it trains on are the two domains, both from -1 to 1."""
    seen = []

    def fit_adversarial(model, data, **settings):
        seen.extend(data)
        return real_fit(model, data, **settings)

    real_fit = recipes.translation.fit_adversarial
    monkeypatch.setattr(recipes.translation, "fit_adversarial", fit_adversarial)
    recipes.train("cyclegan", "plain_to_striped", tmp_path, epochs=1, device="cpu")
    domains = load_domains("plain_to_striped", num_images=9, size=16)
    assert torch.equal(seen[0], 2 * domains.source - 1)
    assert torch.equal(seen[1], 2 * domains.target - 1)


def test_pictures_are_rows_of_sources_translations_and_targets():
    recipe = recipes.RECIPES["pix2pix"]
    images = recipe.load("grey_to_colour")
    model = recipe.build((1, 16, 16), 3)
    torch.manual_seed(0)
    pictures, title = recipe.draw(model, images)
    torch.manual_seed(0)
    found = (model.sample(2 * images.test.x - 1) + 1) / 2
    assert title == "rows: sources, translations, targets"
    assert torch.equal(pictures[:8], images.test.x[:8].expand(-1, 3, -1, -1))
    assert torch.allclose(pictures[8:16], found[:8], atol=1e-6)
    assert torch.equal(pictures[16:24], images.test.y[:8])
    assert torch.equal(pictures[26], images.test.y[8])  # the ninth makes three rows of one


def test_real_facades_are_taken_at_64_pixels(monkeypatch):
    asked = []

    def load_nothing(name, size, split):
        asked.append((name, size, split))
        return load_pairs("labels_to_facade", num_pairs=1, size=size)

    monkeypatch.setattr(recipes.translation, "load_pairs", load_nothing)
    recipes.RECIPES["pix2pix"].load("facades")
    recipes.RECIPES["pix2pix"].load("day_to_night")
    assert asked == [
        (*what, split) for what in (("facades", 64), ("day_to_night", 32)) for split in ("train", "valid", "test")
    ]


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ("pix2pix", "digits", "There is no set of pairs 'digits'; the names are labels_to_facade"),
        ("cyclegan", "facades", "There is no pair of domains 'facades'; the names are plain_to_striped"),
    ],
)
def test_data_of_another_kind_are_refused(tmp_path, model, data, message):
    with pytest.raises(ValueError, match=message):
        recipes.train(model, data, tmp_path, device="cpu")
