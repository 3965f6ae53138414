"""Times the Triton kernels cut in many ways, for one typing user on the GPU at hand.

    python bench/gpu_tune.py --seconds 85 --out tune.json
    python bench/gpu_tune.py --seconds 60 --kinds fp8 --cases qkv gate_up down --no-pdl
    python bench/gpu_tune.py --compile-only --capability 89          # without a GPU
    TRITON_INTERPRET=1 python bench/gpu_tune.py --device cpu --shape tiny --contexts 64 --most 2

A case is a product with weights of one kind, or attention over one context. Prints for each a line
per way of cutting it (the tables of `gpu_variants`; the default first and last): microseconds, GB/s
and share of a copy's bandwidth for each number of rows, WRONG where the numbers are not the
default's; then the best for each. One code has to serve all numbers of rows. The last line is JSON.
What is better goes into `triton_step` and `triton_attend` by hand; `bench/gpu.py --part decode`
then times whole steps.

Processes compile ahead, for --capability. --seconds counts from the start; what is known by then
is in --out. On the CPU the figures mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import gpu_parts, gpu_variants
from bench.gpu_compile import device_of
from bench.gpu_models import SHAPES
from bench.gpu_variants import Case, Launch, Variant, What, words
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.graphs import CudaGraphs, Eager

MOST_OFF = 0.02
"""Of the default's numbers, over the largest: bfloat16 alone makes 0.008."""

Job: TypeAlias = "Future[dict[str, Any]]"
"""Compiles a variant ahead."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one launch; `off` is how far its numbers are from the default's, over the largest."""

    us: float
    gb_per_s: float
    share_of_copy: float
    off: float


@dataclass(frozen=True, slots=True)
class Tried:
    """A variant's timings by number of rows, what compiling told, and why some are missing."""

    variant: Variant
    timings: Mapping[int, Timing]
    compiled: Mapping[str, Any]
    error: str | None

    def right(self, num_rows: int) -> bool:
        """Whether it was timed and its numbers are the default's; NaN are not."""
        return num_rows in self.timings and self.timings[num_rows].off < MOST_OFF


class Sweep:
    """Tries variants until the time is over."""

    def __init__(self, options: argparse.Namespace, until: float) -> None:
        """`until` by `time.monotonic`."""
        place = torch.device(options.device)
        on_gpu = place.type == "cuda"
        gc.freeze()  # torch collects before every capture
        self._rows: Sequence[int] = options.rows
        self._pdl: bool = options.pdl
        # What interprets kernels knows no dependent launches.
        self._device = Device.of(place) if on_gpu else Device(place, (8, 0), 4)
        self._until = until
        self._capture = CudaGraphs(place) if on_gpu else Eager()
        self._bandwidth = gpu_parts.copy_bandwidth(place, 2 * 10**9 if on_gpu else 2**20)
        self.told: dict[str, Any] = {
            "device": torch.cuda.get_device_name(place) if on_gpu else "cpu",
            "copy_gb_per_s": round(self._bandwidth / 1e9),
        }

    def run(self, what: What, variants: Sequence[Variant], jobs: Sequence[Job]) -> list[Tried]:
        """Returns what came of every variant, the first once more at the end.

        `jobs` compile them ahead, if there are any.
        """
        case = Case(what, self._device, pdl=self._pdl)
        expected: dict[int, torch.Tensor] = {}
        found: list[Tried] = []
        for variant, job in zip_longest([*variants, variants[0]], [*jobs, *jobs[:1]]):
            if time.monotonic() > self._until:
                break
            timings: dict[int, Timing] = {}
            compiled, error = _awaited(job, self._until) if job else ({}, None)
            try:
                launch = case.launcher(variant)
                for num_rows in () if error else self._rows:
                    timings[num_rows] = self._timing(case, launch, num_rows, expected)
            except Exception as fault:  # compilers and drivers raise what they like
                error = _words(fault)
            found.append(Tried(variant, timings, compiled, error))
        return found

    def _timing(
        self, case: Case, launch: Launch, num_rows: int, expected: dict[int, torch.Tensor]
    ) -> Timing:
        found = case.outcome(launch, num_rows)
        wanted = expected.setdefault(num_rows, found)
        off = ((found - wanted).abs().max() / wanted.abs().max()).item()
        us = case.launch_us(launch, num_rows, self._capture)
        speed = case.num_bytes / us * 1e6
        return Timing(round(us, 2), round(speed / 1e9), round(speed / self._bandwidth, 3), off)


def _awaited(job: Job, until: float) -> tuple[dict[str, Any], str | None]:
    """Returns what compiling told, or why it told nothing."""
    wait([job], max(0.0, until - time.monotonic()))
    if not job.done():
        return {}, "no time left"
    fault = job.exception()
    if fault is None:
        return job.result(), None
    # Without processes it is compiled where it is launched.
    return {}, None if isinstance(fault, BrokenProcessPool) else _words(fault)


def _words(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:160]}"


def summary(tried: Sequence[Tried]) -> str:
    """Returns a line for every variant, then the best for each number of rows."""
    lines: list[str] = []
    for each in tried:
        told = [
            f"{num_rows}: {timing.us} us {timing.gb_per_s} GB/s {timing.share_of_copy}"
            + ("" if each.right(num_rows) else f" WRONG by {timing.off:.3g}")
            for num_rows, timing in each.timings.items()
        ]
        lines.append(" | ".join([words(each.variant), *told, each.error or str(each.compiled)]))
    for num_rows in tried[0].timings if tried else ():
        right = [each for each in tried if each.right(num_rows)]
        best = min(right, key=lambda each: each.timings[num_rows].us, default=None)
        if best is not None:
            us = [each.timings[num_rows].us for each in (best, tried[0])]
            lines.append(f"best for {num_rows}: {words(best.variant)}: {us[0]} us, default {us[1]}")
    return "\n  ".join(lines)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Sweeps; prints and returns what came out."""
    options = _options(argv)
    until = time.monotonic() + options.seconds
    nowhere = device_of(options.capability)
    plan: dict[What, list[Variant]] = {}
    for what in _whats(options):
        plan[what] = Case(what, nowhere, pdl=options.pdl).variants()[: options.most]
    # Forked before CUDA is touched, which the processes don't either.
    pool = ProcessPoolExecutor(options.workers, get_context("fork"))
    compiled = partial(gpu_variants.compiled, capability=options.capability, pdl=options.pdl)
    ahead = options.compile_only or options.device == "cuda"
    jobs = {
        what: [pool.submit(compiled, what, variant) for variant in variants if ahead]
        for what, variants in plan.items()
    }
    try:
        sweep = None if options.compile_only else Sweep(options, until)
        told = sweep.told if sweep else {"device": f"sm_{options.capability}"}
        print(json.dumps(told), flush=True)
        for what, variants in plan.items():
            if time.monotonic() > until:
                break
            if sweep is None:
                awaited = [_awaited(job, until) for job in jobs[what]]
                tried = [Tried(one, {}, *each) for one, each in zip(variants, awaited, strict=True)]
            else:
                tried = sweep.run(what, variants, jobs[what])
            _tell(what, tried, told, options.out)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    print(json.dumps(told))
    return told


def _tell(what: What, tried: Sequence[Tried], told: dict[str, Any], out: Path | None) -> None:
    print(f"== {what}\n  {summary(tried)}", flush=True)
    told[str(what)] = [asdict(each) for each in tried]
    if out is not None:
        out.write_text(json.dumps(told, indent=1), encoding="utf-8")


def _whats(options: argparse.Namespace) -> list[What]:
    """Returns the cases; what is never quantised comes behind the first kind's."""
    *matrices, head = gpu_variants.PRODUCTS
    found = [What(options.shape, part, kind) for kind in options.kinds for part in matrices]
    ends = [What(options.shape, "attention", context=context) for context in options.contexts]
    found[len(matrices) : len(matrices)] = [*ends, What(options.shape, head)]
    return [what for what in found if what.part in options.cases]


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    parts, most = (*gpu_variants.PRODUCTS, "attention"), gpu_variants.MOST_ROWS
    add("--seconds", type=float, default=85.0)
    add("--shape", default="7b", choices=SHAPES)
    add("--kinds", nargs="+", choices=("plain", "fp8", "int8"), default=["plain", "fp8"])
    add("--cases", nargs="+", choices=parts, default=parts)
    add("--contexts", type=int, nargs="+", default=[2048, 8192])
    add("--rows", type=int, nargs="+", default=[1, most], help="of a sequence")
    add("--most", type=int, help="variants of a case, the default among them")
    add("--no-pdl", dest="pdl", action="store_false", help="no dependent launches")
    add("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="that compile")
    add("--capability", type=int, default=90, help="that is compiled for ahead")
    add("--compile-only", action="store_true")
    add("--device", default="cuda", choices=("cuda", "cpu"))
    add("--out", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    if not all(0 < num_rows <= most for num_rows in options.rows):
        parser.error(f"--rows takes 1 to {most}")
    return options


if __name__ == "__main__":
    main()
