"""How one model is talked to: a conversation to a prompt's text and token ids.

The model's own template comes first, then a built-in format. Holds no state of a conversation; one
`Chat` belongs to one loaded model and is safe to use from several threads. Called by `serve`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from midfill_engine.errors import TemplateError
from midfill_engine.text.chat_encode import ContentEncoder, Span
from midfill_engine.text.chat_formats import ChatFormat, Marks, Message, find_format
from midfill_engine.text.chat_source import DEFAULT, TOOL_USE, ChatSource
from midfill_engine.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_TURN_ENDS: Final = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_turn|>", "<end_of_turn>", "<|end|>",
    "<|end_of_role|>", "<|EOT|>", "<step>",
)  # fmt: skip
"""Tokens that end a turn in some template though the model's files do not name them an end."""

Render: TypeAlias = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a prompt is made of; JSON values throughout.

    Attributes:
        messages: at least one; `role` and `content` (a string or None), and what else they say.
        tools: functions in OpenAI's form; only for templates that know them.
        documents: texts to answer from; only for templates that know them.
        variables: what else the request gives the template.
    """

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    documents: Sequence[Mapping[str, Any]] = ()
    variables: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A prompt.

    Attributes:
        text: with control tokens written out.
        tokens: what the model reads, and where it stands in the text.
    """

    text: str
    tokens: tuple[Span, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """For the engine."""
        return tuple(span.token_id for span in self.tokens)


class Chat:
    """One model's chat format.

    Attributes:
        template: the model's own template; empty where a built-in format is used.
        name: "template", or the built-in format's name, as `/info` tells.
        stop_ids: tokens that end an answer, besides the end of the sequence.
        stop_texts: texts that end an answer, where no token does.
    """

    def __init__(
        self, tokenizer: Tokenizer, source: ChatSource, builtin: ChatFormat | None
    ) -> None:
        """Compile the folder's templates, or use a built-in format if there is one.

        Raises:
            TemplateError: a template is broken.
        """
        self._encoder = ContentEncoder(tokenizer)
        self._marks = _marks(source, tokenizer)
        self._special_tokens = {
            "bos_token": self._marks.bos,
            "eos_token": self._marks.eos,
            **source.special_tokens,
        }
        self._template_text = "".join(source.templates.values())
        self.template = source.templates.get(DEFAULT, "")
        self._renders: dict[str, Render] = {}
        if builtin is None:
            from midfill_engine.text.chat_template import ChatTemplate  # late: see there

            self._renders = {
                name: ChatTemplate(text).render for name, text in source.templates.items()
            }
        self._builtin = builtin
        self.name = "template" if builtin is None else builtin.name
        found_ends = [token for token in _TURN_ENDS if token in self._template_text]
        ends = found_ends if builtin is None else builtin.stops
        ids = {token: tokenizer.token_id(token) for token in ends}
        self.stop_ids = frozenset(found for found in ids.values() if found is not None)
        self.stop_texts = tuple(token for token, found in ids.items() if found is None)

    @classmethod
    def find(cls, folder: Path, tokenizer: Tokenizer, model_id: str) -> Chat | None:
        """The format of a model, or None if it cannot chat; a broken template is logged.

        Raises:
            ModelError: a file beside the tokenizer is broken.
        """
        source = ChatSource.read(folder)
        names = (model_id, source.own_name)
        builtin = find_format(names, lambda token: tokenizer.token_id(token) is not None)
        try:
            if DEFAULT in source.templates:
                return cls(tokenizer, source, None)
        except TemplateError as error:
            logger.warning("the chat template in %s is broken: %s", folder, error)
        bare = ChatSource({}, source.special_tokens, source.own_name)
        return None if builtin is None else cls(tokenizer, bare, builtin)

    def knows(self, word: str) -> bool:
        """Whether the model's template has a place for `tools`, or a role of that name."""
        return word in self._template_text

    def prompt(self, conversation: Conversation) -> ChatPrompt:
        """The prompt that asks for the next answer; a last answer in it is gone on with.

        Raises:
            TemplateError: in the template's words, why it refuses the conversation.
        """
        values: dict[str, Any] = {
            "messages": [dict(message) for message in conversation.messages],
            "tools": [dict(tool) for tool in conversation.tools] or None,
            "documents": [dict(document) for document in conversation.documents] or None,
            **(conversation.variables or {}),
        }
        hidden, disguise = self._encoder.disguise(values, self._template_text)
        end = disguise.free()
        last = hidden["messages"][-1]
        if last["role"] == "assistant" and last["content"]:
            last["content"] = last["content"].rstrip() + end
        text = _up_to(end, self._render(hidden))
        tokens = self._encoder.encode(text, disguise.shown)
        if not tokens:
            raise TemplateError("the chat template writes nothing for this conversation")
        return ChatPrompt(text.translate(dict(disguise.shown)), tuple(tokens))

    def _render(self, values: Mapping[str, Any]) -> str:
        if self._builtin is not None:
            return self._builtin.write(values["messages"], self._marks)
        with_tools = values["tools"] is not None and TOOL_USE in self._renders
        render = self._renders[TOOL_USE if with_tools else DEFAULT]
        return render({"add_generation_prompt": True, **self._special_tokens, **values})


def _up_to(end: str, text: str) -> str:
    """The prompt up to the last answer's end, so that the model goes on with it (as TGI does).

    All of it where the template left that answer out.
    """
    before, found, behind = text.rpartition(end)
    return before.replace(end, "") if found else behind


def _marks(source: ChatSource, tokenizer: Tokenizer) -> Marks:
    named = source.special_tokens
    bos = "" if tokenizer.bos_id is None else tokenizer.token_text(tokenizer.bos_id)
    eos = tokenizer.token_text(min(tokenizer.eos_ids, default=-1))
    return Marks(named.get("bos_token", bos), named.get("eos_token", eos))
