"""A parsed text: tree-sitter behind an interface that counts code points.

A text of 16,000 characters takes about 2 ms, a change to it under 1 ms (docs/log.md). So nobody
parses megabytes: a longer text is refused, and who has one takes a `window` of it. Called by
`trim` and `context`.
"""

from __future__ import annotations

from dataclasses import dataclass

import tree_sitter

from midfill_lsp.syntax.grammar import Grammar

MAX_CHARS = 64_000
MAX_STEPS = 3_000
"""How often the parser may ask whether to go on, about every 20 µs: ten times what the longest text
takes. Counted and not timed, so that what is shown does not hang on who else is at work."""
MAX_DEPTH = 12
"""Containers in containers that are looked into for definitions and imports."""
_CHUNK_BYTES = 8192
_NO_START = " \t\n)]}"


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


def parse(grammar: Grammar, text: str, max_steps: int = MAX_STEPS) -> Source | None:
    """Return the parsed text; None if it is too long, or the parser took too long.

    In a thread it lets others run: the parser asks whether to go on.
    """
    if len(text) > MAX_CHARS:
        return None
    data = _encoded(text)
    tree = _parsed(grammar, data, None, max_steps)
    return tree and Source(grammar, text, data, tree)


def replaced(
    source: Source, start: int, end: int, fresh: str, max_steps: int = MAX_STEPS
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
    tree = _parsed(source.grammar, data, old, max_steps)
    return tree and Source(source.grammar, text, data, tree)


def window(text: str, offset: int, before: int, behind: int) -> tuple[int, int]:
    """Return [start, end) of lines around `offset`, at most so many code points each way.

    It starts and ends before a line that is not indented if there is one in the outer half, since
    a torn beginning or end costs wrong nodes. A line longer than that is torn.
    """
    return _window_start(text, offset, before), _window_end(text, offset, behind)


def _window_start(text: str, offset: int, before: int) -> int:
    first = offset - before
    if first <= 0:
        return 0
    line_start = text.find("\n", first, offset) + 1
    middle = first + before // 2
    place = line_start
    while 0 < place < middle:
        if text[place] not in _NO_START:
            return place
        place = text.find("\n", place, middle) + 1
    return line_start or first


def _window_end(text: str, offset: int, behind: int) -> int:
    last = offset + behind
    if last >= len(text):
        return len(text)
    line_start = text.rfind("\n", offset, last) + 1
    middle = offset + behind // 2
    place = line_start
    while place > middle:
        if text[place] not in _NO_START:
            return place
        place = text.rfind("\n", middle, place - 1) + 1
    return line_start or last


def _parsed(
    grammar: Grammar, data: bytes, old: tree_sitter.Tree | None, max_steps: int
) -> tree_sitter.Tree | None:
    num_steps = 0

    def read(byte: int, _: tree_sitter.Point) -> bytes:
        return data[byte : byte + _CHUNK_BYTES]

    def takes_too_long(_byte: int, _has_error: bool) -> bool:
        nonlocal num_steps
        num_steps += 1
        return num_steps > max_steps

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
