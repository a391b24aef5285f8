"""What `course train` reports of models with an exact likelihood and of GANs, and the page of measured likelihoods."""

import json
import math

import pytest
import torch

from benchmarks import likelihoods
from course_utils import data, evaluation, recipes
from course_utils.loops import load_checkpoint


def small(name, images, labels=None):
    part = data.Split(images, labels)
    return data.Images(name, f"{len(images)} images.", part, part, part)


def trained(name, folder, images, **settings):
    """The figures of a run, and its model as the checkpoint has it."""
    metrics = recipes.train(name, "any", folder, epochs=1, device="cpu", **settings)
    model = recipes.RECIPES[name].build(tuple(images.train.x.shape[1:]), 3)
    model.load_state_dict(load_checkpoint(folder / "checkpoint.ckpt")["model"])
    return metrics, model.eval()


@pytest.mark.parametrize("name", ["fvbn", "pixelcnn"])
def test_grey_images_are_judged_as_binarised_by_the_seed(name, tmp_path, monkeypatch):
    images = small("grey", torch.rand(150, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    monkeypatch.setattr(recipes, "load", lambda _: images)
    metrics, model = trained(name, tmp_path, images, seed=3)
    x = torch.bernoulli(images.test.x, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        log_prob = model.log_prob(x)
    assert metrics["test_log_likelihood_nats"] == pytest.approx(log_prob.mean().item(), rel=1e-6)
    assert metrics["standard_error_nats"] == pytest.approx(log_prob.std().item() / 150**0.5, rel=1e-5)
    assert metrics["bits_per_dim"] == pytest.approx(-log_prob.mean().item() / 16 / math.log(2), rel=1e-6)
    assert not any("elbo" in key or "importance" in key for key in metrics)


@pytest.mark.parametrize("name", [name for name, recipe in recipes.likelihood.RECIPES.items() if recipe.in_colour])
def test_models_of_several_levels_take_colours(name, tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (4, 3, 4, 4), generator=generator) / 255
    images = small("colours", x, torch.tensor([0, 1, 2, 1]))
    monkeypatch.setattr(recipes, "load", lambda _: images)
    monkeypatch.setattr(recipes, "_save_samples", lambda *_: None)  # tested with grey images, and slow here
    metrics, model = trained(name, tmp_path, images)
    batch = (x, images.test.y) if recipes.RECIPES[name].with_labels else (x,)
    with torch.no_grad():
        log_prob = model.log_prob(*batch).mean().item()
    assert metrics["test_log_likelihood_nats"] == pytest.approx(log_prob, rel=1e-5)
    assert metrics["bits_per_dim"] == pytest.approx(-log_prob / 48 / math.log(2), rel=1e-5)


@pytest.mark.parametrize("name", ["fvbn", "nade", "made", "iwae"])
def test_binary_models_refuse_colours(name, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "load", lambda _: small("colours", torch.zeros(2, 3, 4, 4)))
    with pytest.raises(ValueError, match=f"{name} models binary images, and colours is in colour"):
        recipes.train(name, "any", tmp_path)


def test_the_page_of_likelihoods_is_what_was_measured():
    assert likelihoods.PAGE.read_text() == likelihoods.page(likelihoods.read())


def test_a_run_fills_its_row_and_no_other():
    assert all(row.recipe in {None, *recipes.RECIPES} for table in likelihoods.TABLES for row in table.rows)
    metrics = {
        "model": "nade",
        "settings": {"epochs": 10, "batch_size": 100, "lr": 2e-3, "seed": 7, "precision": "32-true", "compiled": False},
        "num_parameters": 1234,
        "steps": 5000,
        "training_minutes": 9.87,
        "test_log_likelihood_nats": -88.555,
        "bits_per_dim": 0.163,
    }
    before, after = (
        likelihoods.page(measured).splitlines()
        for measured in ({}, {"nade-binarized_mnist": likelihoods.measurement(metrics, "an abacus")})
    )
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    old, new = ([cell.strip() for cell in line.split("|")] for line in changed[0])
    assert old == ["", "NADE", "88.33", "Larochelle & Murray 2011", "not run", "", "", "", "", ""]
    assert new[:5] == ["", "NADE", "88.33", "Larochelle & Murray 2011", "88.56"]
    assert "1,234 parameters, 5,000 steps of 100 (of 10 epochs), lr 0.002" in new[5]
    assert new[6:] == ["7", "9.9", "an abacus", ""]
    bound = {**metrics, "test_importance_weighted_nats": -88.555}
    del bound["test_log_likelihood_nats"]
    page = likelihoods.page({"nade-binarized_mnist": likelihoods.measurement(bound, "an abacus")})
    assert "| at most 88.56 |" in page
    with pytest.raises(ValueError, match="autoencoder has no likelihood"):
        likelihoods.measurement({"model": "autoencoder", "test_squared_error": 1.0}, "an abacus")


def test_compiling_is_asked_for(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(type(module).__name__))
    monkeypatch.setattr(recipes, "load", lambda _: small("binary", torch.zeros(4, 1, 4, 4)))
    for asked in (False, True):
        metrics = recipes.train("fvbn", "any", tmp_path / str(asked), epochs=1, device="cpu", compiled=asked)
        assert metrics["settings"]["compiled"] is asked
    assert compiled == ["FullyVisibleBeliefNetwork"]


@pytest.fixture
def few_digits(monkeypatch):
    digits = data.load("digits")
    few = digits._replace(
        train=data.Split(digits.train.x[:256], digits.train.y[:256]),
        test=data.Split(digits.test.x[:60], digits.test.y[:60]),
    )
    monkeypatch.setattr(recipes, "load", lambda _: few)
    return few


@pytest.mark.parametrize("name", list(recipes.adversarial.RECIPES))
def test_gans_train_resume_and_are_judged_by_their_samples(name, tmp_path, few_digits):
    """The figures are those of the model in the checkpoint; of the averaged generator, in [0, 1], drawn by the seed."""
    recipe, before = recipes.RECIPES[name], torch.get_rng_state()
    metrics = recipes.train(name, "digits", tmp_path, epochs=3, seed=4, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert metrics["steps"] == math.ceil(3 * 256 / (64 * recipe.settings.get("discriminator_steps", 1)))
    again = recipes.train(name, "digits", tmp_path, epochs=3, seed=4, device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.ckpt", "metrics.json", "samples.png"]
    figures = {key: metrics[key] for key in metrics if key.startswith(("test_", "frechet", "label"))}
    assert figures == {key: again[key] for key in figures}
    assert figures == {key: json.loads((tmp_path / "metrics.json").read_text())[key] for key in figures}

    model = recipe.build((1, 8, 8), 10)
    model.keep_average(recipe.settings["ema_decay"])
    model.load_state_dict(load_checkpoint(tmp_path / "checkpoint.ckpt")["model"])
    model.eval()
    x, y = few_digits.test
    ten = torch.arange(60) % 10
    torch.manual_seed(4)
    if recipe.told == "code":
        fakes = model.sample(60, model.codes(60)._replace(categories=ten[:, None]))
    else:
        fakes = model.sample(60, y) if recipe.told == "label" else model.sample(60)
    fakes, net = (fakes + 1) / 2, evaluation.digit_classifier()
    distance = evaluation.frechet_distance_of_images(net, x, fakes)
    assert metrics["test_frechet_distance"] == pytest.approx(distance, rel=1e-5)
    floor = evaluation.frechet_distance_of_images(net, x, few_digits.train.x[:60])
    assert metrics["frechet_distance_of_training_images"] == pytest.approx(floor, rel=1e-6)
    assert floor < 0.5 * distance
    if recipe.told == "label":
        assert metrics["label_accuracy"] == (net(fakes).argmax(1) == y).double().mean().item()
    if recipe.told == "code":
        codes = model.infer(2 * x - 1).categories[:, 0]
        assert metrics["test_matched_accuracy"] == evaluation.matched_accuracy(codes, y).accuracy


def test_gans_see_images_from_minus_one_to_one(tmp_path, monkeypatch, few_digits):
    seen = []

    def fit_adversarial(model, data, *, transform, **settings):
        seen.append(transform(data))
        return real_fit(model, data, transform=transform, **settings)

    real_fit = recipes.adversarial.fit_adversarial
    monkeypatch.setattr(recipes.adversarial, "fit_adversarial", fit_adversarial)
    recipes.train("gan", "digits", tmp_path, epochs=1, device="cpu")
    assert (seen[0].min(), seen[0].max()) == (-1, 1)


def test_gans_of_other_images_have_pictures_alone_and_labels_are_asked_for(tmp_path, monkeypatch):
    x = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(recipes, "load", lambda _: small("colours", x))
    metrics = recipes.train("dcgan", "any", tmp_path, epochs=1, device="cpu")
    assert (tmp_path / "samples.png").exists()
    assert not any(key.startswith(("test_", "frechet")) for key in metrics)
    for name in ("cgan", "acgan"):
        with pytest.raises(ValueError, match=f"{name} needs class labels, and colours has none"):
            recipes.train(name, "any", tmp_path, device="cpu")
    wide = torch.rand(6, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(recipes, "load", lambda _: small("wide", wide))
    with pytest.raises(ValueError, match="images must be square"):
        recipes.train("dcgan", "any", tmp_path, device="cpu")


def test_diffusion_trains_resumes_and_is_judged_by_its_bound_and_its_samples(tmp_path, few_digits):
    """Both figures are those of the model in the checkpoint, on images in [-1, 1] of 17 levels, drawn by the seed."""
    before = torch.get_rng_state()
    metrics = recipes.train("ddpm", "digits", tmp_path, epochs=3, seed=4, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert metrics["steps"] == 3 * math.ceil(256 / 64)
    again = recipes.train("ddpm", "digits", tmp_path, epochs=3, seed=4, device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.ckpt", "metrics.json", "samples.png"]
    figures = {key: metrics[key] for key in metrics if key.startswith(("test_", "frechet", "bits"))}
    assert figures == {key: again[key] for key in figures}
    assert figures == {key: json.loads((tmp_path / "metrics.json").read_text())[key] for key in figures}

    model = recipes.RECIPES["ddpm"].build((1, 8, 8), 10)
    model.load_state_dict(load_checkpoint(tmp_path / "checkpoint.ckpt")["model"])
    assert model.num_levels == 17
    x = few_digits.test.x
    torch.manual_seed(4)
    with torch.no_grad():
        elbo = model.elbo(2 * x - 1)
    fakes, net = (model.sample(60) + 1) / 2, evaluation.digit_classifier()
    assert metrics["test_elbo_nats"] == pytest.approx(elbo.mean().item(), rel=1e-5)
    assert metrics["bits_per_dim"] == pytest.approx(-elbo.mean().item() / 64 / math.log(2), rel=1e-5)
    assert metrics["standard_error_nats"] == pytest.approx(elbo.std().item() / 60**0.5, rel=1e-4)
    distance = evaluation.frechet_distance_of_images(net, x, fakes.clamp(0, 1))
    assert metrics["test_frechet_distance"] == pytest.approx(distance, rel=1e-4)
    floor = evaluation.frechet_distance_of_images(net, x, few_digits.train.x[:60])
    assert metrics["frechet_distance_of_training_images"] == pytest.approx(floor, rel=1e-6)
    further = recipes.train("ddpm", "digits", tmp_path, epochs=12, seed=4, device="cpu")
    assert further["steps"] == 4 * metrics["steps"]
    assert further["test_elbo_nats"] > metrics["test_elbo_nats"] + 10


def test_diffusion_takes_colours_of_256_levels_and_nothing_in_between(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (6, 3, 12, 12), generator=generator) / 255
    monkeypatch.setattr(recipes, "load", lambda _: small("colours", x))
    monkeypatch.setattr(recipes, "_save_samples", lambda *_: None)
    metrics, model = trained("ddpm", tmp_path, small("colours", x))
    assert (model.num_levels, model.image_shape) == (256, (3, 12, 12))
    assert metrics["test_elbo_nats"] < 0
    assert "test_frechet_distance" not in metrics
    for name, other in {"between": x + 0.4 / 255, "binary": x.round()}.items():
        monkeypatch.setattr(recipes, "load", lambda _, name=name, other=other: small(name, other))
        with pytest.raises(ValueError, match=f"ddpm models .* and {name}"):
            recipes.train("ddpm", "any", tmp_path / name, device="cpu")
