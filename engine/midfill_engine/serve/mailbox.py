"""From the engine's threads to the event loop: any number of events, one wake-up.

A wake-up is a system call, behind which the loop's thread takes the interpreter's lock from the
engine's until it has sent what came: 0.2 ms on two busy cores. Called by `generation`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from midfill_engine.runtime.request import Event

logger = logging.getLogger(__name__)


class Mailbox:
    """What was told and not yet received, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin empty; receivers are called on this loop."""
        self.loop = loop
        self._posted = deque[tuple[Callable[[Event], None], Event]]()
        self._is_due = False

    def post(self, receive: Callable[[Event], None], event: Event) -> None:
        """Keep an event for its receiver; on any thread."""
        self._posted.append((receive, event))

    def wake(self) -> None:
        """Have all that was posted received; on any thread."""
        if self._is_due or not self._posted:
            return
        self._is_due = True
        try:
            self.loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            logger.debug("the event loop has closed before %d events", len(self._posted))

    def _deliver(self) -> None:
        self._is_due = False  # first: what is posted from here on wakes it again
        while self._posted:
            receive, event = self._posted.popleft()
            receive(event)
