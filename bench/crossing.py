"""Infill cases whose answer hangs on another file of the same package, and that file's pieces.

The cursor stands right behind ``name(`` or ``name.``, where the file imports ``name`` from another
file of its package; the answer is the rest of the line. What goes along is what the language server
would send: ``signatures`` of what the file imports, and with ``buffers`` besides pieces of other
files that are open. Languages: those whose imports the language server follows. Called by
``bench.quality``.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.sources import SourceFile

from bench.cases import Case, Cut, make
from midfill_lsp.config import ContextConfig
from midfill_lsp.context import LANGUAGES
from midfill_lsp.context.buffers import pool_of
from midfill_lsp.context.choose import best
from midfill_lsp.context.index import tree_of
from midfill_lsp.context.score import Pool, query_of, rank
from midfill_lsp.context.signatures import Signatures, Surroundings
from midfill_lsp.document import Snapshot, open_snapshot
from midfill_lsp.fim_files import OtherFile
from midfill_lsp.syntax import Grammars, imports, parse

ROWS = ("signatures", "buffers")
MAX_BUFFERS = 10
MAX_PER_FILE = 3
MIN_CHARS = 4
PREFIX_CHARS, SUFFIX_CHARS = 12_000, 4_000
"""What the language server looks at around the cursor."""
_NO_USE = ("#", "//", "*", "import ", "from ", "export ", "class ", "def ")
"""Lines that begin so bring or explain a name rather than use it."""


def draw_crossing(files: Sequence[SourceFile], num_cases: int, seed: int = 0) -> list[Case]:
    """Returns seeded cases, of every file one before any gives its next, and of each up to three.

    The packages' files are written to a folder for the time, where the index would find them.
    """
    rng = random.Random(f"{seed}/cross_file")
    by_file: list[list[Case]] = []
    with tempfile.TemporaryDirectory() as folder:
        for package in dict.fromkeys(file.package for file in files):
            top = Path(folder) / package.replace(":", "-")
            members = [file for file in files if file.package == package]
            by_file += Package(top, members).cases(rng)
    rng.shuffle(by_file)
    turns = [cases[turn] for turn in range(MAX_PER_FILE) for cases in by_file if turn < len(cases)]
    return turns[:num_cases]


class Package:
    """One package's files, as if they were the workspace."""

    def __init__(self, top: Path, files: Sequence[SourceFile]) -> None:
        """Writes and indexes them."""
        code = {file.path: file for file in files if Path(file.path).suffix.lower() in LANGUAGES}
        for path, file in code.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(file.text, "utf-8", newline="")
        self._files = {str(top / path): file for path, file in code.items()}
        self._top = top
        self._grammars = Grammars()
        self._signatures = Signatures(self._grammars)
        self._around = Surroundings((str(top),), tree_of(self._files, {}, True))
        self._pools: dict[str, Pool] = {}

    def cases(self, rng: random.Random) -> Iterator[list[Case]]:
        """Yields the cases of each file that has some."""
        for path, file in self._files.items():
            pools = self._signatures.pools(
                self._snapshot(path), Path(path), self._around, lambda _: None
            )
            lines = file.text.split("\n")
            places = list(self._places(path, lines, pools))
            drawn = rng.sample(places, min(MAX_PER_FILE, len(places)))
            if drawn:
                yield [self._case(path, lines, place, pools, rng) for place in drawn]

    def _snapshot(self, path: str) -> Snapshot:
        language_id = LANGUAGES[Path(path).suffix.lower()]
        return open_snapshot(path, language_id, 1, self._files[path].text, "utf-32")

    def _pool(self, path: str) -> Pool:
        if path not in self._pools:
            self._pools[path] = pool_of(self._snapshot(path))
        return self._pools[path]

    def _places(
        self, path: str, lines: Sequence[str], pools: Sequence[Pool]
    ) -> Iterator[tuple[int, int]]:
        """Yields row and column behind each use of something that is imported from the package."""
        grammar = self._grammars.load(LANGUAGES[Path(path).suffix.lower()])
        source = grammar and parse(grammar, self._files[path].text)
        defined = {term for pool in pools for term in pool.holders}
        if not source or not defined:
            return
        names = {name for found in imports(source) for name in found.names} & defined
        used = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(names)))})[.(]")
        for row, line in enumerate(lines if names else ()):
            if line.lstrip().startswith(_NO_USE):
                continue
            for match in used.finditer(line):
                if len(line[match.end() :].strip()) >= MIN_CHARS:
                    yield row, match.end()

    def _case(
        self,
        path: str,
        lines: Sequence[str],
        place: tuple[int, int],
        pools: Sequence[Pool],
        rng: random.Random,
    ) -> Case:
        row, column = place
        others = [other for other in self._files if other != path]
        opened = [self._pool(each) for each in rng.sample(others, min(MAX_BUFFERS, len(others)))]
        cut = Cut(row, column, row)
        plain = make(self._files[path], "cross_file", lines, cut)
        sent = {"signatures": self._best(path, row, plain, pools),
                "buffers": self._best(path, row, plain, [*pools, *opened])}  # fmt: skip
        return make(self._files[path], "cross_file", lines, cut, sent)

    def _best(
        self, path: str, row: int, case: Case, pools: Sequence[Pool]
    ) -> tuple[OtherFile, ...]:
        query = query_of(path, row, case.prefix[-PREFIX_CHARS:], case.suffix[:SUFFIX_CHARS])
        chosen = best(rank(pools, query), query, ContextConfig().max_tokens)
        return tuple(
            OtherFile(str(Path(snippet.uri).relative_to(self._top)), snippet.text)
            for snippet in chosen
        )
