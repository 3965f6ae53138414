"""The models of one engine by name, and which of them a request means. Built by `server`.

A model may come and go while requests run. A request holds the models that it found until its
reply is sent (`HoldModels`); one that was taken out gets no new request, and its engine ends when
the last hold is gone. Used on the event loop only.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from midfill_engine.config import Limits
from midfill_engine.errors import Conflict, ModelNotFound
from midfill_engine.metrics import EngineLoad, RequestMetrics, StepMetrics
from midfill_engine.serve.coming import Coming, wants_to_wait
from midfill_engine.serve.parse import Fields, Json
from midfill_engine.serve.served import Engine, LiveStreams, Served

logger = logging.getLogger(__name__)

_ANY_MODEL = frozenset({"", "default", "dummy", "tgi"})
"""What clients send that know of one model only: huggingface_hub, and those made for TGI."""

_HELD = "midfill.held"
"""Key of a request's holds in its ASGI scope."""


@dataclass(slots=True, eq=False)
class _Entry:
    served: Served
    num_holds: int = 0


@dataclass(frozen=True, slots=True)
class _Ending:
    """What is still told of a model whose engine is being closed; the engine itself is let go."""

    name: str
    memory: int
    steps: StepMetrics


class Models:
    """Models by name, in the order in which they came.

    Attributes:
        limits: bounds of the requests.
        live: open replies of all models.
        metrics: counts of their requests.
        coming: the model that is being loaded.
    """

    def __init__(self, models: Sequence[Served]) -> None:
        """Serve these, at least one; the first is the default.

        Raises:
            Conflict: two have the same name.
        """
        assert models, "an engine needs a model"
        self.limits: Limits = models[0].limits
        self.live: LiveStreams = models[0].live
        self.metrics: RequestMetrics = models[0].metrics
        self.coming: Coming | None = None
        self._entries: dict[str, _Entry] = {}
        self._retired: list[_Entry] = []
        self._ends: dict[asyncio.Task[None], _Ending] = {}
        self._past_steps = StepMetrics()  # of models that have ended
        first = models[0].info.memory
        self._process_bytes = None if first is None else first.process
        for served in models:
            self.add(served)
        self._default = models[0].model_id

    @property
    def default(self) -> Served:
        """The model of requests that name none."""
        return self._entries[self._default].served

    @property
    def served(self) -> tuple[Served, ...]:
        """All of them, the default first."""
        others = [entry.served for name, entry in self._entries.items() if name != self._default]
        return (self.default, *others)

    @property
    def retired(self) -> tuple[str, ...]:
        """Names of those that were taken out and have not ended yet."""
        held = [entry.served.model_id for entry in self._retired]
        return (*held, *(ending.name for ending in self._ends.values()))

    @property
    def memory_taken(self) -> int | None:
        """Bytes that the process and all its models may take, those that end among them."""
        if self._process_bytes is None:
            return None
        models = sum(_memory(served) for served in self._running)
        ending = sum(ending.memory for ending in self._ends.values())
        return self._process_bytes + models + ending

    @property
    def loads(self) -> list[EngineLoad]:
        """What each engine holds at the moment."""
        return [served.engine.load for served in self._running]

    @property
    def steps(self) -> StepMetrics:
        """How the steps went, of all models since the start: a count never falls."""
        total = StepMetrics()
        running = [served.engine.steps for served in self._running]
        for steps in (self._past_steps, *(end.steps for end in self._ends.values()), *running):
            total.add(steps)
        return total

    def find(self, name: str | None) -> Served:
        """The model of a name; None, and what stands for any model, means the default.

        Raises:
            ModelLoading: it is on its way.
            ModelNotFound: there is none of that name.
        """
        return self._entry(name).served

    async def hold(self, request: Request, name: str | None, body: Json) -> Served:
        """As `find`; the model stays until the request's reply is sent.

        Waits for one on its way if the request says so. For a request whose body was read.
        """
        coming = self.coming
        if coming is not None and coming.name == name and wants_to_wait(request, body):
            await coming.wait(request, self)
        entry = self._entry(name)
        held = cast("list[_Entry]", request.scope[_HELD])
        entry.num_holds += 1
        held.append(entry)
        return entry.served

    async def hold_for(self, request: Request, body: Json) -> Served:
        """As `hold`, with the name in the body's `model`."""
        return await self.hold(request, Fields(body).text("model"), body)

    def add(self, served: Served, *, default: bool = False) -> None:
        """Answer requests with a model too.

        Raises:
            Conflict: its name is taken.
        """
        name = served.model_id
        self.check_free(name)
        self._entries[name] = _Entry(
            replace(served, limits=self.limits, live=self.live, metrics=self.metrics)
        )
        if default:
            self._default = name

    def check_free(self, name: str) -> None:
        """Raise Conflict if a model of that name is there."""
        if name in self._entries:
            raise Conflict(f"a model named {name} is loaded already: choose another name")

    def retire(self, name: str) -> int:
        """Take a model out; its engine ends with the last request that runs on it.

        Returns how many requests still hold it.

        Raises:
            ModelNotFound: there is none of that name.
            Conflict: it is the only one.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise self._unknown(name)
        if len(self._entries) == 1:
            raise Conflict(f"{name} is the only model: load another first")
        del self._entries[name]
        if self._default == name:
            self._default = next(iter(self._entries))
        self._retired.append(entry)
        num_holds = entry.num_holds
        logger.info("model %s was taken out; %d requests hold it", name, num_holds)
        self._end_if_free(entry)
        return num_holds

    def release(self, held: list[_Entry]) -> None:
        """End the holds of a request; the list is emptied, for it may live on in a connection."""
        while held:
            entry = held.pop()
            entry.num_holds -= 1
            self._end_if_free(entry)

    def close(self) -> None:
        """End every engine; nothing is answered any more. For when the event loop has ended."""
        for served in self._running:
            served.engine.close()

    @property
    def _running(self) -> list[Served]:
        """Those whose engines may answer something, with those that were taken out."""
        return [entry.served for entry in (*self._entries.values(), *self._retired)]

    def _entry(self, name: str | None) -> _Entry:
        entry = self._entries.get(name or "")
        if entry is None and (name is None or name in _ANY_MODEL):
            entry = self._entries[self._default]
        if entry is None and self.coming is not None and self.coming.name == name:
            raise self.coming.refusal
        if entry is None:
            raise self._unknown(cast("str", name))
        return entry

    def _unknown(self, name: str) -> ModelNotFound:
        known = ", ".join(self._entries)
        return ModelNotFound(f"model {name[:200]} is not loaded: this engine has {known}")

    def _end_if_free(self, entry: _Entry) -> None:
        if entry.num_holds or entry not in self._retired:
            return
        self._retired.remove(entry)
        task = asyncio.ensure_future(_end(entry.served.engine))
        served = entry.served
        self._ends[task] = _Ending(served.model_id, _memory(served), served.engine.steps)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        ending = self._ends.pop(task)
        self._past_steps.add(ending.steps)
        logger.info("model %s has ended", ending.name)


def _memory(served: Served) -> int:
    memory = served.info.memory
    return 0 if memory is None else memory.total - memory.process


async def _end(engine: Engine) -> None:
    """Close an engine off the event loop, for it waits for the step that runs; free its memory."""
    closing = threading.Thread(target=engine.close)  # one of a pool may hold it beyond its end
    del engine
    closing.start()
    await asyncio.to_thread(closing.join)
    await asyncio.to_thread(gc.collect)  # an engine refers to itself


class HoldModels:
    """ASGI: what a request holds is released when its reply is sent or its client has gone."""

    def __init__(self, app: ASGIApp, *, models: Models) -> None:
        """Wrap an app whose routes use `models`."""
        self._app = app
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        held: list[_Entry] = []
        scope[_HELD] = held
        try:
            await self._app(scope, receive, send)
        finally:
            self._models.release(held)
