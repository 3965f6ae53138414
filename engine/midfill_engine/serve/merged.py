"""Several streams of events as one. Used by `samples` and `batch`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")


async def merged(sources: Sequence[AsyncIterator[_T]]) -> AsyncIterator[tuple[int, _T]]:
    """Every source's items as they come, each with the source's index; raises what one raises."""
    if len(sources) == 1:  # without a task between: it would cost each item a turn of the loop
        async for item in sources[0]:
            yield 0, item
        return
    queue: asyncio.Queue[tuple[int, _T] | None] = asyncio.Queue()

    async def pass_on(idx: int, source: AsyncIterator[_T]) -> None:
        try:
            async for item in source:
                queue.put_nowait((idx, item))
        finally:
            queue.put_nowait(None)

    tasks = [asyncio.ensure_future(pass_on(idx, source)) for idx, source in enumerate(sources)]
    try:
        num_left = len(tasks)
        while num_left:
            found = await queue.get()
            if found is None:
                num_left -= 1
            else:
                yield found
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
