"""Waits that end as near to their time as the event loop can. Called by `completer`."""

from __future__ import annotations

import asyncio

_TICK_S = 0.001


async def pause(delay_s: float) -> None:
    """Wait half a tick less: the loop's selectors round a time-out up to whole milliseconds."""
    await asyncio.sleep(max(0.0, delay_s - _TICK_S / 2))
