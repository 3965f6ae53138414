"""How far the model is on its way, by the engine's word or a server's estimate.

Called by `engine`. What is shown changes at each percent, whoever waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_TICK_S = 0.5
_MOST_PERCENT = 99  # of an estimate, however long it takes


class Loading:
    """What is being loaded, and the percent of it that is there; nothing at first."""

    def __init__(
        self, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show nothing; `changed` is called after every change."""
        self._changed = changed
        self._clock = clock
        self._reason: str | None = None
        self._percent: int | None = None

    @property
    def reason(self) -> str | None:
        """What is being loaded and how far it is, None where nothing was told."""
        if self._reason is None or self._percent is None:
            return self._reason
        return f"{self._reason}: {self._percent} %"

    @property
    def percent(self) -> int | None:
        """Of the model that is there, None where that is not known."""
        return self._percent

    def show(self, reason: str | None, percent: int | None = None) -> None:
        """Show this; None for nothing any more."""
        if (reason, percent) != (self._reason, self._percent):
            self._reason, self._percent = reason, percent
            self._changed()

    async def estimate(self, reason: str, expected_s: float | None) -> None:
        """Show the share of a server's estimate that is over, until this is cancelled."""
        if not expected_s:
            return
        began = self._clock()
        while True:
            share = (self._clock() - began) / expected_s
            self.show(reason, min(int(100 * share), _MOST_PERCENT))
            await asyncio.sleep(_TICK_S)
