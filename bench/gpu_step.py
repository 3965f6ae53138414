"""Where the time of a step that is one launch goes: by phase, by rows, by depth of the ring.

    python bench/gpu_step.py --shape 7b --kinds plain fp8 --contexts 2048 --out step.json

Random weights, on a GPU alone. For each kind, number of rows up to which every block computes the
norms, and places that the ring has fewer: milliseconds of the launch and the choice behind it
(replayed back to back) and of a whole step as the engine calls it; then, from a kernel that notes
when blocks come and go, the cycles of each phase with its meeting, of that the blocks' work in the
mean and of the slowest, all in the mean of the layers. The last line is JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.gpu_models import SHAPES, RandomCheckpoint
from bench.gpu_parts import GREEDY, timed
from midfill_engine.exec.gpu_choice import assemble, choose_parts
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.gpu_whole import DTYPES
from midfill_engine.exec.graphs import CudaGraphs
from midfill_engine.exec.work import Work
from midfill_engine.kernels.nvrtc import CudaLaunch
from midfill_engine.kernels.whole_shape import ALONE_ROWS, PLACE_BYTES
from midfill_engine.kernels.whole_step import Launch, Step
from midfill_engine.model.gpu_decoder import shape_of
from midfill_engine.model.gpu_weights import GpuKind, GpuWeights, load_gpu_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.spec import ModelSpec

PHASES = ("norm", "qkv", "attend", "combine", "out", "mlp norm", "gate up", "down")
ALONE_PHASES = ("norm, qkv", "attend", "combine", "out", "norm, gate up", "down")


class Shallow:
    """A launch whose ring has fewer places."""

    def __init__(self, launch: Launch, places: int) -> None:
        """Keeps `places` fewer."""
        self._launch = launch
        self.num_blocks = launch.num_blocks
        self.shared_bytes = launch.shared_bytes - places * PLACE_BYTES

    def __call__(self, step: Step, shared_bytes: int) -> None:
        """As `Launch.__call__`."""
        self._launch(step, shared_bytes)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures and prints."""
    options = _options(argv)
    device = torch.device("cuda")
    spec = ModelSpec.from_config(SHAPES[options.shape])
    told: dict[str, Any] = {"device": torch.cuda.get_device_name(device)}
    for kind in options.kinds:
        _measure(spec, kind, options, device, told)
        gc.collect()  # what still holds the model in a cycle
        torch.cuda.empty_cache()
    print(json.dumps(told))
    return told


def _measure(
    spec: ModelSpec,
    kind: GpuKind,
    options: argparse.Namespace,
    device: torch.device,
    told: dict[str, Any],
) -> None:
    """Adds what a kind takes to `told`, and writes that after each part."""

    def note(name: str, figures: object) -> None:
        told[name] = figures
        print(f"{name}: {json.dumps(figures)}", flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(told, indent=1), encoding="utf-8")

    cache = KVCache(spec, 1, max(options.contexts) + 64, torch.bfloat16, device)
    cache.keys.normal_()
    cache.values.normal_()
    checkpoint = RandomCheckpoint(spec, device, torch.bfloat16)
    weights = load_gpu_weights(spec, checkpoint, kind, torch.bfloat16, device)
    for alone in options.alone:
        shape = shape_of(spec, DTYPES[kind])
        macros = {**shape.macros, "ALONE_ROWS": alone}
        launch = CudaLaunch(macros, device)
        for fewer in options.fewer:
            shallow = Shallow(launch, fewer)
            name = f"{kind}, norms alone up to {alone}, {fewer} places fewer"
            if (reason := shape.refusal(shallow.shared_bytes)) is not None:
                note(name, reason)
                continue
            forward = _forward(spec, weights, cache, kind, shallow)
            note(name, _times(forward, options, device))
        forward = _forward(spec, weights, cache, kind, CudaLaunch({**macros, "TIMED": 1}, device))
        for context in options.contexts:
            forward.run([Work(0, [1], context, 0, GREEDY)])
            name = f"{kind}, norms alone up to {alone}, cycles at {context}"
            note(name, _phases(forward, ALONE_PHASES if alone else PHASES))


def _forward(
    spec: ModelSpec,
    weights: GpuWeights,
    cache: KVCache,
    kind: GpuKind,
    launch: Launch,
) -> GpuForward:
    capture = CudaGraphs(cache.keys.device)
    device = Device.of(cache.keys.device)
    parts = choose_parts(spec, torch.bfloat16, device, cache.max_len)
    forward = assemble(
        spec, weights, parts, cache, capture, kind=kind, dtype=torch.bfloat16, launch=launch
    )
    print("off by", forward.difference(), flush=True)
    return forward


def _times(
    forward: GpuForward, options: argparse.Namespace, device: torch.device
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for context in options.contexts:
        for count in options.rows:
            work = Work(0, [1] * count, context, count - 1, GREEDY)
            whole = timed(partial(forward.run, [work]), device, options.repetitions)
            replay = forward.steps.replay_of(count, 1)
            begin, end = (cast("Any", torch.cuda).Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(options.repetitions):
                replay()
            end.record()
            end.synchronize()
            alone = begin.elapsed_time(end) / options.repetitions
            row = {"context": context, "rows": count, "step_ms": whole, "launch_ms": alone}
            rows.append({key: round(value, 4) for key, value in row.items()})
    return rows


def _phases(forward: GpuForward, names: Sequence[str]) -> dict[str, Any]:
    """Returns the mean cycles of each phase, and how long blocks waited in it, in the mean."""
    whole = forward.decoder.whole
    assert whole is not None, "the launch was given"
    meetings = forward.decoder.spec.num_layers * len(names)
    times: npt.NDArray[np.float64] = whole.times[:, :meetings].cpu().numpy().astype(np.float64)
    came, went = times[..., 0], times[..., 1]
    begun = np.concatenate([came[:, :1], went[:, :-1]], 1)

    def of_phases(cycles: npt.NDArray[np.float64]) -> list[int]:
        """The mean of all layers but the first, which begins the launch."""
        return [round(each) for each in cycles.reshape(-1, len(names))[1:].mean(0).tolist()]

    took = of_phases((went - begun).mean(0))
    worked = of_phases((came - begun).mean(0))
    longest = of_phases((came - begun).max(0))
    return {
        name: {"took": all_of_it, "worked": mean, "worked longest": most}
        for name, all_of_it, mean, most in zip(names, took, worked, longest, strict=True)
    }


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--shape", default="7b", choices=SHAPES)
    add("--kinds", nargs="+", choices=DTYPES, default=["plain", "fp8"])
    add("--contexts", type=int, nargs="+", default=[2048])
    add("--rows", type=int, nargs="+", default=[1, 4, 8, 16])
    add("--alone", type=int, nargs="+", default=[ALONE_ROWS], help="rows without a norm's meeting")
    add("--fewer", type=int, nargs="+", default=[0], help="places of the ring")
    add("--repetitions", type=int, default=30)
    add("--out", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        parser.error("there is no CUDA GPU")
    return options


if __name__ == "__main__":
    main()
