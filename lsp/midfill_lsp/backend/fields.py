"""Parts of a JSON answer, whatever a server has put there. Pure. Called by the dialects."""

from __future__ import annotations

import math
from typing import Any, cast

_MAX_COUNT = 2**53  # no tokens or nanoseconds are as many, and a float still holds each


def fields_of(value: object) -> dict[str, Any]:
    """Return an object's members; none for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_of(value: object) -> list[object]:
    """Return a list; an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def count(value: object) -> int | None:
    """Return a count, None for anything else."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
    return cast("int", value) if is_count else None


def number(value: object) -> float | None:
    """Return a finite number, None for anything else."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:  # JSON bounds no number, and Python reads 4,300 digits
        return None
    return found if math.isfinite(found) else None
