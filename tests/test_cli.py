"""The `course` command as a user meets it."""

import json

import pytest
import torch
from typer.testing import CliRunner

from course_utils import data, recipes
from course_utils.cli import app
from course_utils.evaluation import evaluate_elbo
from course_utils.training import fit

runner = CliRunner()


def run(*arguments: str):
    return runner.invoke(app, list(arguments))


def test_help_names_every_command():
    text = run("--help").output
    for command in ("build", "train", "models", "release", "grade", "demo"):
        assert command in text
        assert run(command, "--help").exit_code == 0


def test_models_lists_all_recipes():
    lines = run("models").output.splitlines()
    assert [line.split()[0] for line in lines] == list(recipes.RECIPES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "vea"], "there is no model named 'vea' (did you mean vae?)"),
        (["train", "vae", "--data", "mnits"], "mnits"),
        (["train", "cvae", "--data", "sprites"], "cvae"),
        (["train", "vae", "--data", "sprites"], "vae models binary images, and sprites is in colour"),
        (["build", "nothing.py"], "is not a notebook source"),
        (["release", "a3_vae", "--root", "tests"], "is not a course folder"),
        (["grade", "a3_vae", "--root", "tests"], "is not a course folder"),
    ],
)
def test_mistakes_end_with_one_sentence(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert result.output.startswith("course: ")


@pytest.mark.parametrize("name", [*recipes.likelihood.RECIPES, *recipes.flows.RECIPES])
def test_every_likelihood_recipe_trains_reports_and_resumes(name, tmp_path, monkeypatch):
    digits = data.load("digits")
    small = digits._replace(
        train=data.Split(digits.train.x[:256], digits.train.y[:256]),
        test=data.Split(digits.test.x[:40], digits.test.y[:40]),
    )
    monkeypatch.setattr(recipes, "load", lambda _: small)
    before = torch.get_rng_state()
    first = recipes.train(name, "digits", tmp_path, epochs=1, num_samples=10, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    again = recipes.train(name, "digits", tmp_path, epochs=1, num_samples=10, device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.ckpt", "metrics.json", "samples.png"]
    written = json.loads((tmp_path / "metrics.json").read_text())
    figures = {key: value for key, value in first.items() if key.startswith("test_")}
    assert figures == {key: value for key, value in again.items() if key.startswith("test_")}
    assert figures == {key: value for key, value in written.items() if key.startswith("test_")}
    further = recipes.train(name, "digits", tmp_path, epochs=6, num_samples=10, device="cpu")
    assert further["steps"] == 6 * first["steps"]
    if recipes.RECIPES[name].likelihood == "exact":
        assert further["test_log_likelihood_nats"] > first["test_log_likelihood_nats"]
        assert further["bits_per_dim"] == pytest.approx(-further["test_log_likelihood_nats"] / 64 / 0.6931471805599453)
        assert "test_elbo_nats" not in further
    elif recipes.RECIPES[name].likelihood == "bound":
        assert further["test_importance_weighted_nats"] > further["test_elbo_nats"]
        assert further["test_importance_weighted_nats"] > first["test_importance_weighted_nats"]
        assert further["bits_per_dim"] == pytest.approx(
            -further["test_importance_weighted_nats"] / 64 / 0.6931471805599453
        )
    else:
        assert further["test_squared_error"] < first["test_squared_error"]


@pytest.mark.real_data
def test_vae_learns_real_binarised_mnist(tmp_path):
    """A few hundred steps on the real set take it far below a model of independent pixels (about 206 nats)."""
    try:
        images = data.load("binarized_mnist", download=False)
    except data.DataNotFoundError as missing:
        pytest.skip(f"the real set is not here: {missing}")
    model = recipes.RECIPES["vae"].build((1, 28, 28), 0)
    fit(model, images.train.x[:20000], epochs=2, batch_size=128, device="cpu")
    elbo = evaluate_elbo(model, images.test.x[:2000])
    pixel_mean = images.train.x.mean(0).clamp(1e-3, 1 - 1e-3)
    independent = (
        torch.distributions.Bernoulli(probs=pixel_mean).log_prob(images.test.x[:2000]).flatten(1).sum(1).mean()
    )
    assert -250 < independent < -180
    assert elbo.mean > independent + 40
    assert elbo.mean < -80, "better than any published model: then something is wrong with the bound"
