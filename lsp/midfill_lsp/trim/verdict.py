"""What one look at the text so far says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "line", "block", "suffix", "bracket", "repeat", "sentinel", "limit", "blank", "syntax", "unsure"
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part that is safe to show, and whether more could come.

    Attributes:
        text: may be shown; later verdicts on longer text start with it.
        done: nothing behind it will ever be shown.
        reason: the rule that cut something, None if nothing was.
        replaces_rest: the text takes the place of the rest of the cursor's line. Only known when
            the text is finished.
        ends_line: no line of the text can grow any more.
    """

    text: str
    done: bool = False
    reason: Reason | None = None
    replaces_rest: bool = False
    ends_line: bool = False
