"""The CUDA kernel of a whole step on the CPU: `kernels.whole_step.Launch` over `emulator.h`."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from midfill_engine.kernels.whole_shape import Shape
from midfill_engine.kernels.whole_step import Step

_HERE = Path(__file__).parent
HOPPER_BYTES = 232448
"""Shared memory that a block can have there."""


class Emulated:
    """Runs a launch's blocks one thread after another; `num_blocks` stands for processors."""

    def __init__(
        self,
        shape: Shape,
        folder: Path,
        num_blocks: int,
        shared_bytes: int = HOPPER_BYTES,
        *,
        timed: bool = False,
        lagging: bool = False,
    ) -> None:
        """Builds the kernel for a shape, or takes what `folder` holds of it.

        `lagging`: lanes of the loading warp run late.
        """
        self._lagging = lagging
        self.num_blocks = num_blocks
        self.shared_bytes = shared_bytes
        self.num_launches = 0
        macros = {**shape.macros, "TIMED": int(timed)}
        library = folder / ("-".join(map(str, macros.values())) + ".so")
        if not library.exists():
            command = ["c++", "-std=c++20", "-O2", "-shared", "-fPIC", "-Wno-unknown-pragmas"]
            command += [f"-D{name}={value}" for name, value in macros.items()]
            command += ["-o", str(library), str(_HERE / "emulated_step.cpp")]
            subprocess.run(command, check=True, capture_output=True, text=True)
        self._library = ctypes.CDLL(str(library))
        assert self._library.scratch_bytes() == shape.scratch_bytes
        assert self._library.step_bytes() == ctypes.sizeof(Step)

    def input_stride(self, kind: int, num_inputs: int) -> int:
        """Bytes from one row of inputs to the next, as the kernel lays them out."""
        return int(self._library.stride_of_inputs(kind, num_inputs))

    def __call__(self, step: Step, shared_bytes: int) -> None:
        """Runs all blocks; a wait that cannot end ends the process."""
        self.num_launches += 1
        assert shared_bytes <= self.shared_bytes
        self._library.emulate(ctypes.byref(step), self.num_blocks, shared_bytes, self._lagging)
