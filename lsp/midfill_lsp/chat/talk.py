"""One question and its streamed answer, with code from the editor and the turns before.

The editor keeps the conversation; nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeVar

from midfill_lsp.backend.base import Backend, ChatMessage, KnowsChat, StreamEnd
from midfill_lsp.chat import commands
from midfill_lsp.chat.blocks import Block, find_blocks
from midfill_lsp.chat.budget import Budget, Fitted, budget_of, fit, length_of
from midfill_lsp.chat.passage import Passage
from midfill_lsp.errors import PromptTooLong

ANSWER_TOKENS: Final = 1024
_NUM_TRIES: Final = 3
_Facts = TypeVar("_Facts")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        messages: the conversation, the question last; it may begin with a slash command.
        passages: code that it is about, as it may be sent.
    """

    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came.

    Attributes:
        content: the whole answer.
        blocks: its code blocks.
        replaces: whether the first block takes the place of the first passage, as asked by the
            command.
        end: why it ended.
        notes: what was left out or masked on the way, a sentence each.
    """

    content: str
    blocks: tuple[Block, ...]
    replaces: bool
    end: StreamEnd
    notes: tuple[str, ...] = field(default=())


async def talk(
    backend: Backend,
    question: Question,
    on_text: Callable[[str], None] | None = None,
    max_tokens: int = ANSWER_TOKENS,
) -> Answer:
    """Return the answer. Cancelling aborts it.

    Args:
        backend: who answers.
        question: what is asked.
        on_text: gets the whole text so far each time it has grown.
        max_tokens: of the answer, at most.

    Raises:
        BackendError: no answer could be had; `CannotDo` where the model does not chat.
        WrongCommand: the slash command cannot be followed.
    """
    command, more = commands.split(question.messages[-1].content)
    asked = commands.spoken(command, more, bool(question.passages)) if command else more
    budget = budget_of(await context_of(backend), max_tokens)
    system, earlier = _split(question.messages[:-1])

    def write(budget: Budget) -> tuple[Fitted, tuple[ChatMessage, ...]]:
        needed = asked + "".join(message.content for message in system)
        fitted = fit(budget, needed, question.passages, earlier)
        quoted = [passage.quoted() for passage in fitted.passages]
        last = ChatMessage("user", "\n\n".join([*quoted, asked]))
        return fitted, (*system, *fitted.turns, last)

    fitted, content, end = await ask(backend, budget, write, on_text)
    blocks = find_blocks(content)
    return Answer(
        content=content,
        blocks=blocks,
        replaces=bool(command and command.replaces and question.passages)
        and end.reason != "limit"
        and len(blocks) == 1
        and not fitted.passages[0].num_cut,
        end=end,
        notes=_notes(fitted, end),
    )


async def context_of(backend: Backend) -> int | None:
    """Return the tokens of the model's context, None where the backend does not tell.

    Raises:
        BackendError: it cannot be asked; `CannotDo` where the model does not chat.
    """
    return await backend.chat_context() if isinstance(backend, KnowsChat) else None


async def ask(
    backend: Backend,
    budget: Budget,
    write: Callable[[Budget], tuple[_Facts, tuple[ChatMessage, ...]]],
    on_text: Callable[[str], None] | None,
) -> tuple[_Facts, str, StreamEnd]:
    """Return what `write` says of what was sent, the answer and its end.

    Where that was too long, it is asked again with less.

    Raises:
        BackendError: no answer could be had.
    """
    refused: tuple[ChatMessage, ...] | None = None
    too_long = PromptTooLong("the prompt is too long")
    for num_left in range(_NUM_TRIES - 1, -1, -1):
        facts, messages = write(budget)
        if messages == refused:
            raise too_long  # it cannot be said with less
        content, end = "", StreamEnd("eos")
        try:
            async with aclosing(backend.chat(messages, budget.answer_tokens)) as stream:
                async for part in stream:
                    if isinstance(part, StreamEnd):
                        end = part
                        continue
                    content += part
                    if on_text is not None:
                        on_text(content)
        except PromptTooLong as error:
            if content or not num_left:
                raise
            refused, too_long = messages, error
            budget = budget.halved(length_of(messages))
        else:
            return facts, content, end
    raise AssertionError("the last try returns or raises")


def _split(
    messages: Sequence[ChatMessage],
) -> tuple[tuple[ChatMessage, ...], tuple[ChatMessage, ...]]:
    """Return the system's text, which is never left out, and the other turns."""
    num = 1 if messages and messages[0].role == "system" else 0
    return tuple(messages[:num]), tuple(messages[num:])


def _notes(fitted: Fitted, end: StreamEnd) -> tuple[str, ...]:
    notes = [note for passage in fitted.passages for note in passage.notes()]
    if fitted.num_left_out:
        notes.append(f"the {fitted.num_left_out} oldest messages did not fit and were left out")
    if end.reason == "limit":
        notes.append("the answer was cut at its longest length: ask the model to go on")
    return tuple(notes)
