"""What is said of a route, and the words to say it in: JSON Schema 2020-12, as OpenAPI 3.1 has it.

The tables beside this file say it of every route; `serve.openapi` makes the document of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route.

    Attributes:
        summary: what it does, in one line.
        reply: the body of its 200.
        body: the request's body; None has none.
        streams: how it may answer in server-sent events: never, as asked for, or always.
        plain: whether its reply is plain text.
        generates: whether it runs a model, with what may go wrong then.
        picks_model: whether it answers 404 where a model is named that is not there, and 503
            where it is being loaded.
        needs_key: whether it answers 401 without one.
        query: query parameters by name.
        errors: further statuses.
    """

    summary: str
    reply: Schema
    body: Schema | None = None
    streams: bool | None = False
    plain: bool = False
    generates: bool = False
    picks_model: bool = True
    needs_key: bool = True
    query: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    errors: Sequence[int] = ()

    @property
    def statuses(self) -> list[int]:
        """Every status that is an error, ascending."""
        found = {403, *self.errors}
        if self.needs_key:
            found.add(401)
        if self.body is not None:
            found |= {413, 415, 422, 503}
        if self.picks_model:
            found |= {404, 503}
        if self.generates:
            found |= {424, 429, 500, 503}
        return sorted(found)


def obj(*needed: str, **properties: Schema) -> Schema:
    """An object that has at least the `needed` properties; others may be there."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": list(needed)} if needed else schema


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def optional(schema: Schema) -> Schema:
    """The same, or null."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def either(*schemas: Schema) -> Schema:
    """One of several."""
    return {"anyOf": list(schemas)}


def choice(*values: str) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": list(values)}


def integer(low: int | None = None, high: int | None = None) -> Schema:
    """A whole number within bounds."""
    return _within({"type": "integer"}, low, high)


def number(low: float | None = None, high: float | None = None) -> Schema:
    """A number within bounds."""
    return _within({"type": "number"}, low, high)


def above(low: float, below: float | None = None) -> Schema:
    """A number strictly above, and where given strictly below."""
    schema = {"type": "number", "exclusiveMinimum": low}
    return schema if below is None else {**schema, "exclusiveMaximum": below}


def texts(most: int) -> Schema:
    """At most so many texts, none of them empty."""
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": most}


def _within(schema: dict[str, Any], low: float | None, high: float | None) -> Schema:
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    return schema


ANY: Schema = {}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT = integer(0)
SEED = integer(0, 2**64 - 1)
MODEL = optional(TEXT)
"""A model's name in a body."""

ERRORS: Mapping[str, Schema] = {
    "tgi": obj("error", "error_type", error=TEXT, error_type=TEXT, estimated_time=number(0)),
    "openai": obj(
        "error",
        error=obj(
            "message",
            "type",
            "param",
            "code",
            message=TEXT,
            type=TEXT,
            param=optional(TEXT),
            code=optional(TEXT),
        ),
    ),
    "llama": obj(
        "error",
        error=obj("code", "message", "type", code=integer(400, 599), message=TEXT, type=TEXT),
    ),
}
"""Bodies of errors by `replies.RouteGroup`."""
