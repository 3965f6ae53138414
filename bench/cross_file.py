"""Infill whose answer hangs on another file of the same held-out package, with and without it.

    python bench/cross_file.py --root DIR --model engine/midfill_engine/starter

DIR holds the held-out packages (training/README.md). A case's cursor stands right behind ``name(``
or ``name.``, where ``name`` is imported from another file of the package, and the answer is the
rest of the line: an argument list, or a member. Each is completed without other files, with what
the language server would send as signatures (``definition``), and with open buffers besides
(``all``). Seeded, greedy, paired; intervals resample files. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.heldout import SPLITS, held_out_files
from training.sources import SourceFile, default_roots

from bench.backends import KEY, Ask, Variant, body, collect, started
from bench.cases import Case, Cut, make
from bench.scores import score
from midfill_lsp.context.buffers import pool_of
from midfill_lsp.context.choose import best
from midfill_lsp.context.index import tree_of
from midfill_lsp.context.score import Pool, query_of, rank
from midfill_lsp.context.signatures import Signatures, Surroundings
from midfill_lsp.context.snippet import Snippet
from midfill_lsp.document import Snapshot, open_snapshot
from midfill_lsp.syntax import Grammars, imports, parse

TOP = "/held"
NUM_PREDICT = 48
MAX_BUFFERS = 10
VARIANT = Variant("spm", heal=True)
PREFIX_CHARS, SUFFIX_CHARS = 12_000, 4_000
ROWS = ("without", "definition", "all")


@dataclass(frozen=True, slots=True)
class Crossing:
    """A case and the pieces that go along in each row."""

    case: Case
    pieces: dict[str, tuple[Snippet, ...]]


class Package:
    """One package's files, as if all were in a workspace."""

    def __init__(self, files: Sequence[SourceFile], grammars: Grammars) -> None:
        """Index them."""
        self.files = {f"{TOP}/{file.path}": file for file in files}
        self._grammars = grammars
        self._signatures = Signatures(grammars)
        self._around = Surroundings((TOP,), tree_of(self.files, {}, True))

    def crossings(self, path: str, count: int, rng: random.Random) -> Iterator[Crossing]:
        """Yields cases of one file."""
        file = self.files[path]
        lines = file.text.split("\n")
        snapshot = open_snapshot(f"file://{path}", file.language, 1, file.text, "utf-32")
        pools = self._signatures.pools(snapshot, Path(path), self._around, self._text)
        if not pools:
            return
        places = list(self._places(file, lines, pools))
        rng.shuffle(places)
        for row, column in places[:count]:
            case = make(file, "line", lines, Cut(row, column, row))
            yield Crossing(case, self._pieces(snapshot, case, row, pools, rng))

    def _text(self, path: str) -> str | None:
        file = self.files.get(path)
        return file.text if file else None

    def _places(
        self, file: SourceFile, lines: Sequence[str], pools: Sequence[Pool]
    ) -> Iterator[tuple[int, int]]:
        """Yields where the name of something imported from the package is used."""
        grammar = self._grammars.load(file.language)
        source = grammar and parse(grammar, file.text)
        if not source:
            return
        defined = {term for pool in pools for term in pool.holders}
        names = {name for found in imports(source) for name in found.names} & defined
        if not names:
            return
        used = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(names)))})[.(]")
        for row, line in enumerate(lines):
            if line.lstrip().startswith(("#", "import ", "from ", "class ", "def ", "//", "*")):
                continue
            for match in used.finditer(line):
                if len(line[match.end() :].strip()) >= 4:
                    yield row, match.end()

    def _pieces(
        self,
        snapshot: Snapshot,
        case: Case,
        row: int,
        pools: Sequence[Pool],
        rng: random.Random,
    ) -> dict[str, tuple[Snippet, ...]]:
        query = query_of(snapshot.uri, row, case.prefix[-PREFIX_CHARS:], case.suffix[:SUFFIX_CHARS])
        others = [path for path in self.files if f"file://{path}" != snapshot.uri]
        opened = rng.sample(others, min(MAX_BUFFERS, len(others)))
        buffers = [
            pool_of(open_snapshot(f"file://{path}", "python", 1, self.files[path].text, "utf-32"))
            for path in opened
        ]
        return {
            "without": (),
            "definition": best(rank(pools, query), query, 400),
            "all": best(rank([*pools, *buffers], query), query, 400),
        }


def draw(files: Sequence[SourceFile], count: int, seed: int) -> list[Crossing]:
    """Returns seeded cases: of each file up to three."""
    rng = random.Random(f"{seed}/cross")
    grammars = Grammars()
    by_package: dict[str, list[SourceFile]] = {}
    for file in files:
        by_package.setdefault(file.package, []).append(file)
    found: list[Crossing] = []
    for members in by_package.values():
        package = Package(members, grammars)
        for path in package.files:
            found += package.crossings(path, 3, rng)
    rng.shuffle(found)
    return found[:count]


def complete(client: httpx.Client, crossing: Crossing, row: str) -> str:
    """Returns the engine's text for a case in one row."""
    case = crossing.case
    ask = Ask(case.prefix[-PREFIX_CHARS:], case.suffix[:SUFFIX_CHARS], VARIANT, NUM_PREDICT)
    files = [
        {"filename": snippet.uri.removeprefix("file://").removeprefix(f"{TOP}/"),
         "text": snippet.text}
        for snippet in crossing.pieces[row]
    ]  # fmt: skip
    sent = {**body(ask), "input_extra": files, "filename": case.path, "repo_name": case.package}
    with client.stream("POST", "/infill", json=sent) as reply:
        reply.raise_for_status()
        return collect(reply, 1).text


def measure(model: Path, crossings: Sequence[Crossing]) -> dict[str, object]:
    """Returns each row's scores, and how much better than ``without`` it is."""
    cases = [crossing.case for crossing in crossings]
    made: dict[str, list[str]] = {row: [] for row in ROWS}
    with tempfile.TemporaryDirectory() as folder, started(model, Path(folder) / "engine"):
        ready = json.loads((Path(folder) / "engine" / "ready.json").read_text())
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(
            base_url=ready["url"], headers=headers, timeout=300, trust_env=False
        ) as client:
            for crossing in crossings:
                for row in ROWS:
                    made[row].append(complete(client, crossing, row))
    tables = {row: score(cases, texts) for row, texts in made.items()}
    result: dict[str, object] = {}
    for row, table in tables.items():
        result[row] = {
            name: {
                "value": [round(each, 4) for each in found.interval()],
                "gain": [
                    round(each, 4) for each in found.minus(tables["without"][name]).interval()
                ],
            }
            for name, found in table.items()
        }
        result[f"{row}_pieces"] = round(
            sum(bool(crossing.pieces[row]) for crossing in crossings) / len(crossings), 3
        )
    return result


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--root", type=Path, action="append", help="folder of packages (repeatable)")
    add("--split", choices=SPLITS, default="dev")
    add("--model", type=Path, required=True)
    add("--num-cases", type=int, default=300)
    add("--seed", type=int, default=0)
    args = parser.parse_args()
    files = held_out_files(args.split, args.root or default_roots()[0])
    wanted = [file for file in files if file.language == "python"]
    crossings = draw(wanted, args.num_cases, args.seed)
    told = {
        "num_cases": len(crossings),
        "num_files": len({each.case.cluster for each in crossings}),
    }
    result = measure(args.model, crossings)
    for row in ROWS:
        print(row, json.dumps(result[row]))
    head = {"bench": "cross_file", "model": args.model.name, "split": args.split, **told}
    print(json.dumps({**head, "results": result}))


if __name__ == "__main__":
    main()
