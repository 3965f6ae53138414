"""The backend of the moment and how it is: starting, ready, thinking, in error, off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Protocol, runtime_checkable

from lsprotocol import types

from midfill_lsp.backend.base import Backend
from midfill_lsp.config import Config
from midfill_lsp.errors import AccessDenied, BackendError, EngineStartError
from midfill_lsp.server.notices import Notices, State

logger = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0


@runtime_checkable
class EngineControl(Protocol):
    """What a backend that owns an engine offers beyond `Backend`; found by `isinstance`."""

    async def start(self) -> None:
        """Return when the engine answers; raise `EngineStartError` otherwise.

        Called once after the handshake, with a progress bar in the editor, and again after a
        failure. Calls while a start is under way wait for that one. `infill` does the same
        on its own, so a request may come before this call has returned.
        """
        ...

    async def restart(self) -> None:
        """Stop the engine this process started, if any, and start one anew."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return `model`, `url` and `pid` of the engine; None where not known. Never a key."""
        ...


class EngineWatch:
    """Owns the backend, and turns its failures into one message per cause."""

    def __init__(
        self, make_backend: Callable[[Config], Backend], config: Config, notices: Notices
    ) -> None:
        """Make the first backend; nothing is started."""
        self._make_backend = make_backend
        self._notices = notices
        self._config = config
        self._backend = make_backend(config)
        # Shown from the handshake on, though the start comes once the settings are known.
        self._starting = isinstance(self._backend, EngineControl)
        self._start_task: asyncio.Task[None] | None = None
        self._num_thinking = 0
        self._num_failures = 0
        self._retry_at = 0.0
        self._reason: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def backend(self) -> Backend:
        """The backend of the moment."""
        return self._backend

    @property
    def state(self) -> tuple[State, str | None]:
        """What the status line shows, and why."""
        if not self._config.completion.enabled:
            return "off", "completion.enabled is false"
        if self._starting:
            return "starting", None
        if self._reason is not None:
            return "error", self._reason
        return ("thinking" if self._num_thinking else "ready"), None

    def start_soon(self) -> None:
        """Start the engine in the background, if the backend has one."""
        running = self._start_task is not None and not self._start_task.done()
        if isinstance(self._backend, EngineControl) and not running:
            self._start_task = self._keep(asyncio.create_task(self._start(self._backend.start())))

    async def restart(self) -> None:
        """Restart the engine; the outcome is told as at the first start.

        Raises:
            BackendError: it did not come up.
        """
        self._forget_failures()
        if isinstance(self._backend, EngineControl):
            with self._showing_start():
                await self._notices.with_progress("Restarting the engine", self._backend.restart())
                await self._backend.start()
        self._answered()

    def reconfigure(self, config: Config) -> None:
        """Take new settings; a change of the engine's makes a new backend."""
        if self._take(config):
            self.start_soon()
        self._show()

    def prepare(self, config: Config) -> None:
        """Take the settings of the handshake, without a word and without starting anything."""
        self._take(config)

    def _take(self, config: Config) -> bool:
        """Return whether the backend is a new one now."""
        before, self._config = self._config, config
        if config.engine == before.engine:
            return False
        if self._start_task is not None:
            self._start_task.cancel()
            self._start_task = None
        self._keep(asyncio.create_task(self._backend.aclose()))
        self._backend = self._make_backend(config)
        self._forget_failures()
        return True

    @contextlib.contextmanager
    def asking(self, explicit: bool = True) -> Generator[Backend]:
        """Give the backend for one request: show that, and note how it ended. Lets errors through.

        Raises:
            BackendError: it failed to start, and automatic requests leave it alone for a while.
        """
        if not explicit and self._num_failures and time.monotonic() < self._retry_at:
            raise BackendError(f"not tried again yet: {self._reason}")
        backend = self._backend
        self._num_thinking += 1
        self._show()
        try:
            yield backend
            if backend is self._backend:
                self._answered()
        except BackendError as error:
            if backend is self._backend:  # one that was replaced is closed, and fails for that
                self._failed(error)
            raise
        finally:
            self._num_thinking -= 1
            self._show()

    def describe(self) -> dict[str, object]:
        """Return what `midfill.status` reports."""
        state, reason = self.state
        facts: Mapping[str, object] = {}
        if isinstance(self._backend, EngineControl):
            facts = self._backend.describe()
        return {
            "state": state,
            "reason": reason,
            "backend": self._backend.name,
            "model": facts.get("model"),
            "engine": {"url": facts.get("url"), "pid": facts.get("pid")},
        }

    async def aclose(self) -> None:
        """Cancel what runs in the background and close the backend."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._backend.aclose()

    async def _start(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(BackendError), self._showing_start():
            await self._notices.with_progress("Starting the engine", work)
            self._answered()

    @contextlib.contextmanager
    def _showing_start(self) -> Generator[None]:
        self._starting = True
        self._show()
        try:
            yield
        except BackendError as error:
            self._failed(error)
            raise
        finally:
            self._starting = False
            self._show()

    def _failed(self, error: BackendError) -> None:
        logger.warning("the backend failed: %s: %s", type(error).__name__, error)
        self._reason = str(error)
        if isinstance(error, (EngineStartError, AccessDenied)):
            delay_s = min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0**self._num_failures)
            self._retry_at = time.monotonic() + delay_s
            self._num_failures += 1
            self._notices.tell_once(type(error).__name__, str(error), types.MessageType.Error)

    def _answered(self) -> None:
        self._reason = None
        self._num_failures = 0

    def _forget_failures(self) -> None:
        self._answered()
        for kind in (EngineStartError, AccessDenied):
            self._notices.forget(kind.__name__)

    def _show(self) -> None:
        self._notices.status(*self.state)

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
