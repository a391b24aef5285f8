"""Train and export the models of the live pages: `python -m publish.live [NAME ...]`."""

import argparse
import importlib

import torch

NAMES = ["game", "infogan", "pixelcnn", "vae"]
torch.set_num_threads(1)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=f"some of {', '.join(NAMES)}; else all")
for name in parser.parse_args().names:
    importlib.import_module(f"publish.live.{name}").main()
    print(f"exported {name}")
