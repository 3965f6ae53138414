"""Reading a backend's stream to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from midfill_lsp.backend.base import InfillRequest, Scores, StreamEnd

REQUEST = InfillRequest("def f(", "):\n", "window/file/typing", 32, ("\n",))


async def collect(
    stream: AsyncGenerator[str | Scores | StreamEnd, None],
) -> tuple[list[str], StreamEnd | None]:
    texts: list[str] = []
    end: StreamEnd | None = None
    async with aclosing(stream):
        async for part in stream:
            assert end is None, "nothing comes after the end"
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, StreamEnd):
                end = part
    return texts, end
