"""Which infill model suits a machine: the largest that fits and answers fast enough. Pure.

On a CPU the weights are kept in int8 and each token reads all of them once, so that their size over
the speed of memory is the time of a token; on a GPU they are kept in 16 bits and its memory alone
decides. Called by `models`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.cli.catalogue import CatalogueModel, Use
from midfill_lsp.cli.machine import Machine

INT8_BYTES = 36 / 32
"""A weight's, with its block's scale."""
HALF_BYTES = 2.0
CPU_ROOM_BYTES = 2**30
"""Beside the weights: process, keys and values, a step."""
CPU_SHARE = 0.7
"""Of the memory that is free: the rest stays for editor and browser."""
GPU_SHARE = 0.85
MOST_MS_PER_TOKEN = 25.0
"""A line of 16 tokens is then there in 0.4 s; drafts bring it sooner."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model would run.

    Attributes:
        model: which.
        device: on what.
        needs_bytes: of that device's memory.
        ms_per_token: estimated from the speed of memory; None on a GPU.
        obstacle: why it is not recommended; None where it is fine.
    """

    model: CatalogueModel
    device: Literal["cpu", "cuda"]
    needs_bytes: float
    ms_per_token: float | None
    obstacle: str | None


def rank(
    models: Sequence[CatalogueModel], machine: Machine, uses: tuple[Use, ...] = ("infill",)
) -> list[Fit]:
    """Return how each model of these uses would run here.

    Those that suit come first, the largest at the top, then the others from the smallest on.
    """
    fits = [fit(model, machine) for model in models if model.use in uses]
    good = [each for each in fits if each.obstacle is None]
    bad = [each for each in fits if each.obstacle is not None]
    good.sort(key=lambda each: -each.model.parameters)
    bad.sort(key=lambda each: each.model.parameters)
    return [*good, *bad]


def fit(model: CatalogueModel, machine: Machine) -> Fit:
    """Return how one model would run: on the GPU where it fits there, else on the CPU."""
    weights = model.parameters * 1e9
    on_gpu = weights * HALF_BYTES + CPU_ROOM_BYTES
    if machine.gpu is not None and on_gpu <= GPU_SHARE * machine.gpu.memory_bytes:
        return Fit(model, "cuda", on_gpu, None, None)
    on_cpu = weights * INT8_BYTES + CPU_ROOM_BYTES
    ms_per_token = weights * INT8_BYTES / machine.bytes_per_s * 1000
    obstacle = None
    if machine.memory_bytes is not None and on_cpu > CPU_SHARE * machine.memory_bytes:
        obstacle = "too large for the free memory"
    elif ms_per_token > MOST_MS_PER_TOKEN:
        obstacle = "too slow here"
    return Fit(model, "cpu", on_cpu, ms_per_token, obstacle)
