"""From a request's `messages` to what a chat format is filled with; refusals name the place.

Called by `chat_request`. Knows no formats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, cast

from midfill_engine.serve.nesting import is_too_deep
from midfill_engine.serve.parse import Fields, Json, invalid

_ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""A template may write a role between the halves of a control token, so it is one word."""


def read_messages(fields: Fields) -> list[Json]:
    """The conversation: role, content as one text, and tool calls with parsed arguments.

    Raises:
        ValidationError: a message is malformed, or holds something else than text.
    """
    value = fields.raw("messages")
    if value is None:
        raise invalid("missing field `messages`")
    if not isinstance(value, list):
        raise invalid("`messages` must be a list")
    if not value:
        raise invalid("`messages` cannot be empty")
    entries = cast("list[object]", value)
    return [_message(entry, f"messages[{idx}]") for idx, entry in enumerate(entries)]


def _message(value: object, place: str) -> Json:
    if not isinstance(value, dict):
        raise invalid(f"`{place}` must be an object")
    fields = Fields(cast("Json", value))
    role = fields.raw("role")
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise invalid(f"`{place}.role` must be a word such as system, user or assistant")
    calls = _tool_calls(fields.raw("tool_calls"), f"{place}.tool_calls")
    if not fields.has("content") and not calls:
        raise invalid(f"`{place}` must have `content` or `tool_calls`")
    message: Json = {"role": role, "content": _content(fields.raw("content"), f"{place}.content")}
    if calls:
        message["tool_calls"] = calls
    for name in ("name", "tool_call_id"):
        text = fields.raw(name)
        if text is not None and not isinstance(text, str):
            raise invalid(f"`{place}.{name}` must be a string")
        if text is not None:
            message[name] = text
    return message


def _content(value: object, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid(f"`{place}` must be a string or a list of parts")
    parts = cast("list[object]", value)
    return "".join(_part(part, f"{place}[{idx}]") for idx, part in enumerate(parts))


def _part(value: object, place: str) -> str:
    part = cast("Json", value) if isinstance(value, dict) else {}
    kind, text = part.get("type"), part.get("text")
    if kind == "text":
        if not isinstance(text, str):
            raise invalid(f"`{place}.text` must be a string")
        return text
    if isinstance(kind, str) and re.fullmatch(r"\w{1,32}", kind):
        raise invalid(f"`{place}`: {kind} parts are not supported by this engine, only text parts")
    raise invalid(f"`{place}` must be a part with `type` and `text`")


def _tool_calls(value: object, place: str) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(f"`{place}` must be a list")
    calls = cast("Sequence[object]", value)
    return [_tool_call(call, f"{place}[{idx}]") for idx, call in enumerate(calls)]


def _tool_call(value: object, place: str) -> Json:
    call = cast("Json", value) if isinstance(value, dict) else {}
    function: object = call.get("function")
    named = cast("Json", function) if isinstance(function, dict) else {}
    name, call_id = named.get("name"), call.get("id")
    if not isinstance(name, str) or not isinstance(call_id, (str, type(None))):
        raise invalid(f"`{place}` must be an object with `function` and its `name`")
    found: Json = {"name": name, "arguments": _parsed(named.get("arguments"))}
    identity = {} if call_id is None else {"id": call_id}
    return {**identity, "type": "function", "function": found}


def _parsed(arguments: object) -> object:
    """Clients send arguments as a string of JSON; templates write them as JSON themselves."""
    if isinstance(arguments, str):
        try:
            value: object = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
        if isinstance(value, dict) and not is_too_deep(cast("object", value)):
            return cast("object", value)
        return arguments
    return {} if arguments is None else arguments
