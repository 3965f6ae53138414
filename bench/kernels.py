"""Steps of the native kernels, by weight kind and instruction set, beside the torch decoder.

    python bench/kernels.py --model starter|DIR|random:0.5b --threads 2 --rows 1 2 4 8 16

Every step is run over and over at the same positions of a filled cache: the model's whole forward
with logits for all rows, without sampling. Medians, in milliseconds. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.torch_native import TorchNative
from midfill_engine.kernels.library import CACHE_KINDS, WEIGHT_KINDS, Library
from midfill_engine.model.checkpoint import FolderCheckpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native import open_library
from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, ModelWeights, load_weights

CPU = torch.device("cpu")
_CACHE_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
QWEN2_HALF_B = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "rope_theta": 1e6,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    model: str
    threads: int
    kinds: tuple[str, ...]
    sets: tuple[str, ...]
    cache: str
    contexts: tuple[int, ...]
    rows: tuple[int, ...]
    prefill: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    library = open_library()
    if isinstance(library, str):
        sys.exit(f"no native kernels: {library}")
    spec = spec_of(options.model)
    weights = weights_of(options.model, spec)
    if wrong := misfit(options, spec, library):
        sys.exit(f"bench/kernels.py: {wrong}")
    max_len = max(max(options.contexts) + max(options.rows), options.prefill)
    found: dict[str, dict[str, float]] = {}
    for name, make in contenders(options, spec, weights, library, max_len):
        decoder = make()
        cache: KVCache | NativeCache
        if decoder.dtype == torch.int8:
            cache = NativeCache(spec, 1, max_len, "int8")
        else:
            cache = KVCache(spec, 1, max_len, decoder.dtype, CPU)
        found[name] = measure(decoder, cache, options)
        print(f"{name:26}" + "".join(f"  {key} {ms:.3f}" for key, ms in found[name].items()))
        if isinstance(decoder, TorchNative):
            decoder.close()
    print(json.dumps({"model": options.model, "threads": options.threads, "ms": found}))


def parse(arguments: Sequence[str] | None) -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--threads", type=int, default=2)
    kinds = ["torch", *WEIGHT_KINDS]
    parser.add_argument("--kinds", nargs="*", choices=kinds, default=kinds)
    parser.add_argument("--sets", nargs="*", default=[], help="instruction sets; the best alone")
    parser.add_argument(
        "--cache", choices=CACHE_KINDS, default="float32", help="of keys and values"
    )
    parser.add_argument("--contexts", type=int, nargs="+", default=[128, 1000])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each number")
    read = parser.parse_args(arguments)
    return Options(
        model=read.model,
        threads=read.threads,
        kinds=tuple(read.kinds),
        sets=tuple(read.sets),
        cache=read.cache,
        contexts=tuple(read.contexts),
        rows=tuple(read.rows),
        prefill=read.prefill,
        seconds=read.seconds,
    )


def misfit(options: Options, spec: ModelSpec, library: Library) -> str | None:
    """Returns what cannot be measured of what was asked for, None where all can."""
    longest, there = spec.max_position_embeddings, library.instruction_sets()
    if max(options.contexts) + max(options.rows) > longest:
        return f"--contexts and --rows together go beyond the model's end at {longest}"
    if options.prefill > longest:
        return f"--prefill {options.prefill} goes beyond the model's end at {longest}"
    unknown = [name for name in options.sets if name not in there]
    return f"--sets {unknown[0]}: here it can be {', '.join(there)}" if unknown else None


def contenders(
    options: Options, spec: ModelSpec, weights: ModelWeights, library: Library, max_len: int
) -> list[tuple[str, Callable[[], Decoder | TorchNative]]]:
    """Returns names and makers: the torch decoder, and each kind on each instruction set."""
    made: list[tuple[str, Callable[[], Decoder | TorchNative]]] = []
    for kind in options.kinds:
        if kind == "torch":

            def reference() -> Decoder:
                return Decoder(spec, weights, torch.float32, CPU)

            made.append(("torch float32", reference))
            continue
        for name in options.sets or library.instruction_sets()[:1]:

            def make(kind: str = kind, name: str = name) -> TorchNative:
                return TorchNative(
                    spec,
                    weights,
                    library,
                    kind=cast("WeightKind", kind),
                    cache_dtype=_CACHE_DTYPES[options.cache],
                    max_len=max_len,
                    num_threads=options.threads,
                    instruction_set=name,
                )

            made.append((f"{kind} {name}", make))
    return made


def measure(
    decoder: Decoder | TorchNative, cache: KVCache | NativeCache, options: Options
) -> dict[str, float]:
    """Returns medians in milliseconds by what was run."""
    ids = torch.randint(3, decoder.spec.vocab_size, (cache.max_len,))
    forward = cast("Callable[..., torch.Tensor]", decoder.forward)  # of its own kind of cache
    forward(ids, 0, cache, 0, 0)
    found: dict[str, float] = {}
    for context in options.contexts:
        for rows in options.rows:
            part = ids[:rows]

            def run(part: torch.Tensor = part, start: int = context) -> torch.Tensor:
                return forward(part, start, cache, 0, len(part))

            found[f"{rows}@{context}"] = median_ms(run, options.seconds)
    prompt = ids[: options.prefill]
    found[f"prefill{options.prefill}"] = median_ms(
        lambda: forward(prompt, 0, cache, 0, 1), options.seconds
    )
    return found


def median_ms(run: Callable[[], object], seconds: float) -> float:
    """Runs for about that long, at least three times after a first; returns the median."""
    run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def spec_of(model: str) -> ModelSpec:
    """Returns the shape of `random:0.5b` (Qwen2's), `starter` or a folder."""
    if model == "random:0.5b":
        return ModelSpec.from_config(QWEN2_HALF_B)
    return ModelSpec.from_folder(resolve(model))


def weights_of(model: str, spec: ModelSpec) -> ModelWeights:
    """Returns its weights, random ones where there are none."""
    if model != "random:0.5b":
        return load_weights(spec, FolderCheckpoint.open(resolve(model)), torch.float32, CPU)
    cast("Any", torch).manual_seed(0)
    heads, kv_heads = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    hidden, inner = spec.hidden_size, spec.intermediate_size

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns).mul_(0.05)

    layers = tuple(
        LayerWeights(
            attention_norm=torch.ones(hidden),
            qkv=matrix(hidden, heads + 2 * kv_heads),
            qkv_bias=torch.randn(heads + 2 * kv_heads),
            out=matrix(heads, hidden),
            out_bias=None,
            mlp_norm=torch.ones(hidden),
            mlp=DenseMlp(matrix(hidden, 2 * inner), None, matrix(inner, hidden), None),
        )
        for _ in range(spec.num_layers)
    )
    head = matrix(hidden, spec.vocab_size)
    return ModelWeights(head.t(), layers, torch.ones(hidden), head)


if __name__ == "__main__":
    main()
