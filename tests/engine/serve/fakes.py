"""An engine that answers a script, for tests of the dialects without a model or a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from midfill_engine.metrics import EngineLoad, StepMetrics
from midfill_engine.runtime.request import (
    Event,
    EventSink,
    Finished,
    FinishReason,
    GenerationRequest,
    Timings,
    TokenEvent,
    untold,
)


@dataclass(slots=True, eq=False)
class FakeHandle:
    """Counts aborts."""

    tell: EventSink
    on_told: Callable[[], None] = untold
    request_id: int = 0
    ended: bool = False
    num_aborts: int = 0
    aborted: threading.Event = field(default_factory=threading.Event)

    def sink(self, event: Event) -> None:
        """Tells an event as a step of its own."""
        self.tell(event)
        self.on_told()

    def abort(self) -> None:
        self.num_aborts += 1
        if not self.ended:
            self.ended = True
            self.sink(finished("aborted"))
        self.aborted.set()


class FakeEngine:
    """Answers every request with `script` at once; without a script, nothing comes until abort."""

    def __init__(self) -> None:
        self.alive = True
        self.num_open = 0
        self.requests: list[GenerationRequest] = []
        self.handles: list[FakeHandle] = []
        self.leaders: list[int | None] = []
        self.script: Sequence[Event] | None = (token("hi"), finished("length"))
        self.refuse: Callable[[], Exception | None] = lambda: None
        self.submitted = threading.Event()
        self.load = EngineLoad(num_waiting=0, num_running=0, max_tokens=0)
        self.steps = StepMetrics()

    @property
    def failure(self) -> str | None:
        return None if self.alive else "it broke: restart midfill-engine"

    def submit(
        self,
        request: GenerationRequest,
        sink: EventSink,
        after: int | None = None,
        on_told: Callable[[], None] = untold,
    ) -> FakeHandle:
        error = self.refuse()
        if error is not None:
            raise error
        self.requests.append(request)
        handle = FakeHandle(sink, on_told, len(self.handles) + 1)
        self.handles.append(handle)
        self.leaders.append(after)
        for event in self.script or ():
            handle.sink(event)
            handle.ended = isinstance(event, Finished)
        self.submitted.set()
        return handle

    def close(self) -> None:
        self.alive = False


def token(
    text: str, *, token_id: int = 5, delta: str | None = None, special: bool = False
) -> TokenEvent:
    """A token whose text may be shown at once, unless `delta` says otherwise."""
    shown = "" if special else text
    return TokenEvent(token_id, text, shown if delta is None else delta, -0.5, special)


def finished(
    reason: FinishReason,
    *,
    generated: int = 1,
    delta: str = "",
    stop_sequence: str | None = None,
    error: str | None = None,
) -> Finished:
    """The last event, after a prompt of seven tokens of which three were reused."""
    timings = Timings(
        queue_ms=0.5,
        prefill_ms=2.0,
        decode_ms=4.0,
        prompt_tokens=7,
        cached_tokens=3,
        generated_tokens=generated,
        drafted_tokens=6,
        accepted_tokens=2,
    )
    return Finished(reason, delta, timings, stop_sequence=stop_sequence, error=error)
