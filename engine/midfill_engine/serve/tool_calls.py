"""Reads tool calls out of an answer while it grows. Pure; one reader belongs to one answer.

A forced call is one JSON object `{"name": ..., "arguments": {...}}`, constrained by a grammar, and
its arguments stream. Without force a model may answer with text, with such an object, a list of
them, or several behind a mark (Hermes and Qwen `<tool_call>`, Mistral `[TOOL_CALLS]`); what could
be a call is held back until it is decided. Called by `chat_reply`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from midfill_engine.serve.nesting import is_too_deep
from midfill_engine.serve.tools import Tools
from midfill_engine.text.tokenizer import without_surrogates

MARKS: Final = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>")
CLOSINGS: Final = ("</tool_call>", "<|eom_id|>")
_BETWEEN: Final = re.compile(r"(?:[\s,;]|" + "|".join(map(re.escape, MARKS + CLOSINGS)) + ")*")
"""What may stand before, between and behind the values of several calls."""
_FORCED_HEAD: Final = re.compile(
    r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call begins."""

    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The next piece of the call's arguments, which are JSON."""

    text: str


Part: TypeAlias = str | CallStart | CallArguments


class AnswerReader:
    """Text and calls of one answer, in the order in which they are certain."""

    def __init__(self, tools: Tools) -> None:
        """Read an answer to a request with these tools."""
        self._names = tools.names
        self._forced = _ForcedCall() if tools.choice == "required" else None
        self._held = ""
        self._has_begun = False
        self._holds_calls = False

    def feed(self, delta: str) -> Iterator[Part]:
        """What is certain behind more text; a mark's token counts as the text of its name."""
        if self._forced is not None:
            yield from self._forced.feed(delta)
        elif not self._names:
            yield from _text(delta)
        else:
            self._held += delta
            yield from self._decide()

    def finish(self) -> Iterator[Part]:
        """What is left at the end."""
        if self._forced is not None:
            yield from self._forced.finish()
            return
        calls = _calls_in(self._held, self._names) if self._holds_calls else []
        if not calls:
            yield from _text(self._held)
        for name, arguments in calls:
            yield CallStart(name)
            yield CallArguments(arguments)

    def _decide(self) -> Iterator[Part]:
        """Show what is text; from a mark, or a JSON value at the beginning on, all is held."""
        if self._holds_calls:
            return
        if not self._has_begun:
            begun = self._held.lstrip()
            if not begun:
                return
            self._has_begun = True
            self._holds_calls = begun[0] == "{" or (begun[0] == "[" and begun[1:2] in ("", "{"))
        if self._holds_calls:
            return
        places = [place for mark in MARKS if (place := self._held.find(mark)) >= 0]
        self._holds_calls = bool(places)
        shown_len = min(places) if places else len(self._held) - _undecided_len(self._held)
        yield from _text(self._held[:shown_len])
        self._held = self._held[shown_len:]


class _ForcedCall:
    """One call as JSON; what precedes the arguments is read at once, the arguments as they come."""

    def __init__(self) -> None:
        self._text = ""
        self._scan: _ValueScan | None = None

    def feed(self, delta: str) -> Iterator[Part]:
        if self._scan is None:
            self._text += delta
            head = _FORCED_HEAD.match(self._text)
            if head is None:
                return
            self._scan = _ValueScan()
            yield CallStart(json.loads(head.group(1)))
            delta = self._text[head.end() :]
        shown = self._scan.feed(delta)
        if shown:
            yield CallArguments(shown)

    def finish(self) -> Iterator[Part]:
        """A call that was cut before its arguments began is shown as the text that it is."""
        if self._scan is None:
            yield from _text(self._text)


class _ValueScan:
    """The characters of one JSON value, without what follows it."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._has_ended = False

    def feed(self, text: str) -> str:
        for idx, char in enumerate(text):
            if self._has_ended:
                return text[:idx].rstrip()
            if self._in_string:
                self._read_string(char)
            elif char == '"':
                self._in_string = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
            if self._depth < 0:
                self._has_ended = True
                return text[:idx].rstrip()
            if self._depth == 0 and char in "}]":
                self._has_ended = True
        return text

    def _read_string(self, char: str) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif char == "\\":
            self._is_escaped = True
        elif char == '"':
            self._in_string = False


def _text(text: str) -> Iterator[Part]:
    if text:
        yield text


def _undecided_len(text: str) -> int:
    """Length of the longest tail that begins a mark."""
    tails = (
        tail_len
        for mark in MARKS
        for tail_len in range(1, len(mark))
        if text.endswith(mark[:tail_len])
    )
    return max(tails, default=0)


def _calls_in(text: str, names: frozenset[str]) -> list[tuple[str, str]]:
    """Names and arguments of the calls that a text consists of; none if it is anything else."""
    decoder = json.JSONDecoder()
    calls: list[tuple[str, str]] = []
    place = _next_value(text, 0)
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return []
        if is_too_deep(value):
            return []
        for entry in cast("list[object]", value) if isinstance(value, list) else [value]:
            call = _call(entry, names)
            if call is None:
                return []
            calls.append(call)
        place = _next_value(text, place)
    return calls


def _next_value(text: str, place: int) -> int:
    between = _BETWEEN.match(text, place)
    assert between is not None  # it matches nothing too
    return between.end()


def _call(value: object, names: frozenset[str]) -> tuple[str, str] | None:
    """Name and arguments, which are JSON that every client reads; None for what is no call."""
    call = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    inner = call.get("function")
    if isinstance(inner, dict):
        call = cast("dict[str, object]", inner)
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters"))
    if not isinstance(name, str) or name not in names:
        return None
    if isinstance(arguments, str):
        return name, without_surrogates(arguments)
    if arguments is not None and not isinstance(arguments, dict):
        return None
    try:
        text = json.dumps(arguments or {}, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN, or a number that Python reads as infinite
        return None
    return name, without_surrogates(text)
