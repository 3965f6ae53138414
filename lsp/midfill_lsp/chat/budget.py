"""What of a conversation fits a model's context. Pure.

Tokens are estimated from characters, on the safe side; a backend that refuses all the same is
asked again with half (`halved`).

    context_tokens = answer | frame | system, question, passages | older turns, the latest first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from midfill_lsp.backend.base import ChatMessage
from midfill_lsp.chat.passage import Passage
from midfill_lsp.errors import PromptTooLong

CHARS_PER_TOKEN: Final = 3
"""Source code has three to four, fewer in some languages: so the lower."""
_DEFAULT_CONTEXT: Final = 4096
"""Where a server does not tell; the smallest of the announced models have it."""
_FRAME_TOKENS: Final = 64
"""What a chat's format writes around the messages."""
_PASSAGES_SHARE: Final = 0.7
"""Of what the question leaves; the rest is for older turns."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be asked and answered.

    Attributes:
        prompt_chars: of everything that is sent.
        answer_tokens: of the answer.
    """

    prompt_chars: int
    answer_tokens: int

    def halved(self, num_sent: int) -> Budget:
        """Return half as much to send as the characters that were too many."""
        return replace(self, prompt_chars=min(self.prompt_chars, num_sent) // 2)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is sent.

    Attributes:
        passages: cut where they had to be.
        turns: the latest of the earlier turns.
        num_left_out: earlier messages that did not fit.
    """

    passages: tuple[Passage, ...]
    turns: tuple[ChatMessage, ...]
    num_left_out: int


def budget_of(context_tokens: int | None, answer_tokens: int) -> Budget:
    """Return the budget of a model; an answer gets at most a third of its context."""
    context = context_tokens or _DEFAULT_CONTEXT
    answer = max(1, min(answer_tokens, context // 3))
    return Budget(max(0, context - answer - _FRAME_TOKENS) * CHARS_PER_TOKEN, answer)


def length_of(messages: Sequence[ChatMessage]) -> int:
    """Return the characters of some messages."""
    return sum(len(message.content) for message in messages)


def fit(
    budget: Budget, needed: str, passages: Sequence[Passage], turns: Sequence[ChatMessage]
) -> Fitted:
    """Return what fits: passages first, then the earlier turns, the oldest left out first.

    Args:
        budget: of everything.
        needed: what has to be sent: the system's text and the question.
        passages: share the most of what is left evenly.
        turns: earlier ones; what is kept begins with a question.

    Raises:
        PromptTooLong: not even the question fits.
    """
    left = budget.prompt_chars - len(needed)
    if left < 0:
        raise PromptTooLong(
            f"the question has {len(needed)} characters and the model takes about "
            f"{budget.prompt_chars}: ask for less, or choose a model with a longer context"
        )
    cut: list[Passage] = []
    share = left if not turns else int(left * _PASSAGES_SHARE)
    for idx, passage in enumerate(passages):
        room = max(1, share // (len(passages) - idx))
        cut.append(passage.fitted(room))
        share -= len(cut[-1].text)
        left -= len(cut[-1].text)
    kept = _latest(turns, left)
    return Fitted(tuple(cut), kept, len(turns) - len(kept))


def _latest(turns: Sequence[ChatMessage], num_chars: int) -> tuple[ChatMessage, ...]:
    """Return the latest turns that fit, from a question on."""
    start = len(turns)
    for idx in range(len(turns) - 1, -1, -1):
        num_chars -= len(turns[idx].content)
        if num_chars < 0:
            break
        if turns[idx].role == "user":
            start = idx
    return tuple(turns[start:])
