"""Runs a training script alone, and shared by two processes."""

import os
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent


def results_of_one_and_of_two(source: str, folder: Path) -> tuple[dict, dict]:
    """What the script saves, with `torch.save`, at the path that it is given, by one process and by two."""
    script = folder / "train.py"
    script.write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COURSE_STATIC": "1", "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command, result in (([sys.executable], "one.pt"), (torchrun, "two.pt")):
        done = subprocess.run(
            [*command, str(script), str(folder / result)], env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "one.pt"), torch.load(folder / "two.pt")
