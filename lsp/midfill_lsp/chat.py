"""The chat use case: a conversation that grows, streams its answers and can be stopped.

Knows no protocol library and no HTTP. Called by `midfill chat`, and by `server` later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from midfill_lsp.backend.base import Backend, ChatMessage, StreamEnd

_MAX_ANSWER_TOKENS = 512
# About 3,000 tokens: fits a context of 4,096 with room for the answer.
_MAX_HISTORY_CHARS = 9_000


class Conversation:
    """The turns so far; one question at a time."""

    def __init__(
        self,
        backend: Backend,
        system: str | None = None,
        max_tokens: int = _MAX_ANSWER_TOKENS,
        max_history_chars: int = _MAX_HISTORY_CHARS,
    ) -> None:
        """Start empty.

        Args:
            backend: who answers.
            system: what stands before the first turn, and is never forgotten.
            max_tokens: upper bound on one answer.
            max_history_chars: older turns than fit are not sent any more.
        """
        self._backend = backend
        self._system = (ChatMessage("system", system),) if system else ()
        self._max_tokens = max_tokens
        self._max_history_chars = max_history_chars
        self._turns: tuple[ChatMessage, ...] = ()

    @property
    def turns(self) -> tuple[ChatMessage, ...]:
        """Questions and answers so far, without the system's text."""
        return self._turns

    async def ask(self, question: str) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer as deltas, then its end.

        Closing the generator stops the answer; what was said until then stays in the
        conversation, since the user has read it. A question that got no answer does not.

        Raises:
            BackendError: no answer could be had.
        """
        asked = (*self._turns, ChatMessage("user", question))
        answer: list[str] = []
        try:
            stream = self._backend.chat(self._system + self._recent(asked), self._max_tokens)
            async with aclosing(stream):
                async for part in stream:
                    if isinstance(part, str):
                        answer.append(part)
                    yield part
        finally:
            if answer:
                self._turns = (*asked, ChatMessage("assistant", "".join(answer)))

    def forget(self) -> None:
        """Start anew."""
        self._turns = ()

    def _recent(self, turns: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
        """Return the latest turns that fit, from a question on; the last one always does."""
        num_chars, start_idx = 0, len(turns) - 1
        for idx in range(len(turns) - 1, -1, -1):
            num_chars += len(turns[idx].content)
            if num_chars > self._max_history_chars:
                break
            if turns[idx].role == "user":
                start_idx = idx
        return turns[start_idx:]
