"""What trimming makes of the right answer: true remainders of real files, cut out and given back.

    python bench/remainders.py --root DIR --num-files 300 --out new.json
    PYTHONPATH=OTHER/lsp python bench/remainders.py --root DIR --num-files 300 --against new.json

A file is cut as somebody who types would have it (`bench.cuts`), and what stands there, with the
lines behind it, goes through `Trimmer` as a model's answer. It should be shown whole; the table
tells how often it is, by language and kind, and how often something else: nothing, less, or a text
that is wrong. With --against, an outcome file of other code over the same files, what got worse or
better is told, and the first ones shown. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.cuts import Cut, cuts
from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, describe

LANGUAGES = {
    ".py": "python", ".js": "javascript", ".mjs": "javascript", ".ts": "typescript",
    ".tsx": "typescriptreact", ".jsx": "javascriptreact", ".rs": "rust", ".go": "go",
    ".java": "java", ".c": "c", ".h": "c", ".cpp": "cpp", ".cc": "cpp", ".hpp": "cpp",
    ".rb": "ruby", ".php": "php", ".lua": "lua", ".sh": "shellscript", ".html": "html",
    ".css": "css", ".sql": "sql", ".yaml": "yaml", ".yml": "yaml", ".json": "json",
    ".md": "markdown", ".toml": "toml",
}  # fmt: skip
PREFIX_CHARS, SUFFIX_CHARS = 12_000, 4_000
MOST_BYTES = 200_000
ANSWER_CHARS, DELTA_CHARS = 2000, 7
SHOWN = 20

Outcome = Literal["whole", "less", "nothing", "wrong"]
ORDER: tuple[Outcome, ...] = ("whole", "less", "nothing", "wrong")
"""From best to worst: a wrong text costs the most."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one cut."""

    language: str
    kind: str
    place: str
    expected: str
    shown: str
    outcome: Outcome
    ms: float


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures, prints, returns what the last line says."""
    options = _options(argv)
    files = sorted(
        path
        for root in options.root
        for path in root.rglob("*")
        if path.suffix in LANGUAGES and path.is_file() and path.stat().st_size < MOST_BYTES
    )
    random.Random(options.seed).shuffle(files)
    by_language: Counter[str] = Counter()
    tried: list[Tried] = []
    grammars = Grammars()
    for path in files:
        language = LANGUAGES[path.suffix]
        if by_language[language] < options.num_files:
            by_language[language] += 1
            tried += _try_file(path, language, options, grammars)
    told: dict[str, Any] = {"bench": "remainders", "seed": options.seed, "rows": _rows(tried)}
    print(_table(told["rows"]))
    if options.against is not None:
        told["against"] = _compare(tried, json.loads(options.against.read_text(encoding="utf-8")))
    if options.out is not None:
        options.out.write_text(json.dumps([asdict(one) for one in tried]), encoding="utf-8")
    print(json.dumps(told))
    return told


def _try_file(
    path: Path, language: str, options: argparse.Namespace, grammars: Grammars
) -> Iterator[Tried]:
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return
    rng = random.Random(f"{options.seed} {path.name} {len(text)}")
    for cut in cuts(text, options.num_cuts, rng):
        prefix, suffix = cut.prefix[-PREFIX_CHARS:], cut.suffix[:SUFFIX_CHARS]
        began = time.perf_counter()
        context = describe(prefix, suffix, language, "auto", grammars.load(language))
        trimmer = Trimmer(context, is_shown=False)
        for at in range(0, min(len(cut.answer), ANSWER_CHARS), DELTA_CHARS):
            if trimmer.feed(cut.answer[at : at + DELTA_CHARS]).done:
                break
        result = trimmer.finish(cut_short=False)
        took = (time.perf_counter() - began) * 1e3
        rest = cut.suffix.split("\n")[0]
        shown = result.text if result.replaces_rest else result.text + rest
        place = f"{path}:{cut.prefix.count(chr(10)) + 1}"
        outcome = outcome_of(cut, result.text, shown, context.mode)
        yield Tried(language, cut.kind, place, cut.expected, result.text, outcome, round(took, 1))


def outcome_of(cut: Cut, text: str, first_lines: str, mode: str) -> Outcome:
    """Returns what a shown text is worth; `first_lines` are it and the line's rest that stays.

    Of a line the line counts as it then stands; of a block what is missing, blanks at its end left
    out, and where only a line is suggested its first one that is not blank.
    """
    rest = cut.suffix.split("\n")[0]
    if not text.strip():
        is_there = cut.kind == "closed" and cut.expected.strip() == rest.strip()
        return "whole" if is_there or not cut.expected.strip() else "nothing"
    wanted, found = cut.expected, text
    if cut.kind in {"rest", "hole", "closed"}:
        wanted = cut.expected + (rest if cut.kind == "hole" else "")
        found = first_lines.split("\n")[0]
    elif mode == "line":
        wanted = next((line for line in wanted.split("\n") if line.strip()), "")
    if cut.prefix[-1:].isspace():  # blanks that stand there are not written twice
        wanted, found = wanted.lstrip(), found.lstrip()
    wanted, found = wanted.strip("\n").rstrip(), found.strip("\n").rstrip()
    if found == wanted:
        return "whole"
    return "less" if cut.expected.lstrip().startswith(text.strip()) else "wrong"


def _rows(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for group in sorted({(one.language, one.kind) for one in tried}):
        these = [one for one in tried if (one.language, one.kind) == group]
        counts = Counter(one.outcome for one in these)
        slowest = max(one.ms for one in these)
        row: dict[str, int] = {name: counts[name] for name in ORDER}
        rows.append({"language": group[0], "kind": group[1], **row, "slowest_ms": slowest})
    return rows


def _table(rows: Sequence[dict[str, Any]]) -> str:
    names = ("language", "kind", *ORDER, "slowest_ms")
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _compare(tried: Sequence[Tried], earlier: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Prints and counts what this code does worse, and better, than what wrote `earlier`."""
    before = {(one["place"], one["kind"], one["expected"]): one for one in earlier}
    worse: list[tuple[Tried, dict[str, Any]]] = []
    better = 0
    for one in tried:
        other = before.get((one.place, one.kind, one.expected))
        if other is None:
            continue
        change = ORDER.index(one.outcome) - ORDER.index(other["outcome"])
        better += change < 0
        if change > 0:
            worse.append((one, other))
    for one, other in worse[:SHOWN]:
        print(f"worse: {one.kind} {one.place}\n  expected {one.expected[:120]!r}")
        print(f"  shown    {one.shown[:120]!r}\n  before   {other['shown'][:120]!r}")
    return {"worse": len(worse), "better": better}


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--root", type=Path, nargs="+", required=True, help="folders of source files")
    add("--num-files", type=int, default=100, help="of a language")
    add("--num-cuts", type=int, default=5, help="tried in a file")
    add("--seed", type=int, default=0)
    add("--out", type=Path, metavar="FILE", help="where every outcome is written")
    add("--against", type=Path, metavar="FILE", help="outcomes of other code")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
