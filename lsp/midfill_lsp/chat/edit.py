"""An instruction over a range of a document, as the text that takes the range's place.

What comes is checked and laid out by `replacement`. While the model writes, the document may move
on: `moved` tells where the range is then, or that the edit is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from midfill_lsp.backend.base import Backend, ChatMessage
from midfill_lsp.chat.budget import Budget, Fitted, budget_of, fit
from midfill_lsp.chat.passage import Passage, fence_for
from midfill_lsp.chat.replacement import NoCode, Shape, code_of, lay_out
from midfill_lsp.chat.talk import ask, context_of
from midfill_lsp.errors import PromptTooLong

_SYSTEM: Final = (
    "You edit code. You get a piece of a file and an instruction. Reply with the whole piece as it "
    "has to be afterwards, in one code block and with nothing else: no explanation, and nothing of "
    "the file around it. Change only what the instruction asks for."
)
_ANSWER_TOKENS: Final = 2048
_MOST_AROUND_CHARS: Final = 2_000
"""Of the file before the piece, and behind it."""


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What is to be changed.

    Attributes:
        instruction: in the user's words.
        selected: the piece, as it may be sent; empty where something is to be put in.
        before: of the file before it, as it may be sent.
        behind: of the file behind it, as it may be sent.
        shape: how the piece is laid out.
    """

    instruction: str
    selected: Passage
    before: str
    behind: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Edited:
    """What takes the piece's place.

    Attributes:
        text: as it is written into the document.
        notes: what was left out on the way, a sentence each.
    """

    text: str
    notes: tuple[str, ...]


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

    def write(budget: Budget) -> tuple[Fitted, tuple[ChatMessage, ...]]:
        return _written(request, budget)

    preview = _Preview(request.shape, on_text)
    fitted, answer, end = await ask(backend, budget, write, preview.feed if on_text else None)
    if end.reason == "limit":
        raise NoCode("the answer broke off at its longest length: select less")
    code = code_of(answer)
    assert code is not None, "the answer has ended"
    notes = [note for passage in fitted.passages for note in passage.notes()]
    return Edited(lay_out(code, request.shape), tuple(notes))


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


def _written(request: EditRequest, budget: Budget) -> tuple[Fitted, tuple[ChatMessage, ...]]:
    """Return the question, with as much of the file around the piece as fits.

    Raises:
        PromptTooLong: not even the piece fits.
    """
    piece = request.selected.text
    around = max(0, budget.prompt_chars - len(_SYSTEM) - len(request.instruction) - len(piece))
    around = min(_MOST_AROUND_CHARS, around // 3)
    before = _last_lines(request.before, around)
    behind = _first_lines(request.behind, around)
    mark = fence_for(piece + before + behind)
    language = request.selected.language_id
    parts: list[str] = []
    if before.strip() or behind.strip():
        parts.append(
            f"`{request.selected.name}` around the piece, to be left as it is:\n\n"
            f"{mark}{language}\n{before}[the piece]{behind}\n{mark}"
        )
    if piece.strip():
        parts.append(f"The piece:\n\n{mark}{language}\n{piece.rstrip(chr(10))}\n{mark}")
    else:
        parts.append("The piece is empty: write what has to be put in its place.")
    parts.append(f"The instruction: {request.instruction}")
    asked = "\n\n".join(parts)
    if len(piece) > budget.answer_tokens * 3:
        raise PromptTooLong(
            f"the selection has {len(piece)} characters, and the model writes about "
            f"{budget.answer_tokens * 3}: select less"
        )
    fitted = fit(budget, _SYSTEM + asked, (), ())
    return fitted, (ChatMessage("system", _SYSTEM), ChatMessage("user", asked))


def moved(old: str, new: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where the range `[start, end)` of a text is in a later one.

    Returns:
        Its offsets; None if the text changed inside of it, or so that it cannot be told.

    >>> moved("ab", "xab", 1, 2)
    (2, 3)
    """
    head = _num_common(old, new)
    if head >= end:
        return start, end
    left = min(len(old), len(new)) - head
    tail = _num_common(old, new, from_end=True, most=left)
    if len(old) - tail <= start:
        shift = len(new) - len(old)
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


def _last_lines(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    return text[text.find("\n", len(text) - max_chars) + 1 :] if max_chars else ""


def _first_lines(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    return text[: text.rfind("\n", 0, max_chars) + 1]
