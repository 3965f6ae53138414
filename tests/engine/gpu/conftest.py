"""Triton's kernels on whatever is here: compiled on a CUDA device, else in Triton's interpreter."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
import torch

if not torch.cuda.is_available():  # read when a kernel is defined, so before any is imported
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Where kernels run."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Generator[None]:
    """Tiny products on several threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
