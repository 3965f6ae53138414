"""Triton's kernels on whatever is here: compiled on a CUDA device, else in Triton's interpreter."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib import import_module, metadata
from typing import Any

import pytest
import torch

if not torch.cuda.is_available():  # read when a kernel is defined, so before any is imported
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Where kernels run."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Triton 3.6, which torch 2.11 brings, interpret loops to a bound that a kernel is told.

    It takes such a bound for an integer while it is an array of one element, which NumPy has
    deprecated since 1.25 and refuses since 2.4. Triton 3.7 squeezes it first.
    """
    if torch.cuda.is_available() or not _triton_is("3.6."):
        return
    code: Any = import_module("triton.runtime.interpreter")
    patch = code._patch_lang_tensor

    def mended(tensor: Any, scope: Any) -> None:  # noqa: ANN401  # Triton's own, untyped
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", _integer)

    monkeypatch.setattr(code, "_patch_lang_tensor", mended)


def _integer(scalar: Any) -> int:  # noqa: ANN401  # Triton's own, untyped
    return int(scalar.handle.data.squeeze())


def _triton_is(prefix: str) -> bool:
    try:
        return metadata.version("triton").startswith(prefix)
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(autouse=True)
def one_thread() -> Generator[None]:
    """Tiny products on several threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
