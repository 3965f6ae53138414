"""Where chat templates run: Jinja's sandbox, with every operation watched.

Each loop, call, filter, test, operator, block that is set and value that is written passes a gate
here, which asks `chat_sizes` first. Knows no conversations. Called by `chat_template`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import (
    ImmutableSandboxedEnvironment,
    SandboxedEscapeFormatter,
    SandboxedFormatter,
)
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from midfill_engine.errors import TemplateError
from midfill_engine.text.chat_bounds import Watch, bound, bounded, text_len, text_of
from midfill_engine.text.chat_sizes import SIZED, bound_call, bound_operands, joined_len, widest

WATCH: Final = "watch of this rendering"
"""Key of the watch among the template's variables; no name that a template could spell."""
_DROPPED_FILTERS: Final = ("pprint", "striptags", "urlize", "xmlattr")
"""For pages of HTML and for debugging; what they take has no simple bound."""
_DROPPED_METHODS: Final = frozenset({"encode", "from_bytes", "maketrans", "to_bytes", "translate"})
"""Of texts and numbers: they make bytes, or put a text in place of each character."""


def watch_of(context: Context) -> Watch:
    """The watch of the rendering that this context belongs to."""
    return cast("Watch", context.parent[WATCH])


class Sandbox(ImmutableSandboxedEnvironment):
    """Ends, and refuses operations whose result would be huge."""

    intercepted_binops = frozenset({"+", "*", "**", "%", "//"})

    def __init__(self, filters: Mapping[str, Callable[..., Any]], **options: Any) -> None:  # noqa: ANN401
        """Takes filters of its own beside Jinja's, and Jinja's options."""
        super().__init__(finalize=_written, **options)
        del self.globals["lipsum"]
        for name in _DROPPED_FILTERS:
            del self.filters[name]
        every: dict[str, Callable[..., Any]] = {**self.filters, **filters, "watched": _watched}
        self.filters.update({name: _gated(name, every[name]) for name in every})
        tests = cast("dict[str, Callable[..., Any]]", self.tests)
        tests.update({name: _gated(name, tests[name]) for name in SIZED & tests.keys()})

    def parse(self, source: str, *args: Any, **kwargs: Any) -> nodes.Template:  # noqa: ANN401
        """Jinja's, with the gates put in."""
        tree = super().parse(source, *args, **kwargs)
        return cast("nodes.Template", _Watched().visit(tree))

    def call(  # as the base class
        __self,  # the base class keeps `self` free for the template's arguments
        __context: Context,
        __obj: Any,  # noqa: ANN401
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Refuses a call whose result would be huge."""
        watch = watch_of(__context)
        watch.tick()
        if not callable(__obj):  # Jinja's own message would quote it
            raise TemplateError(f"a {type(__obj).__name__} cannot be called")
        owner = getattr(__obj, "__self__", None)
        name = getattr(__obj, "__name__", "")
        if name == "join" and isinstance(owner, str) and args:
            args = (list(watch.each(args[0])), *args[1:])
            bound(joined_len(owner, args[0]))
        elif isinstance(owner, (str, list)):
            bound_call(name, cast("object", owner), *args, **kwargs)
        return bounded(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Refuses a result that would be huge."""
        watch_of(context).tick()
        bound_operands(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401
        """Refuses methods that have no bound."""
        if isinstance(obj, (str, int)) and attr in _DROPPED_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401
        """Jinja's, unless what is not found is too long for a message."""
        found = super().getitem(obj, argument)
        if isinstance(found, jinja2.Undefined):
            text_len(argument)  # which the message would quote
        return found

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ANN401
        """`str.format` and `format_map`, bounded."""
        if super().wrap_str_format(value) is None:
            return None
        form = cast("str", value.__self__)
        is_map = value.__name__ == "format_map"

        def build(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401
            if isinstance(form, Markup):
                formatter: _Plain = _Escaping(self, form, escape=form.escape)
            else:
                formatter = _Plain(self, form)
            if is_map:
                return type(form)(formatter.vformat(form, (), *args))
            return type(form)(formatter.vformat(form, args, kwargs))

        return build

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """What a macro or a block that is set has written."""
        found = list(pieces)
        bound(sum(len(piece) for piece in found))
        return "".join(found)


class _Plain(SandboxedFormatter):
    """`str.format`: counts its fields, each before it is made."""

    def __init__(self, environment: Sandbox, form: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(environment, **options)
        self._num_chars = len(form)

    def convert_field(self, value: Any, conversion: Any) -> Any:  # noqa: ANN401
        bound(self._num_chars + text_len(value))
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401
        bound(self._num_chars + widest(format_spec))
        found = cast("str", super().format_field(value, format_spec))
        self._num_chars += len(found)
        bound(self._num_chars)
        return found


class _Escaping(_Plain, SandboxedEscapeFormatter):
    """The same for a text that is marked as HTML."""


class _Watched(NodeTransformer):
    """Sends every loop and every `~` of a template through a filter."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # named by Jinja
        self.generic_visit(node)
        node.iter = _through("watched", cast("nodes.Expr", node.iter))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _through("join", nodes.List(node.nodes, lineno=node.lineno))


def _through(name: str, value: nodes.Expr) -> nodes.Filter:
    found = nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)
    if value.environment is not None:
        found.set_environment(value.environment)
    return found


def _gated(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test, bounded; one that takes the context, Jinja does not run as it compiles."""
    mark = getattr(function, "jinja_pass_arg", None)  # left by Jinja's `pass_...` decorators
    taken = None if mark is None else mark.name

    @jinja2.pass_context
    def gated(context: Context, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        watch = watch_of(context)
        watch.tick()
        bound_call(name, *args, **kwargs)
        if taken is not None:
            passed = {
                "context": context,
                "eval_context": context.eval_ctx,
                "environment": context.environment,
            }
            args = (passed[taken], *args)
        found = function(*args, **kwargs)
        if not isinstance(found, str) and isinstance(found, Iterator):
            return watch.each(cast("Iterator[object]", found))
        return bounded(found)

    return gated


def _watched(values: Iterable[object]) -> Iterator[object]:
    return iter(values)  # which the gate watches


@jinja2.pass_context
def _written(context: Context, value: object) -> str:
    if isinstance(value, str):
        return value
    watch_of(context).tick()
    return text_of(value)
