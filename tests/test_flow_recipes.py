"""What `course train` reports of flows: the bound on the discrete likelihood of the levels, not of binary images."""

import math

import pytest
import torch

from course_utils import data, recipes
from course_utils.loops import load_checkpoint

NAMES = list(recipes.flows.RECIPES)


def small(name, images):
    part = data.Split(images, None)
    return data.Images(name, f"{len(images)} images.", part, part, part)


def random_levels(num_levels, shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, num_levels, shape, generator=generator) / (num_levels - 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "num_levels"), [((1, 8, 8), 17), ((3, 4, 4), 256)], ids=["digits", "colours"])
def test_flows_are_judged_by_the_bound_on_levels(name, shape, num_levels, tmp_path, monkeypatch):
    """The figures are those of the model in the checkpoint on the images as they are, drawn by the seed."""
    x = random_levels(num_levels, (30, *shape))
    monkeypatch.setattr(recipes, "load", lambda _: small("levels", x))
    metrics = recipes.train(name, "any", tmp_path, epochs=1, num_samples=4, seed=5, device="cpu")
    model = recipes.RECIPES[name].build(shape, 0)
    model.load_state_dict(load_checkpoint(tmp_path / "checkpoint.ckpt")["model"])
    model.eval()
    assert model.num_levels == num_levels
    torch.manual_seed(5)
    with torch.no_grad():
        bound = model.elbo(x).mean().item()
        tighter = model.importance_log_prob(x, 4).mean().item()
    num_dims = math.prod(shape)
    assert metrics["test_elbo_nats"] == pytest.approx(bound, rel=1e-5)
    assert metrics["test_importance_weighted_nats"] == pytest.approx(tighter, rel=1e-5)
    assert metrics["bits_per_dim"] == pytest.approx(-tighter / num_dims / math.log(2), rel=1e-5)
    assert metrics["bits_per_dim"] > 0.95 * math.log2(num_levels)  # noise of V levels costs log2 V bits, or more


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_asked_for(name, tmp_path, monkeypatch):
    between = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(recipes, "load", lambda _: small("smooth", between))
    with pytest.raises(ValueError, match=f"{name} models images of 256 levels, and smooth has values in between"):
        recipes.train(name, "any", tmp_path)
    monkeypatch.setattr(recipes, "load", lambda _: small("ink", random_levels(2, (4, 1, 28, 28))))
    with pytest.raises(ValueError, match=f"{name} models grey levels or colours, and ink is binary"):
        recipes.train(name, "any", tmp_path)


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_sides_that_do_not_halve_are_named(name, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "load", lambda _: small("odd", random_levels(256, (4, 1, 7, 8))))
    with pytest.raises(ValueError, match=r"need sides that are multiples of \d, got images of 7x8"):
        recipes.train(name, "any", tmp_path)
