"""Params taken at their word: no text for a number, no number for a text. Called by `rpc`.

cattrs turns `"1"`, `1.5` and `true` into 1, and any value into a text; an editor that sends such a
thing has a fault, and had better hear of it than be answered for another place.
"""

from __future__ import annotations

import re
from typing import cast

import cattrs
from cattrs.v import format_exception


def make_strict(converter: cattrs.Converter) -> None:
    """Have a converter, which has structured nothing yet, take primitives only as they are."""
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _truth)


def told(error: Exception) -> str:
    """Return what is malformed and where, without the values: they may be users' code."""
    try:
        return "; ".join(map(_in_json, cattrs.transform_error(error, format_exception=_described)))
    except Exception:
        return type(error).__name__


def _whole(value: object, kind: type[int]) -> int:
    if kind is not int:  # an enumeration, which cattrs takes for its base
        return kind(cast("int", value))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():  # Lua has no other numbers
        return int(value)
    raise TypeError("a whole number")


def _text(value: object, kind: type[str]) -> str:
    if kind is not str:
        return kind(value)
    if isinstance(value, str):
        return value
    raise TypeError("a text")


def _truth(value: object, _kind: type[bool]) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError("true or false")


def _described(error: BaseException, kind: type | None) -> str:
    # What `lsprotocol` says of a number out of range; the attribute's name stands in it alone.
    out_of_range = re.match(r"\w+\.(\w+) should be in range (\[\S+\])", str(error))
    if out_of_range:
        return f"{out_of_range[1]} is not in the range {out_of_range[2]}"
    return format_exception(error, kind)


def _in_json(line: str) -> str:
    """Return a line with the field's name as it stands on the wire."""
    text, at, path = line.rpartition(" @ ")
    return text + at + re.sub(r"_([a-z])", lambda match: match[1].upper(), path)
