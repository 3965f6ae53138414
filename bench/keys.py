"""What a replay leaves behind: its keystrokes, and what was on the screen.

Written by ``bench.replay``, read by ``bench.latency_report``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bench.typist import Accept, Kind

Cause = Kind | Literal["accept"]


@dataclass(slots=True)
class Key:
    """A keystroke that asked for a suggestion, and what came of it; moments in seconds.

    Attributes:
        first_at: something to show had come, None where nothing came before the next key.
        final_at: the reply had come.
        explanation: of ``midfill.explain``, where the reply came before the next key.
    """

    kind: Cause
    version: int
    msg_id: int
    at: float
    partial: str = ""
    first_at: float | None = None
    final_at: float | None = None
    is_replied: bool = False
    explanation: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Log:
    """All that happened in the traces of one run.

    Attributes:
        displays: each text on the screen with the document before it, and the moment.
        stale: what came for a version that the server knew was gone, or did not fit: why, and what.
        num_flickers: texts that took something back.
        num_crossed: replies that were under way when the next key was pressed.
        num_failed: error replies, cancels apart.
    """

    keys: list[Key] = field(default_factory=list[Key])
    displays: list[tuple[str, str, float]] = field(default_factory=list[tuple[str, str, float]])
    accepts: list[Accept] = field(default_factory=list[Accept])
    num_moves: int = 0
    num_typed: int = 0
    stale: list[str] = field(default_factory=list[str])
    num_flickers: int = 0
    num_crossed: int = 0
    num_failed: int = 0
