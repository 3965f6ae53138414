"""How much of the training text does a model repeat: longest common runs of greedy completions.

    python bench/recite.py --root DIR --model DIR2 --ngram DIR3 --corpus FILE

DIR3 is what ``python -m bench.ngram`` wrote of FILE, the ``train.jsonl`` of ``training.corpus``.
Prompts are cut in lines of held-out files and of training files; nothing stands behind the cursor,
so the model goes on as long as it likes, up to ``--num-tokens``. Beside the model: the n-gram
model, and the true continuation, both cut to as many tokens as the model wrote. The true ones of
held-out files are the floor: so much do texts share that were written apart. A run counts where it
does not stand in the prompt. Characters are counted with every stretch of blanks as one, so that
another indentation hides nothing. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from numpy.typing import NDArray
from training.corpus import read_lines
from training.filters import SECRET
from training.heldout import SPLITS, MissingPackageError, held_out_files
from training.reference import Vocabulary
from training.sources import SourceFile, default_roots

from bench import adaptive, backends
from bench.adaptive import Adaptive, OtherTokenizerError
from bench.backends import VARIANTS, Ask, EngineStartError
from bench.cases import Case, draw
from bench.runs import Query, longest_runs
from bench.scores import mean
from bench.workers import spread

TOKEN_SIZES = (8, 16, 32, 64)
CHAR_SIZES = (16, 32, 64, 128)
LONG_TOKENS = 50
LONG_CHARS = 100
PROMPT_CHARS = 4000
"""Text before the cursor that is sent, and in which a run may stand."""
FAILURES = (MissingPackageError, OtherTokenizerError, EngineStartError, httpx.HTTPError)


def main() -> int:
    """Runs the measurement from the command line; returns the exit status."""
    args = parse()
    try:
        result = measure(args)
    except FAILURES as error:
        print(f"bench/recite.py: {error}", file=sys.stderr)
        return 1
    print(table(result["groups"]))
    print(json.dumps(result))
    return 0


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", type=Path, required=True)
    add("--ngram", type=Path, required=True, help="folder that bench.ngram wrote")
    add("--corpus", type=Path, required=True, help="train.jsonl")
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", help="folder of packages (repeatable)")
    add("--files", type=Path, help="JSON lines of held-out files, in place of a split")
    add("--variant", choices=VARIANTS, default="spm_heal")
    add("--num-prompts", type=int, default=500, help="of each of the two groups")
    add("--num-tokens", type=int, default=96)
    add("--workers", type=int, default=2, help="engines, of one thread each")
    add("--seed", type=int, default=0)
    return parser.parse_args()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the figures of both groups of prompts."""
    roots = args.root or default_roots()[0]
    trained = read_lines(args.corpus)
    held_out = read_lines(args.files) if args.files else held_out_files(args.split, roots)
    prompts = {
        "held_out": prompts_of(held_out, args.num_prompts, args.seed),
        "training": prompts_of(trained, args.num_prompts, args.seed),
    }
    counted = adaptive.load(args.ngram, args.model)
    vocabulary = Vocabulary(args.model)
    made = {
        group: completions(args, cases, vocabulary, counted) for group, cases in prompts.items()
    }
    tokens: NDArray[np.uint16] = np.load(args.ngram / "tokens.npy", mmap_mode="r")
    chars = np.frombuffer(b"\0".join(plain(file.text).encode() for file in trained), dtype=np.uint8)
    groups = {
        group: {
            name: figures(prompts[group], texts, vocabulary, tokens, chars)
            for name, texts in rows.items()
        }
        for group, rows in made.items()
    }
    return {
        "bench": "recite", "model": str(args.model), "variant": args.variant, "seed": args.seed,
        "num_tokens": args.num_tokens, "corpus_tokens": len(tokens), "groups": groups,
    }  # fmt: skip


def prompts_of(files: Sequence[SourceFile], num: int, seed: int) -> list[Case]:
    """Returns cases of kind ``line`` of at most ``num`` files, from all their languages."""
    files = random.Random(seed).sample(list(files), min(num, len(files)))
    return draw(files, "line", num, seed)


def completions(
    args: argparse.Namespace, cases: Sequence[Case], vocabulary: Vocabulary, counted: Adaptive
) -> dict[str, list[str]]:
    """Returns the model's texts, the n-gram model's and the true ones, all equally long."""
    with backends.engines(args.model, args.workers) as workers:
        asks = [
            Ask(case.prefix[-PROMPT_CHARS:], "", VARIANTS[args.variant], args.num_tokens, None)
            for case in cases
        ]
        model = [answer.text for answer in spread(workers, asks)]
    sizes = [len(vocabulary.encode(text)) for text in model]
    ngram = [
        counted.complete(case.prefix[-PROMPT_CHARS:], args.num_tokens, None).text for case in cases
    ]
    true = [case.expected + case.suffix for case in cases]
    return {
        "model": model,
        "ngram": [shortened(vocabulary, *each) for each in zip(ngram, sizes, strict=True)],
        "true": [shortened(vocabulary, *each) for each in zip(true, sizes, strict=True)],
    }


def shortened(vocabulary: Vocabulary, text: str, num_tokens: int) -> str:
    """Returns the text's first tokens."""
    return vocabulary.decode(vocabulary.encode(text[: num_tokens * 40])[:num_tokens])


def plain(text: str) -> str:
    """Returns the text with each stretch of blanks and line ends as one blank."""
    return re.sub(r"\s+", " ", text)


def figures(
    cases: Sequence[Case],
    texts: Sequence[str],
    vocabulary: Vocabulary,
    tokens: NDArray[np.uint16],
    chars: NDArray[np.uint8],
) -> dict[str, Any]:
    """Returns the runs of one row: medians, the long ones' shares with intervals, the longest."""
    prompts = [case.prefix[-PROMPT_CHARS:] for case in cases]
    clusters = [case.cluster for case in cases]

    def by_token(text: str) -> NDArray[np.uint16]:
        return np.array(vocabulary.encode(text), dtype=np.uint16)

    def by_char(text: str) -> NDArray[np.uint16]:
        return np.frombuffer(plain(text).encode(), dtype=np.uint8).astype(np.uint16)

    queries = [Query(by_token(t), by_token(p)) for t, p in zip(texts, prompts, strict=True)]
    token_runs = longest_runs(queries, tokens, TOKEN_SIZES)
    queries = [Query(by_char(t), by_char(p)) for t, p in zip(texts, prompts, strict=True)]
    char_runs = longest_runs(queries, chars, CHAR_SIZES)
    long_tokens = mean([float(run > LONG_TOKENS) for run in token_runs], clusters)
    long_chars = mean([float(run >= LONG_CHARS) for run in char_runs], clusters)
    return {
        "num": len(texts),
        "mean_tokens": round(float(np.mean([len(vocabulary.encode(t)) for t in texts])), 1),
        "token_runs": quantiles(token_runs),
        "char_runs": quantiles(char_runs),
        "over_50_tokens": [round(value, 4) for value in long_tokens.interval()],
        "from_100_chars": [round(value, 4) for value in long_chars.interval()],
        "secrets": sum(SECRET.search(text) is not None for text in texts),
        "longest": texts[int(np.argmax(char_runs))],
    }


def quantiles(runs: Sequence[int]) -> dict[str, int]:
    """Returns median, 90th percentile and maximum; 0 is shorter than what is looked for."""
    ranks = np.quantile(runs, (0.5, 0.9, 1), method="lower")
    return {name: int(rank) for name, rank in zip(("median", "p90", "max"), ranks, strict=True)}


def table(groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Returns the figures as markdown."""
    lines = [
        "| prompts of | continued by | tokens | longest run, tokens: median / p90 / max | "
        "characters | over 50 tokens (95 %) | 100 characters or more (95 %) | secrets |",
        "| --- |" + " --- |" * 7,
    ]
    for group, rows in groups.items():
        for name, row in rows.items():
            runs = [" / ".join(runs_text(row[key], low)) for key, low in FLOORS.items()]
            shares = [
                "{:.1%} ({:.1%} to {:.1%})".format(*row[key])
                for key in ("over_50_tokens", "from_100_chars")
            ]
            cells = [group, name, str(row["mean_tokens"]), *runs, *shares, str(row["secrets"])]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


FLOORS = {"token_runs": TOKEN_SIZES[0], "char_runs": CHAR_SIZES[0]}
"""What is shorter is not told apart."""


def runs_text(runs: Mapping[str, int], low: int) -> list[str]:
    """Returns the lengths, ``< low`` for those that are shorter."""
    return [str(run) if run else f"< {low}" for run in runs.values()]


if __name__ == "__main__":
    sys.exit(main())
