"""The chat formats of models that ship without a template, and how such a model is recognised.

Each format writes what its model was trained with, character for character; the sources stand
beside them. Pure text: `chat` turns it into token ids, and calls this where a model's folder holds
no template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from midfill_engine.errors import TemplateError

Message: TypeAlias = Mapping[str, Any]
"""`role`, `content` (a string), and what else the request said: `tool_calls`, `name`, ..."""

ALTERNATE: Final = "Conversation roles must alternate user/assistant/user/assistant/..."


@dataclass(frozen=True, slots=True)
class Marks:
    """The texts that begin and end a sequence; "" where the model has none."""

    bos: str
    eos: str


Write: TypeAlias = Callable[[Sequence[Message], Marks], str]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """A built-in format.

    Attributes:
        name: as `/info` names it.
        models: what the names of its models match, in lower case.
        write: from messages to the prompt's text.
        stops: texts that end an answer besides the end of the sequence.
        needs: tokens without which a model is not of this format.
        recognises: whether those tokens alone tell a model of this format.
    """

    name: str
    models: re.Pattern[str]
    write: Write
    stops: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    recognises: bool = False


def _llama_2(messages: Sequence[Message], marks: Marks) -> str:
    """huggingface.co/blog/llama2, `How to prompt Llama 2`."""
    system, turns = _system_apart(messages)
    head = "" if system is None else f"<<SYS>>\n{system}\n<</SYS>>\n\n"
    text = ""
    for role, content in _alternating(turns):
        if role == "user":
            text += f"{marks.bos}[INST] {(head + content).strip()} [/INST]"
            head = ""
        else:
            text += f" {content.strip()} {marks.eos}"
    return text


def _code_llama_70b(messages: Sequence[Message], marks: Marks) -> str:
    """The model card of codellama/CodeLlama-70b-Instruct-hf."""
    system, turns = _system_apart(messages)
    named = [] if system is None else [("system", system)]
    steps = [*named, *_alternating(turns)]
    text = "".join(f"Source: {role}\n\n {content.strip()} <step> " for role, content in steps)
    return f"{marks.bos}{text}Source: assistant\nDestination: user\n\n "


def _mistral(messages: Sequence[Message], marks: Marks) -> str:
    """Mistral 7B Instruct v0.2 and Mixtral 8x7B Instruct, by their templates."""
    return _mistral_turns(messages, marks, after_answer="")


def _mistral_1(messages: Sequence[Message], marks: Marks) -> str:
    """Mistral 7B Instruct v0.1 has a space behind each answer."""
    return _mistral_turns(messages, marks, after_answer=" ")


def _mistral_turns(messages: Sequence[Message], marks: Marks, *, after_answer: str) -> str:
    # The first templates refused a system's text; the later ones put it before the question.
    system, turns = _system_apart(messages)
    head = "" if system is None else f"{system}\n\n"
    text = marks.bos
    for role, content in _alternating(turns):
        if role == "user":
            text += f"[INST] {head}{content} [/INST]"
            head = ""
        else:
            text += f"{content}{marks.eos}{after_answer}"
    return text


def _zephyr(messages: Sequence[Message], marks: Marks) -> str:
    """The model card of HuggingFaceH4/zephyr-7b-beta; it writes no beginning token."""
    turns = _in_any_order(messages, ("system", "user", "assistant"))
    text = "".join(f"<|{role}|>\n{content}{marks.eos}\n" for role, content in turns)
    return f"{text}<|assistant|>\n"


def _openchat(messages: Sequence[Message], marks: Marks) -> str:
    """The model card of openchat/openchat-3.5-0106."""
    turns = _in_any_order(messages, ("system", "user", "assistant"))
    text = "".join(
        f"GPT4 Correct {role.title()}: {content}<|end_of_turn|>" for role, content in turns
    )
    return f"{marks.bos}{text}GPT4 Correct Assistant:"


def _chatml(messages: Sequence[Message], marks: Marks) -> str:
    """ChatML; NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO writes no beginning token."""
    del marks
    turns = _in_any_order(messages, ("system", "user", "assistant", "tool"))
    text = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns)
    return f"{text}<|im_start|>assistant\n"


FORMATS: Final = (
    ChatFormat(
        "codellama-70b", re.compile(r"code-?llama.*70b.*instruct"), _code_llama_70b, ("<step>",)
    ),
    ChatFormat("llama-2", re.compile(r"code-?llama.*instruct|llama-?2.*chat"), _llama_2),
    ChatFormat("mistral-v0.1", re.compile(r"mistral-7b-instruct-v0\.1"), _mistral_1),
    ChatFormat("mistral", re.compile(r"mi[sx]tral.*instruct"), _mistral),
    ChatFormat("zephyr", re.compile(r"zephyr-7b"), _zephyr),
    ChatFormat(
        "openchat",
        re.compile(r"openchat[-_]3\.5"),
        _openchat,
        ("<|end_of_turn|>",),
        needs=("<|end_of_turn|>",),
    ),
    ChatFormat(
        "chatml",
        re.compile(r"nous-hermes-2"),
        _chatml,
        ("<|im_end|>",),
        needs=("<|im_start|>", "<|im_end|>"),
        recognises=True,
    ),
)


def find_format(names: Sequence[str], has_token: Callable[[str], bool]) -> ChatFormat | None:
    """The built-in format of a model, or None.

    Args:
        names: what the model is called: as it is served, and by its own config.
        has_token: whether the vocabulary holds a token.
    """
    possible = [entry for entry in FORMATS if all(has_token(token) for token in entry.needs)]
    for name in names:
        for entry in possible:
            if entry.models.search(name.lower()):
                return entry
    return next((entry for entry in possible if entry.recognises), None)


def _system_apart(messages: Sequence[Message]) -> tuple[str | None, Sequence[Message]]:
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"] or "", messages[1:]
    return None, messages


def _alternating(messages: Sequence[Message]) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    for idx, message in enumerate(messages):
        if message["role"] != ("user", "assistant")[idx % 2]:
            raise TemplateError(ALTERNATE)
        turns.append((message["role"], message["content"] or ""))
    if not turns:
        raise TemplateError(ALTERNATE)
    return turns


def _in_any_order(messages: Sequence[Message], roles: Sequence[str]) -> list[tuple[str, str]]:
    for message in messages:
        if message["role"] not in roles:
            known = ", ".join(roles)
            raise TemplateError(f"Only the roles {known} are supported, not {message['role']}")
    return [(message["role"], message["content"] or "") for message in messages]
