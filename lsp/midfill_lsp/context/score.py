"""How much a piece of code has to do with what stands around the cursor. Pure.

The measure is BM25's without its lengths, since all pieces are about as long: the words that both
hold, each by how rare it is among all pieces, and by how near it stands to the cursor. Called by
`choose`.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from midfill_lsp.context.snippet import Query, Snippet, line_set
from midfill_lsp.context.terms import words

_LINES_ABOVE = 24
_LINES_BELOW = 8
_FAR_WEIGHT = 0.25
_MAX_WORDS = 64


def query_of(uri: str, line_idx: int, prefix: str, suffix: str) -> Query:
    """Return what the text around the cursor asks for."""
    weights: dict[str, float] = {}
    above = prefix.split("\n")[-_LINES_ABOVE:]
    below = suffix.split("\n")[:_LINES_BELOW]
    for distance, line in enumerate(reversed(above)):
        _add(weights, line, 1 - (1 - _FAR_WEIGHT) * distance / _LINES_ABOVE)
    for distance, line in enumerate(below):
        _add(weights, line, 0.75 * (1 - distance / _LINES_BELOW) + _FAR_WEIGHT)
    heaviest = sorted(weights, key=lambda word: -weights[word])[:_MAX_WORDS]
    kept = {word: weights[word] for word in heaviest}
    return Query(uri, line_idx, kept, line_set(f"{prefix}\n{suffix}"))


def _add(weights: dict[str, float], line: str, weight: float) -> None:
    for word in words(line):
        weights[word] = max(weights.get(word, 0.0), weight)


@dataclass(frozen=True, slots=True)
class Pool:
    """The pieces of one file, and which of them hold a word."""

    snippets: tuple[Snippet, ...]
    holders: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, snippets: Sequence[Snippet]) -> Pool:
        """Return the pool of these pieces."""
        holders: dict[str, list[int]] = {}
        for idx, snippet in enumerate(snippets):
            for term in snippet.terms:
                holders.setdefault(sys.intern(term), []).append(idx)
        return cls(tuple(snippets), {term: tuple(found) for term, found in holders.items()})


@dataclass(frozen=True, slots=True)
class Scored:
    """A piece and how well it answers a query."""

    snippet: Snippet
    score: float


def rank(pools: Iterable[Pool], query: Query) -> list[Scored]:
    """Return the pieces that share a word with the query, the best first."""
    hits: list[tuple[Pool, str, tuple[int, ...]]] = []
    num_with: Counter[str] = Counter()
    num_pieces = 0
    for pool in pools:
        num_pieces += len(pool.snippets)
        for word in query.weights.keys() & pool.holders.keys():
            found = pool.holders[word]
            num_with[word] += len(found)
            hits.append((pool, word, found))
    totals: dict[tuple[int, int], float] = {}
    pieces: dict[tuple[int, int], Snippet] = {}
    for pool, word, found in hits:
        num = num_with[word]
        weight = query.weights[word] * math.log(1 + (num_pieces - num + 0.5) / (num + 0.5))
        for idx in found:
            key = (id(pool), idx)
            totals[key] = totals.get(key, 0.0) + weight
            pieces[key] = pool.snippets[idx]
    scored = [Scored(pieces[key], total * pieces[key].boost) for key, total in totals.items()]
    # Equal scores stand in an order that does not hang on where objects lie in memory.
    scored.sort(key=lambda each: (-each.score, each.snippet.uri, each.snippet.first_line))
    return scored
