"""How much an operation of a chat template would build, told before it builds it.

Knows values and the names of operators, methods, filters and tests. Called by `chat_sandbox`,
which asks before each, and by `chat_template`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from midfill_engine.errors import TemplateError
from midfill_engine.text.chat_bounds import bound, bound_bits, text_len, text_of

_SLICE_BYTES: Final = 64
"""Of an empty list."""
_STRFTIME_GROWTH: Final = 256
"""How much longer than its format Python lets a date become."""
_CONVERSION: Final = re.compile(r"%[-+ #0]*(?:\*|\d*)(?:\.(?:\*|\d*))?[hlL]?.", re.DOTALL)
"""One of a % format without a mapping key: `*` does not work beside keys."""


def bound_operands(operator: str, left: object, right: object) -> None:
    """Raises TemplateError where `left operator right` would be huge, or take long."""
    if isinstance(left, int) and isinstance(right, int):
        num_bits = left.bit_length()
        bound_bits(num_bits * right if operator == "**" else num_bits + right.bit_length())
    elif operator == "+":
        bound(_num_items(left) + _num_items(right))
    elif operator == "*":
        for sequence, factor in ((left, right), (right, left)):
            if isinstance(factor, int):
                bound(_num_items(sequence) * factor)
    elif operator == "%" and isinstance(left, str):
        bound(_percent_len(left, right))


def _num_items(value: object) -> int:
    return len(cast("Collection[object]", value)) if isinstance(value, (str, list, tuple)) else 0


def bound_call(name: str, *args: object, **options: Any) -> None:  # noqa: ANN401
    """Refuses a method (its object first), filter or test (value first) by what it would build.

    Raises:
        TemplateError: it is too much.
    """
    size = _SIZES.get(name)
    if size is not None:
        bound(size(*args, **options))


def widest(form: str) -> int:
    """The largest number in a format: no width or precision is larger."""
    return max((int(digits) for digits in re.findall(r"\d+", form)), default=0)


def joined_len(between: str, pieces: Collection[object]) -> int:
    """The length of `between.join(pieces)`."""
    return len(between) * len(pieces) + sum(
        len(piece) for piece in pieces if isinstance(piece, str)
    )


def json_len(value: object, indent: int | str | None, separators: tuple[str, str] | None) -> int:
    """At least the length of this value as JSON."""
    by = indent if isinstance(indent, int) else len(indent or "")
    return text_len(value, max(by, 0), 4 + sum(len(text) for text in separators or ()))


def date_len(form: str) -> int:
    """The longest that a date of this format can be."""
    return len(form) * _STRFTIME_GROWTH


def _percent_len(form: str, values: Any) -> int:  # noqa: ANN401  # a template's
    if any("*" in found for found in _CONVERSION.findall(form)):
        raise TemplateError("a width of * in a % format is not allowed in a chat template")
    num_fields = form.count("%")
    is_mapping = isinstance(values, Mapping)  # whose values may come up again
    num_uses = num_fields if is_mapping else 1
    return len(form) + num_fields * widest(form) + num_uses * text_len(values)


# The parameters have the names that templates may write.


def _as_text(value: object, chars: str | None = None) -> int:
    del chars
    return text_len(value)


def _padded(text: object, width: int = 80, fillchar: str = " ") -> int:
    return text_len(text) + width + len(fillchar)


def _expanded(text: str, tabsize: int = 8) -> int:
    return len(text) + text.count("\t") * tabsize


def _replaced(s: object, old: object, new: object, count: int | None = None) -> int:
    text = text_of(s)
    num_found = text.count(text_of(old))
    if count is not None and count >= 0:
        num_found = min(num_found, count)
    return len(text) + num_found * text_len(new)


def _indented(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> int:
    by = len(width) if isinstance(width, str) else width
    return len(s) + (len(s.splitlines()) + 1) * by + first + blank


def _wrapped(
    s: str,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str | None = None,
    break_on_hyphens: bool = True,
) -> int:
    """A word that has to be broken is copied once a line."""
    del break_long_words, break_on_hyphens
    longest = max((len(word) for word in s.split()), default=0)
    return len(s) * (1 + len(wrapstring or "\n")) + longest * longest // max(width, 1)


def _formatted(value: object, *args: object, **options: object) -> int:
    return _percent_len(text_of(value), options or args)


def _batched(value: object, linecount: int, fill_with: object = None) -> int:
    del value, fill_with
    return linecount


def _sliced(value: object, slices: int, fill_with: object = None) -> int:
    del value, fill_with
    return slices * _SLICE_BYTES


def _escaped(value: object) -> int:
    text = text_of(value)
    return len(text) + 4 * sum(text.count(char) for char in "&<>'\"")


def _quoted(value: object) -> int:
    return 3 * len(text_of(value).encode())


def _rounded(value: object, precision: int = 0, method: str = "common") -> int:
    """A power of ten is built on the way."""
    del value, method
    bound_bits(4 * abs(precision))
    return 0


def _divided(value: object, num: object = 2) -> int:
    """A test of remainders formats a text, as `%` does."""
    bound_operands("%", value, num)
    return 0


def _told(value: object, *args: object, **_options: object) -> int:
    """The arguments that an error message would quote."""
    del value
    return sum(text_len(arg) for arg in args)


_SIZES: Final[Mapping[str, Callable[..., int]]] = MappingProxyType(
    {
        **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _padded),
        **dict.fromkeys(("capitalize", "lower", "title", "upper"), _as_text),
        **dict.fromkeys(("safe", "string", "trim", "wordcount"), _as_text),
        **dict.fromkeys(("e", "escape", "forceescape"), _escaped),
        **dict.fromkeys(("map", "select", "reject", "selectattr", "rejectattr"), _told),
        **dict.fromkeys(("divisibleby", "even", "odd"), _divided),
        "batch": _batched,
        "expandtabs": _expanded,
        "format": _formatted,
        "indent": _indented,
        "index": _told,
        "replace": _replaced,
        "round": _rounded,
        "slice": _sliced,
        "urlencode": _quoted,
        "wordwrap": _wrapped,
    }
)
SIZED: Final = frozenset(_SIZES)
"""Methods, filters and tests that may build more than a few times what they are given."""
