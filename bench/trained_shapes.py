r"""Shapes of the bundled model, trained alike and timed: which says more in the same time.

    python -m bench.trained_shapes --work WORK --size full --tokens 270e6 \
        --shapes 512x8 640x5 384x14 --device cuda

WORK holds ``corpus`` and ``tokenizer`` (`training.run`). Each shape, WIDTHxLAYERS, sees the same
batches at the same rates; then its loss on the development packages, in nats a token weighted as in
training, paired with the first shape's on the same batches, and the time of a token in int8 behind
512, in turns. What was trained is kept in WORK/shapes, so the same command goes on where it was
stopped. The last line is JSON. What a small comparison tells need not hold at another size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.batches import Batch, Stream, shelves
from training.corpus import read_lines
from training.export import config
from training.infill import Document
from training.model import Decoder, Shape, state_for_export
from training.recipe import SIZES, Recipe
from training.schedule import Schedule
from training.tokenizer import plain
from training.train import train

from midfill_engine.model.arrays import stream_arrays
from midfill_engine.model.checkpoint import MemoryCheckpoint
from midfill_engine.model.native import NativeDecoder, open_library
from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.native_rows import Rows
from midfill_engine.model.spec import ModelSpec

CONTEXT = 512
FFN_BLOCK = 32
FFN_RATIO = 2.75
DEV_SEED = 1_000_003
"""Of the batches of the development packages."""


@dataclass(frozen=True, slots=True)
class Trained:
    """One shape, its model, and the loss of each development batch."""

    name: str
    model: Decoder
    losses: list[float]


def main() -> int:
    """Trains, measures and prints."""
    args = parse()
    recipe = SIZES[args.size]
    batches = dev_batches(args.work, recipe, args.dev_batches)
    found: list[Trained] = []
    for name in args.shapes:
        shape = shape_of(name, args.head_dim, vocab_size(args.work), recipe.shape.context_len)
        schedule = Schedule(round(args.tokens / recipe.step_tokens))
        model = trained(
            args.work, name, replace(recipe, shape=shape), schedule, args.device, args.num_workers
        )
        found.append(Trained(name, model, losses_of(model, batches)))
    times = token_ms([one.model for one in found], args.threads, args.seconds)
    rows = [row(one, found[0], ms) for one, ms in zip(found, times, strict=True)]
    for each in rows:
        print("  ".join(f"{key} {value}" for key, value in each.items()))
    print(json.dumps({"tokens": args.tokens, "size": args.size, "shapes": rows}))
    return 0


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--work", type=Path, required=True, help="with corpus and tokenizer")
    add("--size", choices=sorted(SIZES), default="full", help="whose rates and rows")
    add("--shapes", nargs="+", required=True, metavar="WIDTHxLAYERS")
    add("--head-dim", type=int, default=64)
    add("--tokens", type=float, required=True, help="that each shape sees")
    add("--device", default="cpu", help="that trains")
    add("--num-workers", type=int, default=0, help="that prepare batches")
    add("--dev-batches", type=int, default=64)
    add("--threads", type=int, default=2, help="of the timed steps")
    add("--seconds", type=float, default=3.0, help="of the timed steps of each shape")
    return parser.parse_args()


def shape_of(name: str, head_dim: int, vocab: int, context_len: int) -> Shape:
    """Returns the shape of WIDTHxLAYERS: two query heads for each of keys, SwiGLU 2.75 wide.

    Raises:
        ValueError: the width is no even number of heads.
    """
    width, layers = (int(part) for part in name.split("x"))
    heads, odd = divmod(width, 2 * head_dim)
    if odd or not heads:
        raise ValueError(f"{name}: a width of {width} is no even number of heads of {head_dim}")
    ffn = round(width * FFN_RATIO / FFN_BLOCK) * FFN_BLOCK
    return Shape(vocab, width, layers, 2 * heads, heads, head_dim, ffn, context_len)


def vocab_size(work: Path) -> int:
    """Returns the number of ids of the tokenizer there."""
    return int(tokenizer_of(work).get_vocab_size())


def tokenizer_of(work: Path) -> Tokenizer:
    """Returns the tokenizer there, without what it puts around a text."""
    return plain(Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json")))


def dev_batches(work: Path, recipe: Recipe, count: int) -> list[Batch]:
    """Returns batches of the development packages, as the late part of a training has them."""
    files = read_lines(work / "corpus" / "dev.jsonl")
    docs = [Document(file.path, file.language, file.text) for file in files]
    stream = Stream(
        shelves(docs), recipe.shares, tokenizer_of(work), recipe.step_tokens,
        lambda _: recipe.late, DEV_SEED,
    )  # fmt: skip
    return [stream.batch(idx) for idx in range(count)]


def trained(
    work: Path,
    name: str,
    recipe: Recipe,
    schedule: Schedule,
    device: str = "cpu",
    num_workers: int = 0,
) -> Decoder:
    """Returns the shape's model, trained from where an earlier call has left it."""
    folder = work / "shapes" / name
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("corpus", "tokenizer"):
        if not (folder / part).exists():
            (folder / part).symlink_to((work / part).resolve(), target_is_directory=True)
    run = train(folder, schedule, recipe, device=device, num_workers=num_workers)
    model = Decoder(recipe.shape)  # without what was compiled for the rows of the training
    model.load_state_dict(run.model.cpu().state_dict())
    return model.eval()


@torch.no_grad()
def losses_of(model: Decoder, batches: Sequence[Batch]) -> list[float]:
    """Returns the loss of each batch, in float32."""
    return [float(model.loss(*batch)) for batch in batches]


def token_ms(models: Sequence[Decoder], threads: int, seconds: float) -> list[float]:
    """Returns the median time of a token of each, in turns, on the CPU's kernels in int8."""
    library = open_library()
    if isinstance(library, str):
        raise SystemExit(f"no native kernels: {library}")
    made: list[tuple[NativeDecoder, NativeCache]] = []
    for model in models:
        spec = ModelSpec.from_config(config(model.shape, eot=2))
        tensors = {key: value.numpy() for key, value in state_for_export(model).items()}
        decoder = NativeDecoder(
            spec, stream_arrays(spec, MemoryCheckpoint(tensors)), library,
            kind="int8", cache_kind="int8", max_len=CONTEXT + 1, num_threads=threads,
        )  # fmt: skip
        cache = NativeCache(spec, 1, CONTEXT + 1, "int8")
        rows = Rows([1] * CONTEXT, range(CONTEXT), (0,) * CONTEXT, ())
        decoder.step(rows, cache, keep_logits=False)
        made.append((decoder, cache))
    took: list[list[float]] = [[] for _ in made]
    one = Rows([1], [CONTEXT], [0], [0])
    end = time.perf_counter() + seconds * len(made)
    while time.perf_counter() < end:
        for times, (decoder, cache) in zip(took, made, strict=True):
            for _ in range(8):
                began = time.perf_counter()
                decoder.step(one, cache, keep_logits=False)
                times.append((time.perf_counter() - began) * 1e3)
    for decoder, _ in made:
        decoder.close()
    return [statistics.median(times) for times in took]


def row(one: Trained, first: Trained, ms: float) -> dict[str, Any]:
    """Returns the figures of a shape; the difference to the first with a 95 % interval."""
    off = np.array(one.losses) - np.array(first.losses)
    spread = 1.96 * float(off.std(ddof=1)) / len(off) ** 0.5
    return {
        "shape": one.name,
        "parameters": sum(each.numel() for each in one.model.parameters()),
        "loss": round(statistics.mean(one.losses), 4),
        "more_than_first": round(float(off.mean()), 4),
        "low": round(float(off.mean()) - spread, 4),
        "high": round(float(off.mean()) + spread, 4),
        "token_ms": round(ms, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
