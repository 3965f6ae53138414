"""Infill of held-out files: one line, inside an identifier, several lines, beside baselines.

    python bench/quality.py --root DIR --model engine/midfill_engine/starter --ngram DIR2
    python bench/quality.py --root DIR --model DIR3 --backend transformers --kinds line
    python bench/quality.py --root DIR --model DIR3 --kinds cross_file --variants spm_heal

DIR holds the held-out packages (training/README.md), DIR2 is what ``python -m bench.ngram`` wrote.
``--split dev`` guides decisions; ``test`` is for the card, once. Completions come from the engine:
started on ``--model``, one a core, or running at ``--url`` (one without an ``infill.json``, whose
defaults would change what the variants mean). ``cross_file`` cases hang on another file, and are
completed without and with its pieces, each difference paired. Bits per byte are computed with
transformers from ``--model``. Seeded cases, greedy decoding. Before the JSON, which is stdout's
last line, stand the tables.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.corpus import read_lines
from training.heldout import SPLITS, MissingPackageError, held_out_files
from training.reference import Reference, Vocabulary
from training.sources import SourceFile, default_roots

from bench import adaptive, backends, baselines, report
from bench.adaptive import Adaptive, OtherTokenizerError
from bench.backends import VARIANTS, Complete, EngineStartError
from bench.cases import KINDS, Case, Kind, draw
from bench.crossing import draw_crossing
from bench.likelihood import model_bits
from bench.rows import NUM_PREDICT, Row, rows_of
from bench.scores import Measure, score
from bench.workers import spread


def main() -> int:
    """Runs the benchmark from the command line; returns the exit status."""
    args = parse()
    began = time.monotonic()
    try:
        result, records = measure(args)
    except FAILURES as error:
        print(f"bench/quality.py: {error}", file=sys.stderr)
        return 1
    result["wall_s"] = round(time.monotonic() - began, 1)
    if args.out:
        whole = {**result, "cases": records}
        args.out.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0


class NoCasesError(Exception):
    """The files have no place for a case of the kind."""


FAILURES = (
    MissingPackageError, OtherTokenizerError, EngineStartError, httpx.HTTPError, NoCasesError
)  # fmt: skip


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", help="folder of packages (repeatable)")
    add("--files", type=Path, help="JSON lines of files, as the corpus, in place of a split")
    add("--languages", nargs="+", help="default: all")
    add("--kinds", nargs="+", choices=[*KINDS, "cross_file"], default=list(KINDS))
    add("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    add("--backend", choices=("engine", "transformers"), default="engine")
    add("--model", type=Path, help="folder of the model")
    add("--dtype", default="auto", help="of the engines that are started")
    add(
        "--max-infill", type=int, default=backends.MAX_INFILL, help="of the engines started, tokens"
    )
    add("--url", help="a running engine")
    add("--api-key-file", type=Path, help="for --url")
    add("--workers", type=int, default=os.cpu_count() or 1, help="engines, of one thread each")
    add("--ngram", type=Path, help="folder that bench.ngram wrote for the model's tokenizer")
    add("--num-cases", type=int, default=1000, help="of each kind")
    add("--bits-cases", type=int, default=300, help="of these, with bits per byte (0: none)")
    add("--seed", type=int, default=0)
    add("--show", type=int, default=0, help="print this many cases of each kind")
    add("--out", type=Path, help="write the JSON, with all cases and completions")
    args = parser.parse_args()
    if args.model is None:
        parser.error("--model DIR is needed: with --url as well, for its tokenizer")
    if args.num_cases < 1 or args.workers < 1:
        parser.error("--num-cases and --workers must be 1 or more")
    return args


def measure(args: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the result without the time it took, and each case; prints the tables."""
    files = files_of(args)
    variants = [VARIANTS[name] for name in args.variants]
    counted = adaptive.load(args.ngram, args.model) if args.ngram else None
    reference = Reference(args.model) if args.bits_cases else None
    results: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    with completers(args) as workers:
        for kind in cast("list[Kind]", args.kinds):
            drawn = draw_crossing if kind == "cross_file" else partial(draw, kind=kind)
            cases = drawn(files, num_cases=args.num_cases, seed=args.seed)
            rows = rows_of(kind, variants)
            if not cases:
                raise NoCasesError(f"no file has a place for a case of kind {kind}")
            texts = complete_all(cases, workers, rows, kind)
            texts = with_others(cases, texts, counted, Vocabulary(args.model), kind)
            table: dict[str, dict[str, Measure]] = {
                name: score(cases, made) for name, made in texts.items()
            }
            add_bits(table, cases[: args.bits_cases], rows, reference, counted)
            results[kind] = groups(kind, table, cases)
            records += report.records(cases, texts)
            print(*report.shown(cases, texts, args.show), sep="\n")
    head = {
        "bench": "quality", "split": "files" if args.files else args.split,
        "backend": args.backend, "model": str(args.model), "dtype": args.dtype, "seed": args.seed,
        "num_predict": NUM_PREDICT, "versions": installed_versions(), "results": results,
    }  # fmt: skip
    return head, records


def files_of(args: argparse.Namespace) -> list[SourceFile]:
    """Returns the files that cases are drawn from."""
    roots = args.root or default_roots()[0]
    files = read_lines(args.files) if args.files else held_out_files(args.split, roots)
    wanted = set[str](args.languages or ())
    return [file for file in files if not wanted or file.language in wanted]


@contextmanager
def completers(args: argparse.Namespace) -> Generator[list[Complete]]:
    """Yields what completes: transformers, a running engine, or fresh ones."""
    if args.backend == "transformers":
        yield [backends.from_reference(args.model)]
    elif args.url:
        key = args.api_key_file.read_text().strip() if args.api_key_file else ""
        with backends.attached(args.url, key) as complete:
            yield [complete]
    else:
        with backends.engines(args.model, args.workers, args.dtype, args.max_infill) as found:
            yield found


def complete_all(
    cases: Sequence[Case], workers: Sequence[Complete], rows: Sequence[Row], kind: Kind
) -> dict[str, list[str]]:
    """Returns the model's completions by row; a case's rows go to one worker."""

    def all_rows(worker: Complete) -> Callable[[Case], list[str]]:
        return lambda case: [worker(row.ask(case)).text for row in rows]

    print(f"{kind}: {len(cases)} cases", file=sys.stderr)
    made = list(spread([all_rows(worker) for worker in workers], cases))
    return {row.name: [texts[idx] for texts in made] for idx, row in enumerate(rows)}


def with_others(
    cases: Sequence[Case],
    made: dict[str, list[str]],
    counted: Adaptive | None,
    vocabulary: Vocabulary,
    kind: Kind,
) -> dict[str, list[str]]:
    """Returns the completions of all rows: baselines, the model's, bounds."""
    limit = NUM_PREDICT[kind]
    rows = {
        "no_op": [""] * len(cases),
        "copy_line": [baselines.copy_line(case) for case in cases],
        "copy_suffix": [baselines.copy_suffix(case) for case in cases],
    }
    if counted is not None:
        rows["ngram"] = [
            counted.complete(case.prefix, limit, case.num_lines).text for case in cases
        ]
    rows |= made
    oracle = baselines.oracle(cases, rows)
    gold = [baselines.gold(vocabulary, case, limit) for case in cases]
    return {**rows, "oracle": oracle, "gold": gold}


def add_bits(
    table: dict[str, dict[str, Measure]],
    cases: Sequence[Case],
    rows: Sequence[Row],
    reference: Reference | None,
    counted: Adaptive | None,
) -> None:
    """Adds bits per byte of ``cases`` to the rows that have them."""
    if reference is None:
        return
    limit = NUM_PREDICT[cases[0].kind]
    if counted is not None:
        table["ngram"]["bits_per_byte"] = counted.bits(cases, limit)
    for row in rows:
        table[row.name]["bits_per_byte"] = model_bits(
            reference, cases, row.variant, limit, row.others
        )
        print(f"{cases[0].kind}: bits of {row.name}", file=sys.stderr)


def groups(
    kind: Kind, table: dict[str, dict[str, Measure]], cases: Sequence[Case]
) -> dict[str, Any]:
    """Returns and prints the table of all cases and, where they are only some, of Python's."""
    found: dict[str, Any] = {}
    is_python = [case.language == "python" for case in cases]
    keeps = {"all": [True] * len(cases)}
    if 0 < sum(is_python) < len(cases):
        keeps["python"] = is_python
    for group, keep in keeps.items():
        kept = [case for case, wanted in zip(cases, keep, strict=True) if wanted]
        sizes = {"num_cases": len(kept), "num_files": len({case.cluster for case in kept})}
        found[group] = {**sizes, **report.as_json(report.only(table, keep))}
        title = f"{kind}, {group}: {len(kept)} cases from {sizes['num_files']} files"
        print(f"\n{title}\n\n{report.markdown(found[group])}\n")
    return found


def installed_versions() -> dict[str, str]:
    """Returns the versions of what the figures depend on, where installed."""
    versions: dict[str, str] = {}
    for name in ("torch", "transformers", "tokenizers"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


if __name__ == "__main__":
    sys.exit(main())
