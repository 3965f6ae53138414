r"""The engine beside its peers: same weights, same prompts, same threads, one run, interleaved.

    python bench/engine.py --model starter|DIR|random:8m|random:30m|random:0.5b
    python bench/engine.py --llama-server build/bin/llama-server --gguf f32.gguf q8_0.gguf \
        --llama-drafts ngram-mod --plot engine.svg

The engine's thread and transformers' `generate` run in this process on token ids, greedily;
llama.cpp, where given, in its own server on converted weights (`bench.llama` says how). Load time
and peak memory are taken in a fresh process each. Medians over the repetitions. Every figure
without drafts, and with them where the name says so. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.contenders import KINDS, Contender, Setup
from bench.engine_report import plot, table
from bench.llama import LlamaError, LlamaSettings, serving
from bench.shapes import SHAPES, write_random
from bench.startup import last_line
from bench.timings import Plan, measure
from midfill_engine.errors import EngineError
from midfill_engine.exec.threads import num_threads
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ModelSpec
from midfill_engine.text.tokenizer import Tokenizer

PAIRS = (
    "midfill:float32", "midfill:bfloat16", "midfill:int8", "midfill:int6",
    "midfill+drafts:float32", "midfill+drafts:int6", "transformers:float32",
    "transformers:bfloat16",
)  # fmt: skip
"""What runs unless told otherwise: implementation and dtype."""
OWN_SOURCES = ("lsp/midfill_lsp", "engine/midfill_engine")
"""Where the prompts come from: code that no model here was trained on."""


class NotMeasuredError(Exception):
    """A contender did not run; the message says what it said last."""


FAILURES = (EngineError, LlamaError, NotMeasuredError)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    setup: Setup
    pairs: tuple[tuple[str, str], ...]
    new_tokens: int
    repetitions: int
    crowds: tuple[int, ...]
    llama_server: Path | None = None
    llama_drafts: tuple[str, ...] = ()
    gguf: tuple[Path, ...] = ()

    def plan(self) -> Plan:
        """Returns what is measured."""
        return Plan(
            text=text_ids(self.setup.folder, 16 * self.setup.context),
            context=self.setup.context,
            new_tokens=self.new_tokens,
            repetitions=self.repetitions,
            crowds=self.crowds,
        )

    def make(self, kind: str, dtype: str) -> Contender:
        """Returns one contender, loaded."""
        return KINDS[kind](self.setup, dtype)


def text_ids(folder: Path, length: int) -> list[int]:
    """Returns `length` tokens of this project's own sources, shuffled by file with a fixed seed."""
    root = Path(__file__).resolve().parent.parent
    files = sorted(file for part in OWN_SOURCES for file in (root / part).rglob("*.py"))
    random.Random(0).shuffle(files)
    tokenizer = Tokenizer.load(folder)
    ids = tokenizer.encode("", bos=True)
    for file in files:
        ids += tokenizer.encode(file.read_text(encoding="utf-8"), bos=False)
        if len(ids) >= length:
            break
    return ids[:length]


def load_in_fresh_process(options: Options, kind: str, dtype: str) -> dict[str, float]:
    """Returns load seconds and peak MB of one contender making one completion.

    Raises:
        NotMeasuredError: its process failed.
    """
    setup = options.setup
    arguments = ["--model", str(setup.folder), "--context", str(setup.context)]
    arguments += ["--threads", str(setup.threads or 0), "--new-tokens", str(options.new_tokens)]
    command = [sys.executable, __file__, *arguments, "--fresh", f"{kind}:{dtype}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotMeasuredError(f"{kind}:{dtype}: {last_line(done.stderr)}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def report_fresh(options: Options, wanted: str) -> None:
    """Prints what `load_in_fresh_process` reads."""
    plan = options.plan()
    begin = time.perf_counter()
    contender = options.make(*pair_of(wanted))
    loaded = time.perf_counter()
    (length,) = plan.fitting((512,), options.new_tokens)
    contender.complete(plan.prompt(length, 0), options.new_tokens, 0)
    done = time.perf_counter()
    contender.close()
    values = {"load_s": loaded - begin, "first_completion_s": done - loaded, "peak_mb": peak_mb()}
    print(json.dumps(values))


def peak_mb() -> float:
    """Returns this process's peak of resident memory; getrusage would count the parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def compare(options: Options, model: str, picture: Path | None) -> dict[str, Any]:
    """Returns everything that is measured."""
    fresh = {
        f"{kind} {dtype}": load_in_fresh_process(options, kind, dtype)
        for kind, dtype in options.pairs
    }
    with ExitStack() as stack:
        contenders = [options.make(kind, dtype) for kind, dtype in options.pairs]
        for each in contenders:
            stack.callback(each.close)
        used = num_threads()
        contenders += llama_servers(options, used, stack)
        results = measure(options.plan(), contenders)
    names = [each.name for each in contenders]
    results |= {"fresh": fresh, "model": model, "new_tokens": options.new_tokens}
    results |= {"threads": used, "torch": torch.__version__, "repetitions": options.repetitions}
    print(table(results, names))
    if picture is not None:
        plot(results, names, picture)
    same = results["same_tokens"].get("midfill float32", options.repetitions)
    assert same == options.repetitions, f"{same} of {options.repetitions} float32 texts agree"
    return results


def llama_servers(options: Options, threads: int, stack: ExitStack) -> list[Contender]:
    """Returns llama.cpp on every file, without drafts and with each of its ways to draft."""
    if options.llama_server is None:
        return []
    setup, found = options.setup, list[Contender]()
    for file in options.gguf:
        for drafts in (None, *options.llama_drafts):
            settings = LlamaSettings(
                options.llama_server, setup.context, threads, setup.num_slots, drafts
            )
            found.append(stack.enter_context(serving(settings, file)))
    return found


def pair_of(text: str) -> tuple[str, str]:
    """Returns implementation and dtype of ``KIND:DTYPE``."""
    kind, _, dtype = text.partition(":")
    if kind not in KINDS or not dtype:
        raise SystemExit(f"--pairs {text}: KIND:DTYPE, where KIND is one of {', '.join(KINDS)}")
    return kind, dtype


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--model", default="starter", help="starter, DIR, random:" + "|".join(SHAPES)
    )
    parser.add_argument(
        "--pairs", nargs="+", metavar="KIND:DTYPE", default=list(PAIRS),
        help="of " + ", ".join(KINDS) + " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--llama-server", type=Path, help="binary of llama.cpp")
    parser.add_argument("--llama-drafts", nargs="+", default=[], help="also with this --spec-type")
    parser.add_argument("--gguf", type=Path, nargs="+", default=[], help="files for it")
    parser.add_argument("--threads", type=int, default=0, help="0: as the engine chooses")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--context", type=int, help="default: the model's, at most 2048")
    parser.add_argument("--crowds", type=int, nargs="+", default=[1, 4, 16], help="at once")
    parser.add_argument("--plot", type=Path, help="write the picture to this .svg or .png")
    parser.add_argument("--fresh", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measures what the command line asks for; returns the exit status."""
    arguments = parse()
    try:
        run(arguments)
    except FAILURES as error:
        print(f"bench/engine.py: {error}", file=sys.stderr)
        return 1
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Measures what the command line asks for, and prints it."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.model.startswith("random:"):
            folder = Path(scratch)
            write_random(folder, arguments.model.removeprefix("random:"))
        else:
            folder = resolve(arguments.model)
        longest = ModelSpec.from_folder(folder).max_position_embeddings
        options = Options(
            setup=Setup(
                folder=folder,
                context=arguments.context or min(2048, longest),
                num_slots=max(arguments.crowds),
                threads=arguments.threads or None,
            ),
            pairs=tuple(pair_of(text) for text in arguments.pairs),
            new_tokens=arguments.new_tokens,
            repetitions=arguments.repetitions,
            crowds=tuple(arguments.crowds),
            llama_server=arguments.llama_server,
            llama_drafts=tuple(arguments.llama_drafts),
            gguf=tuple(arguments.gguf),
        )
        if arguments.fresh:
            report_fresh(options, arguments.fresh)
            return
        print(json.dumps(compare(options, arguments.model, arguments.plot)))


if __name__ == "__main__":
    sys.exit(main())
