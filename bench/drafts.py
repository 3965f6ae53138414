"""What drafts for speculation are worth: the model's own completions, replayed with drafts.

    python bench/drafts.py --root DIR --model DIR2 --ngram DIR3 --costs 1 1.2 1.5 2.2 3.5

Drafts come from the text around the cursor (n-gram matching); with the completion of one diverging
keystroke earlier as a hint; from an n-gram model (``--ngram``); from a smaller model of the same
tokenizer (``--draft-model``). ``--costs`` are those of a pass of 1, 2, 4, 8 and 16 rows, relative
to one row. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.corpus import read_lines
from training.heldout import SPLITS, MissingPackageError, held_out_files
from training.reference import Vocabulary
from training.sources import default_roots

from bench import adaptive, backends
from bench.adaptive import OtherTokenizerError
from bench.agreement import Agrees, of_model, of_ngram
from bench.backends import VARIANTS, Answer, Ask, Complete, EngineStartError
from bench.baselines import common_len
from bench.cases import Case, Kind, draw
from bench.drafting import Drafter, Replay, from_flags, from_text, replay
from bench.workers import spread

KINDS: tuple[Kind, ...] = ("line", "multi")
LENGTHS = (2, 4, 8, 16)
ROWS = (1, 2, 4, 8, 16)
NUM_PREDICT: dict[Kind, int] = {"line": 32, "mid": 32, "multi": 48}
PROMPT_CHARS, SUFFIX_CHARS = 4000, 1000
"""Text around the cursor that is sent and searched."""
FAILURES = (MissingPackageError, OtherTokenizerError, EngineStartError, httpx.HTTPError)


@dataclass(frozen=True, slots=True)
class Edit:
    """A completion that was asked for, and the one before it, where a keystroke diverged.

    Attributes:
        known: the completion's ids.
        text: ids of the suffix and of the prefix, in this order.
        hint: ids of the earlier completion from the cursor's line on, empty at first requests.
        earlier: that completion's text.
        cluster: the cursor's file, as `scores` resamples it.
    """

    ask: Ask
    known: list[int]
    text: list[int]
    hint: list[int]
    earlier: str
    cluster: str


def main() -> int:
    """Runs the measurement from the command line; returns the exit status."""
    args = parse()
    try:
        result = measure(args)
    except FAILURES as error:
        print(f"bench/drafts.py: {error}", file=sys.stderr)
        return 1
    print(table(result["rows"]))
    print(json.dumps(result))
    return 0


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", type=Path, required=True)
    add("--ngram", type=Path, help="folder that bench.ngram wrote")
    add("--draft-model", type=Path, help="a smaller model of the same tokenizer")
    add("--draft-cost", type=float, default=0.0, help="of a token of it, relative to one row")
    add("--costs", type=float, nargs=len(ROWS), help="of a pass of 1, 2, 4, 8 and 16 rows")
    add("--min-match", type=int, default=2, help="shortest match that drafts, in tokens")
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", help="folder of packages (repeatable)")
    add("--files", type=Path, help="JSON lines of held-out files, in place of a split")
    add("--variant", choices=VARIANTS, default="spm_heal")
    add("--num-cases", type=int, default=300, help="of each kind")
    add("--workers", type=int, default=2, help="engines, of one thread each")
    add("--dtype", default="auto", help="of the engines that are started")
    add("--seed", type=int, default=0)
    return parser.parse_args()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Returns one row for each kind of case, drafter and draft length."""
    roots = args.root or default_roots()[0]
    files = read_lines(args.files) if args.files else held_out_files(args.split, roots)
    vocabulary = Vocabulary(args.model)
    others: dict[str, Agrees] = {}
    if args.ngram:
        others["n-gram model"] = of_ngram(adaptive.load(args.ngram, args.model))
    if args.draft_model:
        others["smaller model"] = of_model(args.draft_model)
    costs: dict[int, float] | None = None
    if args.costs:
        costs = dict(zip(ROWS, args.costs, strict=True))
    rows: list[dict[str, Any]] = []
    with backends.engines(args.model, args.workers, args.dtype) as workers:
        for kind in KINDS:
            cases = draw(files, kind, args.num_cases, args.seed)
            first, again = edits(cases, workers, args.variant, vocabulary)
            for name, group in (("first request", first), ("after a key", again)):
                for drafter, pairs in drafters(group, others, args.min_match):
                    cost = args.draft_cost if drafter == "smaller model" else 0.0
                    for length in LENGTHS:
                        total = sum((replay(*each, length) for each in pairs), Replay())
                        head = {"kind": kind, "request": name, "drafts": drafter, "length": length}
                        rows.append({**head, **summary(total, costs, cost)})
    return {
        "bench": "drafts", "model": str(args.model), "variant": args.variant, "seed": args.seed,
        "min_match": args.min_match, "costs": costs, "rows": rows,
    }  # fmt: skip


def edits(
    cases: Sequence[Case], workers: Sequence[Complete], variant: str, vocabulary: Vocabulary
) -> tuple[list[Edit], list[Edit]]:
    """Returns the first requests and, where the true text leaves the completion, the next ones.

    A key that agrees with the completion asks for nothing: the language server types through it.
    """
    asks = [ask(case, 0, variant) for case in cases]
    answers = list(spread(workers, asks))
    first = [
        edit(vocabulary, case, asked, answer)
        for case, asked, answer in zip(cases, asks, answers, strict=True)
    ]
    shared = [
        common_len(case.expected, answer.text) for case, answer in zip(cases, answers, strict=True)
    ]
    typed = [
        (case, ask(case, num + 1, variant), answer)
        for case, answer, num in zip(cases, answers, shared, strict=True)
        if num + 1 < len(case.expected.split("\n")[0])
    ]
    later = spread(workers, [one for _, one, _ in typed])
    again = [
        edit(vocabulary, case, one, answer, earlier)
        for (case, one, earlier), answer in zip(typed, later, strict=True)
    ]
    return first, again


def ask(case: Case, num_typed: int, variant: str) -> Ask:
    """Returns the request after so many characters of the true text."""
    prefix = (case.prefix + case.expected[:num_typed])[-PROMPT_CHARS:]
    suffix = case.suffix[:SUFFIX_CHARS]
    return Ask(prefix, suffix, VARIANTS[variant], NUM_PREDICT[case.kind], case.num_lines)


def edit(
    vocabulary: Vocabulary, case: Case, asked: Ask, answer: Answer, earlier: Answer | None = None
) -> Edit:
    """Returns the edit with its texts as ids; healed, as the engine has them."""
    before = vocabulary.encode(asked.prefix)
    if asked.variant.heal:
        vocabulary.take_back(before)
    head = asked.prefix[asked.prefix.rfind("\n") + 1 :]
    # The key that diverged is the last of the line; the hint is what it would have been.
    hint = vocabulary.encode(head[:-1] + earlier.text) if earlier else []
    text = [*vocabulary.encode(asked.suffix), *before]
    shown = earlier.text if earlier else ""
    return Edit(asked, answer.ids, text, hint, shown, case.cluster)


def drafters(
    group: Sequence[Edit], others: dict[str, Agrees], min_match: int
) -> Iterator[tuple[str, list[tuple[list[int], Drafter]]]]:
    """Yields each way to draft with every completion and its drafter."""
    yield "text", [(e.known, from_text(e.known, e.text, (), min_match)) for e in group]
    if any(each.hint for each in group):
        yield (
            "text and hint",
            [(e.known, from_text(e.known, e.text, e.hint, min_match)) for e in group],
        )
    for name, agrees in others.items():
        yield name, [(e.known, from_flags(e.known, agrees(e.ask, e.known))) for e in group]


def summary(
    total: Replay, costs: dict[int, float] | None, draft_cost: float
) -> dict[str, float | int | None]:
    """Returns the figures of one row of the table."""
    steps = max(1, total.steps)
    return {
        "tokens": total.made,
        "tokens_per_step": round(total.made / steps, 3),
        "accepted_per_step": round(total.accepted / steps, 3),
        "accepted_share": round(total.accepted / max(1, total.drafted), 3),
        "speedup": round(total.speedup(costs, draft_cost), 3) if costs else None,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the rows as markdown."""
    names = list(rows[0])
    lines = [
        "| " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|" + " --- |" * len(names),
    ]
    for row in rows:
        lines.append("| " + " | ".join("" if row[n] is None else str(row[n]) for n in names) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
