"""Telling what steps made: to each sink at once, and to who sleeps when a step has told it all.

Used by `batcher`, on the engine thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from midfill_engine.runtime.request import Event, Finished, TokenEvent
from midfill_engine.runtime.sequence import Sequence

logger = logging.getLogger(__name__)


class Teller:
    """What was told since the last step, and who waits for word of it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._untold = set[Callable[[], None]]()
        self._is_awaited = False

    def tell(self, sequence: Sequence, event: Event) -> None:
        """Give an event to its sequence's sink; raises what that raises."""
        if isinstance(event, Finished) or sequence.told_at is None:
            self._is_awaited = True
        if isinstance(event, TokenEvent) and sequence.told_at is None:
            sequence.told_at = time.perf_counter()
        self._untold.add(sequence.on_told)
        sequence.sink(event)

    def told(self) -> None:
        """Say that something was told, to each who waits for word of it once."""
        while self._untold:
            try:
                self._untold.pop()()
            except Exception:
                logger.exception("a receiver could not be woken")

    def give_way(self) -> None:
        """Let the event loop's thread go first behind a first text or an end.

        Once the next step has begun on all cores, a first text that was told leaves 1.2 ms later
        (docs/log.md, 2026-11-26).
        """
        if self._is_awaited:
            self._is_awaited = False
            time.sleep(0)
