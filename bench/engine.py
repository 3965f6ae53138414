"""The engine beside transformers' `generate`: same weights, same prompts, one run, interleaved.

    python bench/engine.py --model starter|DIR|random:8m|random:30m|random:0.5b

Both run in this process on token ids, greedily. Load time and peak memory are taken in a fresh
process each. Medians over the repetitions. The last line of stdout is JSON.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.contenders import KINDS, SHAPES, Contender, Trace, write_random
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    folder: Path
    dtypes: tuple[str, ...]
    context: int
    new_tokens: int
    repetitions: int


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
        theirs = tokens.get(name.replace("midfill", "transformers"))
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
        rows.append((key, {name: results["fresh"][name][key] for name in names}))
    print(f"{'':32}" + "".join(f"{name:>23}" for name in names))
    for label, values in rows:
        print(f"{label:32}" + "".join(f"{values[name]:23.2f}" for name in names))


def compare(options: Options, model: str, threads: int) -> dict[str, Any]:
    """Returns everything that is measured."""
    pairs = [(kind, dtype) for dtype in options.dtypes for kind in KINDS]
    fresh = {
        f"{kind} {dtype}": load_in_fresh_process(options, kind, dtype) for kind, dtype in pairs
    }
    contenders = [KINDS[kind](options.folder, dtype, options.context) for kind, dtype in pairs]
    if threads:
        torch.set_num_threads(threads)
    results = measure(options, contenders)
    results["fresh"] = fresh
    per_token: dict[str, float] = results["ms_per_token"]
    fastest = min(value for name, value in per_token.items() if name.startswith("transformers"))
    results["times_as_fast_per_token"] = {
        name: fastest / value for name, value in per_token.items() if name.startswith("midfill")
    }
    results |= {"model": model, "new_tokens": options.new_tokens, "torch": torch.__version__}
    results["threads"] = torch.get_num_threads()
    print_table(results, [each.name for each in contenders])
    same = results["same_tokens"].get("midfill float32", options.new_tokens)
    assert same == options.new_tokens, f"float32 greedy tokens differ from token {same} on"
    return results


def context_of(folder: Path) -> int:
    """Returns the model's context, tokens."""
    return ModelSpec.from_folder(folder).max_position_embeddings


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", default="starter", help="starter, DIR, random:" + "|".join(SHAPES)
    )
    parser.add_argument("--dtypes", default="float32,bfloat16")
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
            dtypes=tuple(arguments.dtypes.split(",")),
            context=arguments.context or min(2048, context_of(folder)),
            new_tokens=arguments.new_tokens,
            repetitions=arguments.repetitions,
        )
        if arguments.fresh:
            report_fresh(options, arguments.fresh)
            return
        print(json.dumps(compare(options, arguments.model, arguments.threads)))


if __name__ == "__main__":
    main()
