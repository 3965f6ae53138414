"""The chat use case with a backend that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from midfill_lsp.backend.base import Backend, ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.chat import Conversation, Said
from midfill_lsp.errors import EngineGone


class Parrot:
    """Answers with the number of messages it got; `fails` makes it fail after the first word."""

    name = "parrot"

    def __init__(self) -> None:
        self.asked: list[tuple[ChatMessage, ...]] = []
        self.fails = False
        self.is_closed = False

    async def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        raise AssertionError(request)
        yield ""

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        self.asked.append(messages)
        try:
            yield "got "
            if self.fails:
                raise EngineGone("broken")
            yield str(len(messages))
            yield StreamEnd("eos")
        finally:
            self.is_closed = True

    async def aclose(self) -> None:
        pass


def as_it_is(messages: Sequence[ChatMessage]) -> Said:
    return Said(tuple(messages))


async def ask(conversation: Conversation, question: str) -> str:
    return (await conversation.ask(question, lambda _text: None)).content


async def test_turns_grow_and_the_system_stays_in_front() -> None:
    parrot = Parrot()
    backend: Backend = parrot
    conversation = Conversation(backend, as_it_is, "Be brief.")
    assert await ask(conversation, "one") == "got 2"
    assert await ask(conversation, "two") == "got 4"
    assert [m.role for m in parrot.asked[1]] == ["system", "user", "assistant", "user"]
    conversation.forget()
    assert await ask(conversation, "three") == "got 2"


async def test_stopped_answer_stays_as_far_as_it_was_said() -> None:
    parrot = Parrot()
    conversation = Conversation(parrot, as_it_is)

    def stop(_text: str) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await conversation.ask("one", stop)
    assert parrot.is_closed
    assert [turn.content for turn in conversation.turns] == ["one", "got "]


async def test_what_is_said_is_cleared_each_time_and_kept_as_it_was_said() -> None:
    parrot = Parrot()

    def clear(messages: Sequence[ChatMessage]) -> Said:
        masked = (
            replace(each, content=each.content.replace("kanari", "xxxxxx")) for each in messages
        )
        return Said(tuple(masked), ("masked",))

    conversation = Conversation(parrot, clear, "kanari?")
    for _ in range(2):
        answer = await conversation.ask("a kanari", lambda _text: None)
        assert answer.notes == ("masked",)
    assert "kanari" not in str(parrot.asked)
    assert conversation.turns[0].content == "a kanari"


async def test_failed_answer() -> None:
    parrot = Parrot()
    parrot.fails = True
    with pytest.raises(EngineGone):
        await ask(Conversation(parrot, as_it_is), "one")


async def test_old_turns_are_left_out_from_a_question_on() -> None:
    parrot = Parrot()
    conversation = Conversation(parrot, as_it_is)
    for question in ("a" * 6000, "b" * 6000, "c" * 1000):
        await ask(conversation, question)
    sent = [[message.content[0] for message in messages] for messages in parrot.asked]
    assert sent == [["a"], ["b"], ["b", "g", "c"]]
    conversation.forget()
    await ask(conversation, "d")
    await ask(conversation, "e")
    assert len(parrot.asked[-1]) == 3
