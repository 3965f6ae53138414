"""Errors of a step: a GPU that is lost, told from memory that was short and from bugs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from midfill_engine.errors import DeviceLost, EngineError, OutOfMemory
from midfill_engine.exec.step_errors import step_errors
from midfill_engine.kernels.nvrtc import KernelError

ILLEGAL = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A GPU that answers every call with `error`, once that is set."""
    found = SimpleNamespace(error=None, asked=[])

    def synchronize() -> None:
        if found.error is not None:
            raise found.error

    def current_stream(device: str) -> SimpleNamespace:
        found.asked.append(device)
        return SimpleNamespace(synchronize=synchronize)

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_stream", current_stream)
    return found


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError(ILLEGAL),
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("Triton Error [CUDA]: device-side assert triggered"),
        KernelError("the kernel cannot be launched: an illegal instruction"),
        torch.OutOfMemoryError("CUDA out of memory."),
        EngineError("the model's logits are not numbers"),
    ],
)
def test_whatever_a_lost_gpu_raises_says_that_it_is_lost(
    gpu: SimpleNamespace, error: Exception
) -> None:
    gpu.error = torch.AcceleratorError(ILLEGAL)
    with pytest.raises(DeviceLost) as caught, step_errors(3, "cuda:1"):
        raise error
    assert gpu.asked == ["cuda:1"]
    told = str(caught.value)
    assert str(error).splitlines()[0] in told
    assert "midfill.engine.device" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (torch.AcceleratorError("CUDA error: invalid configuration argument"), RuntimeError),
        (torch.AcceleratorError("CUDA error: out of memory"), RuntimeError),
        (torch.OutOfMemoryError("CUDA out of memory."), OutOfMemory),
        (KernelError("the kernel cannot be launched"), KernelError),
        (EngineError("the model's logits are not numbers"), EngineError),
    ],
)
def test_errors_of_a_gpu_that_goes_on_are_what_they_were(
    gpu: SimpleNamespace, error: Exception, raised: type[Exception]
) -> None:
    with pytest.raises(raised) as caught, step_errors(3, "cuda"):
        raise error
    assert not isinstance(caught.value, DeviceLost)
    assert gpu.asked == ["cuda"]


def test_the_cpu_is_never_lost(gpu: SimpleNamespace) -> None:
    gpu.error = torch.AcceleratorError(ILLEGAL)
    with pytest.raises(RuntimeError, match="a bug"), step_errors(3, "cpu"):
        raise RuntimeError("a bug")
    assert gpu.asked == []


def test_memory_that_cannot_be_given_back_is_no_other_error(
    gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a capture that failed torch refuses to, and out of memory became an internal error."""

    def refuse() -> None:
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    with pytest.raises(OutOfMemory), step_errors(3, "cuda"):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    assert gpu.asked == ["cuda"]
