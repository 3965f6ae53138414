"""The lines of a document, immutable and in chunks. Pure: knows no columns and no editor.

A key pressed in a file of megabytes copies one chunk and the list of chunks, not every line.

    chunks   (l0 ... l299) (l300 ... l811) (l812 ... l1100)
    starts    0             300             812               index of each chunk's first line

`document` splits, joins and replaces; everybody else reads them as any other sequence.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import overload

_OTHER_BOUNDARIES = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_CHUNK_LINES = 512
"""Of a fresh chunk; one that grows over twice as many is cut, see docs/log.md, 2026-11-25."""


class Lines(Sequence[str]):
    """Lines with their ends: at least one, and only the last has no end."""

    __slots__ = ("_chunks", "_len", "_starts")

    def __init__(self, lines: Iterable[str]) -> None:
        """Cut lines into chunks."""
        self._hold(_cut(tuple(lines)))

    @classmethod
    def of(cls, text: str) -> Lines:
        """Return the lines of a text."""
        return cls(split_lines(text))

    def __len__(self) -> int:
        """Return the number of lines."""
        return self._len

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        """Return a line, or the lines of a slice."""
        if isinstance(index, slice):
            first, last, step = index.indices(self._len)
            if step != 1:
                return tuple(self)[index]
            return tuple(chain.from_iterable(self._parts(first, last)))
        line_idx = index + self._len if index < 0 else index
        if not 0 <= line_idx < self._len:
            raise IndexError(f"line {index} of {self._len}")
        chunk_idx = self._chunk_of(line_idx)
        return self._chunks[chunk_idx][line_idx - self._starts[chunk_idx]]

    def __iter__(self) -> Iterator[str]:
        """Give line after line."""
        return chain.from_iterable(self._chunks)

    def __eq__(self, other: object) -> bool:
        """Whether the lines are the same, however they are cut."""
        if isinstance(other, Lines):
            return self is other or tuple(self) == tuple(other)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        """Return the hash of the lines as a tuple."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Return sizes only: lines are users' code."""
        return f"Lines({self._len} lines in {len(self._chunks)} chunks)"

    def replaced(self, first: int, last: int, fresh: tuple[str, ...]) -> Lines:
        """Return the lines with those of `[first, last)` replaced by `fresh`."""
        assert 0 <= first < last <= self._len
        low, high = self._chunk_of(first), self._chunk_of(last - 1)
        head = self._chunks[low][: first - self._starts[low]]
        tail = self._chunks[high][last - self._starts[high] :]
        middle = head + fresh + tail
        if len(middle) < _CHUNK_LINES // 2 and high + 1 < len(self._chunks):
            high += 1  # a small chunk joins its neighbour, so that chunks stay few
            middle += self._chunks[high]
        whole = len(middle) <= 2 * _CHUNK_LINES
        pieces = ((middle,) if middle else ()) if whole else _cut(middle)
        lines = Lines.__new__(Lines)
        lines._hold(self._chunks[:low] + pieces + self._chunks[high + 1 :])
        return lines

    def check_integrity(self) -> None:
        """Assert what must hold of every instance; for tests."""
        assert self._len > 0
        assert all(0 < len(chunk) <= 2 * _CHUNK_LINES for chunk in self._chunks)
        ends = list(accumulate(map(len, self._chunks)))
        assert self._starts == [0, *ends[:-1]]
        assert self._len == ends[-1]
        # Of two neighbours one is large, except beside the last.
        sizes = [len(chunk) for chunk in self._chunks[:-1]]
        assert sum(sizes) >= (len(sizes) // 2) * (_CHUNK_LINES // 2)

    def _hold(self, chunks: tuple[tuple[str, ...], ...]) -> None:
        self._chunks = chunks
        self._starts = list(accumulate(map(len, chunks), initial=0))
        self._len = self._starts.pop()

    def _chunk_of(self, line_idx: int) -> int:
        return bisect_right(self._starts, line_idx) - 1

    def _parts(self, first: int, last: int) -> Iterator[tuple[str, ...]]:
        """Give the pieces of chunks that make up `[first, last)`."""
        while first < last:
            chunk_idx = self._chunk_of(first)
            begin = first - self._starts[chunk_idx]
            part = self._chunks[chunk_idx][begin : begin + last - first]
            yield part
            first += len(part)


def split_lines(text: str) -> tuple[str, ...]:
    """Split at LF, CRLF and CR, ends kept; the last line has none and may be empty."""
    if any(boundary in text for boundary in _OTHER_BOUNDARIES):
        lines = io.StringIO(text, newline="").readlines()
    else:
        lines = text.splitlines(keepends=True)  # five times as fast, and splits at more
    if not lines or lines[-1].endswith(("\r", "\n")):
        lines.append("")
    return tuple(lines)


def whole_characters(text: str) -> str:
    """Return `text` with lone surrogates replaced: UTF-8 cannot carry halves of characters."""
    return text if text.isascii() else _HALF_CHARACTER.sub("\ufffd", text)


def width_of(line: str) -> int:
    """Return the code points of a line before its end."""
    if line.endswith("\r\n"):
        return len(line) - 2
    return len(line) - line.endswith(("\r", "\n"))


def _cut(lines: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(lines[idx : idx + _CHUNK_LINES] for idx in range(0, len(lines), _CHUNK_LINES))
