"""Work in the background of which only the latest counts. Called by `prefetch` and `warm_up`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

logger = logging.getLogger(__name__)


class OneTask:
    """One task at a time: the next one ends the one before."""

    def __init__(self, name: str) -> None:
        """Begin nothing; the log calls a failure by this name."""
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Begin this in place of what is under way."""
        self.stop()
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._log_failure)

    def stop(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """End what is under way, and return when it has ended."""
        self.stop()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a %s failed: %s", self._name, type(error).__name__)
