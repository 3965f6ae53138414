"""Which pieces go along: the best that fit, and the same from key to key. Pure.

What stands before the prefix in a prompt costs all of the prompt when it changes. So the choice of
a document stays frozen, order and texts included, until the cursor has moved far, or until another
choice would be better by a large factor. Called by `ranking`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from midfill_lsp.context.score import Scored
from midfill_lsp.context.snippet import Query, Snippet

MAX_SNIPPETS: Final = 8
_MAX_PER_FILE = 3
_SAME_SHARE = 0.6
"""A piece with more of its lines around the cursor, or in a better piece, tells nothing new."""
_MIN_SHARE = 0.2
"""Of the best piece's score; what is below is noise."""
_FAR_LINES = 40
_GAIN_NEAR, _GAIN_FAR = 2.0, 1.2
"""How much better another choice must be; docs/log.md, 2026-11-26, has the shares reused."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Pieces for one document, the most important last, and where they were chosen."""

    snippets: tuple[Snippet, ...]
    line_idx: int


def best(ranked: Sequence[Scored], query: Query, budget_tokens: int) -> tuple[Snippet, ...]:
    """Return the best pieces that fit the budget, the best last.

    Args:
        ranked: the best first.
        query: what stands around the cursor.
        budget_tokens: of all together.
    """
    chosen: list[Snippet] = []
    seen: list[frozenset[str]] = [query.lines]
    left, least = budget_tokens, 0.0
    for scored in ranked:
        snippet = scored.snippet
        if len(chosen) == MAX_SNIPPETS or scored.score < least:
            break
        if snippet.tokens > left or _is_known(snippet, seen):
            continue
        if sum(other.uri == snippet.uri for other in chosen) == _MAX_PER_FILE:
            continue
        least = least or _MIN_SHARE * scored.score
        chosen.append(snippet)
        seen.append(snippet.lines)
        left -= snippet.tokens
    return tuple(reversed(chosen))


def _is_known(snippet: Snippet, seen: Sequence[frozenset[str]]) -> bool:
    lines = snippet.lines
    return not lines or any(len(lines & others) > _SAME_SHARE * len(lines) for others in seen)


def hold(
    query: Query, fresh: Sequence[Snippet], ranked: Sequence[Scored], held: Choice | None
) -> Choice:
    """Return what goes along: the choice so far, or `fresh` from now on.

    Args:
        query: what stands around the cursor.
        fresh: what would be chosen now.
        ranked: the scores of now.
        held: the choice so far.
    """
    if held is None or _is_better(query, fresh, held, ranked):
        return Choice(tuple(fresh), query.line_idx)
    return held


def _is_better(
    query: Query, fresh: Sequence[Snippet], held: Choice, ranked: Sequence[Scored]
) -> bool:
    scores = {_key(each.snippet): each.score for each in ranked}
    is_far = abs(query.line_idx - held.line_idx) > _FAR_LINES
    old = sum(scores.get(_key(snippet), 0.0) for snippet in held.snippets)
    new = sum(scores.get(_key(snippet), 0.0) for snippet in fresh)
    return new > (_GAIN_FAR if is_far else _GAIN_NEAR) * old


def _key(snippet: Snippet) -> tuple[str, str, int]:
    return snippet.source, snippet.uri, snippet.first_line
