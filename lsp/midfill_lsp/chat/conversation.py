"""A conversation that grows, for a terminal; editors keep theirs themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from midfill_lsp.backend.base import Backend, ChatMessage
from midfill_lsp.chat.passage import Passage
from midfill_lsp.chat.spoken import Said
from midfill_lsp.chat.talk import ANSWER_TOKENS, Answer, Question, talk


class Conversation:
    """The turns so far; one question at a time."""

    def __init__(
        self,
        backend: Backend,
        clear: Callable[[Sequence[ChatMessage]], Said],
        system: str | None = None,
        max_tokens: int = ANSWER_TOKENS,
    ) -> None:
        """Start empty.

        Args:
            backend: who answers.
            clear: returns messages as they may be sent there; called in a thread.
            system: what stands before the first turn, and is never forgotten.
            max_tokens: upper bound on one answer.
        """
        self._backend = backend
        self._clear = clear
        self._system = (ChatMessage("system", system),) if system else ()
        self._max_tokens = max_tokens
        self._turns: tuple[ChatMessage, ...] = ()

    @property
    def turns(self) -> tuple[ChatMessage, ...]:
        """Questions and answers so far, without the system's text."""
        return self._turns

    async def ask(
        self,
        question: str,
        on_text: Callable[[str], None],
        passages: Sequence[Passage] = (),
    ) -> Answer:
        """Return the answer, and remember both; `on_text` gets the text so far as it grows.

        Cancelling stops the answer; what was said until then stays in the conversation, since the
        user has read it. A question that got no answer does not.

        Raises:
            BackendError: no answer could be had.
            Withheld: the privacy gate fails.
            WrongCommand: the slash command cannot be followed.
        """
        asked = (*self._turns, ChatMessage("user", question))
        answered = ""

        def heard(text: str) -> None:
            nonlocal answered
            answered = text
            on_text(text)

        said = await asyncio.to_thread(self._clear, (*self._system, *asked))
        whole = Question(said.messages, tuple(passages))
        try:
            answer = await talk(self._backend, whole, heard, self._max_tokens)
            return replace(answer, notes=(*said.notes, *answer.notes))
        finally:
            if answered:
                self._turns = (*asked, ChatMessage("assistant", answered))

    def forget(self) -> None:
        """Start anew."""
        self._turns = ()
