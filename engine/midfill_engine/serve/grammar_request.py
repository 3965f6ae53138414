"""From a request's field to a compiled grammar, in the spellings of every dialect.

A dialect reads a `GrammarSource` out of its field and compiles it off the event loop; the request
to the engine carries the result:

    source = tgi_grammar(fields)                    # or response_format, llama_grammar
    grammar = await compile_grammar(source, served, field="grammar")

Refusals are validation errors that name the field.
"""

from __future__ import annotations

import asyncio
import json
from typing import cast

from midfill_engine.errors import GrammarError, ValidationError
from midfill_engine.exec.constrain import Grammar
from midfill_engine.exec.grammar_source import GrammarSource
from midfill_engine.serve.nesting import MAX_DEPTH, is_too_deep
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.served import Served
from midfill_engine.text.heal import Healing
from midfill_engine.text.tokenizer import without_surrogates


async def compile_grammar(
    source: GrammarSource | None, served: Served, *, field: str, healing: Healing | None = None
) -> Grammar | None:
    """The grammar of a source, or None where the request has none.

    Args:
        source: as the functions below read it.
        served: the model.
        field: what the request calls it.
        healing: of the request's prompt; its text is repeated before the grammar begins.

    Raises:
        ValidationError: the grammar cannot be used.
    """
    if source is None:
        return None
    prefix = "" if healing is None else healing.text.decode()
    try:
        return await asyncio.to_thread(served.grammars.compile, source, prefix)
    except GrammarError as error:
        raise _not_valid(field, str(error)) from None


def tgi_grammar(fields: Fields) -> GrammarSource | None:
    """TGI's `grammar`: `{"type": "json" | "json_object" | "json_schema" | "regex", "value"}`.

    Raises:
        ValidationError: it is malformed.
    """
    if not fields.has("grammar"):
        return None
    grammar = fields.nested("grammar")
    kind, value = grammar.raw("type"), grammar.raw("value")
    if kind == "regex":
        if not isinstance(value, str):
            raise _not_valid("grammar", "`value` of a regex must be a string")
        return GrammarSource("regex", without_surrogates(value))
    if kind == "json_schema":
        return GrammarSource.json_schema(_schema_of(value, "grammar", "value"))
    if kind in ("json", "json_object"):
        return GrammarSource.json_schema(_parsed(value, "grammar"))
    raise _not_valid("grammar", '`type` must be "json", "json_schema" or "regex"')


def response_format(fields: Fields) -> GrammarSource | None:
    """OpenAI's `response_format`, and TGI's, whose `json_object` may hold a schema as `value`.

    Raises:
        ValidationError: it is malformed.
    """
    if not fields.has("response_format"):
        return None
    wanted = fields.nested("response_format")
    kind, value = wanted.raw("type"), wanted.raw("value")
    if kind == "text":
        return None
    if kind == "json_schema":
        name = "value" if wanted.has("value") else "json_schema"
        return GrammarSource.json_schema(_schema_of(wanted.raw(name), "response_format", name))
    if kind == "regex" and isinstance(value, str):
        return GrammarSource("regex", without_surrogates(value))
    if kind in ("json", "json_object"):
        if value is None:
            return GrammarSource.json_object()
        return GrammarSource.json_schema(_parsed(value, "response_format"))
    raise _not_valid("response_format", '`type` must be "text", "json_object" or "json_schema"')


def llama_grammar(fields: Fields) -> tuple[str, GrammarSource | None]:
    """llama.cpp's `json_schema` or `grammar` (GBNF), and which of the two it was.

    Raises:
        ValidationError: both are there, or one is malformed.
    """
    text = fields.text("grammar") or ""
    if fields.has("json_schema"):
        if text:
            raise invalid("`json_schema` and `grammar` exclude each other: send one")
        schema = fields.raw("json_schema")
        return "json_schema", GrammarSource.json_schema(_parsed(schema, "json_schema"))
    return "grammar", GrammarSource("gbnf", text) if text.strip() else None


def _schema_of(value: object, field: str, name: str) -> object:
    """The schema of `{"name", "schema"}`."""
    if not isinstance(value, dict) or "schema" not in value:
        raise _not_valid(field, f"`{name}` must be an object with `schema`")
    return _parsed(cast("Json", value)["schema"], field)


def _parsed(value: object, field: str) -> object:
    """A schema as parsed JSON; some clients send it as a string of JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _not_valid(field, "the schema is no JSON") from None
    if not isinstance(value, dict):
        raise _not_valid(field, "a JSON schema must be an object")
    if is_too_deep(cast("object", value)):
        raise _not_valid(field, f"the schema is nested more than {MAX_DEPTH} levels deep")
    return cast("object", value)


def _not_valid(field: str, reason: str) -> ValidationError:
    """In TGI's words."""
    return invalid(f"{field} is not valid: {reason}")
