"""JSON as it came off the wire: nothing about it is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

# Not `object`: pygls hands itself to a first parameter whose type it is an instance of.
RawParams = Mapping[str, Any] | list[Any] | None


def members(value: object) -> dict[str, Any]:
    """Return an object's members; none for anything else."""
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


def is_token(value: object) -> bool:
    """Whether this is what ids and progress tokens are: text or a whole number."""
    return isinstance(value, (str, int)) and not isinstance(value, bool)
