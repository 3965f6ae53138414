"""Which model suits a machine: the largest that fits and answers fast enough. Pure.

A token reads all the weights that compute it once, and each layer takes a little besides: both as
the engine measured them on this machine, on a GPU where the model fits one, else on the CPU.
Called by `models`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midfill_lsp.cli.catalogue import CatalogueModel, Use
from midfill_lsp.cli.machine import Device, Machine, Speed

HALF_BYTES = 2.0
FLOAT_BYTES = 4.0
"""A weight's where torch computes on the CPU: the engine's kernels there know no experts."""
ROOM_BYTES = 2**30
"""Beside the weights: process, keys and values, a step."""
CPU_SHARE = 0.7
"""Of the memory that is free: the rest stays for editor and browser."""
GPU_SHARE = 0.85
MOST_MS_PER_TOKEN = 25.0
"""A line of 16 tokens is then there in 0.4 s; drafts bring it sooner."""
PROMPT_TOKENS = 512
FORECAST_ERROR = 0.25
"""By which share a model of half a billion differed at most from its forecast (docs/log.md,
2026-11-26): memory is not equally fast from one second to the next."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model would run.

    Attributes:
        model: which.
        device: on what.
        needs_bytes: of that device's memory.
        ms_per_token: foretold from the measurement; None where the device could not be measured.
        prompt_s: foretold for a new prompt of PROMPT_TOKENS.
        obstacle: why it is not recommended; None where it is fine.
    """

    model: CatalogueModel
    device: Device
    needs_bytes: float
    ms_per_token: float | None
    prompt_s: float | None
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
    good.sort(key=lambda each: -each.model.size.parameters)
    bad.sort(key=lambda each: each.model.size.parameters)
    return [*good, *bad]


def fit(model: CatalogueModel, machine: Machine) -> Fit:
    """Return how one model would run: on the GPU where it fits there, else on the CPU."""
    gpu_speed = machine.speeds.get("cuda")
    if machine.gpu is not None and gpu_speed is not None:
        on_gpu = _needs(model, gpu_speed.weight_bytes)
        if on_gpu <= GPU_SHARE * machine.gpu.memory_bytes:
            return _timed(model, "cuda", on_gpu, gpu_speed, gpu_speed.weight_bytes)
    speed = machine.speeds.get("cpu")
    weight_bytes = FLOAT_BYTES if speed is None or model.has_experts else speed.weight_bytes
    on_cpu = _needs(model, weight_bytes)
    if machine.memory_bytes is not None and on_cpu > CPU_SHARE * machine.memory_bytes:
        return Fit(model, "cpu", on_cpu, None, None, "too large for the free memory")
    if speed is None:
        return Fit(model, "cpu", on_cpu, None, None, "its speed could not be measured")
    return _timed(model, "cpu", on_cpu, speed, weight_bytes)


def _needs(model: CatalogueModel, weight_bytes: float) -> float:
    return model.size.parameters * 1e9 * weight_bytes + ROOM_BYTES


def _timed(
    model: CatalogueModel, device: Device, needs: float, speed: Speed, weight_bytes: float
) -> Fit:
    read = model.size.read * 1e9
    ms = 1000 * (read * weight_bytes / speed.bytes_per_s + model.size.layers * speed.layer_s)
    in_layers = read - model.size.head * 1e9
    prompt_s = PROMPT_TOKENS * in_layers / speed.prompt_weights_per_s
    obstacle = "too slow here" if ms > MOST_MS_PER_TOKEN else None
    return Fit(model, device, needs, ms, prompt_s, obstacle)
