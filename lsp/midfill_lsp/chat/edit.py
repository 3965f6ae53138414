"""An instruction over a range of a document, as the text that takes the range's place.

What comes is checked and laid out by `replacement`. While the model writes, the document may move
on: `moved` tells where the range is after each change, or that the edit is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from midfill_lsp.backend.base import Backend, ChatMessage
from midfill_lsp.chat.budget import CHARS_PER_TOKEN, Budget, budget_of, length_of
from midfill_lsp.chat.instruction import EditRequest, messages_of
from midfill_lsp.chat.replacement import NoCode, Shape, code_of, lay_out
from midfill_lsp.chat.talk import ask, context_of
from midfill_lsp.errors import PromptTooLong

_ANSWER_TOKENS: Final = 2048
_MOST_AROUND_CHARS: Final = 2_000
"""Of the file before the piece, and behind it."""
_LEFT_OUT: Final = "the file around the selection did not fit and was left out"


@dataclass(frozen=True, slots=True)
class Edited:
    """What takes the piece's place.

    Attributes:
        text: as it is written into the document.
        notes: what was left out on the way, a sentence each.
    """

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A part of a text, `[start, end)`, in whose place so many code points came."""

    start: int
    end: int
    length: int


async def edit(
    backend: Backend, request: EditRequest, on_text: Callable[[str], None] | None = None
) -> Edited:
    """Return the new text. Cancelling aborts it.

    Args:
        backend: who writes it.
        request: what is to be changed.
        on_text: gets the new text so far, whole lines, each time it has grown.

    Raises:
        BackendError: no answer could be had; `CannotDo` where the model does not chat.
        NoCode: the answer cannot be used, or the piece holds a secret, which is not sent.
    """
    if request.selected.num_secrets:
        raise NoCode(
            "the selection holds what looks like a secret, which is not sent: a mask would be "
            "written in its place; select less"
        )
    budget = budget_of(await context_of(backend), _ANSWER_TOKENS)
    bare_len = _check_length(request, budget)

    def write(budget: Budget) -> tuple[int, tuple[ChatMessage, ...]]:
        num_around = min(_MOST_AROUND_CHARS, max(0, budget.prompt_chars - bare_len) // 3)
        return num_around, messages_of(request, num_around)

    preview = _Preview(request.shape, on_text)
    num_around, answer, end = await ask(backend, budget, write, preview.feed if on_text else None)
    if end.reason == "limit":
        raise NoCode("the answer broke off at its longest length: select less")
    code = code_of(answer)
    assert code is not None, "the answer has ended"
    is_bare = not num_around and bool((request.before + request.behind).strip())
    return Edited(lay_out(code, request.shape), (_LEFT_OUT,) if is_bare else ())


def _check_length(request: EditRequest, budget: Budget) -> int:
    """Return the characters that have to be sent.

    Raises:
        PromptTooLong: they are too many, or the new piece would be.
    """
    piece_len, bare_len = len(request.selected.text), length_of(messages_of(request, 0))
    most_written = budget.answer_tokens * CHARS_PER_TOKEN
    if piece_len > most_written or bare_len > budget.prompt_chars:
        raise PromptTooLong(
            f"the selection has {piece_len} characters; the model writes about {most_written} and "
            f"reads, with the instruction, about {budget.prompt_chars}: select less"
        )
    return bare_len


class _Preview:
    """Tells the new text so far, only ever extended."""

    def __init__(self, shape: Shape, on_text: Callable[[str], None] | None) -> None:
        self._shape = shape
        self._on_text = on_text
        self._told = ""

    def feed(self, answer: str) -> None:
        code = code_of(answer, finished=False)
        text = lay_out(code, self._shape) if code else ""
        if self._on_text and len(text) > len(self._told) and text.startswith(self._told):
            self._told = text
            self._on_text(text)


def difference(old: str, new: str) -> Change:
    """Return the one change that makes a text of another.

    >>> difference("one two", "one or two")
    Change(start=4, end=4, length=3)
    """
    head = _num_common(old, new)
    left = min(len(old), len(new)) - head
    tail = _num_common(old, new, from_end=True, most=left)
    return Change(head, len(old) - tail, len(new) - tail - head)


def moved(start: int, end: int, change: Change) -> tuple[int, int] | None:
    """Return where the range `[start, end)` of a text is after a change, None if that was in it.

    >>> moved(1, 2, difference("ab", "xab"))
    (2, 3)
    """
    if change.start >= end:
        return start, end
    if change.end <= start:
        shift = change.length - (change.end - change.start)
        return start + shift, end + shift
    return None


def _num_common(one: str, other: str, from_end: bool = False, most: int | None = None) -> int:
    """Return how many characters two texts begin, or end, with in common."""
    low, high = 0, min(len(one), len(other)) if most is None else most
    while low < high:  # `[0, low)` is common
        middle = (low + high + 1) // 2
        if from_end:
            same = (
                one[len(one) - middle : len(one) - low]
                == (other[len(other) - middle : len(other) - low])
            )
        else:
            same = one[low:middle] == other[low:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low
