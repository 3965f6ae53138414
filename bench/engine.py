"""The engine beside its peers: same weights, same prompts, same threads, one run, interleaved.

    python bench/engine.py --model starter|DIR|random:8m|random:30m|random:0.5b
    python bench/engine.py --llama-server build/bin/llama-server --gguf f32.gguf q8_0.gguf

The engine's runner and transformers' `generate` run in this process on token ids, greedily;
llama.cpp, where given, in its own server on converted weights (`bench.llama` says how). Load time
and peak memory are taken in a fresh process each. Medians over the repetitions. Speculation is off
everywhere. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.contenders import KINDS, SHAPES, Contender, Trace, write_random
from bench.llama import serving
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec

PAIRS = (
    "midfill:float32", "midfill:bfloat16", "midfill:int8", "midfill-torch:float32",
    "transformers:float32", "transformers:bfloat16",
)  # fmt: skip
"""What runs unless told otherwise: implementation and dtype."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    folder: Path
    pairs: tuple[tuple[str, str], ...]
    context: int
    new_tokens: int
    repetitions: int
    llama_server: Path | None = None
    gguf: tuple[Path, ...] = ()


def in_turns(
    repetitions: int,
    contenders: Sequence[Contender],
    prompt: Sequence[int],
    count: int,
    known: int = 0,
) -> dict[str, list[Trace]]:
    """Returns the traces of `repetitions` completions each, in turns, after an uncounted one."""
    traces: dict[str, list[Trace]] = {each.name: [] for each in contenders}
    for _ in range(repetitions + 1):
        for each in contenders:
            traces[each.name].append(each.complete(prompt, count, known))
    return {name: found[1:] for name, found in traces.items()}


def first_token_ms(traces: dict[str, list[Trace]]) -> dict[str, float]:
    """Returns each contender's median time to the first token."""
    return {
        name: statistics.median(trace.seconds[0] * 1000 for trace in found)
        for name, found in traces.items()
    }


def measure(options: Options, contenders: Sequence[Contender]) -> dict[str, Any]:
    """Returns all timings in milliseconds, by measure and contender."""
    longest = options.context - options.new_tokens - 1
    text = prompt_ids(options.folder, longest)
    cold: dict[int, dict[str, float]] = {}
    extended: dict[int, dict[str, float]] = {}
    computed: dict[int, dict[str, int]] = {}
    for length in sorted({min(length, longest) for length in (64, 512, longest)}):
        prompt = text[:length]
        repetitions = options.repetitions if length <= 512 else max(1, options.repetitions // 3)
        cold[length] = first_token_ms(in_turns(repetitions, contenders, prompt, 1))
        traces = in_turns(repetitions, contenders, prompt, 1, known=length - 1)
        extended[length] = first_token_ms(traces)
        computed[length] = {name: found[0].computed for name, found in traces.items()}
    prompt = text[: min(512, longest)]
    traces = in_turns(options.repetitions, contenders, prompt, options.new_tokens)
    return {
        "first_token_ms": cold,
        "extended_first_token_ms": extended,
        "extended_computed_tokens": computed,
        "completion_ms": {
            name: statistics.median(trace.seconds[-1] * 1000 for trace in found)
            for name, found in traces.items()
        },
        "ms_per_token": {name: ms_per_token(found) for name, found in traces.items()},
        "same_tokens": agreement({name: found[0].tokens for name, found in traces.items()}),
    }


def ms_per_token(traces: Sequence[Trace]) -> float:
    """Returns the median time between two tokens over all completions."""
    gaps = [
        (after - before) * 1000
        for trace in traces
        for before, after in zip(trace.seconds, trace.seconds[1:], strict=False)
    ]
    return statistics.median(gaps)


def agreement(tokens: dict[str, list[int]]) -> dict[str, int]:
    """Returns for each of our dtypes how many leading greedy tokens equal transformers' own."""
    found: dict[str, int] = {}
    for name, ours in tokens.items():
        theirs = tokens.get(f"transformers {name.split()[1]}")
        if name.startswith("midfill") and theirs is not None:
            pairs = zip(ours, theirs, strict=True)
            found[name] = next((at for at, (a, b) in enumerate(pairs) if a != b), len(ours))
    return found


def prompt_ids(folder: Path, length: int) -> list[int]:
    """Returns `length` tokens: Python source where the folder has a tokenizer, else random ones."""
    if (folder / "tokenizer.json").is_file():
        text = Path(argparse.__file__).read_text(encoding="utf-8")
        return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids[:length]
    draw = random.Random(0)
    return [draw.randrange(3, 5000) for _ in range(length)]


def load_in_fresh_process(options: Options, kind: str, dtype: str) -> dict[str, float]:
    """Returns load seconds and peak MB of one contender making one completion."""
    arguments = ["--model", str(options.folder), "--context", str(options.context)]
    arguments += ["--fresh", f"{kind}:{dtype}", "--new-tokens", str(options.new_tokens)]
    command = [sys.executable, __file__, *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def report_fresh(options: Options, wanted: str) -> None:
    """Prints what `load_in_fresh_process` reads."""
    kind, dtype = wanted.split(":")
    begin = time.perf_counter()
    contender = KINDS[kind](options.folder, dtype, options.context)
    loaded = time.perf_counter()
    contender.complete(
        prompt_ids(options.folder, min(512, options.context // 2)), options.new_tokens, 0
    )
    done = time.perf_counter()
    values = {"load_s": loaded - begin, "first_completion_s": done - loaded, "peak_mb": peak_mb()}
    print(json.dumps(values))


def peak_mb() -> float:
    """Returns this process's peak of resident memory; getrusage would count the parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def print_table(results: dict[str, Any], names: Sequence[str]) -> None:
    """Prints the measures as rows and the contenders as columns."""
    rows: list[tuple[str, dict[str, float]]] = []
    for key, label in (("first_token_ms", "cold"), ("extended_first_token_ms", "+1 token")):
        for length, values in results[key].items():
            rows.append((f"first token, {length} {label}, ms", values))
    per_token: dict[str, float] = results["ms_per_token"]
    rows.append(("per token, ms", per_token))
    rows.append(("tokens/s", {name: 1000 / value for name, value in per_token.items()}))
    rows.append(("completion, ms", results["completion_ms"]))
    for key in ("load_s", "first_completion_s", "peak_mb"):
        rows.append((key, {name: found[key] for name, found in results["fresh"].items()}))
    print("| | " + " | ".join(names) + " |\n| --- |" + " --- |" * len(names))
    for label, values in rows:
        cells = [f"{values[name]:.2f}" if name in values else "" for name in names]
        print(f"| {label} | " + " | ".join(cells) + " |")


def compare(options: Options, model: str, threads: int) -> dict[str, Any]:
    """Returns everything that is measured."""
    fresh = {
        f"{kind} {dtype}": load_in_fresh_process(options, kind, dtype)
        for kind, dtype in options.pairs
    }
    contenders = [
        KINDS[kind](options.folder, dtype, options.context) for kind, dtype in options.pairs
    ]
    if threads:
        torch.set_num_threads(threads)
    used = torch.get_num_threads()
    with ExitStack() as stack:
        if options.llama_server is not None:
            contenders += [
                stack.enter_context(serving(options.llama_server, file, options.context, used))
                for file in options.gguf
            ]
        results = measure(options, contenders)
    results["fresh"] = fresh
    results |= {"model": model, "new_tokens": options.new_tokens, "torch": torch.__version__}
    results["threads"] = used
    print_table(results, [each.name for each in contenders])
    same = results["same_tokens"].get("midfill float32", options.new_tokens)
    assert same == options.new_tokens, f"float32 greedy tokens differ from token {same} on"
    return results


def pair_of(text: str) -> tuple[str, str]:
    """Returns implementation and dtype of ``KIND:DTYPE``."""
    kind, _, dtype = text.partition(":")
    if kind not in KINDS or not dtype:
        raise SystemExit(f"--pairs {text}: KIND:DTYPE, where KIND is one of {', '.join(KINDS)}")
    return kind, dtype


def context_of(folder: Path) -> int:
    """Returns the model's context, tokens."""
    return ModelSpec.from_folder(folder).max_position_embeddings


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", default="starter", help="starter, DIR, random:" + "|".join(SHAPES)
    )
    parser.add_argument(
        "--pairs", nargs="+", metavar="KIND:DTYPE", default=list(PAIRS),
        help="of " + ", ".join(KINDS) + " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--llama-server", type=Path, help="binary of llama.cpp")
    parser.add_argument("--gguf", type=Path, nargs="+", default=[], help="files for it")
    parser.add_argument("--threads", type=int, default=0, help="0: as the engine chooses")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--context", type=int, help="default: the model's, at most 2048")
    parser.add_argument("--fresh", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.model.startswith("random:"):
            folder = Path(scratch)
            write_random(folder, arguments.model.removeprefix("random:"))
        else:
            folder = resolve(arguments.model)
        options = Options(
            folder=folder,
            pairs=tuple(pair_of(text) for text in arguments.pairs),
            context=arguments.context or min(2048, context_of(folder)),
            new_tokens=arguments.new_tokens,
            repetitions=arguments.repetitions,
            llama_server=arguments.llama_server,
            gguf=tuple(arguments.gguf),
        )
        if arguments.fresh:
            report_fresh(options, arguments.fresh)
            return
        print(json.dumps(compare(options, arguments.model, arguments.threads)))


if __name__ == "__main__":
    main()
