r"""Conversations as text, for endpoints that only generate text. Pure. Called by `backend`.

One format per family, as its publisher writes it; the text ends where the assistant's answer
begins. The endpoint puts the token that begins a sequence in front by itself, so none stands
here at the start. A control token inside a message would be read as one, and is taken apart with
a blank: `<|im_end|>` becomes `< |im_end|>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from midfill_lsp.errors import CannotDo

Role = Literal["system", "user", "assistant"]
Turn = tuple[Role, str]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """One family's way to write a conversation.

    Attributes:
        name: as `backend.chatFormat` names it.
        write: returns the prompt for turns that are in order.
        stops: texts that end the answer.
        specials: what the family's tokenizer reads as control tokens.
    """

    name: str
    write: Callable[[Sequence[Turn]], str]
    stops: tuple[str, ...]
    specials: re.Pattern[str]


def _llama2(turns: Sequence[Turn]) -> str:
    """Meta's `llama/generation.py`: the system's text stands inside the first user's turn."""
    system, turns = _split_system(turns)
    parts: list[str] = []
    for idx, (role, text) in enumerate(turns):
        if role == "assistant":
            parts.append(f" {text.strip()} </s>")
            continue
        head = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if system and idx == 0 else ""
        begin = "<s>" if idx else ""
        parts.append(f"{begin}[INST] {head}{text.strip()} [/INST]")
    return "".join(parts)


def _codellama70b(turns: Sequence[Turn]) -> str:
    """The announcement of the PRO API, "Chat with Code Llama 70B"."""
    said = "".join(f"Source: {role}\n\n {text.strip()} <step> " for role, text in turns)
    return f"{said}Source: assistant\nDestination: user\n\n "


def _mistral(turns: Sequence[Turn]) -> str:
    """mistralai/Mistral-7B-Instruct-v0.2; the system's text goes before the first question."""
    system, turns = _split_system(turns)
    parts: list[str] = []
    for idx, (role, text) in enumerate(turns):
        head = f"{system}\n\n" if system and idx == 0 else ""
        asked = f"[INST] {head}{text.strip()} [/INST]"
        parts.append(asked if role == "user" else f" {text.strip()}</s>")
    return "".join(parts)


def _zephyr(turns: Sequence[Turn]) -> str:
    """HuggingFaceH4/zephyr-7b-beta."""
    return "".join(f"<|{role}|>\n{text}</s>\n" for role, text in turns) + "<|assistant|>\n"


def _openchat(turns: Sequence[Turn]) -> str:
    """openchat/openchat-3.5-0106; the system's text is a turn without a name."""
    names = {"system": "", "user": "GPT4 Correct User: ", "assistant": "GPT4 Correct Assistant: "}
    said = "".join(f"{names[role]}{text.strip()}<|end_of_turn|>" for role, text in turns)
    return f"{said}GPT4 Correct Assistant:"


def _chatml(turns: Sequence[Turn]) -> str:
    """NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO; Qwen as well."""
    said = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
    return f"{said}<|im_start|>assistant\n"


_INST: Final = re.compile(r"\[/?INST\]|<</?SYS>>|</?s>|<unk>")
_BARRED: Final = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?s>|<unk>")

FORMATS: Final = (
    ChatFormat("llama2", _llama2, ("</s>", "[INST]"), _INST),
    ChatFormat(
        "codellama70b",
        _codellama70b,
        ("<step>", "</s>"),
        re.compile(r"<step>|</?s>|<unk>"),
    ),
    ChatFormat("mistral", _mistral, ("</s>", "[INST]"), _INST),
    ChatFormat("zephyr", _zephyr, ("</s>", "<|user|>", "<|system|>"), _BARRED),
    ChatFormat("openchat", _openchat, ("<|end_of_turn|>", "GPT4 Correct User:"), _BARRED),
    ChatFormat("chatml", _chatml, ("<|im_end|>", "<|im_start|>"), _BARRED),
)

_BY_NAME: Final = (
    (r"code-?llama.*70b.*instruct", "codellama70b"),
    (r"code-?llama.*instruct|llama-?2.*chat", "llama2"),
    (r"hermes-?2|qwen.*(?:instruct|chat)|dolphin|starchat2", "chatml"),
    (r"(?:mistral|mixtral).*instruct", "mistral"),
    (r"zephyr", "zephyr"),
    (r"openchat", "openchat"),
)


def format_named(name: str) -> ChatFormat:
    """Return the format of this name.

    Raises:
        KeyError: there is none.
    """
    return next(known for known in FORMATS if known.name == name)


def format_of(model_id: str) -> ChatFormat | None:
    """Return the format that a model's name tells, None if none is known."""
    for pattern, name in _BY_NAME:
        if re.search(pattern, model_id, re.IGNORECASE):
            return format_named(name)
    return None


def write(chat_format: ChatFormat, turns: Sequence[Turn]) -> str:
    r"""Return the prompt for a conversation, with no control token but the format's own.

    >>> write(format_named("llama2"), [("user", "Hello")])
    '[INST] Hello [/INST]'

    Raises:
        CannotDo: the turns are out of order: after an optional system's text, user and assistant
            take turns, and the user's is the last.
    """
    said = [role for role, _ in turns]
    spoken = said[1:] if said[:1] == ["system"] else said
    wanted = [("user", "assistant")[idx % 2] for idx in range(len(spoken))]
    if not spoken or spoken != wanted or spoken[-1] != "user":
        raise CannotDo(
            "conversation roles must alternate user/assistant/user/... after an optional "
            f"system text, and end with the user; got {', '.join(said) or 'none'}"
        )
    clean: list[Turn] = [(role, _defuse(chat_format, text)) for role, text in turns]
    return chat_format.write(clean)


def _defuse(chat_format: ChatFormat, text: str) -> str:
    return chat_format.specials.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


def _split_system(turns: Sequence[Turn]) -> tuple[str, Sequence[Turn]]:
    if turns[0][0] == "system":
        return turns[0][1].strip(), turns[1:]
    return "", turns
