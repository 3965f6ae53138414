"""Suggestions kept for typing through. Pure: knows no editor, engine or document.

A suggestion was made between a prefix (ending at its anchor) and a suffix. It answers any later
cursor that lies inside it: the same prefix, then text that the suggestion starts with, then the
same suffix. So typing along, and going back to an earlier point, are answered without I/O, and so
is a bracket or quote that the editor closed by itself (`foo(` becomes `foo(|)`). `complete` calls.

Entries are found by a short head of the suffix, then a short tail of the prefix, one dictionary
look-up per typed character, and compared in full before they are used.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_TAIL_CHARS = 48
_HEAD_CHARS = 48
_MAX_AUTO_CLOSED = 3
_CLOSES = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}

_Place = tuple[str, str]  # document, and head of the suffix


@dataclass(frozen=True, slots=True)
class Entry:
    """A suggestion and where it belongs.

    Attributes:
        document: the document's name; entries of one never answer for another.
        prefix: text before the anchor, LF line ends, cut to any length.
        suffix: text behind the anchor, the same.
        text: what stands between them; not empty.
        replaces_rest: the text also holds what stood behind the cursor on its line.
    """

    document: str
    prefix: str
    suffix: str
    text: str
    replaces_rest: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """What is left of an earlier suggestion.

    Attributes:
        text: what to insert at the cursor; not empty.
        replaces_rest: it takes the place of the rest of the cursor's line.
        num_typed: code points of the suggestion that stand in the document already.
    """

    text: str
    replaces_rest: bool
    num_typed: int


class SuggestionCache:
    """A bounded map of suggestions; the one unused for longest goes first.

    Not safe to share between threads.
    """

    def __init__(self, num_entries: int) -> None:
        """Keep at most `num_entries` suggestions."""
        assert num_entries > 0
        self._num_entries = num_entries
        self._entries: OrderedDict[Entry, None] = OrderedDict()
        self._index: dict[_Place, dict[str, list[Entry]]] = {}  # then by the prefix's tail

    def __len__(self) -> int:
        """Return how many suggestions are kept."""
        return len(self._entries)

    def store(self, entry: Entry, beside: bool = False) -> None:
        """Keep a suggestion.

        Args:
            entry: the suggestion. It takes the place of all that were made at the same place.
            beside: it stands beside those instead, and answers only where they do not.
        """
        assert entry.text
        place, tail = _key(entry)
        for other in list(self._index.get(place, {}).get(tail, [])):
            is_there = (other.prefix, other.suffix) == (entry.prefix, entry.suffix)
            if is_there and (not beside or other == entry):
                self._drop(other)
        while len(self._entries) >= self._num_entries:
            self._drop(next(iter(self._entries)))
        self._entries[entry] = None
        self._index.setdefault(place, {}).setdefault(tail, []).append(entry)

    def match(self, document: str, prefix: str, suffix: str) -> Hit | None:
        """Return what an earlier suggestion has to say at this cursor.

        Of several, the one with the most typed through wins, as the user follows that one.
        """
        best: tuple[int, Entry, Hit] | None = None
        for num_closed in range(_num_closers(suffix) + 1):
            found = self._match_behind(document, prefix, suffix, num_closed)
            if found and (best is None or found[0] > best[0]):
                best = found
        if best is None:
            return None
        self._entries.move_to_end(best[1])
        return best[2]

    def latest(self, document: str) -> str:
        """Return the text that was stored or matched last for a document, empty for none."""
        newest_first = reversed(self._entries)
        return next((entry.text for entry in newest_first if entry.document == document), "")

    def check_integrity(self) -> None:
        """Assert what must hold between calls; for tests."""
        assert len(self._entries) <= self._num_entries
        buckets = [bucket for tails in self._index.values() for bucket in tails.values()]
        indexed = [entry for bucket in buckets for entry in bucket]
        assert len(indexed) == len(self._entries)
        assert set(indexed) == set(self._entries)
        assert all(buckets), "an empty bucket was left"
        assert all(self._index.values()), "an empty place was left"

    def _match_behind(
        self, document: str, prefix: str, suffix: str, num_closed: int
    ) -> tuple[int, Entry, Hit] | None:
        """Match with the first `num_closed` characters of the suffix taken as auto-closed."""
        behind = suffix[num_closed:]
        tails = self._index.get((document, behind[:_HEAD_CHARS]))
        if not tails:
            return None
        longest = max(len(entry.text) for bucket in tails.values() for entry in bucket)
        for num_typed in range(min(longest, len(prefix)), -1, -1):
            anchor = len(prefix) - num_typed
            for entry in tails.get(prefix[max(0, anchor - _TAIL_CHARS) : anchor], ()):
                hit = _follow(entry, prefix, anchor, behind, suffix[:num_closed])
                if hit:
                    return num_typed, entry, hit
        return None

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry]
        place, tail = _key(entry)
        tails = self._index[place]
        tails[tail].remove(entry)
        if not tails[tail]:
            del tails[tail]
        if not tails:
            del self._index[place]


def remainder(entry: Entry, typed: str, closed: str, line_rest: str) -> Hit | None:
    """Return what is left of a suggestion behind what was typed of it, None for nothing.

    Args:
        entry: the suggestion.
        typed: what stands at its anchor now, up to the cursor.
        closed: closers between the cursor and the entry's suffix.
        line_rest: the rest of the line behind them, without its end.
    """
    if len(typed) >= len(entry.text) or not entry.text.startswith(typed):
        return None
    rest = entry.text[len(typed) :]
    if not rest.strip():
        return None
    if not closed:
        return Hit(rest, entry.replaces_rest, len(typed))
    if "\n" in typed or not _auto_closed(typed, closed) or not _holds(rest, closed):
        return None
    if entry.replaces_rest:
        return Hit(rest, True, len(typed))
    if rest == closed or (line_rest and "\n" in rest):
        return None
    return Hit(rest + line_rest, True, len(typed))


def _follow(entry: Entry, prefix: str, anchor: int, behind: str, closed: str) -> Hit | None:
    """Return the rest of the entry if the document went its way so far."""
    typed = prefix[anchor:]
    if not entry.text.startswith(typed):
        return None
    if not _same_tail(entry.prefix, prefix[:anchor]) or not _same_head(entry.suffix, behind):
        return None
    return remainder(entry, typed, closed, behind.split("\n", 1)[0])


def _holds(text: str, parts: str) -> bool:
    """Whether the characters of `parts` stand in `text` in this order."""
    remaining = iter(text)
    return all(part in remaining for part in parts)


def _auto_closed(typed: str, closed: str) -> bool:
    """Whether `closed` is what an editor adds behind the openers left open in `typed`."""
    open_closers: list[str] = []
    for char in typed:
        if open_closers and char == open_closers[-1]:
            open_closers.pop()
        elif char in _CLOSES:
            open_closers.append(_CLOSES[char])
    return "".join(reversed(open_closers)).startswith(closed)


def _num_closers(suffix: str) -> int:
    count = 0
    while count < min(_MAX_AUTO_CLOSED, len(suffix)) and suffix[count] in _CLOSES.values():
        count += 1
    return count


def _key(entry: Entry) -> tuple[_Place, str]:
    return (entry.document, entry.suffix[:_HEAD_CHARS]), entry.prefix[-_TAIL_CHARS:]


def _same_tail(one: str, other: str) -> bool:
    """Whether two windows that end at the same place agree; the window's start may have moved."""
    return one.endswith(other) or other.endswith(one)


def _same_head(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
