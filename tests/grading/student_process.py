"""A student's process for tests: run cells in it, and take its functions by name."""

import textwrap

import numpy as np
import torch
from torch import nn

from course_utils.grading.limits import Limits
from course_utils.grading.remote import Names
from course_utils.grading.sandbox import Sandbox

IMPORTS = "import numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn"


class Student:
    """A sandbox with one notebook.

    Args:
        seconds: the limit of each call.
        limits: fields of `Limits` that differ from the usual ones.
    """

    def __init__(self, seconds: float = 30.0, **limits):
        # Unsafe, since what is tested here must work wherever the tests run; isolation has its own tests.
        self.sandbox = Sandbox(Limits(**limits), unsafe=True)
        self.names = Names(self.sandbox, seconds)
        self.run(IMPORTS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sandbox.close()

    def run(self, source: str, limit: int = 100_000, released: bool = False, seconds: float = 60.0) -> dict:
        """Run a cell; the answer with its outputs."""
        source = textwrap.dedent(source)
        answer, _ = self.sandbox.request("run", seconds=seconds, source=source, limit=limit, released=released)
        return answer

    def define(self, source: str, name: str):
        """The stand-in for `name` after running `source`, and the same thing defined in this process."""
        answer = self.run(source)
        assert answer["error"] is None, answer["error"]
        namespace = {"np": np, "torch": torch, "nn": nn, "F": nn.functional}
        exec(textwrap.dedent(source), namespace)
        return self.names.look_up(name), namespace[name]

    def look_up(self, name: str):
        return self.names.look_up(name)
