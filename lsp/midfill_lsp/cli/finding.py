"""What `midfill doctor` found: one thing, its state, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked for.
        state: `ok`; `missing` where it could be better; `broken` where nothing works without.
        found: what is there.
        remedy: what to do about it, None if nothing has to be done.
    """

    name: str
    state: Literal["ok", "missing", "broken"]
    found: str
    remedy: str | None = None
