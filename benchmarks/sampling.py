"""Cached sampling beside plain sampling: seconds for a batch of images, by the side of the image, in turn in one run.

python -m benchmarks.sampling [--sizes 8 12 16 20 28] [--batch 16] [--hidden-dim 32] [--num-layers 7] [--threads 2]

Both ways draw images from the same untrained networks with the same seed; how many values agree is in the table. All
times are of whole calls: all pixels of all images are drawn, in both ways. Before and after each plain call there is a
cached one, and the faster of both counts, since one cached call is short beside what else a machine does.
A run that was cut short goes on where it was. `make bench-sampling` writes sampling.md and sampling.png.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from course_utils import plotting
from course_utils.files import replacing, write_text
from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from course_utils.models.autoregressive.levels import sample_images, to_levels
from course_utils.models.autoregressive.pixelcnn import PixelCNN
from course_utils.notebooks import ROOT

MODELS = {"PixelCNN": PixelCNN, "Gated PixelCNN": GatedPixelCNN}


def measure(name: str, size: int, options: argparse.Namespace) -> dict:
    """Draw the same images both ways; return the seconds of each and the share of values that agree."""
    torch.manual_seed(0)
    model = MODELS[name]((1, size, size), 2, options.hidden_dim, options.num_layers).eval()
    fast, seconds_fast = [], []
    for _ in range(2):
        started = time.perf_counter()
        fast.append(to_levels(model.sample(options.batch, torch.Generator().manual_seed(1)), 2))
        seconds_fast.append(time.perf_counter() - started)
        if len(fast) == 1:
            started = time.perf_counter()
            plain = sample_images(model, options.batch, (1, size, size), torch.Generator().manual_seed(1))
            seconds_plain = time.perf_counter() - started
    agreement = (plain == fast[1]).double().mean().item()
    return {"plain": seconds_plain, "cached": min(seconds_fast), "agreement": agreement, "load": os.getloadavg()[0]}


def exponent(rows: list[dict], way: str) -> float:
    """Return the slope of log seconds over log side by least squares."""
    return np.polyfit(np.log([row["size"] for row in rows]), np.log([row[way] for row in rows]), 1)[0]


def table(rows: list[dict], options: argparse.Namespace) -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} processors, {options.threads} threads"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    loads = [row["load"] for row in rows]
    lines = [
        "# Sampling: kept activations beside one pass for each pixel",
        "",
        f"{datetime.date.today()}, {machine}, {versions}; load average {min(loads):.1f} to "
        f"{max(loads):.1f}. {options.batch} binary images at once; {options.num_layers} layers, "
        f"hidden_dim {options.hidden_dim}. Whole calls, in turn in one run.",
        "",
        "| network | image | plain | cached | ratio | values that agree |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['model']} | {row['size']}x{row['size']} | {row['plain']:.2f} s | {row['cached']:.3f} s "
            f"| {row['plain'] / row['cached']:.0f} | {row['agreement']:.4%} |"
            for row in rows
        ),
        "",
    ]
    for name in MODELS:
        mine = [row for row in rows if row["model"] == name]
        lines.append(
            f"{name}: the plain time grows as N^{exponent(mine, 'plain'):.1f}, "
            f"the cached as N^{exponent(mine, 'cached'):.1f}, for N x N pixels."
        )
        lines.append("")
    return "\n".join([*lines, "![](sampling.png)", "", "`make bench-sampling` makes this page.", ""])


def draw(rows: list[dict], target: Path) -> None:
    """Seconds over the side of the image, both axes logarithmic, with the fitted powers."""
    plotting.use_course_style()
    figure, axes = plt.subplots(1, len(MODELS), figsize=(9, 3.6), sharey=True)
    for ax, name in zip(axes, MODELS, strict=True):
        mine = [row for row in rows if row["model"] == name]
        sides = np.array([row["size"] for row in mine])
        for way, marker in (("plain", "o"), ("cached", "s")):
            seconds = np.array([row[way] for row in mine])
            power = exponent(mine, way)
            line = np.exp(np.log(seconds).mean() + power * (np.log(sides) - np.log(sides).mean()))
            (drawn,) = ax.loglog(sides, seconds, marker, label=f"{way}: N^{power:.1f}")
            ax.loglog(sides, line, color=drawn.get_color(), linewidth=1)
        ax.set_xticks(sides, [str(side) for side in sides])
        ax.minorticks_off()
        ax.set(title=name, xlabel="N, for N x N pixels")
        ax.legend()
    axes[0].set_ylabel("seconds for a batch")
    with replacing(target) as temporary:
        figure.savefig(temporary, format="png")
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 12, 16, 20, 28])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--hidden-dim", type=int, default=32)
    parser.add_argument("--num-layers", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "sampling.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    settings = [options.batch, options.hidden_dim, options.num_layers, options.threads]
    done = ROOT / "build" / "bench-sampling.jsonl"
    done.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in done.read_text().splitlines()] if done.exists() else []
    rows = [row for row in rows if row["settings"] == settings and row["size"] in options.sizes]
    for name in MODELS:
        for size in options.sizes:
            if any((row["model"], row["size"]) == (name, size) for row in rows):
                continue
            row = {"model": name, "size": size, "settings": settings, **measure(name, size, options)}
            print(f"{name}, {size}x{size}: plain {row['plain']:.2f} s, cached {row['cached']:.3f} s", flush=True)
            rows.append(row)
            with done.open("a") as log:
                log.write(json.dumps(row) + "\n")
    rows.sort(key=lambda row: (list(MODELS).index(row["model"]), row["size"]))
    text = table(rows, options)
    print(text)
    write_text(text, options.out)
    draw(rows, options.out.with_suffix(".png"))
    done.unlink()
    return 0 if all(row["agreement"] > 0.999 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
