"""Whether a completion is asked for at all. Pure. Called by `completer`.

`switched_off` holds for everybody, the others for automatic requests only. `unwanted` says that
nothing may appear now; `out_of_place` that nothing new is asked for at this place, though what was
suggested before may still be typed through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.config import CompletionConfig
from midfill_lsp.trim import leaves_room

SkipName = Literal["selection", "undo", "midWord", "beforeText", "afterBracket"]

_CLOSING_BRACKETS = frozenset(")]}")
_QUOTES = frozenset("\"'`")
_MAY_FOLLOW = frozenset(")]};,:>")  # closers, and what stands behind what an editor closed


@dataclass(frozen=True, slots=True)
class Skip:
    """Why nothing is asked.

    Attributes:
        name: for programs.
        why: for people.
    """

    name: SkipName
    why: str


def switched_off(request: CompletionRequest, config: CompletionConfig) -> str | None:
    """Return which setting keeps everybody from asking here, None if none does."""
    if not config.enabled:
        return "completion.enabled is false"
    if request.snapshot.language_id in config.disabled_languages:
        return f"completion.disabledLanguages holds {request.snapshot.language_id}"
    return None


def unwanted(request: CompletionRequest, is_undone: bool) -> Skip | None:
    """Return why an automatic request gets nothing at all, None if it may.

    Args:
        request: where.
        is_undone: the latest change brought an earlier text back.
    """
    if request.explicit:
        return None
    if request.has_selection:
        return Skip("selection", "text is selected")
    if is_undone:
        return Skip("undo", "an undo or redo brought this text back")
    return None


def out_of_place(request: CompletionRequest) -> Skip | None:
    """Return why an automatic request asks for nothing new at this place, None if it may."""
    if request.explicit:
        return None
    line = request.snapshot.lines[request.line_idx].rstrip("\r\n")
    head, rest = line[: request.column], line[request.column :]
    left, right = head[-1:], rest[:1]
    if _in_word(left) and _in_word(right):
        return Skip("midWord", "the cursor is inside a word")
    if right and not _leaves_room(head, right, request.snapshot.language_id):
        return Skip("beforeText", "the cursor is right before text")
    if left in _CLOSING_BRACKETS:
        return Skip("afterBracket", "the cursor is right behind a closing bracket")
    return None


def _leaves_room(head: str, right: str, language_id: str) -> bool:
    """Whether the character right of the cursor may have a suggestion before it."""
    if right in _QUOTES:  # one that closes the string that the cursor is in
        return leaves_room(head, right, language_id)
    return right.isspace() or right in _MAY_FOLLOW


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
