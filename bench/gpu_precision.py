"""What fp8 and int8 of the GPU's kernels cost: nats a token on held-out code, beside bfloat16.

    python bench/gpu_precision.py --root DIR --kinds float32 fp8 int8 --num-tokens 60000
    python bench/gpu_precision.py --root DIR --save FILE     # for a machine without those packages
    python bench/gpu_precision.py --files FILE --attention triton whole

As `bench/precision.py`, whose windows these are, but through the steps that write completions: 16
rows at a time, so that every product is the kernels' own. With several ways of attention each is
compared with bfloat16 in the first. On the CPU plain torch takes the kernels' place. The last line
of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.heldout import SPLITS, MissingPackageError, held_out_files
from training.sources import SourceFile

from bench.precision import WINDOW, Found, Window, compare, windows_of
from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_choice import ATTENTIONS, assemble, build_gpu_forward, plain_parts
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.row_plan import MOST_INPUTS, cut
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.gpu_weights import GpuKind, gpu_weight_bytes, load_gpu_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec

KINDS: dict[str, tuple[GpuKind, torch.dtype]] = {
    "bfloat16": ("plain", torch.bfloat16),
    "float32": ("plain", torch.float32),
    "fp8": ("fp8", torch.bfloat16),
    "int8": ("int8", torch.bfloat16),
}
"""What the matrices are kept in, and the rest."""


def main() -> int:
    """Measures and prints; returns the exit status."""
    args = parse()
    folder = resolve(args.model)
    try:
        files = read(args.files) if args.files else held_out_files(args.split, args.root)
    except MissingPackageError as error:
        print(f"bench/gpu_precision.py: {error}", file=sys.stderr)
        return 1
    windows = windows_of(folder, files, args.num_tokens)
    if args.save is not None:
        save(args.save, files, windows)
        return 0
    base: Found | None = None
    told: dict[str, dict[str, float] | str] = {}
    for attention in args.attention:
        for kind in ("bfloat16", *args.kinds):
            name = f"{kind} {attention}"
            began = time.perf_counter()
            try:
                found = run(folder, kind, attention, windows, torch.device(args.device))
            except ModelError as error:
                told[name] = str(error)
            else:
                base = base or found
                told[name] = {
                    "nats": sum(found.losses) / len(found.best), **compare(windows, base, found),
                    "s": time.perf_counter() - began,
                }  # fmt: skip
            print(f"{name}: {json.dumps(told[name])}", flush=True)
    num_tokens = len(windows) * (WINDOW - 1)
    print(json.dumps({"model": args.model, "num_tokens": num_tokens, "kinds": told}))
    return 0


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", default="starter", help="starter, or a folder")
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", help="folder of packages")
    add("--files", type=Path, help="JSON lines of files, in place of --root")
    add("--save", type=Path, metavar="FILE", help="write the files that are read, and end")
    add("--kinds", nargs="+", choices=list(KINDS), default=["float32", "fp8", "int8"])
    add("--attention", nargs="+", choices=ATTENTIONS, default=["auto"])
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--num-tokens", type=int, default=60_000)
    args = parser.parse_args()
    if args.root is None and args.files is None:
        parser.error("--root DIR or --files FILE is needed")
    return args


def read(path: Path) -> list[SourceFile]:
    """Returns what `save` wrote, or `training.corpus`, which needs more packages than a GPU has."""
    with path.open(encoding="utf-8") as lines:
        return [SourceFile(**json.loads(line)) for line in lines]


def save(path: Path, files: Sequence[SourceFile], windows: Sequence[Window]) -> None:
    """Writes as much of the windows' files as gives the same windows."""
    wanted = {window.origin for window in windows}
    with path.open("w", encoding="utf-8") as out:
        for file in files:
            kept = file.text[: 16 * WINDOW] if f"{file.package}/{file.path}" in wanted else ""
            out.write(json.dumps({**asdict(file), "text": kept}) + "\n")


def run(
    folder: Path, kind: str, attention: str, windows: Sequence[Window], device: torch.device
) -> Found:
    """Returns what steps say of the windows.

    Raises:
        ModelError: the device cannot do it so.
    """
    spec = ModelSpec.from_folder(folder)
    forward = load(spec, folder, kind, attention, device)
    losses: list[float] = []
    best: list[torch.Tensor] = []
    for window in windows:
        ids = window.token_ids
        parts: list[torch.Tensor] = []
        for start in range(0, WINDOW, MOST_INPUTS):
            work = Work(0, ids[start : start + MOST_INPUTS], start, sampling=SamplingParams())
            forward.steps.run([cut(0, work, forward.decoder.max_rows)])
            parts.append(forward.steps.logits(0, len(work.token_ids)).clone())
        logits = torch.cat(parts)[:-1]
        targets = torch.tensor(ids[1:], device=device)
        losses.append(float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum")))
        best.append(logits.argmax(-1).cpu())
    return Found(losses, torch.cat(best), gpu_weight_bytes(spec, *KINDS[kind]))


def load(
    spec: ModelSpec, folder: Path, kind: str, attention: str, device: torch.device
) -> GpuForward:
    """Returns the kernels' forward over a cache of one window.

    Raises:
        ModelError: they cannot run so.
    """
    matrices, dtype = KINDS[kind]
    checkpoint = FolderCheckpoint.open(folder)
    cache = KVCache(spec, 1, WINDOW, dtype, device)
    if device.type != "cuda":
        weights = load_gpu_weights(spec, checkpoint, matrices, dtype, device)
        return assemble(spec, weights, plain_parts(), cache, kind=matrices, dtype=dtype)
    forward = build_gpu_forward(
        spec, checkpoint, cache, Device.of(device),
        kind=matrices, dtype=dtype, kernels="native", attention=attention,
    )  # fmt: skip
    assert isinstance(forward, GpuForward), "native kernels were asked for"
    return forward


if __name__ == "__main__":
    sys.exit(main())
