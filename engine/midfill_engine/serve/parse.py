"""Reads a request's JSON and its fields; every wrong value is refused by name.

The texts are TGI's where TGI has one (router/src/validation.rs). Called by the dialects.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast

from starlette.requests import Request

from midfill_engine.config import Limits
from midfill_engine.errors import BodyTooLarge, UnsupportedEncoding, ValidationError
from midfill_engine.serve.generation import unless_ending
from midfill_engine.serve.nesting import MAX_DEPTH, is_too_deep
from midfill_engine.serve.served import LiveStreams
from midfill_engine.text.tokenizer import without_surrogates

Json: TypeAlias = dict[str, Any]

MOST_WHOLE = 2**31 - 1
"""Of numbers that have no bound of their own."""
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_PREFIX = "Input validation error: "


def invalid(message: str) -> ValidationError:
    """A refusal in TGI's words."""
    return ValidationError(_PREFIX + message)


class Bounds(Protocol):
    """What bodies are read within: an engine's models have it, and each model."""

    @property
    def limits(self) -> Limits:
        """Sizes."""
        ...

    @property
    def live(self) -> LiveStreams:
        """Open replies."""
        ...


async def read_object(request: Request, bounds: Bounds) -> Json:
    """The request's body as a JSON object.

    Raises:
        BodyTooLarge: it is over the bound.
        UnsupportedEncoding: it is compressed.
        ValidationError: it is not a JSON object in UTF-8.
        Unavailable: the server ends and does not wait for the rest; clients may send half of one.
    """
    body = await unless_ending(bounds.live, _body(request, bounds.limits.max_body_bytes))
    try:
        value: object = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise invalid(f"the body is not valid JSON ({_json_fault(error)})") from None
    if is_too_deep(value):
        raise invalid(f"the body is not valid JSON ({_TOO_DEEP})")
    if not isinstance(value, dict):
        raise invalid("the body must be a JSON object")
    return cast("Json", value)


async def _body(request: Request, max_bytes: int) -> bytes:
    encoding = request.headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        raise UnsupportedEncoding(
            f"the body's Content-Encoding {encoding[:40]} is not supported: send it as plain JSON"
        )
    too_large = BodyTooLarge(f"the body is over {max_bytes} bytes: send less text")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def _json_fault(error: Exception) -> str:
    """What is wrong, without a word of the body."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding} at byte {error.start}"
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    if isinstance(error, _NotANumber):
        return str(error)
    return "a number with too many digits"  # int() refuses over 4,300


class _NotANumber(ValueError):
    """NaN or Infinity, which Python reads and JSON lacks."""


def _refuse_constant(name: str) -> float:
    raise _NotANumber(f"{name} is no JSON number")


class Fields:
    """The fields of one JSON object; null counts as absent, as TGI has it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Read from a parsed object."""
        self._values = values

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are there, in the object's order."""
        return tuple(self._values)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None

    def raw(self, name: str) -> object:
        """The value as it came."""
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """A string, lone surrogates replaced."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid(f"`{name}` must be a string")
        return without_surrogates(value)

    def needed_text(self, name: str) -> str:
        """A string that must be there; it may be empty."""
        value = self.text(name)
        if value is None:
            raise invalid(f"missing field `{name}`")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.optional_flag(name)
        return default if value is None else value

    def optional_flag(self, name: str) -> bool | None:
        """True, false, or None where the request does not say."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(f"`{name}` must be true or false")
        return value

    def integer(self, name: str, *, low: int, high: int, rule: str) -> int | None:
        """A whole number within [low, high]; `rule` says so to the user."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(f"`{name}` must be an integer")
        if value > high == MOST_WHOLE:  # which no rule tells, for nobody means so much
            raise invalid(f"`{name}` must be <= {high}")
        if not low <= value <= high:
            raise invalid(f"`{name}` {rule}")
        return value

    def number(self, name: str) -> float | None:
        """A finite number; the caller checks its range."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise invalid(f"`{name}` must be a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise invalid(f"`{name}` must be a finite number")
        return number

    def texts(self, name: str, *, most: int) -> tuple[str, ...]:
        """A list of strings that are not empty, or one string."""
        value: object = self._values.get(name)
        if value is None:
            return ()
        entries = cast("Sequence[object]", value if isinstance(value, list) else [value])
        if len(entries) > most:
            raise invalid(f"`{name}` supports up to {most} stop sequences. Given: {len(entries)}")
        found = [entry for entry in entries if isinstance(entry, str)]
        if len(found) != len(entries):
            raise invalid(f"`{name}` must be a list of strings")
        if not all(found):
            raise invalid(f"`{name}` must not hold an empty string")
        return tuple(without_surrogates(entry) for entry in found)

    def nested(self, name: str) -> Fields:
        """An object within this one; absent counts as empty."""
        value = self._values.get(name)
        if value is None:
            return Fields({})
        if not isinstance(value, dict):
            raise invalid(f"`{name}` must be an object")
        return Fields(cast("Json", value))

    def refuse(self, *names: str, harmless: Sequence[object] = (False, 0, [], {})) -> None:
        """Refuse fields that ask for something this engine does not do, by name."""
        for name in names:
            value = self._values.get(name)
            if value is not None and value not in harmless:
                raise invalid(f"`{name}` is not supported by this engine: leave it out")
