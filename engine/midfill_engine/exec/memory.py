"""How a memory budget is divided: process, weights, keys and values, and a reserve for steps.

    limit   |── process ──|── weights ──|── cache: num_slots slots ──|── reserve ──|   left over

Sizes are known before the weights are read, so that a model that cannot fit is refused at once,
and the cache takes what is left. On a GPU the budget is that of the GPU's memory, and the process
counts nothing there. Knows no torch; called by `runner`, told by `/info`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from midfill_engine.errors import ModelError
from midfill_engine.exec.cgroup import memory_left
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.spec import ModelSpec

MB = 2**20
MAX_SLOTS = 32
"""Twice the sixteen editors that share an engine on two cores; more only wait for each other."""
DEFAULT_CACHE_BYTES = 2**30
_STEP_ROWS = 256
"""Rows of a prompt's chunk (`runtime.sequence`)."""
_LOGIT_ROWS = 17
"""Rows of logits a slot: the last input's and MAX_DRAFT drafts' (`runtime.speculate`)."""
_RESERVE_BYTES = 96 * MB
"""What a serving process took beyond the sum of the parts, see docs/log.md, 2026-11-25, memory."""

_SPREAD_BYTES = 8 * MB
"""By which one start's process may be larger than another's: 78 to 82 MB were seen."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes by what they are for.

    Attributes:
        process: Python, libraries and whatever else was there before the model.
        weights: of the model, as they are kept.
        slot: keys and values of one sequence of the longest context.
        num_slots: how many sequences fit.
        reserve: for a step's rows, requests and replies.
        limit: what all of it must stay under; None where nothing was asked for.
    """

    process: int
    weights: int
    slot: int
    num_slots: int
    reserve: int
    limit: int | None = None

    @property
    def cache(self) -> int:
        """All slots."""
        return self.slot * self.num_slots

    @property
    def total(self) -> int:
        """The most that is used while serving."""
        return self.process + self.weights + self.cache + self.reserve

    def told(self, context: int) -> str:
        """One line for the log."""
        limit = "no limit given" if self.limit is None else f"limit {self.limit // MB} MB"
        return (
            f"memory: at most {self.total // MB} MB ({limit}): process {self.process // MB}, "
            f"weights {self.weights // MB}, keys and values {self.cache // MB} "
            f"({self.num_slots} slots of {context} tokens), reserve {self.reserve // MB}"
        )


class Widths(Protocol):
    """The sizes of a model that its steps' rows hang on; `ModelSpec` has them."""

    @property
    def hidden_size(self) -> int:
        """Of a row between two layers."""
        ...

    @property
    def intermediate_size(self) -> int:
        """Of a row within an MLP."""
        ...

    @property
    def vocab_size(self) -> int:
        """Of a row of logits."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """What a model needs, before it is loaded.

    Attributes:
        spec: its shape.
        slot: bytes of one slot of the cache.
        weights: bytes of the weights as they are kept.
        loading: bytes of the weights at the most, while they are read and packed.
        libraries: bytes of what was imported for this model; part of its reserve.
        buffers: bytes that its steps take whatever the slots; part of its reserve.
    """

    spec: Widths
    slot: int
    weights: int
    loading: int
    libraries: int = 0
    buffers: int = 0

    @classmethod
    def of(cls, spec: ModelSpec, slot: int, item_bytes: int) -> MemoryNeeds:
        """Counts weights of `item_bytes` each."""
        read = num_parameters(spec) * item_bytes
        return cls(spec, slot, read, read)

    @classmethod
    def of_packed(cls, spec: ModelSpec, slot: int, packed: int) -> MemoryNeeds:
        """Takes the bytes of packed weights; one layer stands beside them in float32, twice."""
        ends = (1 if spec.tied_embeddings else 2) * spec.vocab_size * spec.hidden_size
        layer = 4 * (num_parameters(spec) - ends) // spec.num_layers
        return cls(spec, slot, packed, packed + 2 * layer)

    def reserve(self, num_slots: int) -> int:
        """Bytes of a step's largest intermediate rows, and a constant."""
        spec = self.spec
        wide = 4 * spec.hidden_size + 3 * spec.intermediate_size
        logits = num_slots * _LOGIT_ROWS * spec.vocab_size
        rows = 4 * (_STEP_ROWS * wide + 2 * logits)
        return _RESERVE_BYTES + self.libraries + self.buffers + rows


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """What of the memory is one model's, where the process holds several.

    Attributes:
        share: of what is left, that much.
        taken: bytes that the process and the other models take; None where there are no others:
            then the process is measured.
        libraries: bytes that the process has grown by since, for this model: torch is imported
            for the first that needs it.
    """

    share: float = 1.0
    taken: int | None = None
    libraries: int = 0

    def grown(self, before: int) -> MemoryPart:
        """Returns it with what the process has grown by since it had `before` bytes."""
        if self.taken is None:  # the process will be measured as it is then
            return self
        return replace(self, libraries=max(0, process_bytes() - before))

    def of(self, room: int) -> int:
        """The model's share of so many bytes."""
        return int(room * self.share)

    def limit(self, taken: int, limit: int) -> int:
        """What this model and what was taken before must stay under, of a limit for everything."""
        return taken + self.of(limit - taken)


WHOLE = MemoryPart()


def plan_memory(
    needs: MemoryNeeds,
    *,
    process: int,
    limit: int | None = None,
    cache: int = DEFAULT_CACHE_BYTES,
) -> MemoryPlan:
    """Return as many slots as fit, at most MAX_SLOTS.

    Args:
        needs: the model's.
        process: bytes in use already.
        limit: bytes for everything; None bounds the cache only.
        cache: bytes of the cache where there is no limit; it makes at least one slot.

    Raises:
        ModelError: not even one slot fits the limit.
    """

    def plan(num_slots: int) -> MemoryPlan:
        reserve = needs.reserve(num_slots)
        return MemoryPlan(process, needs.weights, needs.slot, num_slots, reserve, limit)

    if limit is None:
        return plan(min(max(cache // needs.slot, 1), MAX_SLOTS))
    loading = needs.loading + needs.libraries + _RESERVE_BYTES
    least = max(plan(1).total, process + loading)
    if least > limit:
        raise ModelError(_too_small(plan(1), least))
    return plan(max(count for count in range(1, MAX_SLOTS + 1) if plan(count).total <= limit))


def _too_small(plan: MemoryPlan, least: int) -> str:
    assert plan.limit is not None
    return (
        f"--max-memory {plan.limit // MB}MB is too little: the process takes "
        f"{plan.process // MB} MB, the weights {plan.weights // MB} MB, one sequence "
        f"{-(-plan.slot // MB)} MB and a step {plan.reserve // MB} MB; give at least "
        f"{-(-(least + _SPREAD_BYTES) // MB)}MB, or a smaller --max-context, model or dtype"
    )


def process_bytes() -> int:
    """The memory that this process has in use, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return _kilobytes(status, "VmRSS") * 1024
    except OSError:  # not Linux: the most it ever had
        if sys.platform == "win32":
            return 0  # counts as nothing: there is no figure without another library
        import resource  # POSIX only

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_bytes() -> int | None:
    """The memory that this process can still get, in bytes; None where the system does not tell.

    That is what the machine can give, or what a control group leaves where that is less.
    """
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
        free = _kilobytes(told, "MemAvailable") * 1024
    except (OSError, ValueError):
        return None
    left = memory_left()
    return free if left is None else min(free, left)


def _kilobytes(table: str, name: str) -> int:
    for line in table.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"no {name}")
