"""What a dtype of the native kernels costs: nats a token on held-out code, beside float32.

    python bench/precision.py --root DIR --kinds int8 int6 int4 --num-tokens 30000

Left to right over the beginnings of held-out files (training/README.md says where they come from),
one window a file. Paired with float32 on the same tokens: the rise of the loss with a 95 %
interval over files, how often the best token is the same, and the packed bytes. The last line of
stdout is JSON. `bench/quality.py --dtype` tells what it means for completions.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.heldout import SPLITS, MissingPackageError, held_out_files
from training.sources import SourceFile

from bench.scores import Measure
from midfill_engine.kernels.library import CACHE_KINDS, WEIGHT_KINDS, Library
from midfill_engine.model.arrays import stream_arrays
from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.native import NativeDecoder, open_library
from midfill_engine.model.native_cache import CacheKind, NativeCache
from midfill_engine.model.native_rows import Rows
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec

WINDOW = 384
"""Tokens of a file; a file with fewer is left out."""


@dataclass(frozen=True, slots=True)
class Window:
    """The beginning of one file."""

    origin: str
    token_ids: list[int]


@dataclass(frozen=True, slots=True)
class Found:
    """What one kind says of every window.

    Attributes:
        losses: nats of each window's tokens but the first, summed.
        best: the best token behind each token but the last, window after window.
        num_bytes: of the packed weights.
    """

    losses: list[float]
    best: torch.Tensor
    num_bytes: int


def main() -> int:
    """Measures and prints; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", default="starter", help="starter, or a folder")
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", required=True, help="folder of packages")
    add("--kinds", nargs="+", choices=WEIGHT_KINDS, default=list(WEIGHT_KINDS[1:]))
    add("--cache", choices=CACHE_KINDS, default="float32", help="of keys and values")
    add("--num-tokens", type=int, default=30_000)
    add("--threads", type=int, default=2)
    args = parser.parse_args()
    library = open_library()
    if isinstance(library, str):
        print(f"bench/precision.py: no native kernels: {library}", file=sys.stderr)
        return 1
    folder = resolve(args.model)
    try:
        files = held_out_files(args.split, args.root)
    except MissingPackageError as error:
        print(f"bench/precision.py: {error}", file=sys.stderr)
        return 1
    windows = windows_of(folder, files, args.num_tokens)
    base = run(folder, library, "float32", "float32", windows, args.threads)
    told: dict[str, dict[str, float]] = {}
    num_tokens = len(base.best)
    print(f"float32: {sum(base.losses) / num_tokens:.4f} nats a token over {num_tokens} tokens")
    for kind in args.kinds:
        other = run(folder, library, kind, args.cache, windows, args.threads)
        told[kind] = compare(windows, base, other)
        print(f"{kind}: " + ", ".join(f"{name} {value:.5g}" for name, value in told[kind].items()))
    print(json.dumps({"model": args.model, "num_tokens": num_tokens, "kinds": told}))
    return 0


def windows_of(folder: Path, files: Sequence[SourceFile], num_tokens: int) -> list[Window]:
    """Returns windows of `num_tokens` tokens in all, from files in a seeded order."""
    # With the token that begins a text: without it the model is lost and little can be lost more.
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    shuffled = list(files)
    random.Random(0).shuffle(shuffled)
    windows: list[Window] = []
    for file in shuffled:
        token_ids = tokenizer.encode(file.text[: 16 * WINDOW]).ids[:WINDOW]
        if len(token_ids) == WINDOW:
            windows.append(Window(f"{file.package}/{file.path}", token_ids))
        if len(windows) * (WINDOW - 1) >= num_tokens:
            break
    return windows


def run(
    folder: Path,
    library: Library,
    kind: WeightKind,
    kept: CacheKind,
    windows: Sequence[Window],
    threads: int,
) -> Found:
    """Returns what the kernels say of the windows in one kind, the cache `kept` in a dtype."""
    spec = ModelSpec.from_folder(folder)
    weights = stream_arrays(spec, FolderCheckpoint.open(folder))
    decoder = NativeDecoder(
        spec, weights, library, kind=kind, cache_kind=kept, max_len=WINDOW, num_threads=threads
    )
    cache = NativeCache(spec, 1, WINDOW, kept)
    rows = range(WINDOW)
    losses: list[float] = []
    best: list[torch.Tensor] = []
    for window in windows:
        step = Rows(window.token_ids, rows, (0,) * WINDOW, rows)
        found = decoder.step(step, cache, keep_logits=True).logits
        assert found is not None, "they were asked for"
        logits = torch.as_tensor(found)[:-1]
        loss = torch.nn.functional.cross_entropy(
            logits, torch.tensor(window.token_ids[1:]), reduction="sum"
        )
        losses.append(float(loss))
        best.append(logits.argmax(-1))
    decoder.close()
    return Found(losses, torch.cat(best), decoder.num_bytes)


def compare(windows: Sequence[Window], base: Found, other: Found) -> dict[str, float]:
    """Returns the rise of the loss with its interval, the agreement and the size."""
    rises = np.array(other.losses) - np.array(base.losses)
    weights = np.full(len(windows), WINDOW - 1.0)
    measure = Measure(rises, weights, tuple(window.origin for window in windows), False)
    rise, low, high = measure.interval()
    return {
        "rise_nats": rise,
        "low": low,
        "high": high,
        "same_best": float((other.best == base.best).float().mean()),
        "mb": other.num_bytes / 2**20,
    }


if __name__ == "__main__":
    sys.exit(main())
