"""A parsed text: tree-sitter behind an interface that counts code points.

A text of 16,000 characters takes about 2 ms, a change to it under 1 ms (docs/log.md). So nobody
parses megabytes: a longer text is refused, and who has one takes a `window` of it. Called by
`trim` and `context`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import tree_sitter

from midfill_lsp.syntax.grammar import Grammar

MAX_CHARS = 64_000
BUDGET_MS = 25.0
"""Ten times what 16,000 characters take: only what sends the parser astray takes longer."""
MAX_DEPTH = 12
"""Containers in containers that are looked into for definitions and imports."""
_CHUNK_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Source:
    """A text and its tree.

    Attributes:
        text: what was parsed.
        data: the same in UTF-8, as the tree counts; a lone surrogate is a question mark.
    """

    grammar: Grammar
    text: str
    data: bytes
    tree: tree_sitter.Tree

    def byte_of(self, offset: int) -> int:
        """Return the place in `data` of a place in `text`."""
        if len(self.data) == len(self.text):
            return offset
        return len(_encoded(self.text[:offset]))

    def offset_of(self, byte: int) -> int:
        """Return the place in `text` of a place in `data`."""
        if len(self.data) == len(self.text):
            return byte
        return len(self.data[:byte].decode(errors="ignore"))

    def text_of(self, node: tree_sitter.Node) -> str:
        """Return what a node covers."""
        return self.data[node.start_byte : node.end_byte].decode(errors="ignore")


def parse(grammar: Grammar, text: str, budget_ms: float = BUDGET_MS) -> Source | None:
    """Return the parsed text; None if it is too long, or the parser took too long.

    In a thread it lets others run: the parser asks for the time every some microseconds.
    """
    if len(text) > MAX_CHARS:
        return None
    data = _encoded(text)
    tree = _parsed(grammar, data, None, budget_ms)
    return tree and Source(grammar, text, data, tree)


def replaced(
    source: Source, start: int, end: int, fresh: str, budget_ms: float = BUDGET_MS
) -> Source | None:
    """Return the source with `fresh` in the place of [start, end); the old one stays as it is.

    Only what the change touches is parsed again. None as in `parse`.
    """
    text = source.text[:start] + fresh + source.text[end:]
    if len(text) > MAX_CHARS:
        return None
    first, last = source.byte_of(start), source.byte_of(end)
    inserted = _encoded(fresh)
    data = source.data[:first] + inserted + source.data[last:]
    old = source.tree.copy()
    old.edit(
        start_byte=first,
        old_end_byte=last,
        new_end_byte=first + len(inserted),
        start_point=_point(source.data, first),
        old_end_point=_point(source.data, last),
        new_end_point=_point(data, first + len(inserted)),
    )
    tree = _parsed(source.grammar, data, old, budget_ms)
    return tree and Source(source.grammar, text, data, tree)


def window(text: str, offset: int, before: int, behind: int) -> tuple[int, int]:
    """Return [start, end) around `offset`, so many code points each way and then to a line's end.

    Lines that are longer than that are torn. It starts at a line that is not indented if there is
    one in the first half, since a torn beginning costs wrong nodes.
    """
    end = text.find("\n", offset + behind, offset + 2 * behind)
    return _window_start(text, offset, before), end + 1 or min(len(text), offset + behind)


def _window_start(text: str, offset: int, before: int) -> int:
    first = offset - before
    if first <= 0:
        return 0
    line_start = text.find("\n", first, offset) + 1
    middle = first + before // 2
    place = line_start
    while 0 < place < middle:
        if text[place] not in " \t\n)]}":
            return place
        place = text.find("\n", place, middle) + 1
    return line_start or first


def _parsed(
    grammar: Grammar, data: bytes, old: tree_sitter.Tree | None, budget_ms: float
) -> tree_sitter.Tree | None:
    give_up_at = time.perf_counter() + budget_ms / 1000

    def read(byte: int, _: tree_sitter.Point) -> bytes:
        return data[byte : byte + _CHUNK_BYTES]

    def takes_too_long(_byte: int, _has_error: bool) -> bool:
        return time.perf_counter() > give_up_at

    parser = tree_sitter.Parser(grammar.compiled)
    try:
        if old is None:
            return parser.parse(read, progress_callback=takes_too_long)
        return parser.parse(read, old, progress_callback=takes_too_long)
    except ValueError:  # that is how the binding says that it was told to stop
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _point(data: bytes, byte: int) -> tuple[int, int]:
    return data.count(b"\n", 0, byte), byte - (data.rfind(b"\n", 0, byte) + 1)
