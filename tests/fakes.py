"""Stand-ins for the engine, for tests of everything above the backend's interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.errors import BackendError


@dataclass
class FakeBackend:
    """Answers every request with the same deltas.

    Attributes:
        deltas: what is streamed; an exception among them is raised at its place.
        end: what ends the stream.
        gate: where set, each delta behind the first waits until it is open.
        requests: the infill requests that came.
        aborted: set when a stream was closed before its end.
        started: set when a stream has given its first delta.
    """

    deltas: list[str | BackendError] = field(default_factory=list[str | BackendError])
    end: StreamEnd = field(default_factory=lambda: StreamEnd("eos"))
    gate: asyncio.Event | None = None
    name: str = "fake"
    requests: list[InfillRequest] = field(default_factory=list[InfillRequest])
    chats: list[tuple[ChatMessage, ...]] = field(default_factory=list[tuple[ChatMessage, ...]])
    num_aborted: int = 0
    closed: bool = False
    aborted: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        self.requests.append(request)
        return self._stream()

    def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        self.chats.append(messages)
        return self._stream()

    async def aclose(self) -> None:
        self.closed = True

    async def _stream(self) -> AsyncGenerator[str | StreamEnd, None]:
        ended = False
        try:
            for idx, delta in enumerate(self.deltas):
                if isinstance(delta, BackendError):
                    ended = True
                    raise delta
                if idx and self.gate:
                    await self.gate.wait()
                self.started.set()
                yield delta
            ended = True
            yield self.end
        finally:
            if not ended:
                self.num_aborted += 1
                self.aborted.set()


@dataclass
class FakeEngine(FakeBackend):
    """A `FakeBackend` that has an engine to start.

    Attributes:
        start_error: what `start` raises.
        start_gate: where set, `start` waits for it.
    """

    start_error: BackendError | None = None
    start_gate: asyncio.Event | None = None
    num_starts: int = 0

    async def start(self) -> None:
        self.num_starts += 1
        if self.start_gate:
            await self.start_gate.wait()
        if self.start_error:
            raise self.start_error

    async def restart(self) -> None:
        self.start_error = None

    def describe(self) -> Mapping[str, object]:
        return {"model": "fake-model", "url": "http://127.0.0.1:1", "pid": 1}
