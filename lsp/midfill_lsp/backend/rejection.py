"""What an HTTP status other than 200 means, as one of our errors. Called by `http`, `wire`.

Knows the shapes that error bodies have in every dialect:

    TGI, PRO API, Ollama            {"error": "..."}, the PRO API with "estimated_time"
    OpenAI, llama.cpp, Midfill      {"error": {"message": "..."}}
    vLLM and others                 {"message": "..."}, {"detail": "..."}
    FastAPI, Mistral                {"detail": [{"loc": ["body", "stop"], "msg": "..."}]}, also
                                    inside "message"
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from midfill_lsp.backend.answers import closable
from midfill_lsp.backend.fields import fields_of, list_of, number
from midfill_lsp.errors import (
    AccessDenied,
    BackendError,
    BadReply,
    ModelLoading,
    NotServed,
    Overloaded,
    PromptTooLong,
    ServerFailed,
    TimedOut,
)
from midfill_lsp.printable import one_line

_MAX_ERROR_BYTES = 64_000
_MAX_WAIT_S = 3600.0  # a server that asks for a day to be left alone is asked once an hour
_MIN_QUOTE_CHARS = 16
_ESCAPED_BLANK = re.compile(r"\\+[nrt]")
_TOO_LONG = re.compile(
    r"must be <=|must have less than|too (?:long|large|many tokens)|"
    r"context (?:length|size|window)|maximum context|exceeds? (?:the )?(?:model|context|max)|n_ctx",
    re.IGNORECASE,
)
_TOO_LONG_REMEDY = "lower midfill.completion.prefixChars or set midfill.backend.contextTokens"
_LOADING = re.compile(r"\bloading\b|\bwarming up\b|\bstarting up\b", re.IGNORECASE)
_ROUTER = "https://router.huggingface.co/v1"


@dataclass(frozen=True, slots=True)
class Asked:
    """What messages about a rejection name: who was asked for what, and the remedies.

    Attributes:
        model: the model's id, None where the server has but one.
        key: what was sent as the key, `the key` or `the token of HF_TOKEN`; None for none.
        key_remedy: what to do when it is refused.
        place_remedy: what to do where nothing is served.
        sent: users' code, of which no message may repeat a piece.
        secret: the key, which no message may hold.
    """

    model: str | None
    key: str | None
    key_remedy: str
    place_remedy: str = "check midfill.backend.url and midfill.backend.model"
    sent: tuple[str, ...] = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)


async def read_rejection(response: httpx.Response, asked: Asked) -> BackendError:
    """Return the error that this response stands for; reads a bounded part of its body.

    Where the body breaks off or is compressed, the status has to do: a kilobyte that is unpacked
    can be a gigabyte.
    """
    body = b""
    with contextlib.suppress(httpx.HTTPError):
        async with aclosing(closable(response.aiter_raw())) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _MAX_ERROR_BYTES:
                    break
    try:
        fields: object = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    return rejection(response.status_code, str(response.url), dict(response.headers), fields, asked)


def rejection(
    status: int, url: str, headers: dict[str, str], body: object, asked: Asked
) -> BackendError:
    """Return the error for a status, a lower-case dictionary of headers and a JSON body."""
    message = withheld(message_of(body), asked)
    detail = f" (HTTP {status}: {message})" if message else f" (HTTP {status})"
    server = base_of(url)
    model = asked.model or "this model"
    if status in {401, 402, 403}:
        return AccessDenied(_denied(status, server, model, detail, asked))
    if status in {404, 405}:
        return NotServed(
            f"{server} does not serve {asked.model or urlsplit(url).path}{detail}; "
            f"{asked.place_remedy}"
        )
    if status == 410:
        return NotServed(
            f"{server} has stopped serving {model}{detail}; "
            f"Hugging Face now answers at midfill.backend.url {_ROUTER}"
        )
    if status in {408, 504}:
        return TimedOut(f"{server} gave up on the request{detail}; try again later")
    if status in {429, 502, 503}:
        return _busy(status, server, model, detail, headers, body)
    if status == 413 or (status in {400, 422} and message and _TOO_LONG.search(message)):
        return PromptTooLong(f"the request is too long for {model}{detail}; {_TOO_LONG_REMEDY}")
    error = ServerFailed if status >= 500 and status != 501 else BadReply
    return error(f"{url} answered HTTP {status}" + (f": {message}" if message else ""))


def failure_in_answer(url: str, event: Mapping[str, object], asked: Asked) -> BackendError:
    """Return the error for one that comes with status 200, in a stream: TGI validates so late."""
    message = withheld(message_of(event), asked) or "no reason given"
    if event.get("error_type") == "overloaded":
        return Overloaded(f"{base_of(url)} has no room for more requests: {message}")
    if _TOO_LONG.search(message):
        model = asked.model or "this model"
        return PromptTooLong(f"the request is too long for {model} ({message}); {_TOO_LONG_REMEDY}")
    return BadReply(f"{url} failed: {message}")


def _denied(status: int, server: str, model: str, detail: str, asked: Asked) -> str:
    if status == 402:
        return f"{server} wants to be paid for {model}{detail}; see your account there"
    if asked.key is None:
        return f"{server} wants a key{detail}; {asked.key_remedy}"
    if status == 403 and asked.model:
        return (
            f"{server} does not let {asked.key} use {model}{detail}; accept the model's licence "
            f"on its page, or {asked.key_remedy}"
        )
    return f"{server} refused {asked.key}{detail}; {asked.key_remedy}"


def _busy(
    status: int, server: str, model: str, detail: str, headers: dict[str, str], body: object
) -> BackendError:
    retry_after_s = parse_retry_after(headers.get("retry-after"), time.time())
    estimated_s = number(fields_of(body).get("estimated_time"))
    if status == 503 and (estimated_s is not None or _LOADING.search(message_of(body) or "")):
        return ModelLoading(
            f"{server} is loading {model}{detail}; it answers once that is done",
            retry_after_s if estimated_s is None else _bounded(estimated_s),
        )
    what = "has no room for more requests" if status == 429 else "is not available"
    when = "later" if retry_after_s is None else f"in {retry_after_s:.0f} s"
    return Overloaded(f"{server} {what}{detail}; it is asked again {when}", retry_after_s)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, an hour at most; None without.

    Source: RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return _bounded(float(value))
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        return _bounded(date.timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _MAX_WAIT_S)


def message_of(body: object) -> str | None:
    """Return the reason out of any dialect's error body, on one line, None if it gives none."""
    fields = fields_of(body)
    reason = fields.get("error", fields.get("message", fields.get("detail")))
    return one_line(_reason(reason)) or None


def _reason(value: object, max_depth: int = 4) -> str:
    """Return the text in a text, an object or a list of them; what is refused in front of it."""
    if isinstance(value, str) or not max_depth:
        return value if isinstance(value, str) else ""
    if listed := list_of(value):  # the PRO API lists several
        texts = [_reason(item, max_depth - 1) for item in listed]
        return "; ".join(text for text in texts if text)
    fields = fields_of(value)
    text = _reason(fields.get("message", fields.get("msg", fields.get("detail"))), max_depth - 1)
    place = list_of(fields.get("loc"))
    if not text or not place:
        return text
    return f"{'.'.join(str(part) for part in place)}: {text}"


def withheld(message: str | None, asked: Asked) -> str | None:
    """Return the message, or a word in its place if it repeats a piece of what was sent.

    Some servers quote the request or its key in their errors, and errors are logged.
    """
    if message is None:
        return None
    if asked.secret is not None and asked.secret in message:
        return "its message repeats the key"
    lines = [" ".join(text.split()) for text in asked.sent]
    # A quotation may be written as in a program, with its line ends escaped.
    unescaped = " ".join(_ESCAPED_BLANK.sub(" ", message).split())
    if _quotes(message, lines) or _quotes(unescaped, lines):
        return "its message repeats the request"
    return message


def _quotes(message: str, lines: Sequence[str]) -> bool:
    length = min(_MIN_QUOTE_CHARS, len(message))
    for start in range(len(message) - length + 1):
        piece = message[start : start + length]
        if any(piece in line for line in lines):
            return True
    return False


def base_of(url: str) -> str:
    """Return scheme and host of a URL, never its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
