"""What is shown of a model's completions: how sure it was of them, and whether they parse.

    python bench/shown.py --root DIR --url http://127.0.0.1:8793 --api-key-file KEY

Held-out cases of kind line and multi (training/README.md) are completed by a running engine, as
the language server asks it. Printed is, for each bound of `completion.minConfidence`, the share
that is shown, and how much of it is right to the letter of its first line; and how many texts the
parser refuses, the expected ones among them, which it should not. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.heldout import SPLITS, held_out_files
from training.sources import default_roots

from bench.cases import Case, draw
from bench.scores import edit_similarity
from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, describe

PREFIX_CHARS, SUFFIX_CHARS = 12_000, 4_000
NUM_PREDICT = {"line": 48, "block": 160}
"""As `lsp/midfill_lsp/config.py` has them."""
BOUNDS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Row:
    """One case.

    Attributes:
        confidence: of the first line; None where nothing is suggested.
        exact: the first line is the expected one.
        similarity: of the two, 0 to 1.
        refused: the parser refuses the model's text.
        gold_refused: it refuses the expected one.
    """

    confidence: float | None
    exact: bool
    similarity: float
    refused: bool
    gold_refused: bool


def main() -> None:
    """Runs the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--split", choices=SPLITS, default="dev")
    parser.add_argument("--root", type=Path, action="append", help="folder of packages")
    parser.add_argument("--url", required=True, help="a running engine")
    parser.add_argument("--api-key-file", type=Path)
    parser.add_argument("--num-cases", type=int, default=400, help="of each kind")
    args = parser.parse_args()
    files = held_out_files(args.split, args.root or default_roots()[0])
    key = args.api_key_file.read_text().strip() if args.api_key_file else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    grammars, rows = Grammars(), list[Row]()
    with httpx.Client(base_url=args.url, headers=headers, timeout=300, trust_env=False) as client:
        for case in [*draw(files, "line", args.num_cases), *draw(files, "multi", args.num_cases)]:
            rows.append(judge(case, client, grammars))
    result: dict[str, Any] = {"bench": "shown", "split": args.split, **summary(rows)}
    bounds: list[dict[str, Any]] = result["bounds"]
    for line in bounds:
        print(*(f"{name} {value}" for name, value in line.items()), sep="  ")
    print(json.dumps(result))


def judge(case: Case, client: httpx.Client, grammars: Grammars) -> Row:
    """Completes a case and says what is shown of it.

    Raises:
        httpx.HTTPError: the engine refused.
    """
    prefix, suffix = case.prefix[-PREFIX_CHARS:], case.suffix[:SUFFIX_CHARS]
    context = describe(prefix, suffix, case.language, grammar=grammars.load(case.language))
    body = {
        "input_prefix": prefix, "input_suffix": suffix, "temperature": 0, "logprobs": True,
        "n_predict": NUM_PREDICT[context.mode], "stop": ["\n"] if context.mode == "line" else [],
    }  # fmt: skip
    reply = client.post("/infill", json=body)
    reply.raise_for_status()
    told: dict[str, Any] = reply.json()
    trimmer = Trimmer(context, is_shown=False)
    trimmer.score(tuple((size, logprob) for size, logprob in told["logprobs"]))
    trimmer.feed(told["content"])
    result = trimmer.finish(told["stop_type"] == "limit")
    first, expected = first_line(result.text), first_line(case.expected)
    soundness = None if context.in_text else context.soundness
    return Row(
        confidence=result.confidence if first else None,
        exact=first == expected,
        similarity=edit_similarity(first, expected),
        refused=result.reason == "syntax",
        gold_refused=soundness is not None and not soundness.holds(case.expected),
    )


def first_line(text: str) -> str:
    """Returns the first line with something in it, without the blanks around."""
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns the shares of all rows, and those that are suggested under each bound."""
    there = [row for row in rows if row.confidence is not None]
    right = [row for row in there if row.exact]
    bounds: list[dict[str, float | None]] = []
    for bound in BOUNDS:
        shown = [row for row in there if row.confidence is not None and row.confidence >= bound]
        kept = sum(row.exact for row in shown)
        bounds.append(
            {
                "bound": bound,
                "shown": share(len(shown), len(there)),
                "exact": share(kept, len(shown)),
                "similarity": share(sum(row.similarity for row in shown), len(shown)),
                "kept": share(kept, len(right)),
                "hidden_exact": share(len(right) - kept, len(there) - len(shown)),
            }
        )
    return {
        "num_cases": len(rows),
        "num_suggested": len(there),
        "refused": count(row.refused for row in rows),
        "gold_refused": count(row.gold_refused for row in rows),
        "bounds": bounds,
    }


def share(part: float, whole: int) -> float | None:
    """Returns a rounded share, None of nothing."""
    return round(part / whole, 3) if whole else None


def count(flags: Iterable[bool]) -> int:
    """Returns how many are true."""
    return sum(flags)


if __name__ == "__main__":
    main()
