"""Builds `gpu/whole_step.cu` on the machine that it runs on, and launches it.

By NVIDIA's own bindings, which torch's CUDA builds bring with them; they are imported late. Called
by `exec.gpu_whole`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from importlib import import_module, resources
from typing import Any, cast

import torch

from midfill_engine.kernels.whole_shape import NUM_THREADS
from midfill_engine.kernels.whole_step import Step

_SOURCE = "whole_step.cu"
_HEADERS = (
    "device.cuh", "ring.cuh", "worker.cuh", "attend.cuh", "products.cuh", "phases.cuh",
)  # fmt: skip


class KernelError(Exception):
    """Why the kernel cannot be built or launched, in one line."""


class CudaLaunch:
    """`whole_step.Launch` on one device."""

    def __init__(self, macros: Mapping[str, int], device: torch.device) -> None:
        """Compiles and loads the kernel, which takes seconds.

        Raises:
            KernelError: the bindings are missing, or the compiler refuses.
        """
        properties: Any = cast("Any", torch.cuda).get_device_properties(device)
        self.num_blocks: int = properties.multi_processor_count
        self.shared_bytes = shared_bytes_of(device)
        self._device = device
        self._driver, nvrtc = _bindings()
        driver = self._driver
        code = compiled(nvrtc, macros, f"{properties.major}{properties.minor}")
        with torch.cuda.device(device):
            torch.cuda.current_stream().synchronize()  # makes torch's context the current one
            self._module = _checked(driver.cuModuleLoadData(code))
            self._kernel = _checked(driver.cuModuleGetFunction(self._module, b"whole_step"))
            most = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            _checked(driver.cuFuncSetAttribute(self._kernel, most, self.shared_bytes))

    def __call__(self, step: Step, shared_bytes: int) -> None:
        """As `Launch.__call__`; all blocks run at a time, or the driver refuses."""
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(step))
        stream = torch.cuda.current_stream(self._device).cuda_stream
        _checked(
            self._driver.cuLaunchCooperativeKernel(
                self._kernel, self.num_blocks, 1, 1, NUM_THREADS, 1, 1, shared_bytes, stream,
                ctypes.addressof(arguments),
            )
        )  # fmt: skip


def shared_bytes_of(device: torch.device) -> int:
    """Returns the shared memory that a block can have on a CUDA device.

    Raises:
        KernelError: the bindings are missing.
    """
    driver, _ = _bindings()
    cast("Any", torch.cuda).init()
    most = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    index = cast("int | None", device.index)  # torch declares it never None
    index = torch.cuda.current_device() if index is None else index
    return int(_checked(driver.cuDeviceGetAttribute(most, index)))


def _bindings() -> tuple[Any, Any]:
    """Returns the driver's bindings and the compiler's.

    Raises:
        KernelError: they are missing.
    """
    try:
        driver, nvrtc = (import_module(f"cuda.bindings.{name}") for name in ("driver", "nvrtc"))
    except (ImportError, OSError) as error:
        raise KernelError(f"cuda-bindings cannot be loaded ({error})") from error
    return driver, nvrtc


def _checked(found: tuple[Any, ...]) -> Any:  # noqa: ANN401  # a handle of the driver's
    """Returns what a call of the driver gave beside its status."""
    status, *rest = found
    if int(status) != 0:
        raise KernelError(f"the CUDA driver refuses the kernel: {status.name}")
    return rest[0] if rest else None


def source() -> tuple[str, dict[str, str]]:
    """Returns the kernel's source and its headers by name."""
    folder = resources.files("midfill_engine.kernels").joinpath("gpu")
    headers = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in _HEADERS}
    return folder.joinpath(_SOURCE).read_text(encoding="utf-8"), headers


def compiled(nvrtc: Any, macros: Mapping[str, int], capability: str) -> bytes:  # noqa: ANN401  # untyped
    """Returns machine code.

    Raises:
        KernelError: with the compiler's first words.
    """
    text, headers = source()
    text = f'#include "device.cuh"\n{text}'
    bodies = [body.encode() for body in headers.values()]
    names = [name.encode() for name in headers]
    try:
        status, program = nvrtc.nvrtcCreateProgram(
            text.encode(), _SOURCE.encode(), len(bodies), bodies, names
        )
    except RuntimeError as error:  # the bindings look for the library now
        raise KernelError(f"NVRTC cannot be loaded ({str(error)[:120]})") from error
    options = [f"-D{name}={value}" for name, value in macros.items()]
    options += [f"--gpu-architecture=sm_{capability}", "--std=c++17"]
    (status,) = nvrtc.nvrtcCompileProgram(
        program, len(options), [option.encode() for option in options]
    )
    try:
        if int(status) != 0:
            _, size = nvrtc.nvrtcGetProgramLogSize(program)
            log = b" " * max(2, size)  # it is written over, and Python has one of one byte
            nvrtc.nvrtcGetProgramLog(program, log)
            words = " ".join(log.decode(errors="replace").strip(" \0").split())
            raise KernelError(f"NVRTC refuses the kernel ({status.name}): {words[:500]}")
        _, size = nvrtc.nvrtcGetCUBINSize(program)
        code = b" " * int(size)
        nvrtc.nvrtcGetCUBIN(program, code)
        return code
    finally:
        nvrtc.nvrtcDestroyProgram(program)
