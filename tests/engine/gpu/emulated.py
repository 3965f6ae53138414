"""The CUDA kernel of a whole step on the CPU: `kernels.whole_step.Launch` over `emulator.h`."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from midfill_engine.kernels.whole_step import Shape, Step

_HERE = Path(__file__).parent


class Emulated:
    """Runs a launch's blocks one thread after another; `num_blocks` stands for processors."""

    def __init__(self, shape: Shape, folder: Path, num_blocks: int, shared_bytes: int = 232448):
        self.num_blocks = num_blocks
        self.shared_bytes = shared_bytes
        self.num_launches = 0
        library = folder / f"step-{abs(hash(shape))}.so"
        if not library.exists():
            macros = [f"-D{name}={value}" for name, value in shape.macros.items()]
            command = ["c++", "-std=c++20", "-O2", "-shared", "-fPIC", "-Wno-unknown-pragmas"]
            command += [*macros, "-o", str(library), str(_HERE / "emulated_step.cpp")]
            subprocess.run(command, check=True, capture_output=True, text=True)
        self._library = ctypes.CDLL(str(library))
        assert self._library.scratch_bytes() == shape.scratch_bytes
        assert self._library.step_bytes() == ctypes.sizeof(Step)

    def __call__(self, step: Step, shared_bytes: int) -> None:
        self.num_launches += 1
        assert shared_bytes <= self.shared_bytes
        self._library.emulate(ctypes.byref(step), self.num_blocks, shared_bytes)
