"""Random inputs apart from the global generators, and the state of those."""

import contextlib
import hashlib
import random

import numpy as np
import torch


class Draw:
    """Random inputs from a seed, float32 on the CPU, apart from the global generators."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape, scale=1.0):
        return scale * torch.randn(shape, generator=self.generator, dtype=torch.float32)

    def uniform(self, *shape, low=0.0, high=1.0):
        return low + (high - low) * torch.rand(shape, generator=self.generator, dtype=torch.float32)

    def bits(self, *shape):
        return torch.randint(0, 2, shape, generator=self.generator).float()

    def integers(self, high, *shape):
        return torch.randint(0, high, shape, generator=self.generator)


def derive_seed(*parts):
    """A seed that depends on all parts and equals none of the numbers that people like to seed with."""
    return int.from_bytes(hashlib.sha256(":".join(map(str, parts)).encode()).digest()[:4], "big") + 1_000


def seed_generators(seed):
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator_states():
    """The states of the global generators of torch (CPU), NumPy and Python, comparable by ==."""
    name, keys, *rest = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), (name, keys.tobytes(), *rest), random.getstate()


@contextlib.contextmanager
def preserve_generators():
    states = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
