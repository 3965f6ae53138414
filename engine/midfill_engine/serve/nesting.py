"""How deep JSON may be nested.

What is read once is written again in keys, templates and schemas, whose recursion has other bounds
than the reader's. So there is one bound, checked on reading. Pure; called wherever JSON is read
that a client or a model wrote.
"""

from __future__ import annotations

from typing import cast

MAX_DEPTH = 128
"""Objects and lists inside each other; llguidance reads schemas down to as many."""


def is_too_deep(value: object) -> bool:
    """Whether a value out of `json.loads` is nested deeper than `MAX_DEPTH`."""
    level = _containers([value])
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        level = [inner for outer in level for inner in _containers(_members(outer))]
    return bool(level)


def _members(container: object) -> list[object]:
    if isinstance(container, dict):
        return list(cast("dict[str, object]", container).values())
    return cast("list[object]", container)


def _containers(values: list[object]) -> list[object]:
    return [value for value in values if isinstance(value, (dict, list))]
