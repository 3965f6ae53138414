"""The longest run of symbols that a completion shares with the training text.

Exact, in bounded memory: windows of a power of two symbols are hashed over the whole text, chunk
by chunk; where a completion has the same window, the run is extended symbol by symbol. A run of
at least ``size`` symbols contains such a window, so the first size, from the largest down, that
finds a run finds the longest one.

    text     ...... [ window of 16 ] e x t e n d e d ......
    made        ... [ window of 16 ] e x t e n d X ...          run of 22

Knows nothing of tokens or characters. Called by ``bench.recite``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.uint16]
Places = NDArray[np.int64]

CHUNK = 4_000_000
"""Windows hashed at a time: some 100 MB."""
FILTER_BITS = 22
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
MIXER = np.uint64(0xD6E8FEB86659FD93)
END = np.uint32(1 << 31)
"""Behind each completion; no symbol."""


@dataclass(frozen=True, slots=True)
class Query:
    """A completion, and its prompt: runs that stand there as well do not count."""

    made: Symbols
    prompt: Symbols


def longest_runs(
    queries: Sequence[Query], text: NDArray[np.uint16] | NDArray[np.uint8], sizes: Sequence[int]
) -> list[int]:
    """Returns each query's longest run of symbols that is in ``text`` and not in its prompt.

    0 where it is shorter than the smallest of ``sizes``, which are powers of two.
    """
    assert all(size & (size - 1) == 0 for size in sizes)
    found = [0] * len(queries)
    for size in sorted(sizes, reverse=True):
        left = [idx for idx, length in enumerate(found) if length == 0]
        if left:
            lengths = runs_of_size([queries[idx] for idx in left], text, size)
            for idx, length in zip(left, lengths, strict=True):
                found[idx] = length
    return found


def runs_of_size(
    queries: Sequence[Query], text: NDArray[np.uint16] | NDArray[np.uint8], size: int
) -> list[int]:
    """Returns the longest runs of at least ``size``, else 0."""
    flat, begins = joined(queries)
    lengths = np.zeros(len(flat), dtype=np.int64)
    for at, places in common_windows(flat, text, size):
        np.maximum.at(lengths, at, extend(flat, text, at, places))
    return [
        longest(query, lengths[begin : begin + len(query.made)], size)
        for query, begin in zip(queries, begins, strict=True)
    ]


def longest(query: Query, lengths: Places, size: int) -> int:
    """Returns the longest run that is not in the prompt; ``lengths`` has one for each start."""
    made, prompt = as_text(query.made), as_text(query.prompt)
    for start in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[start])
        if length < size:
            break
        if made[start : start + length] not in prompt:
            return length
    return 0


def joined(queries: Sequence[Query]) -> tuple[NDArray[np.uint32], list[int]]:
    """Returns all completions in a row, each with an end behind it, and where each begins."""
    parts: list[NDArray[np.uint32]] = []
    begins: list[int] = []
    total = 0
    for query in queries:
        begins.append(total)
        parts.append(np.append(query.made.astype(np.uint32), END))
        total += len(parts[-1])
    return np.concatenate(parts), begins


def common_windows(
    flat: NDArray[np.uint32], text: NDArray[np.uint16] | NDArray[np.uint8], size: int
) -> Iterator[tuple[Places, Places]]:
    """Yields places in ``flat`` and, for each, a place in ``text`` with a window of equal hash."""
    own = window_hashes(flat, size)
    order = np.argsort(own, kind="stable")
    hashes = own[order]
    coarse = np.zeros(1 << FILTER_BITS, dtype=bool)
    coarse[(hashes >> np.uint64(64 - FILTER_BITS)).astype(np.int64)] = True
    for begin in range(0, len(text), CHUNK):
        theirs = window_hashes(text[begin : begin + CHUNK + size - 1], size)
        maybe = np.flatnonzero(coarse[(theirs >> np.uint64(64 - FILTER_BITS)).astype(np.int64)])
        first = np.searchsorted(hashes, theirs[maybe], side="left")
        num = np.searchsorted(hashes, theirs[maybe], side="right") - first
        places = np.repeat(maybe + begin, num)
        within = np.arange(len(places)) - np.repeat(np.cumsum(num) - num, num)
        yield order[np.repeat(first, num) + within], places


def window_hashes(
    symbols: NDArray[np.uint32] | NDArray[np.uint16] | NDArray[np.uint8], size: int
) -> NDArray[np.uint64]:
    """Returns the hash of every window of ``size`` symbols, by doubling."""
    hashes = mixed(symbols.astype(np.uint64) + np.uint64(1))
    width = 1
    while width < size:
        hashes = mixed(hashes[:-width] * MULTIPLIER + hashes[width:])
        width *= 2
    return hashes


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the values with their bits spread."""
    values = (values ^ (values >> np.uint64(31))) * MIXER
    return values ^ (values >> np.uint64(29))


def extend(
    flat: NDArray[np.uint32],
    text: NDArray[np.uint16] | NDArray[np.uint8],
    at: Places,
    places: Places,
) -> Places:
    """Returns for each pair of places how many symbols are equal from there on."""
    lengths = np.zeros(len(at), dtype=np.int64)
    alive = np.arange(len(at))
    step = 0
    while len(alive):
        alive = alive[places[alive] + step < len(text)]
        alive = alive[flat[at[alive] + step] == text[places[alive] + step]]
        step += 1
        lengths[alive] = step
    return lengths


def as_text(symbols: Symbols) -> str:
    """Returns the symbols as a string, of which Python finds substrings fast."""
    return "".join(map(chr, symbols.tolist()))
