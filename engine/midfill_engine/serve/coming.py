"""A model on its way: what a request that names it is told, how it waits, how long that may take.

`admin` makes one when it begins to load, `registry` shows it to the requests that name the model.
Used on the event loop only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request

from midfill_engine.errors import ModelLoading, Overloaded
from midfill_engine.model.source import STARTER, STARTER_FOLDER
from midfill_engine.place import on_disk
from midfill_engine.serve.generation import unless_disconnected, unless_ending
from midfill_engine.serve.parse import Bounds, Fields

_BYTES_PER_S = 200e6
"""Reading and packing weights, as long as no load was seen: a guess, and on the slow side."""
_FIXED_S = 1.0
_UNKNOWN_S = 20.0
"""For a model that is not on this disk yet: what the PRO API said of models that it fetched."""
_LEAST_S = 1.0


class Coming:
    """One model, from the beginning of its loading until it is there or has failed."""

    def __init__(
        self, name: str, expected_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """It is being loaded from now on."""
        self.name = name
        self._expected_s = expected_s
        self._clock = clock
        self._began = clock()
        self._ended = asyncio.Event()
        self._num_waiting = 0

    @property
    def elapsed_s(self) -> float:
        """Since it began."""
        return self._clock() - self._began

    @property
    def refusal(self) -> ModelLoading:
        """For a request that does not wait; one second at least is left until it is over."""
        left_s = max(_LEAST_S, self._expected_s - self.elapsed_s)
        return ModelLoading(f"Model {self.name} is currently loading", round(left_s, 1))

    def end(self) -> None:
        """It is there, or has failed: nobody waits any more."""
        self._ended.set()

    async def wait(self, request: Request, bounds: Bounds) -> None:
        """Until the end, or as long as the bounds allow.

        Raises:
            Overloaded: too many requests wait already.
            ClientGone: the client went first.
            Unavailable: the server ends.
        """
        if self._num_waiting >= bounds.limits.max_concurrent:
            raise Overloaded(f"too many requests wait for model {self.name}: try again later")
        self._num_waiting += 1
        try:
            await asyncio.wait_for(self._until_end(request, bounds), bounds.limits.max_load_wait_s)
        except asyncio.TimeoutError:  # the caller looks again, and finds it still on its way
            pass
        finally:
            self._num_waiting -= 1

    async def _until_end(self, request: Request, bounds: Bounds) -> None:
        await unless_ending(bounds.live, self._unless_gone(request))

    async def _unless_gone(self, request: Request) -> None:
        await unless_disconnected(request.receive, self._ended.wait())


def wants_to_wait(request: Request, body: Mapping[str, Any]) -> bool:
    """Whether a request is for waiting: `x-wait-for-model: true`, or `wait_for_model` in `options`.

    Raises:
        ValidationError: the option is no flag.
    """
    header = request.headers.get("x-wait-for-model", "").strip().lower()
    option = Fields(body).nested("options").flag("wait_for_model", default=False)
    return option or header in ("1", "true")


class LoadTimes:
    """How long a model takes to load: from its size on disk, and from the loads so far."""

    def __init__(self) -> None:
        """No load was seen."""
        self._seen: dict[str, float] = {}
        self._slowness = 1.0

    def note(self, source: str, seconds: float) -> None:
        """A model was loaded; the last load tells how far off the guesses are."""
        self._seen[source] = seconds
        size = _size_on_disk(source)
        if size is not None:
            self._slowness = seconds / _guess(size)

    def estimate(self, source: str) -> float:
        """Seconds: as the last time; else by size; else what a download may take."""
        size = _size_on_disk(source)
        guess = _UNKNOWN_S if size is None else _guess(size) * self._slowness
        return self._seen.get(source, guess)


def _guess(num_bytes: int) -> float:
    return _FIXED_S + num_bytes / _BYTES_PER_S


def _size_on_disk(source: str) -> int | None:
    """Bytes of a folder's weights; None for one that has none, and for an id of the Hub."""
    folder = STARTER_FOLDER if source == STARTER else on_disk(source)
    if folder is None:
        return None
    try:
        sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    except OSError:
        return None
    return sum(sizes) or None
