"""The JSON examples of docs/protocol.md: fenced blocks such as ```json request /infill."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

_PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
_BLOCK = re.compile(r"^```json ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, Any]:
    """Return the examples by what stands behind `json`, such as `reply /infill`."""
    page = _PAGE.read_text(encoding="utf-8")
    return {name.strip(): json.loads(body) for name, body in _BLOCK.findall(page)}


def shape(value: object) -> object:
    """Return keys and types in place of values, ints and floats alike."""
    if isinstance(value, dict):
        return {key: shape(child) for key, child in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [shape(child) for child in cast("list[object]", value)[:1]]
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__
