"""Likelihoods that the course's models reach, beside published ones: trains by recipe and writes published.md.

python -m benchmarks.likelihoods [--models nade made pixelcnn] [--data binarized_mnist] [--minutes 10] [--seed 0]
    [--precision bf16-mixed] [--compile]; several processes train one model behind `torchrun --nproc-per-node 2 -m`

Each run is kept in runs/MODEL-DATA, and the same command goes on from there. What was measured is kept in
benchmarks/likelihoods.json; benchmarks/published.md is made from it, and models that were never run stay open. Without
--models nothing is trained, and the page is made anew.
"""

import argparse
import json
import math
import os
import platform
from pathlib import Path
from typing import NamedTuple

import torch

from course_utils import recipes
from course_utils.files import write_text
from course_utils.notebooks import ROOT

MEASURED = ROOT / "benchmarks" / "likelihoods.json"
PAGE = ROOT / "benchmarks" / "published.md"


class Row(NamedTuple):
    """A published figure and, where the course has that model, the name of its recipe."""

    title: str
    figure: str
    source: str
    recipe: str | None = None


class Table(NamedTuple):
    """Figures on one data set: its heading, its name for `course train`, the unit, the rows."""

    heading: str
    data: str
    unit: str
    rows: list[Row]


TABLES = [
    Table(
        "Statically binarised MNIST (Larochelle & Murray 2011)",
        "binarized_mnist",
        "nats",
        [
            Row("Fully visible belief network", "", "", "fvbn"),
            Row("NADE", "88.33", "Larochelle & Murray 2011", "nade"),
            Row("MADE, 2 hidden layers, 32 masks", "86.64", "Germain et al. 2015", "made"),
            Row("EoNADE-5, 2 hidden layers, 128 orders", "84.68", "Raiko et al. 2014"),
            Row("Deep Boltzmann machine, 2 hidden layers", "about 84.62", "Salakhutdinov & Hinton 2009"),
            Row("DARN, 1 hidden layer", "about 84.13", "Gregor et al. 2014"),
            Row("PixelCNN", "81.30", "van den Oord et al. 2016, arXiv 1601.06759", "pixelcnn"),
            Row("DRAW", "at most 80.97", "Gregor et al. 2015"),
            Row("Diagonal BiLSTM, 1 layer, h=32", "80.75", "arXiv 1601.06759", "pixel_rnn_diagonal"),
            Row("Row LSTM", "80.54", "arXiv 1601.06759", "pixel_rnn_row"),
            Row("Diagonal BiLSTM, 7 layers, h=16", "79.20", "arXiv 1601.06759"),
            Row("Multi-scale PixelRNN", "", "", "multiscale_pixel_rnn"),
            Row("Gated PixelCNN", "", "", "gated_pixelcnn"),
            Row("PixelCNN++", "", "", "pixelcnn_pp"),
            Row("VAE, dense", "", "", "vae"),
            Row("IWAE, 5 samples", "", "", "iwae"),
        ],
    ),
    Table(
        "Dynamically binarised MNIST (published: a public PyTorch library's figures)",
        "mnist",
        "nats",
        [
            Row("Fully visible belief network", "96.58", "", "fvbn"),
            Row("NADE, 500 units", "85.65", "", "nade"),
            Row("MADE, 8000 units", "84.87", "", "made"),
            Row("PixelCNN, 457 epochs", "81.45", "", "pixelcnn"),
            Row("Gated PixelCNN, 457 epochs", "81.50", "", "gated_pixelcnn"),
            Row("Conditional PixelCNN, given the class", "", "", "conditional_pixelcnn"),
            Row("VAE, 457 epochs", "at most 86.77", "", "vae"),
        ],
    ),
    Table(
        "CIFAR-10",
        "cifar10",
        "bits per dimension",
        [
            Row("NICE", "4.48", "Dinh et al. 2014"),
            Row("RealNVP", "3.49", "Dinh et al. 2016"),
            Row("FFJORD", "3.40", "Grathwohl et al. 2018"),
            Row("Glow", "3.35", "Kingma & Dhariwal 2018"),
            Row("PixelCNN", "3.14", "arXiv 1601.06759", "pixelcnn"),
            Row("Row LSTM", "3.07", "arXiv 1601.06759", "pixel_rnn_row"),
            Row("Gated PixelCNN", "3.03", "van den Oord et al. 2016, arXiv 1606.05328", "gated_pixelcnn"),
            Row("Diagonal BiLSTM", "3.00", "arXiv 1601.06759", "pixel_rnn_diagonal"),
            Row("PixelCNN++", "2.92", "Salimans et al. 2017, arXiv 1701.05517", "pixelcnn_pp"),
        ],
    ),
]

INTRODUCTION = """\
# Likelihoods: this course's models beside published figures

Negative log-likelihood of the test set, lower is better. Thresholded, static and dynamic binarisation of MNIST differ
by tens of nats, so compare within a table only. The published models are larger and were trained for hours or days on
accelerators; ours are the recipes of `course train`, for minutes. "At most" marks a bound.
`python -m benchmarks.likelihoods --models nade --minutes 10` measures a row and makes this page again;
`make bench-likelihoods` measures all rows of the first table that the course has a model for. For the PixelCNN,
`OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m benchmarks.likelihoods --models pixelcnn --precision bf16-mixed
--compile` trains on two cores at once.
"""


def machine() -> str:
    """What the model was trained on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    used = torch.get_num_threads() * int(os.environ.get("WORLD_SIZE", "1"))
    return f"{used} of {count} cores, {platform.machine()}"


def measurement(metrics: dict, trained_on: str) -> dict:
    """What is kept of a run's metrics.json.

    Raises:
        ValueError: the model of the run has no likelihood.
    """
    exact = metrics.get("test_log_likelihood_nats")
    nats = exact if exact is not None else metrics.get("test_importance_weighted_nats")
    if nats is None:
        raise ValueError(f"{metrics['model']} has no likelihood to compare")
    settings = metrics["settings"]
    return {
        "nats": -nats,
        "bits per dimension": metrics["bits_per_dim"],
        "exact": exact is not None,
        "settings": f"{recipes.RECIPES[metrics['model']].summary}: {metrics['num_parameters']:,} parameters, "
        f"{metrics['steps']:,} steps of {settings['batch_size']} (of {settings['epochs']} epochs), "
        f"lr {settings['lr']:g}, {settings['precision']}{', compiled' if settings['compiled'] else ''}",
        "seed": settings["seed"],
        "minutes": metrics["training_minutes"],
        "machine": trained_on,
    }


def read() -> dict[str, dict]:
    """What was measured so far, by "RECIPE-DATA"."""
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else {}


def page(measured: dict[str, dict]) -> str:
    """The page, from measurements by "RECIPE-DATA"."""
    parts = [INTRODUCTION]
    for table in TABLES:
        lines = [f"## {table.heading}, {table.unit}", ""]
        lines.append("| model | published | source | ours | settings | seed | minutes | machine |")
        lines.append("|---|---|---|---|---|---|---|---|")
        for row in table.rows:
            found = measured.get(f"{row.recipe}-{table.data}")
            ours = "not run | | | | "
            if found is not None:
                value = f"{'' if found['exact'] else 'at most '}{found[table.unit]:.2f}"
                ours = f"{value} | {found['settings']} | {found['seed']} | {found['minutes']:.1f} | {found['machine']}"
            lines.append(f"| {row.title} | {row.figure} | {row.source} | {ours} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=[], help="recipes, as `course models` lists them")
    parser.add_argument("--data", default="binarized_mnist", choices=[table.data for table in TABLES])
    parser.add_argument("--minutes", type=float, default=math.inf, help="of training, for each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="32-true", help="as `course train` takes it: bf16-mixed, for example")
    parser.add_argument("--compile", action="store_true", help="compile the models")
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    arguments = parser.parse_args()

    rows = next(table.rows for table in TABLES if table.data == arguments.data)
    known = [row.recipe for row in rows if row.recipe]
    for name in arguments.models:
        if name not in known:
            parser.error(f"no row of {arguments.data} is called {name!r}: there are {', '.join(known)}")
    for name in arguments.models:
        key = f"{name}-{arguments.data}"
        metrics = recipes.train(
            name,
            arguments.data,
            arguments.folder / key,
            max_minutes=arguments.minutes,
            seed=arguments.seed,
            precision=arguments.precision,
            compiled=arguments.compile,
        )
        if metrics:  # of several processes that trained together, the first has them
            measured = {**read(), key: measurement(metrics, machine())}
            write_text(json.dumps(dict(sorted(measured.items())), indent=2) + "\n", MEASURED)
    write_text(page(read()), PAGE)


if __name__ == "__main__":
    main()
