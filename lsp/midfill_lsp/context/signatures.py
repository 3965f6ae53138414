"""Signatures of what a document's imports bring, from the workspace's files. Runs in a thread.

One piece for each file: what is imported by name, and what the document mentions. Classes come
with their members. Called by `finder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from midfill_lsp.context.index import Tree
from midfill_lsp.context.outlines import Outlines
from midfill_lsp.context.resolve import files_of
from midfill_lsp.context.score import Pool
from midfill_lsp.context.snippet import Snippet
from midfill_lsp.context.terms import words
from midfill_lsp.document import Snapshot
from midfill_lsp.syntax import MAX_CHARS, Definition, Grammars, imports, parse

_MAX_IMPORTS = 60
_MAX_PIECE_CHARS = 1_600
_MAX_MEMBERS = 30
_BOOST = 1.5
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the files of imports are looked for."""

    roots: tuple[str, ...]
    tree: Tree


class Signatures:
    """Reads what imports bring. Used by one thread."""

    def __init__(self, grammars: Grammars) -> None:
        """Read nothing yet."""
        self._grammars = grammars
        self._outlines = Outlines(grammars)

    def pools(
        self,
        snapshot: Snapshot,
        path: Path,
        around: Surroundings,
        opened: Callable[[str], Snapshot | None],
    ) -> tuple[Pool, ...]:
        """Return a pool for each file that the document imports from.

        Args:
            snapshot: the document.
            path: its file.
            around: where to look.
            opened: a file as it is open in the editor, None for others.
        """
        grammar = self._grammars.load(snapshot.language_id)
        text = "".join(snapshot.lines[: _lines_within(snapshot.lines)])
        source = grammar and parse(grammar, text.replace("\r\n", "\n"))
        if not source:
            return ()
        mentioned = set(words(text))
        by_file: dict[str, set[str]] = {}
        for found in islice(imports(source), _MAX_IMPORTS):
            language = source.grammar.language.name
            for file in files_of(found, language, str(path), around.roots, around.tree):
                by_file.setdefault(file, set()).update(found.names)
        pools: list[Pool] = []
        for file, brought in by_file.items():
            shown = opened(file)
            defined = self._outlines.of(file) if shown is None else self._outlines.of_open(shown)
            piece = piece_of(defined, brought, mentioned)
            if piece:
                terms = frozenset(words(piece))
                pools.append(Pool.of([Snippet("definition", file, 0, piece, terms, _BOOST)]))
        return tuple(pools)


def _lines_within(lines: Sequence[str]) -> int:
    """Return how many lines fit into what can be parsed."""
    used = 0
    for idx, line in enumerate(lines):
        used += len(line)
        if used > MAX_CHARS:
            return idx
    return len(lines)


def piece_of(defined: Sequence[Definition], brought: set[str], mentioned: set[str]) -> str:
    """Return the signatures that matter, a line each, members under their class.

    Args:
        defined: what the file defines.
        brought: names that are imported from it.
        mentioned: names that stand in the importing document.
    """
    tops = [each for each in defined if not each.container]
    wanted = [each for each in tops if each.name in brought]
    wanted += [each for each in tops if each.name in mentioned and each.name not in brought]
    lines: list[str] = []
    for top in sorted(wanted, key=lambda each: each.start):
        lines.append(top.signature)
        members = [each for each in defined if each.container == top.name]
        members.sort(key=lambda each: each.name not in mentioned)
        lines += [_INDENT + each.signature for each in members[:_MAX_MEMBERS]]
    return _within(lines)


def _within(lines: Iterable[str]) -> str:
    text = ""
    for line in lines:
        if len(text) + len(line) + 1 > _MAX_PIECE_CHARS:
            break
        text += line + "\n"
    return text
