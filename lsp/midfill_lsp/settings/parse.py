"""One value from outside, checked against the type and the bounds of its field.

Pure, but for where `~` and relative paths begin. Called by `settle`, `edit` and `cli`.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin

_UNIONS = (Union, types.UnionType)


def parse_value(
    value: object, hint: object, facts: Mapping[str, Any], folder: Path | None = None
) -> object:
    """Return `value` as the hint's type.

    Args:
        value: as JSON or TOML has it; never None.
        hint: the field's type.
        facts: the field's metadata.
        folder: where a relative path begins; None leaves it as it is.

    Raises:
        ValueError: it does not fit; the text says what was expected.
    """
    if get_origin(hint) in _UNIONS:
        return _parse_union(value, hint, facts, folder)
    if get_origin(hint) is Literal:
        if isinstance(value, str) and value in get_args(hint):
            return value
        choices = get_args(hint)
        raise ValueError(("one of " if len(choices) > 1 else "") + ", ".join(choices))
    if get_origin(hint) is tuple:
        entries = cast("list[object]", value) if isinstance(value, (list, tuple)) else [None]
        if all(isinstance(item, str) for item in entries):
            return tuple(entries)
        raise ValueError("a list of texts")
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if hint is int or hint is float:
        return _parse_number(value, int if hint is int else float, facts)
    if isinstance(value, str) and value.strip():
        if hint is Path:
            return _parse_path(value, folder)
        if not facts.get("may_be_folder") or not is_relative(value):
            return value
        if folder is None:
            raise ValueError("a whole path, from / or ~ on")
        return os.path.normpath(folder / value)
    raise ValueError("a text that is not empty")


def _parse_union(
    value: object, hint: object, facts: Mapping[str, Any], folder: Path | None
) -> object:
    expected: list[str] = []
    for choice in get_args(hint):
        if choice is type(None):
            continue
        try:
            return parse_value(value, choice, facts, folder)
        except ValueError as error:
            expected.append(str(error))
    raise ValueError(" or ".join(expected))


def _parse_number(
    value: object, kind: type[int] | type[float], facts: Mapping[str, Any]
) -> int | float:
    low, high = facts["low"], facts["high"]
    whole = "a whole number" if kind is int else "a number"
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if fits and kind is int:
        fits = isinstance(value, int) or float(cast("float", value)).is_integer()
    if not fits or not low <= cast("float", value) <= high:
        raise ValueError(f"{whole} from {low:.0f} to {high:.0f}")
    return kind(cast("float", value))


def _parse_path(value: str, folder: Path | None) -> Path:
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError("a path that begins in a home folder that exists") from None
    return path if folder is None else folder / path


def is_relative(text: str) -> bool:
    """Return whether a text that may be a path is one from `.` or `..` on."""
    return re.match(r"\.{1,2}(?:[/\\]|$)", text) is not None


def whole_path(text: str) -> str:
    """Return a path as it means the same in every folder; without its home folder it stays."""
    place = os.path.expanduser(text)
    return place if place.startswith("~") else str(Path(place).absolute())


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, and short."""
    if isinstance(value, Mapping):
        return "a group"
    try:
        text = str(value) if isinstance(value, Path) else repr(value)
    except (ValueError, RecursionError):  # TOML's hexadecimal numbers and dotted keys have no end
        return "what is too long to show"
    return text if len(text) <= 60 else text[:57] + "..."
