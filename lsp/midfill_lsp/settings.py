"""Settings from outside, laid over a `Config` at the edge. Pure. Called by `server`.

They are spelled in camel case (`completion.debounceMs`); snake case is read too. What is unknown
or wrong is told by its name, and what stood there before is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from midfill_lsp.config import Config, wire_name

EDITOR_KEYS = frozenset({"trace", "client", "statusNotifications", "tokenRequests"})
"""Keys of the `midfill` section that belong to the editors' plugins or the handshake."""

_Node = TypeVar("_Node")


def parse(settings: Mapping[str, object], base: Config | None = None) -> tuple[Config, list[str]]:
    """Lay settings from outside over `base`.

    Args:
        settings: the `midfill` section as JSON gives it. A null leaves the setting as it is.
        base: what stands where `settings` says nothing or something wrong; the defaults if None.

    Returns:
        The new configuration, and one line for every unknown key or bad value.
    """
    problems: list[str] = []
    own = {key: value for key, value in settings.items() if key not in EDITOR_KEYS}
    return _parse_node(own, base or Config(), "midfill", problems), problems


def merge(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    """Lay one settings tree over another, key by key; nulls in `upper` hide nothing."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(
                cast("Mapping[str, object]", below), cast("Mapping[str, object]", value)
            )
        elif value is not None:
            merged[key] = value
    return merged


def _parse_node(
    settings: Mapping[str, object], base: _Node, path: str, problems: list[str]
) -> _Node:
    assert is_dataclass(base)
    assert not isinstance(base, type)
    hints = get_type_hints(type(base))
    known = {item.name: item for item in fields(base)}
    changes: dict[str, Any] = {}
    for key, value in settings.items():
        name = _snake(key)
        where = f"{path}.{wire_name(name)}"
        if name not in known:
            near = ", ".join(wire_name(item) for item in known)
            problems.append(f"unknown setting {path}.{key[:60]}; there are: {near}")
        elif value is None:
            continue
        elif is_dataclass(child := getattr(base, name)):
            if isinstance(value, Mapping):
                section = cast("Mapping[str, object]", value)
                changes[name] = _parse_node(section, child, where, problems)
            else:
                problems.append(f"{where}: expected a group of settings, got {_shown(value)}")
        else:
            try:
                changes[name] = _parse_value(value, hints[name], known[name].metadata)
            except ValueError as error:
                used = _shown(child)
                problems.append(f"{where}: expected {error}, got {_shown(value)}; using {used}")
    return cast("_Node", replace(base, **changes))


def _parse_value(value: object, hint: object, bounds: Mapping[str, float]) -> object:
    """Return `value` as the hint's type.

    Raises:
        ValueError: it is not; the text says what was expected.
    """
    choices = [item for item in get_args(hint) if item is not type(None)]
    if get_origin(hint) is Literal:
        if value in choices:
            return value
        raise ValueError(("one of " if len(choices) > 1 else "") + ", ".join(choices))
    if get_origin(hint) in (Union, UnionType):
        return _parse_one_of(value, choices, bounds)
    if get_origin(hint) is tuple:
        entries = cast("list[object]", value) if isinstance(value, list) else []
        if isinstance(value, list) and all(isinstance(item, str) for item in entries):
            return tuple(entries)
        raise ValueError("a list of texts")
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if hint is int or hint is float:
        return _parse_number(value, int if hint is int else float, bounds)
    if isinstance(value, str) and value.strip():
        return Path(value).expanduser() if hint is Path else value
    raise ValueError("a text that is not empty")


def _parse_one_of(value: object, hints: list[object], bounds: Mapping[str, float]) -> object:
    """Return `value` as the first of the types that it is."""
    expected: list[str] = []
    for hint in hints:
        try:
            return _parse_value(value, hint, bounds)
        except ValueError as error:
            expected.append(str(error))
    raise ValueError(" or ".join(expected))


def _parse_number(
    value: object, kind: type[int] | type[float], bounds: Mapping[str, float]
) -> int | float:
    low, high = bounds["low"], bounds["high"]
    whole = "a whole number" if kind is int else "a number"
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if fits and kind is int:
        fits = isinstance(value, int) or float(cast("float", value)).is_integer()
    if not fits or not low <= cast("float", value) <= high:
        raise ValueError(f"{whole} from {low:.0f} to {high:.0f}")
    return kind(cast("float", value))


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a group"
    text = str(value) if isinstance(value, Path) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
