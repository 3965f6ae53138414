"""Steps that are launched once and repeated: one graph per number of rows and groups.

A step reads what the host wrote into one small table and leaves one small outcome, at places that
never change; a graph is the launches between the two. Rows and groups are rounded up to few sizes
and padded. What captures is passed in, so that the book-keeping runs without a GPU. Called by
`gpu_forward`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch

from midfill_engine.exec import row_plan
from midfill_engine.exec.row_plan import Part
from midfill_engine.kernels.gpu_interface import Choice, Groups, Pages, Rows
from midfill_engine.model.gpu_decoder import MAX_ROWS, Buffers, GpuDecoder, Inputs, slot_pages
from midfill_engine.model.kv_cache import KVCache

logger = logging.getLogger(__name__)

ROW_SIZES = (1, 4, 8, 16, 32, MAX_ROWS)
Run: TypeAlias = Callable[[], None]


class Capture(Protocol):
    """What makes launches repeatable."""

    @property
    def name(self) -> str:
        """For `/info`."""
        ...

    def __call__(self, run: Run) -> Run:
        """Returns what does the same as `run`, reading and writing the same memory.

        May call `run`, any number of times: a step that runs twice leaves the same behind.
        """
        ...


class Eager:
    """Captures nothing: every step is launched anew."""

    name = "no graphs"

    def __call__(self, run: Run) -> Run:
        """Returns `run`."""
        return run


class CudaGraphs:
    """CUDA graphs that share one pool of memory.

    Torch captures one graph at a time in a process. What other threads do meanwhile, for another
    model, neither ends up in the graph nor breaks it.
    """

    name = "CUDA graphs"
    _capturing: ClassVar[Lock] = Lock()

    def __init__(self, device: torch.device) -> None:
        """Captures on `device`."""
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._aside: Any = cast("Any", torch.cuda).Stream(device)  # untyped in torch

    def __call__(self, run: Run) -> Run:
        """Runs once aside, which compiles what has to be compiled, then captures."""
        with self._capturing, torch.cuda.device(self._device):
            self._aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._aside):
                run()
            torch.cuda.current_stream().wait_stream(self._aside)
            graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
            try:
                with torch.cuda.graph(
                    graph, pool=self._pool, stream=self._aside, capture_error_mode="thread_local"
                ):
                    run()
            finally:
                torch.cuda.set_stream(current)  # which torch leaves undone where a capture fails
        return graph.replay


@dataclass(frozen=True, slots=True)
class Size:
    """Rows and groups of a step, padding included."""

    num_rows: int
    num_groups: int

    @classmethod
    def of(cls, num_rows: int, num_groups: int) -> Size:
        """Returns the smallest size that holds a step.

        A step is verified for one or a few sequences, or decoded for as many as it has rows; the
        number of groups cuts attention into programs, and most of a wrong number would idle.
        """
        assert 0 < num_groups <= num_rows <= MAX_ROWS, f"{num_groups} groups of {num_rows} rows"
        rows = next(size for size in ROW_SIZES if size >= num_rows)
        groups = next(size for size in (1, 4, rows) if size >= num_groups)
        return cls(rows, min(groups, rows))


@dataclass(frozen=True, slots=True)
class Step:
    """A captured step: write `table`, `replay`, read `outcome` and `logits`."""

    table: torch.Tensor
    told: torch.Tensor
    buffers: Buffers
    replay: Run


class Steps:
    """All sizes of step over one cache, each captured once; one thread calls."""

    def __init__(self, decoder: GpuDecoder, cache: KVCache, capture: Capture) -> None:
        """Reserves the memory that all sizes share."""
        self.num_captured = 0
        self._decoder = decoder
        self._layers: Sequence[Pages] = slot_pages(cache, decoder.device)
        self._capture = capture
        self._buffers = decoder.reserve(decoder.max_rows)
        self._on_gpu = decoder.device.type == "cuda"
        shape = (decoder.max_rows, 3)
        self._outcome = torch.empty(shape, dtype=torch.float64, pin_memory=self._on_gpu)
        self._steps: dict[Size, Step] = {}

    def prepare(self, sizes: Sequence[Size]) -> None:
        """Captures sizes ahead, so that no request waits for it."""
        for size in sizes:
            self._step(size)

    def run(self, parts: Sequence[Part]) -> npt.NDArray[np.float64]:
        """Runs the parts' rows in one step; returns the rows' outcomes, [rows, 3].

        One transfer in, one out. The array is valid until the next call.
        """
        num_rows = sum(part.num_rows for part in parts)
        step = self._step(Size.of(num_rows, sum(part.num_groups for part in parts)))
        row_plan.fill(step.told.numpy(), parts)
        step.table.copy_(step.told, non_blocking=True)
        step.replay()
        self._outcome[:num_rows].copy_(step.buffers.outcome[:num_rows], non_blocking=True)
        if self._on_gpu:
            torch.cuda.current_stream(self._decoder.device).synchronize()  # the step's only one
        return self._outcome[:num_rows].numpy()

    def replay_of(self, num_rows: int, num_groups: int) -> Run:
        """Returns what repeats the last step of that size, for timing it."""
        return self._step(Size.of(num_rows, num_groups)).replay

    def logits(self, first: int, count: int) -> torch.Tensor:
        """Returns rows of the last step's logits, [count, V] float32, until the next step."""
        return self._buffers.logits[first : first + count]

    def _step(self, size: Size) -> Step:
        step = self._steps.get(size)
        if step is None:
            step = self._steps[size] = self._captured(size)
            self.num_captured += 1
            logger.debug("captured a step of %d rows, %d groups", size.num_rows, size.num_groups)
        return step

    def _captured(self, size: Size) -> Step:
        shape = (row_plan.NUM_FIELDS, size.num_rows)
        told = torch.zeros(shape, dtype=torch.int64, pin_memory=self._on_gpu)
        row_plan.fill(told.numpy(), ())
        table = told.to(self._decoder.device, copy=True)
        inputs = step_inputs(table, size.num_groups)
        buffers = self._buffers.first(size.num_rows)

        def run() -> None:
            self._decoder.step(inputs, buffers, self._layers)

        return Step(table, told, buffers, self._capture(run))


def sizes_ahead(num_sequences: int, max_rows: int) -> list[Size]:
    """Returns every size that steps of so many sequences can have, the smallest first.

    A step has at most `max_rows` rows; a group beyond one for each sequence takes a full one before
    it.
    """
    found: list[Size] = []
    for num_rows in range(1, max_rows + 1):
        num_full = (num_rows - 1) // row_plan.GROUP_ROWS
        for num_groups in range(1 + num_full, min(num_rows, num_sequences + num_full) + 1):
            size = Size.of(num_rows, num_groups)
            if size not in found:
                found.append(size)
    return found


def step_inputs(table: torch.Tensor, num_groups: int) -> Inputs:
    """Returns views into the table of a step, where `row_plan.fill` wrote."""
    floats = table.view(torch.float64)
    return Inputs(
        token_ids=table[row_plan.TOKEN],
        rows=Rows(table[row_plan.POSITION], table[row_plan.SLOT]),
        groups=Groups(
            slots=table[row_plan.GROUP_SLOT, :num_groups],
            first_rows=table[row_plan.GROUP_FIRST, :num_groups],
            counts=table[row_plan.GROUP_COUNT, :num_groups],
            ends=table[row_plan.GROUP_END, :num_groups],
        ),
        choice=Choice(
            temperatures=floats[row_plan.TEMPERATURE],
            fractions=floats[row_plan.FRACTION],
            drafts=table[row_plan.DRAFT],
        ),
    )
