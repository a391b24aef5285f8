"""Checks work on small tensors: a second thread only makes the first one wait."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread():
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)
