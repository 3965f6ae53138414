"""What an edit asks the model: the piece, the file around it, the instruction. Pure.

Called by `edit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from midfill_lsp.backend.base import ChatMessage
from midfill_lsp.chat.passage import Passage, fence_for
from midfill_lsp.chat.replacement import Shape

_SYSTEM: Final = (
    "You edit code. You get a piece of a file and an instruction. Reply with the whole piece as it "
    "has to be afterwards, in one code block and with nothing else: no explanation, and nothing of "
    "the file around it. Change only what the instruction asks for."
)


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What is to be changed.

    Attributes:
        instruction: in the user's words, as it may be sent.
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


def messages_of(request: EditRequest, num_around: int) -> tuple[ChatMessage, ...]:
    """Return the question, with up to so many characters of the file on each side of the piece."""
    piece, language = request.selected.text, request.selected.language_id
    before = _last_lines(request.before, num_around)
    behind = _first_lines(request.behind, num_around)
    mark = fence_for(piece + before + behind)
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
    return ChatMessage("system", _SYSTEM), ChatMessage("user", "\n\n".join(parts))


def _last_lines(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    return text[text.find("\n", len(text) - max_chars) + 1 :] if max_chars else ""


def _first_lines(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    return text[: text.rfind("\n", 0, max_chars) + 1]
