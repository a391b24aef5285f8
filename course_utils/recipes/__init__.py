"""The settings with which `course train` trains each reference model, and what it reports afterwards.

A run lives in a folder: `checkpoint.ckpt` while and after training, `metrics.json` and `samples.png` at the end. The
same command goes on from the checkpoint. `likelihood.py`, `flows.py`, `diffusion.py`, `adversarial.py` and
`translation.py` hold the recipes; each kind says how its models are trained (`train`), judged (`evaluate`) and shown
(`draw`).
"""

import json
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import nn

from course_utils.data import Images, load
from course_utils.files import replacing, write_text
from course_utils.recipes import adversarial, diffusion, flows, likelihood, translation
from course_utils.recipes.adversarial import AdversarialRecipe
from course_utils.recipes.likelihood import LikelihoodRecipe
from course_utils.recipes.translation import TranslationRecipe

Recipe = LikelihoodRecipe | AdversarialRecipe | TranslationRecipe

RECIPES: dict[str, Recipe] = {
    **likelihood.RECIPES,
    **flows.RECIPES,
    **diffusion.RECIPES,
    **adversarial.RECIPES,
    **translation.RECIPES,
}


def train(
    name: str,
    data_name: str,
    folder: Path,
    *,
    epochs: int | None = None,
    max_minutes: float | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "32-true",
    num_devices: int = 1,
    num_samples: int = 500,
    compiled: bool = False,
) -> dict:
    """Train a model by its recipe, judge it on the test set, print and save the figures; return them.

    Where several processes train together, only the first has figures; the others return an empty dictionary.

    Raises:
        ValueError: an unknown model, or data that the model cannot take.
        DataNotFoundError, DamagedDataError: as `course_utils.data.load` and `load_pairs`.
    """
    if name not in RECIPES:
        close = get_close_matches(name, RECIPES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(f"there is no model named {name!r}{hint}; there are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    images = recipe.load(data_name) if isinstance(recipe, TranslationRecipe) else load(data_name)
    recipe.require_fitting(name, images)
    changes = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    settings = {**recipe.settings, **{key: value for key, value in changes.items() if value is not None}}
    shape = tuple(images.train.x.shape[1:])
    if isinstance(recipe, TranslationRecipe):
        told = images.train.y.shape[1]  # channels of the targets
    else:
        told = int(images.train.y.max()) + 1 if recipe.with_labels else 0  # classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = recipe.build(shape, told)
    if compiled:
        model.compile()
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(images.description)
    print(f"{name}: {num_parameters:,} parameters, {settings}, seed {seed}")

    trained = recipe.train(
        model,
        images,
        seed=seed,
        device=device,
        precision=precision,
        num_devices=num_devices,
        checkpoint=folder / "checkpoint.ckpt",
        max_minutes=max_minutes,
        description=name,
        **settings,
    )
    if torch.distributed.is_initialized() and torch.distributed.get_rank() > 0:
        return {}  # of several processes that trained together, the first evaluates and writes
    print(f"trained {trained.num_steps:,} steps in {trained.seconds / 60:.1f} minutes")
    metrics = {
        "model": name,
        "data": images.description,
        "settings": {**settings, "seed": seed, "precision": precision, "compiled": compiled},
        "num_parameters": num_parameters,
        "steps": trained.num_steps,
        "training_minutes": trained.seconds / 60,
        **recipe.evaluate(model, images, seed, num_samples),
    }
    write_text(json.dumps(metrics, indent=2) + "\n", folder / "metrics.json")
    _save_samples(model, recipe, images, seed, folder / "samples.png")
    print(f"figures in {folder / 'metrics.json'}, pictures in {folder / 'samples.png'}")
    return metrics


def _save_samples(model: nn.Module, recipe: Recipe, images: Images, seed: int, path: Path) -> None:
    from matplotlib.figure import Figure

    from course_utils.plotting import image_grid

    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        pictures, title = recipe.draw(model, images)
    axes = Figure(figsize=(5, len(pictures) / 16 + 1)).subplots()
    image_grid(pictures.cpu(), ax=axes, num_columns=8).set_title(title)
    with replacing(path) as temporary:
        axes.figure.savefig(temporary, format="png", dpi=120, bbox_inches="tight")
