"""Token healing: the cursor often stands inside a token, and the model must not be held to that.

The last tokens before the generated part are taken back from the prompt, and the answer begins
with their text again, in whichever tokens the model likes best; that text is no part of the reply.

    text       return self.na|          (| is the cursor)
    prompt     return self              tokens [0, n - k)
    answer     .name                    must begin with ".na"; the reply begins with "me"

The choice of the next token is restricted to `PieceIndex.allowed` until the text is repeated.
Works on bytes, so that byte fallback and byte-level vocabularies are alike. Source of the idea:
the token healing of microsoft/guidance. Called by `fim` (what to take back) and by `runtime` (what
may come next); knows no prompts and no tensors.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from midfill_engine.text.tokenizer import Tokenizer

MAX_TOKENS = 3
"""Most tokens that are taken back. Exact match of the bundled model's version 0 on 500 held-out
lines, suffix first: none 19.4 %, 1 26.6 %, 2 29.0 %, 3 29.6 %, 4 29.6 %."""
MAX_BYTES = 16
"""Longest text that is taken back. Repeating it takes at most as many tokens, one per byte."""


class PieceIndex:
    """The bytes of a vocabulary's pieces in order; control tokens are not among them.

    Built at first use (see `ready`); two threads may build it twice, to the same result.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        """Index `tokenizer`'s pieces with ids below `vocab_size`, the rows of the embedding."""
        self._tokenizer = tokenizer
        self._vocab_size = min(vocab_size, tokenizer.vocab_size)

    @property
    def vocab_size(self) -> int:
        """The ids of all pieces are below it."""
        return self._vocab_size

    @property
    def ready(self) -> bool:
        """Whether the index is built: 6 ms for the bundled model, 0.5 s at 170,000 pieces."""
        return "_table" in self.__dict__

    def take_back(self, ids: Sequence[int]) -> int:
        """How many of the last ids to take back, 0 where none of them could have become another.

        The longest end of at most MAX_TOKENS tokens and MAX_BYTES bytes that some piece goes on
        from: only then can a token reach over the cursor. Never a line end: what follows it is not
        part of it, and never a control token or a part of a character.
        """
        text, best = b"", 0
        for count, token_id in enumerate(reversed(ids[-MAX_TOKENS:]), start=1):
            piece = self._tokenizer.token_bytes(token_id)
            text = piece + text
            if not piece or len(text) > MAX_BYTES or b"\n" in piece or b"\r" in piece:
                break
            if self._extends(text) and _is_whole(text):
                best = count
        return best

    def allowed(self, text: bytes) -> Sequence[int]:
        """The ids that may come next while `text`, not empty, has yet to be repeated.

        Those whose piece begins with `text`, and those whose piece is a beginning of it after
        which other pieces can complete the rest. Unordered; never empty if `text` is what tokens
        of this vocabulary spell. A few binary searches: 5 to 60 µs at 170,000 pieces.
        """
        ids = self._table.ids
        found = ids[slice(*self._beginning_with(text))]
        completable = self._completable(text)
        for length in range(1, len(text)):
            if completable[length]:
                found += ids[slice(*self._equal_to(text[:length]))]
        return found

    def _completable(self, text: bytes) -> list[bool]:
        """For each offset, whether the text from there on can be repeated."""
        size = len(text)
        result = [False] * size
        for start in reversed(range(size)):
            first, end = self._beginning_with(text[start:])
            result[start] = first < end or any(
                result[stop] and self._is_piece(text[start:stop]) for stop in range(start + 1, size)
            )
        return result

    def _extends(self, text: bytes) -> bool:
        """Whether some piece begins with `text` and goes on."""
        return self._equal_to(text)[1] < self._beginning_with(text)[1]

    def _is_piece(self, text: bytes) -> bool:
        first, end = self._equal_to(text)
        return first < end

    def _equal_to(self, text: bytes) -> tuple[int, int]:
        """Places [first, end) of the pieces that are `text`."""
        texts = self._table.texts
        first = bisect_left(texts, text)
        return first, bisect_right(texts, text, lo=first)

    def _beginning_with(self, text: bytes) -> tuple[int, int]:
        """Places [first, end) of the pieces that begin with `text`."""
        texts = self._table.texts
        first = bisect_left(texts, text)
        return first, bisect_right(texts, text, lo=first, key=lambda piece: piece[: len(text)])

    @cached_property
    def _table(self) -> _Table:
        tokenizer = self._tokenizer
        if tokenizer.kind == "other":  # its tokens are no bytes: nothing is ever taken back
            return _Table([], array("q"))
        pairs = sorted(
            (piece, token_id)
            for token_id in range(self._vocab_size)
            if (piece := tokenizer.token_bytes(token_id))
        )
        return _Table([piece for piece, _ in pairs], array("q", (idx for _, idx in pairs)))


def _is_whole(text: bytes) -> bool:
    """Whether it holds whole characters only."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Table:
    """`ids[i]` is spelled `texts[i]`; texts ascend."""

    texts: list[bytes]
    ids: array[int]


@dataclass(frozen=True, slots=True)
class Healing:
    """What was taken back from a prompt.

    Attributes:
        text: its bytes, at most MAX_BYTES; the answer begins with them, the reply without them.
        pieces: the vocabulary that the answer is written in.
        ids: the tokens that it was, which the answer may well repeat.
    """

    text: bytes
    pieces: PieceIndex = field(repr=False, compare=False)
    ids: tuple[int, ...] = ()


@dataclass(slots=True)
class HealingState:
    """How much of a healing's text one sequence has yet to repeat.

    Attributes:
        left: the rest of the text; empty once any token may come.
        num_repeated: tokens that only repeated text: they are no part of the answer.
    """

    healing: Healing | None
    left: bytes = field(init=False)
    num_repeated: int = 0

    def __post_init__(self) -> None:
        """Begin with all of it."""
        self.left = b"" if self.healing is None else self.healing.text

    def allowed(self) -> Sequence[int] | None:
        """The ids that may come next; None: any."""
        if self.healing is None or not self.left:
            return None
        return self.healing.pieces.allowed(self.left)

    def accept(self, piece: bytes) -> bool:
        """Take an allowed token's bytes in; returns whether it only repeats text."""
        if not self.left:
            return False
        assert piece.startswith(self.left) or self.left.startswith(piece), "not an allowed token"
        repeats = len(piece) <= len(self.left)
        self.left = self.left[len(piece) :]
        self.num_repeated += repeats
        return repeats
