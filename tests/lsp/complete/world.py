"""A completer with a backend and timers that the test works by hand, and a document to type in."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from midfill_lsp.backend.base import Backend, ChatMessage, InfillRequest, Scores, StreamEnd, WarmsUp
from midfill_lsp.complete import Completer, CompletionRequest, Suggestion
from midfill_lsp.config import CompletionConfig
from midfill_lsp.document import Edit, Position, open_snapshot
from midfill_lsp.metrics import Metrics
from midfill_lsp.syntax import Grammars

URI = "file:///a.py"
# Told apart by their length, which nothing else has.
DEBOUNCE_S, GRACE_S, BLOCK_WAIT_S = 0.041, 0.502, 0.153
CONFIG = CompletionConfig(debounce_ms=41, grace_ms=502, block_wait_ms=153)


class HandStream:
    """One stream of a `HandBackend`: what is pushed comes out.

    Attributes:
        request: what was asked.
        is_open: it was not closed yet.
        was_aborted: it was closed before its end.
        closing: where set, its close takes until this is.
    """

    def __init__(self, request: InfillRequest) -> None:
        self.request = request
        self.closing: asyncio.Event | None = None
        self.is_open = True
        self.was_aborted = False
        self._parts: asyncio.Queue[str | Scores | StreamEnd | Exception] = asyncio.Queue()

    def push(self, *parts: str | Scores | StreamEnd | Exception) -> None:
        """Let parts come."""
        for part in parts:
            self._parts.put_nowait(part)

    def end(self) -> None:
        """Let the stream end."""
        self.push(StreamEnd("eos"))

    async def parts(self) -> AsyncGenerator[str | Scores | StreamEnd, None]:
        """Yield what is pushed, to the end."""
        try:
            while True:
                part = await self._parts.get()
                if isinstance(part, Exception):
                    raise part
                yield part
                if isinstance(part, StreamEnd):
                    return
        except (GeneratorExit, asyncio.CancelledError):
            self.was_aborted = True
            raise
        finally:
            if self.closing:
                await self.closing.wait()
            self.is_open = False


class HandBackend:
    """A backend whose streams the test feeds; implements `Backend`.

    Attributes:
        streams: all that were asked for.
        came: set when the first was.
    """

    name = "hand"

    def __init__(self) -> None:
        self.streams: list[HandStream] = []
        self.came = asyncio.Event()
        self._more = asyncio.Event()

    async def stream(self, idx: int) -> HandStream:
        """Return a stream, once it was asked for."""
        while len(self.streams) <= idx:
            self._more.clear()
            await self._more.wait()
        return self.streams[idx]

    @property
    def open_streams(self) -> list[HandStream]:
        """Those that were asked for and not closed."""
        return [stream for stream in self.streams if stream.is_open]

    def infill(self, request: InfillRequest) -> AsyncGenerator[str | Scores | StreamEnd, None]:
        self.streams.append(HandStream(request))
        self.came.set()
        self._more.set()
        return self.streams[-1].parts()

    def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        return


class SamplingBackend(HandBackend):
    """Also a `SamplesInfill`, whose samples are scripted.

    Attributes:
        script: deltas and ends with their samples' indices; an exception is raised.
        gate: where set, each part waits until it is open.
        asked: number of samples and temperature, for each time.
    """

    def __init__(self, *script: tuple[int, str | StreamEnd] | Exception) -> None:
        super().__init__()
        self.script = script
        self.gate: asyncio.Event | None = None
        self.asked: list[tuple[int, float]] = []
        self.was_closed = False

    async def samples(
        self, request: InfillRequest, num_samples: int, temperature: float
    ) -> AsyncGenerator[tuple[int, str | StreamEnd], None]:
        self.asked.append((num_samples, temperature))
        try:
            for part in self.script:
                if self.gate:
                    await self.gate.wait()
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.was_closed = True


class WarmingBackend(HandBackend):
    """Also a `WarmsUp`.

    Attributes:
        read: the requests whose prompts were to be read.
        reading: where set, a prompt is read once this is.
        error: raised in place of that.
        was_cancelled: one was, before it was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.read: list[InfillRequest] = []
        self.reading: asyncio.Event | None = None
        self.error: Exception | None = None
        self.was_cancelled = False

    def may_warm_up(self) -> bool:
        return True

    async def warm_up(self, request: InfillRequest) -> None:
        self.read.append(request)
        if self.error is not None:
            raise self.error
        if self.reading is not None:
            try:
                await self.reading.wait()
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise


class World:
    """An editor with one document.

    Attributes:
        held: lengths of waits that last until `expire`; others pass at once.
        snapshot: the document; its cursor is `cursor`, in code points from the start.
        slept: lengths of all waits.
        partial: what came over progress.
    """

    def __init__(
        self,
        code: str,
        config: CompletionConfig = CONFIG,
        language_id: str = "python",
        backend: HandBackend | None = None,
    ) -> None:
        before, after = code.split("█")
        self.config = config
        self.backend = backend or HandBackend()
        self.metrics = Metrics()
        self.now = 0.0
        self.held = {GRACE_S, BLOCK_WAIT_S}
        self.waits: dict[float, list[asyncio.Event]] = defaultdict(list)
        self.slept: list[float] = []
        self.partial: list[str] = []
        self.snapshot = open_snapshot(URI, language_id, 1, before + after, "utf-32")
        self.cursor = len(before)
        self.completer = Completer(
            self._asking,
            lambda: self.config,
            lambda snapshot: snapshot is self.snapshot,
            self.metrics,
            "window",
            self._sleep,
            lambda: self.now,
            _loaded(),
            warming=lambda: self.backend if isinstance(self.backend, WarmsUp) else None,
        )

    def edit(self, num_removed: int, text: str, version: int | None = None) -> None:
        """Replace the characters before the cursor, and tell the completer."""
        start = self.snapshot.position_at(self.cursor - num_removed)
        end = self.snapshot.position_at(self.cursor)
        before = self.snapshot
        self.snapshot = before.apply((Edit(text, start, end),), before.version + 1)
        self.cursor += len(text) - num_removed
        self.completer.changed(before, self.snapshot)

    def type(self, text: str) -> None:
        """Type at the cursor."""
        self.edit(0, text)

    def move(self, code: str) -> None:
        """Put the cursor before the first place where this text stands, and tell the completer."""
        self.cursor = "".join(self.snapshot.lines).index(code)
        self.completer.moved(self.request())

    def request(self, explicit: bool = False, has_selection: bool = False) -> CompletionRequest:
        """Return a request at the cursor."""
        line_idx, column = self.snapshot.locate(self.snapshot.position_at(self.cursor))
        return CompletionRequest("1", self.snapshot, line_idx, column, explicit, has_selection)

    def ask(
        self, explicit: bool = False, grows: bool = False, request: CompletionRequest | None = None
    ) -> asyncio.Task[tuple[Suggestion, ...]]:
        """Begin a request at the cursor."""
        on_partial = self._grow if grows else None
        made = request or self.request(explicit)
        return asyncio.create_task(self.completer.complete(made, on_partial))

    def _grow(self, suggestion: Suggestion) -> None:
        self.partial.append(suggestion.text)

    async def stream(self, num_streams: int = 1) -> HandStream:
        """Return the latest stream, once so many were asked for."""
        await settle()
        assert len(self.backend.streams) == num_streams
        return self.backend.streams[-1]

    async def expire(self, delay_s: float) -> None:
        """Let all waits of a length pass."""
        for event in self.waits.pop(delay_s, []):
            event.set()
        await settle()

    @property
    def outcome(self) -> tuple[str, str | None]:
        """How the latest request ended, and what skipped it."""
        last = self.completer.last
        assert last is not None
        return last.outcome, last.skip

    @contextmanager
    def _asking(self, explicit: bool) -> Generator[Backend]:
        yield self.backend

    async def _sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        if delay_s in self.held:
            event = asyncio.Event()
            self.waits[delay_s].append(event)
            await event.wait()


@cache
def _loaded() -> Grammars:
    """Return grammars that need no thread any more, so that `settle` is all that has to be."""
    grammars = Grammars()
    grammars.load("python")
    return grammars


async def settle() -> None:
    """Let everything run that can run without the test."""
    for _ in range(20):
        await asyncio.sleep(0)


async def cancel(task: asyncio.Task[tuple[Suggestion, ...]]) -> None:
    """Cancel a request, as the editor does."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def texts(suggestions: tuple[Suggestion, ...]) -> list[str]:
    """Return the suggestions' texts."""
    return [suggestion.text for suggestion in suggestions]


def with_config(**changes: object) -> CompletionConfig:
    """Return the test's settings with changes."""
    return replace(CONFIG, **changes)  # type: ignore[arg-type]


def select(world: World, start: int, text: str) -> CompletionRequest | None:
    """Return a request with an item selected in the pop-up menu that begins at a place."""
    begin: Position = world.snapshot.position_at(start)
    end = world.snapshot.position_at(world.cursor)
    return world.request().with_selected(begin, end, text)
