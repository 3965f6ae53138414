"""Whether a step can be one launch, and how its kernel is built, without a GPU or its compiler."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest
import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.gpu_whole import find_launch, refusal
from midfill_engine.kernels import nvrtc
from midfill_engine.model.gpu_decoder import shape_of
from midfill_engine.model.spec import ModelSpec
from tests.engine.gpu.test_whole_step import LLAMA, spec_of


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"place": torch.device("cpu")}, "on cpu"),
        ({"capability": (8, 9)}, "compute capability 8.9, below 9.0"),
        ({"dtype": torch.float16}, "computed in float16, not bfloat16"),
        ({"window": 32}, "a sliding window"),
        ({}, None),
    ],
)
def test_what_cannot_be_one_launch(change: dict[str, Any], words: str | None) -> None:
    device = Device(change.get("place", torch.device("cuda")), change.get("capability", (9, 0)), 4)
    config: dict[str, Any] = LLAMA
    if "window" in change:
        mistral = {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
        config = LLAMA | mistral | {"sliding_window": change["window"]}
    spec = ModelSpec.from_config(config)
    assert refusal(spec, change.get("dtype", torch.bfloat16), device) == words


def test_a_machine_without_the_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    device = Device(torch.device("cuda"), (9, 0), 4)
    with pytest.raises(
        ModelError, match=r"--attention whole is not possible: cuda-bindings cannot be loaded"
    ):
        find_launch(spec_of("multi-head"), "plain", torch.bfloat16, device)


class FakeCompiler:
    """NVRTC's bindings as they are called, with an answer of one's own."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.told: list[Any] = []

    def nvrtcCreateProgram(self, *told: object) -> tuple[int, str]:
        self.told += told
        return 0, "program"

    def nvrtcCompileProgram(self, _program: str, count: int, options: list[bytes]) -> tuple[Any]:
        assert count == len(options)
        self.told.append(options)
        return (type("Status", (int,), {"name": "NVRTC_ERROR_COMPILATION"})(self.status),)

    def nvrtcGetProgramLogSize(self, _program: str) -> tuple[int, int]:
        return 0, 30

    def nvrtcGetProgramLog(self, _program: str, log: bytes) -> None:
        ctypes.memmove(ctypes.c_char_p(log), b"ring.cuh(3): error:\n no such\0\0", 30)

    def nvrtcGetCUBINSize(self, _program: str) -> tuple[int, int]:
        return 0, 4

    def nvrtcGetCUBIN(self, _program: str, code: bytes) -> None:
        ctypes.memmove(ctypes.c_char_p(code), b"\x7fELF", 4)

    def nvrtcDestroyProgram(self, _program: str) -> None:
        self.told.append("destroyed")


def test_what_the_compiler_is_told() -> None:
    macros = shape_of(spec_of("multi-head"), torch.bfloat16).macros
    compiler = FakeCompiler(0)
    assert nvrtc.compiled(compiler, macros, "90") == b"\x7fELF"
    text, _, count, bodies, names, options, last = compiler.told
    included = {line.split('"')[1] for line in text.decode().splitlines() if "#include" in line}
    included |= {
        line.split('"')[1]
        for body in bodies
        for line in body.decode().splitlines()
        if line.startswith("#include")
    }
    assert included == {name.decode() for name in names}
    assert count == len(names)
    assert {b"-DHIDDEN=128", b"-DTIMED=0", b"--gpu-architecture=sm_90"} <= set(options)
    assert last == "destroyed"
    with pytest.raises(nvrtc.KernelError, match=r"ring.cuh\(3\): error: no such$"):
        nvrtc.compiled(FakeCompiler(6), macros, "90")
