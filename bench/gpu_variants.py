"""What `bench/gpu_tune.py` times: a product or attention, in every way in which it may be cut.

A case is launched over so many copies of what it reads that no cache holds them. Operands are in
the dtypes that `GpuDecoder` keeps them in. Called by `gpu_tune`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias, cast
from unittest.mock import patch

import torch

from bench.gpu_compile import device_of
from bench.gpu_models import SHAPES
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.graphs import Capture
from midfill_engine.kernels.gpu_interface import Groups, Pages, Rows
from midfill_engine.kernels.triton_attend import Splitting, TritonAttention
from midfill_engine.kernels.triton_step import Tiling, TritonOperations, tiling_of
from midfill_engine.model.gpu_decoder import operand_dtype
from midfill_engine.model.gpu_weights import GpuKind, quantise
from midfill_engine.model.spec import ModelSpec

PRODUCTS = ("qkv", "gate_up", "down", "out", "head")
DTYPE = torch.bfloat16
MOST_ROWS = 16
LAUNCHES = 20
_SPARE = 64
"""Positions behind a context."""
_REPLAYS = 10
_ROTATED_BYTES = 6e8

Variant: TypeAlias = Tiling | Splitting
Launch: TypeAlias = Callable[[int, int], None]
"""Takes a number of rows and a copy's number."""

TILINGS = {
    2: (
        Tiling(32, 256, 4, 4), Tiling(16, 512, 2, 4), Tiling(32, 256, 4, 3), Tiling(64, 128, 4, 4),
        Tiling(32, 256, 4, 4, splits=2), Tiling(64, 128, 4, 4, splits=3),
    ),
    1: (
        Tiling(32, 256, 2, 4), Tiling(64, 128, 4, 5), Tiling(32, 256, 4, 5), Tiling(64, 128, 2, 4),
        Tiling(64, 128, 2, 6), Tiling(64, 256, 4, 3), Tiling(32, 512, 4, 3), Tiling(32, 512, 2, 3),
        Tiling(64, 128, 4, 5, splits=4), Tiling(64, 256, 4, 3, splits=4),
        Tiling(32, 256, 4, 4, splits=3), Tiling(32, 256, 4, 5, splits=2),
        Tiling(64, 128, 2, 4, splits=4), Tiling(32, 512, 2, 3, splits=2),
        Tiling(32, 128, 2, 6, splits=4),
    ),
}  # fmt: skip
"""By the bytes of a weight, the likeliest first; the default is tried before them."""
SPLITTINGS = (
    Splitting(256, 32, 4, 4, 6), Splitting(256, 64, 4, 4, 3), Splitting(128, 64, 4, 4, 3),
    Splitting(512, 64, 2, 4, 3), Splitting(128, 32, 4, 2, 4), Splitting(128, 32, 8, 4, 5),
    Splitting(256, 32, 8, 2, 6), Splitting(256, 64, 8, 8, 3), Splitting(512, 32, 4, 4, 6),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class What:
    """Attributes: a name in SHAPES; a product or `attention`, over `context` positions."""

    shape: str
    part: str
    kind: GpuKind = "plain"
    context: int = 0

    def __str__(self) -> str:
        """For people."""
        return f"{self.part} {self.context or self.kind}"


class Case:
    """One product, or attention, and copies of what it reads."""

    def __init__(self, what: What, device: Device, *, pdl: bool) -> None:
        """Makes the copies; `pdl` as `TritonOperations` takes it, where the device can."""
        self._device = device
        self._pdl = pdl and device.has_dependent_launch
        self._what = what
        self._spec = spec = ModelSpec.from_config(SHAPES[what.shape])
        place = device.place
        hidden, inner, vocab = spec.hidden_size, spec.intermediate_size, spec.vocab_size
        wide, kv = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
        outputs, inputs, width = {
            "qkv": (wide + 2 * kv, hidden, wide), "out": (hidden, wide, hidden),
            "gate_up": (2 * inner, hidden, inner), "down": (hidden, inner, hidden),
            "head": (vocab, hidden, vocab), "attention": (0, wide, wide),
        }[what.part]  # fmt: skip
        weight_bytes = 2 if what.kind == "plain" else 1
        self.num_bytes = outputs * inputs * weight_bytes or 4 * what.context * kv
        copies = min(LAUNCHES, int(_ROTATED_BYTES / self.num_bytes) + 1)
        self._copies = copies if place.type == "cuda" else 1

        def noise(*shape: int, size: float = 1.0) -> torch.Tensor:
            return torch.empty(shape, dtype=DTYPE, device=place).normal_(0, size)

        page = (1, spec.num_kv_heads, what.context + _SPARE, spec.head_dim)
        table = torch.zeros((1, 1), dtype=torch.int32, device=place)
        num_pages = 1 if outputs else self._copies
        self._pages = [Pages(noise(*page), noise(*page), table) for _ in range(num_pages)]
        self._matrices = [
            quantise(noise(outputs, inputs, size=inputs**-0.5), what.kind)
            for _ in range(self._copies if outputs else 0)
        ]
        operands = operand_dtype(self._matrices[0], DTYPE) if outputs else DTYPE
        written = {"head": torch.float32, "gate_up": operands}.get(what.part, DTYPE)
        self._inputs = noise(MOST_ROWS, inputs).to(operands)
        self._out = noise(MOST_ROWS, width).to(written)
        self._rotations = noise(_SPARE, spec.head_dim // 2, 2).float()
        self._places = torch.arange(MOST_ROWS, device=place)
        self._zeros = torch.zeros(MOST_ROWS, dtype=torch.int64, device=place)

    def variants(self) -> list[Variant]:
        """Returns the default, then the others, each once."""
        if not self._matrices:
            return list(dict.fromkeys([Splitting(), *SPLITTINGS]))
        matrix = self._matrices[0]
        columns = matrix.num_outputs // (2 if self._what.part == "gate_up" else 1)
        ways = (tiling_of(matrix, columns), *TILINGS[matrix.weight.dtype.itemsize])
        if self._what.part not in ("out", "down"):  # only what is added is ever split
            ways = tuple(replace(way, splits=1) for way in ways)
        return list(dict.fromkeys(ways))

    def launcher(self, variant: Variant) -> Launch:
        """Returns what launches the case, cut as the variant says."""
        device, spec = self._device, self._spec
        if isinstance(variant, Tiling):
            operations = TritonOperations(
                device.place, variant, pdl=self._pdl, roomy=device.is_roomy
            )
            return partial(self._multiply, operations)
        attention = TritonAttention(
            max_rows=MOST_ROWS, num_heads=spec.num_heads, num_kv_heads=spec.num_kv_heads,
            head_dim=spec.head_dim, max_len=self._what.context + _SPARE, device=device.place,
            num_processors=device.num_processors, splitting=variant, pdl=self._pdl,
            roomy=device.is_roomy,
        )  # fmt: skip
        return partial(self._attend, attention)

    def outcome(self, launch: Launch, num_rows: int) -> torch.Tensor:
        """Returns all numbers that a launch writes, in one row."""
        written = [self._out]
        if self._what.part == "qkv":
            written += [self._pages[0].keys, self._pages[0].values]
        for tensor in written:
            tensor.zero_()
        launch(num_rows, 0)
        written[0] = self._out[:num_rows]
        return torch.cat([tensor.float().flatten() for tensor in written])

    def launch_us(self, launch: Launch, num_rows: int, capture: Capture) -> float:
        """Returns the median of some replays of LAUNCHES launches, by the device's clock."""
        if self._device.place.type != "cuda":
            began = time.perf_counter()
            launch(num_rows, 0)
            return (time.perf_counter() - began) * 1e6

        def run() -> None:
            for copy in range(LAUNCHES):
                launch(num_rows, copy)

        replay = capture(run)
        event: Any = torch.cuda.Event  # untyped in torch
        marks = [event(enable_timing=True) for _ in range(_REPLAYS + 2)]
        for mark in marks:
            replay()
            mark.record()
        torch.cuda.synchronize()
        taken: list[float] = [one.elapsed_time(other) for one, other in pairwise(marks[1:])]
        return statistics.median(taken) * 1e3 / LAUNCHES

    def _attend(self, attention: TritonAttention, num_rows: int, copy: int) -> None:
        counts = self._places[num_rows - 1 :][:1] + 1
        groups = Groups(self._zeros[:1], self._zeros[:1], counts, counts + self._what.context)
        heads = (num_rows, self._spec.num_heads, self._spec.head_dim)
        attention.attend(
            self._inputs[:num_rows].view(heads), self._pages[copy % self._copies], groups, None,
            self._spec.head_dim**-0.5, self._out[:num_rows],
        )  # fmt: skip

    def _multiply(self, operations: TritonOperations, num_rows: int, copy: int) -> None:
        matrix, inputs = self._matrices[copy % self._copies], self._inputs[:num_rows]
        out = self._out[:num_rows]
        if self._what.part == "qkv":
            query = out.view(num_rows, self._spec.num_heads, self._spec.head_dim)
            rows = Rows(self._places[:num_rows], self._zeros[:num_rows])
            operations.write_qkv(inputs, matrix, self._rotations, rows, self._pages[0], query)
        elif self._what.part == "gate_up":
            operations.gate_up(inputs, matrix, out)
        elif self._what.part == "head":
            operations.project(inputs, matrix, out)
        else:
            operations.add_product(inputs, matrix, out)


class _Nowhere:
    """What Triton asks of a driver while it compiles."""

    def __init__(self, capability: int) -> None:
        self._capability = capability

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return device

    def get_current_target(self) -> Any:  # noqa: ANN401  # Triton's
        from triton.backends.compiler import GPUTarget  # pyright: ignore[reportMissingTypeStubs]

        return cast("Any", GPUTarget)("cuda", self._capability, 32)


def compiled(what: What, variant: Variant, capability: int, *, pdl: bool) -> dict[str, Any]:
    """Compiles what a launch looks for into Triton's cache; runs in a process of its own."""
    from triton.runtime.driver import driver  # pyright: ignore[reportMissingTypeStubs]
    from triton.runtime.jit import JITFunction  # pyright: ignore[reportMissingTypeStubs]

    torch.set_num_threads(1)
    launcher: Any = JITFunction
    whole: Any = launcher.run
    made: list[Any] = []

    def run(kernel: Any, *values: Any, grid: object, warmup: bool, **named: Any) -> None:  # noqa: ANN401  # Triton's
        del warmup
        made.append(whole(kernel, *values, grid=grid, warmup=True, **named))

    cast("Any", driver).set_active(_Nowhere(capability))
    began = time.perf_counter()
    with patch.object(launcher, "run", run):
        Case(what, device_of(capability), pdl=pdl).launcher(variant)(1, 0)
    took = round(time.perf_counter() - began, 2)
    return {"shared_bytes": made[0].metadata.shared, "compiled_s": took}


def words(variant: Variant) -> str:
    """Returns a variant's constants."""
    return ", ".join(f"{name} {value}" for name, value in asdict(variant).items())
