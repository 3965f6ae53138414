"""A model's own chat template: Jinja, as Hugging Face writes it, in a sandbox with bounds.

A template is a program that came with the weights. It sees plain data only, cannot reach Python,
and ends: every turn of a loop and every call counts against a deadline, and what it writes and
what it builds on the way is bounded. Imported late, since Jinja takes 50 ms or more that a model
without a template need not pay. Called by `chat`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Final, NoReturn, cast

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from midfill_engine.errors import TemplateError

MAX_TEMPLATE_CHARS: Final = 1_000_000
MAX_CHARS: Final = 8_000_000
"""Four times the largest body: what a template writes, and any text that it builds."""
MAX_SECONDS: Final = 2.0
"""Rendering the largest body (2 MB, 30,000 messages) takes 0.2 s (docs/log.md)."""
_WATCH: Final = "watch of this rendering"
"""Key of the deadline among the template's variables; no name that a template could spell."""
_MAX_WIDTH: Final = 10_000
_PADDING: Final = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs"})


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
            tree = environment.parse(source)
            _Watched().visit(tree)
            self._template = environment.from_string(tree)
        except (jinja2.TemplateError, RecursionError, SyntaxError) as error:
            raise TemplateError(_one_line(error)) from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text for these variables.

        Raises:
            TemplateError: with the template's own words where it refuses the conversation.
        """
        watch = _Watch(time.monotonic() + MAX_SECONDS)
        pieces: list[str] = []
        num_chars = 0
        try:
            for piece in self._template.generate({**variables, _WATCH: watch}):
                num_chars += len(piece)
                _bound(num_chars)
                pieces.append(piece)
        except TemplateError:
            raise
        # What a foreign program raises can be anything.
        except Exception as error:
            raise TemplateError(_one_line(error)) from error
        return "".join(pieces)


class _Watch:
    def __init__(self, ends_at: float) -> None:
        self._ends_at = ends_at

    def tick(self) -> None:
        if time.monotonic() > self._ends_at:
            raise TemplateError(f"the template ran for over {MAX_SECONDS:g} s")


def _watch_of(context: Context) -> _Watch:
    return cast("_Watch", context.parent[_WATCH])


def _bound(num_chars: int) -> None:
    if num_chars > MAX_CHARS:
        raise TemplateError(f"the template builds over {MAX_CHARS} characters")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Counts calls against the deadline, and refuses operations whose result would be huge."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call(  # as the base class
        __self,  # the base class keeps `self` free for the template's arguments
        __context: Context,
        __obj: Any,  # noqa: ANN401
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        _watch_of(__context).tick()
        if getattr(__obj, "__name__", "") in _PADDING:
            for value in (*args, *kwargs.values()):
                _bound_width(value)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        if operator == "+":
            _bound(_len(left) + _len(right))
        elif operator == "*":
            _bound_product(left, right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _bound(left.bit_length() * right)
        elif operator == "%" and isinstance(left, str) and any(char.isdigit() for char in left):
            raise TemplateError("a width in a % format is not allowed in a chat template")
        return super().call_binop(context, operator, left, right)


def _len(value: Any) -> int:  # noqa: ANN401  # a template's value
    return len(value) if isinstance(value, (str, list, tuple)) else 0  # pyright: ignore[reportUnknownArgumentType]


def _bound_product(left: object, right: object) -> None:
    for sequence, factor in ((left, right), (right, left)):
        if isinstance(factor, int):
            _bound(_len(sequence) * factor)


def _bound_width(value: object) -> None:
    if isinstance(value, int) and value > _MAX_WIDTH:
        raise TemplateError(f"a width over {_MAX_WIDTH} is not allowed in a chat template")


class _Watched(NodeTransformer):
    """Sends every loop and every `~` of a template through the filters below."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # named by Jinja
        self.generic_visit(node)
        node.iter = _through("watched", cast("nodes.Expr", node.iter))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _through("joined", nodes.List(node.nodes, lineno=node.lineno))


def _through(name: str, value: nodes.Expr) -> nodes.Filter:
    found = nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)
    if value.environment is not None:
        found.set_environment(value.environment)
    return found


@jinja2.pass_context
def _watched(context: Context, values: Iterable[object]) -> Iterator[object]:
    watch = _watch_of(context)
    for value in values:
        watch.tick()
        yield value


@jinja2.pass_context
def _joined(context: Context, values: list[object]) -> str:
    del context
    texts = [str(value) for value in values]
    _bound(sum(len(text) for text in texts))
    return "".join(texts)


class _Generation(Extension):
    """`{% generation %}` marks the assistant's text for training; here it is passed through."""

    tags = {"generation"}  # noqa: RUF012  # as the base class declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> _Sandbox:
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    functions: dict[str, Callable[..., object]] = {
        "raise_exception": _raise_exception,
        "strftime_now": _strftime_now,
    }
    cast("MutableMapping[str, object]", environment.globals).update(functions)
    del environment.globals["lipsum"]
    filters: dict[str, Callable[..., object]] = {
        "tojson": _to_json,
        "watched": _watched,
        "joined": _joined,
    }
    environment.filters.update(filters)
    return environment


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(_one_line(message))


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own escapes HTML, which no model was trained with."""
    if indent is not None:
        _bound_width(indent)
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
