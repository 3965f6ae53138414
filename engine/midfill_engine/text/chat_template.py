"""A model's own chat template: Jinja, as Hugging Face writes it, in a sandbox with bounds.

A template is a program that came with the weights. It sees plain data only, cannot reach Python,
and ends: `chat_sandbox` counts every turn of a loop and every operation against a deadline, and
bounds what it writes and what it builds on the way. Imported late, since Jinja takes 50 ms or more
that a model without a template need not pay. Called by `chat`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Final, NoReturn, cast

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context

from midfill_engine.errors import TemplateError
from midfill_engine.text.chat_bounds import Watch, bound, text_of
from midfill_engine.text.chat_sandbox import WATCH, Sandbox, watch_of
from midfill_engine.text.chat_sizes import date_len, json_len

MAX_TEMPLATE_CHARS: Final = 1_000_000
MAX_SECONDS: Final = 2.0
"""Rendering the largest body (2 MB, 30,000 messages) takes 0.2 s (docs/log.md)."""


class ChatTemplate:
    """A compiled template."""

    def __init__(self, source: str) -> None:
        """Compile.

        Raises:
            TemplateError: it is no template, or a very long one.
        """
        if len(source) > MAX_TEMPLATE_CHARS:
            raise TemplateError(f"it has over {MAX_TEMPLATE_CHARS} characters")
        environment = _environment()
        try:
            self._template = environment.from_string(environment.parse(source))
        except (jinja2.TemplateError, RecursionError, SyntaxError) as error:
            raise TemplateError(_one_line(error)) from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text for these variables.

        Raises:
            TemplateError: with the template's own words where it refuses the conversation.
        """
        watch = Watch(MAX_SECONDS)
        pieces: list[str] = []
        num_chars = 0
        try:
            for piece in self._template.generate({**variables, WATCH: watch}):
                num_chars += len(piece)
                bound(num_chars)
                pieces.append(piece)
        except TemplateError:
            raise
        # What a foreign program raises can be anything.
        except Exception as error:
            raise TemplateError(_one_line(error)) from error
        return "".join(pieces)


class _Generation(Extension):
    """`{% generation %}` marks the assistant's text for training; here it is passed through."""

    tags = {"generation"}  # noqa: RUF012  # as the base class declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> Sandbox:
    environment = Sandbox(
        {"join": _join, "sum": _sum, "tojson": _to_json},
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, "jinja2.ext.loopcontrols"],
    )
    functions = {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
    cast("MutableMapping[str, object]", environment.globals).update(functions)
    return environment


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(_one_line(text_of(message)))


def _strftime_now(form: str) -> str:
    bound(date_len(form))
    return datetime.now().strftime(form)


@jinja2.pass_context
def _join(
    context: Context, value: Iterable[object], d: object = "", attribute: str | int | None = None
) -> str:
    between = text_of(d)
    texts: list[str] = []
    num_chars = 0
    for item in watch_of(context).each(_each(context, value, attribute)):
        text = text_of(item)
        num_chars += len(text) + len(between)
        bound(num_chars - len(between))
        texts.append(text)
    return between.join(texts)


@jinja2.pass_context
def _sum(
    context: Context,
    iterable: Iterable[object],
    attribute: str | int | None = None,
    start: object = 0,
) -> object:
    """By the bounded `+`: Jinja's makes a list of lists of any length."""
    environment = cast("Sandbox", context.environment)
    total = start
    for value in _each(context, iterable, attribute):
        total = environment.call_binop(context, "+", total, value)
    return total


def _each(
    context: Context, values: Iterable[object], attribute: str | int | None
) -> Iterable[object]:
    if attribute is None:
        return values
    options = {"attribute": attribute}
    found = context.environment.call_filter("map", values, (), options, context)
    return cast("Iterable[object]", found)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own escapes HTML, which no model was trained with."""
    bound(json_len(value, indent, separators))
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())[:300]
    return text or type(error).__name__
