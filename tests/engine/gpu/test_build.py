"""The way from `--device cuda` to a runner, with a device that is only said to be a GPU."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec import build, gpu_choice, torch_build
from midfill_engine.exec.gpu_choice import Parts, plain_parts
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.graphs import Eager, Run
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
from tests.engine.gpu.test_forward import Broken
from tests.engine.tiny import write_tiny_model

PLACE = torch.device("cpu")


def put(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, result: object) -> None:
    """Make a function of a module return `result`, whatever it is given."""

    def made(*_arguments: object) -> object:
        return result

    monkeypatch.setattr(module, name, made)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model, and a machine whose CPU passes for a GPU."""
    put(monkeypatch, build, "choose_device", "cuda")
    put(monkeypatch, torch_build, "find_gpu", Device(PLACE, (9, 0), 4))
    put(monkeypatch, gpu_choice, "choose_parts", plain_parts())
    put(monkeypatch, gpu_choice, "CudaGraphs", Eager())
    return write_tiny_model(tmp_path, "llama-gqa")


@pytest.mark.parametrize("dtype", ["float32", "fp8", "int8"])
def test_a_model_is_loaded_and_checked(folder: Path, dtype: str) -> None:
    runner = Runner.load(str(folder), dtype=dtype, max_total_tokens=64, cache_bytes=2**20)
    told = runner.describe()
    assert (told["dtype"], told["kernels"]) == (dtype, "torch, no graphs")
    assert told["attention"] == "torch, prompts sdpa"
    work = Work(0, [1, 2, 3], 0, 0, SamplingParams(), [1, 2, 3])
    assert len(runner.run([work])[0]) == 1


def test_kernels_that_fail_are_replaced_or_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = plain_parts()
    broken = Parts(Broken(1.0), plain.attention, plain.prompt_attention, "sdpa")
    put(monkeypatch, gpu_choice, "choose_parts", broken)
    runner = Runner.load(str(folder), dtype="float32", cache_bytes=2**20)
    assert str(runner.describe()["kernels"]).startswith("torch (their numbers are off by")
    assert "the GPU kernels are not used, torch is slower" in caplog.text
    for dtype, kernels in (("int8", "auto"), ("float32", "native")):
        with pytest.raises(ModelError, match=r"the GPU kernels fail here .*--kernels torch"):
            Runner.load(str(folder), dtype=dtype, kernels=kernels, cache_bytes=2**20)


def test_steps_that_cannot_be_captured_ahead_are_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine ended with a traceback, and editors said that it had left no word of why."""

    class Refusing(Eager):
        num_captured = 0

        def __call__(self, run: Run) -> Run:
            self.num_captured += 1
            if self.num_captured > 1:  # the first is what is compared
                raise RuntimeError("Triton Error [CUDA]: invalid argument")
            return run

    put(monkeypatch, gpu_choice, "CudaGraphs", Refusing())
    runner = Runner.load(str(folder), dtype="float32", cache_bytes=2**20)
    assert runner.describe()["kernels"] == "torch (they failed: RuntimeError)"
    assert "the GPU kernels are not used, torch is slower" in caplog.text
