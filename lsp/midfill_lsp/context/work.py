"""Work in a thread of its own whose results are taken on the event loop.

Called by `live_index`, `reading` and `ranking`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class Work:
    """One thread, and what waits for it; everything but the work runs on the event loop.

    Attributes:
        is_closed: nobody wants results any more; long work looks at it, from the thread.
        num_done: counts what was taken.
        failures: how often each kind of work failed.
    """

    def __init__(self, name: str) -> None:
        """Name the thread; it is started by the first work."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.is_closed = False
        self.num_done = 0
        self.failures: Counter[str] = Counter()

    def running(self, kind: str, key: str = "") -> asyncio.Task[None] | None:
        """Return the work that was started and has not ended."""
        return self._running.get((kind, key))

    def start(
        self, kind: str, key: str, work: Callable[[], _T], take: Callable[[_T], None]
    ) -> asyncio.Task[None]:
        """Run `work` in the thread and `take` what it returns, once at a time for each key."""

        async def run() -> None:
            try:
                take(await asyncio.get_running_loop().run_in_executor(self._executor, work))
                self.num_done += 1
            except Exception as error:  # a source that fails is left out; its text stays untold
                logger.warning("context from %s failed: %s", kind, type(error).__name__)
                self.failures[kind] += 1
            finally:
                self._running.pop((kind, key), None)

        if (kind, key) not in self._running:
            self._running[kind, key] = asyncio.ensure_future(run())
        return self._running[kind, key]

    async def wait(self, most_s: float | None) -> float:
        """Wait for all of it, at most so long (None: to its end); return how long, in seconds."""
        if not self._running:
            return 0.0
        began = time.perf_counter()
        await asyncio.wait(list(self._running.values()), timeout=most_s)
        return time.perf_counter() - began

    async def aclose(self) -> None:
        """End it; what runs is not waited for."""
        self.is_closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
