"""Every test of an evaluation starts from the same random state and leaves the session's as it was."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
