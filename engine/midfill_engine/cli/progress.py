"""Progress of a load in lines of the log, which a language server reads (docs/protocol.md)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from midfill_engine.model.progress import Stage

_FIRST_S = 1.0
"""What takes less is not worth a line."""
_BETWEEN_S = 0.5


class ProgressLines:
    """`midfill-engine: NAME: loading 43 %`, at most two a second, never back within a stage."""

    def __init__(
        self, name: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Tell of the load of the model `name`; `tell` writes a line."""
        self._name = name
        self._tell = tell
        self._clock = clock
        self._next_at: float | None = None  # from the first word on: torch is imported before it
        self._told: tuple[Stage, int] | None = None
        self._lock = threading.Lock()

    def __call__(self, stage: Stage, share: float) -> None:
        """So much of the stage is over, 0 to 1."""
        percent = int(100 * min(max(share, 0.0), 1.0))
        with self._lock:
            now = self._clock()
            if self._next_at is None:
                self._next_at = now + _FIRST_S
            is_new = self._told is None or stage != self._told[0] or percent > self._told[1]
            if now < self._next_at or not is_new:
                return
            self._told = (stage, percent)
            self._next_at = now + _BETWEEN_S
            self._tell(f"midfill-engine: {self._name}: {stage} {percent} %")
