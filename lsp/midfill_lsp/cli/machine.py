"""What this machine has for a model: memory, GPUs, and how fast the engine computes on them.

The engine's own program measures that (`midfill-engine measure`), since only it knows the kernels
that will run; nothing here imports torch. Called by `models`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from midfill_lsp.errors import MidfillError
from midfill_lsp.programs import find_program

Device: TypeAlias = Literal["cpu", "cuda"]

_TOOL_TIMEOUT_S = 10.0
_MEASURE_TIMEOUT_S = 300.0
"""It takes 2 to 4 s on two cores; a GPU compiles its kernels the first time."""


class NotMeasured(MidfillError):
    """The engine could not measure this machine."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU with the most memory."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Speed:
    """What one device does, as the engine's `exec.measure` tells it.

    Attributes:
        kernels: what computed, in words.
        dtype: that the engine keeps weights in there.
        weight_bytes: of one weight.
        bytes_per_s: of weights, read for one token after the other.
        layer_s: seconds that each layer takes besides.
        prompt_weights_per_s: weights times tokens of a prompt.
        error: how far off the timed steps themselves were by these, as a share.
    """

    kernels: str
    dtype: str
    weight_bytes: float
    bytes_per_s: float
    layer_s: float
    prompt_weights_per_s: float
    error: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is.

    Attributes:
        memory_bytes: that programs could still take; None where the system does not tell.
        speeds: of the devices that the engine can use.
        gpu: that the engine can use.
        idle_gpu: that nvidia-smi finds and the engine cannot use.
        failures: of the devices that could not be measured, in a sentence each.
        num_threads: that the steps on the CPU took.
        measured_s: how long it took.
    """

    memory_bytes: int | None
    speeds: Mapping[Device, Speed]
    gpu: Gpu | None = None
    idle_gpu: Gpu | None = None
    failures: tuple[str, ...] = ()
    num_threads: int = 1
    measured_s: float = 0.0


def look(measure: Sequence[str]) -> Machine:
    """Have the engine measure; look at the memory, and for a GPU that the engine does not see.

    Args:
        measure: the engine's command line for it.

    Raises:
        NotMeasured: it cannot, or answers something else.
    """
    memory_bytes = available_bytes()  # before the engine takes some
    machine = replace(read_measurement(_measured(measure)), memory_bytes=memory_bytes)
    return machine if machine.gpu is not None else replace(machine, idle_gpu=find_gpu())


def _measured(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_MEASURE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotMeasured(
            f"the engine did not finish measuring within {_MEASURE_TIMEOUT_S:.0f} s: "
            "try again when the machine has less to do"
        ) from None
    except OSError as error:
        raise NotMeasured(f"cannot run {command[0]}: {error.strerror or error}") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise NotMeasured(f"the engine cannot measure this machine: {last[:300]}")
    return done.stdout


def read_measurement(told: str) -> Machine:
    """Return what the JSON of `midfill-engine measure` says; nothing of memory or idle GPUs.

    Raises:
        NotMeasured: it is something else.
    """
    speeds: dict[Device, Speed] = {}
    failures: list[str] = []
    try:
        found = cast("dict[str, Any]", json.loads(told))
        for entry in cast("list[dict[str, Any]]", found["devices"]):
            device = cast("Device", entry["device"])
            if "failed" in entry:
                failures.append(f"{device}: {entry['failed']}")
            else:
                speeds[device] = _speed(entry)
        gpus = [Gpu(str(gpu["name"]), int(gpu["memory_bytes"])) for gpu in found["gpus"]]
        num_threads, measured_s = int(found["threads"]), float(found["measured_s"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotMeasured(
            "the engine's measurement cannot be read: it has another version than midfill "
            f"({type(error).__name__})"
        ) from None
    gpu = max(gpus, key=lambda gpu: gpu.memory_bytes) if gpus and "cuda" in speeds else None
    return Machine(
        None, speeds, gpu, failures=tuple(failures), num_threads=num_threads, measured_s=measured_s
    )


def _speed(entry: Mapping[str, Any]) -> Speed:
    speed = Speed(
        kernels=str(entry["kernels"]),
        dtype=str(entry["dtype"]),
        weight_bytes=float(entry["weight_bytes"]),
        bytes_per_s=float(entry["bytes_per_s"]),
        layer_s=float(entry["layer_s"]),
        prompt_weights_per_s=float(entry["prompt_weights_per_s"]),
        error=float(entry["error"]),
    )
    if not (speed.bytes_per_s > 0 and speed.prompt_weights_per_s > 0 and speed.weight_bytes > 0):
        raise ValueError("a speed of nothing")
    return speed


def available_bytes(table: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that programs could still take, None where the system does not tell."""
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def find_gpu() -> Gpu | None:
    """Ask nvidia-smi for the GPU with the most memory."""
    tool = find_program("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            query, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return max(read_gpus(told), key=lambda gpu: gpu.memory_bytes, default=None)


def read_gpus(told: str) -> list[Gpu]:
    """Return the GPUs of nvidia-smi's lines `name, MiB`; other lines count for nothing."""
    found: list[Gpu] = []
    for line in told.splitlines():
        name, _, memory = line.rpartition(",")
        if name and memory.strip().isdecimal():
            found.append(Gpu(name.strip(), int(memory) * 2**20))
    return found
