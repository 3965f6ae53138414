"""The bounds of a chat template: of its time, and of the size of what it builds.

Knows values, not how a template runs. Called by `chat_sizes`, `chat_sandbox` and `chat_template`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import NoneType
from typing import Final, TypeVar, cast

from jinja2 import Undefined
from jinja2.utils import Namespace

from midfill_engine.errors import TemplateError

MAX_CHARS: Final = 8_000_000
"""Four times the largest body: what a template writes, and any text or list that it builds."""
MAX_BITS: Final = 100_000
"""Of a number: dividing one takes 15 ms, and a hundred times as long for ten times the bits."""
_REPR_CHUNK: Final = 65_536

Value = TypeVar("Value")


class Watch:
    """The deadline of one rendering."""

    def __init__(self, max_seconds: float) -> None:
        """Starts the time."""
        self._max_seconds = max_seconds
        self._ends_at = time.monotonic() + max_seconds

    def tick(self) -> None:
        """Raises TemplateError after the deadline."""
        if time.monotonic() > self._ends_at:
            raise TemplateError(f"the template ran for over {self._max_seconds:g} s")

    def each(self, values: Iterable[Value]) -> Iterator[Value]:
        """The values, a tick before each."""
        for value in values:
            self.tick()
            yield value


def bounded(value: Value) -> Value:
    """What an operation gave.

    Raises:
        TemplateError: it is too large.
    """
    built: object = value
    if isinstance(built, (str, list, tuple)):
        bound(len(cast("Collection[object]", built)))
    elif isinstance(built, int):
        bound_bits(built.bit_length())
    return value


def bound(num_chars: int) -> None:
    """Raises TemplateError above `MAX_CHARS`."""
    if num_chars > MAX_CHARS:
        raise TemplateError(f"the template builds over {MAX_CHARS} characters")


def bound_bits(num_bits: int) -> None:
    """Raises TemplateError above `MAX_BITS`."""
    if num_bits > MAX_BITS:
        raise TemplateError(f"the template builds a number of over {MAX_BITS} bits")


def text_of(value: object) -> str:
    """`str(value)`, if that is not too long."""
    bound(text_len(value))
    return str(value)


def text_len(value: object, indent: int = 0, between: int = 4) -> int:
    """At least the length of `str(value)`; a list may hold one long text very often.

    `indent` and `between` are what a writer puts, in characters, before each item at each level
    and around it.

    Raises:
        TemplateError: it is over `MAX_CHARS`, found without looking further.
    """
    if isinstance(value, str):
        return len(value)
    num_chars = 0
    depth = 0
    level = [value]
    while level:
        depth += 1
        inner: list[object] = []
        for item in level:
            if isinstance(item, str):
                num_chars += _repr_len(item)
            elif isinstance(item, (int, float, Undefined, NoneType)):
                num_chars += len(repr(item))
            else:
                items = _items(item)
                num_chars += 2 + len(items) * (between + depth * indent) + depth * indent
                bound(num_chars)  # before they are gathered
                inner.extend(items)
            bound(num_chars)
        level = inner
    return num_chars


def _items(value: object) -> Collection[object]:
    if isinstance(value, (dict, Mapping)):  # the plain types first: they are found at once
        mapping = cast("Mapping[object, object]", value)
        return [*mapping, *mapping.values()]
    if type(value) is Namespace:
        raise TemplateError("a namespace is no text")
    if isinstance(value, (list, tuple, Collection)):
        return cast("Collection[object]", value)
    return (repr(value),)


def _repr_len(text: str) -> int:
    if len(text) <= _REPR_CHUNK:
        return len(repr(text))
    starts = range(0, len(text), _REPR_CHUNK)
    return sum(len(repr(text[start : start + _REPR_CHUNK])) for start in starts)
