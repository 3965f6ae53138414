"""The backend of the moment and how it is: starting, ready, thinking, in error, off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

from lsprotocol import types

from midfill_lsp.backend.base import Backend, WarmsUp
from midfill_lsp.config import Config, wire_name
from midfill_lsp.errors import BackendError, CannotDo
from midfill_lsp.server.control import EngineControl, LoadsModels, TellsProgress
from midfill_lsp.server.failures import Failures
from midfill_lsp.server.loading import Loading
from midfill_lsp.server.notices import Notices, State
from midfill_lsp.server.raw import members

logger = logging.getLogger(__name__)


class EngineWatch:
    """Owns the backend, and turns its failures into one message per cause."""

    def __init__(
        self, make_backend: Callable[[Config], Backend], config: Config, notices: Notices
    ) -> None:
        """Make the first backend; nothing is started."""
        self._make_backend = make_backend
        self._notices = notices
        self._config = config
        self._loading = Loading(self._show)
        self._backend = self._make(config)
        # Shown from the handshake on, though the start comes once the settings are known.
        self._starting = isinstance(self._backend, EngineControl)
        self._start_task: asyncio.Task[None] | None = None
        self._num_thinking = 0
        self._failures = Failures(notices)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def backend(self) -> Backend:
        """The backend of the moment."""
        return self._backend

    @property
    def warming(self) -> WarmsUp | None:
        """The backend, where it may read a prompt ahead now."""
        backend = self._backend
        return backend if isinstance(backend, WarmsUp) and backend.may_warm_up() else None

    @property
    def state(self) -> tuple[State, str | None]:
        """What the status line shows, and why."""
        if not self._config.completion.enabled:
            return "off", "completion.enabled is false"
        if self._starting or self._loading.reason is not None:
            return "starting", self._loading.reason
        if self._failures.reason is not None:
            return "error", self._failures.reason
        return ("thinking" if self._num_thinking else "ready"), None

    @property
    def cause(self) -> str | None:
        """Which of `errors` an error's reason came from, None in every other state."""
        return self._failures.cause if self.state[0] == "error" else None

    @property
    def progress(self) -> int | None:
        """Percent of the model that is there, None where that is not known or nothing comes."""
        return self._loading.percent if self.state[0] == "starting" else None

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
        self._failures.forget()
        if isinstance(self._backend, EngineControl):
            with self._showing_start():
                await self._notices.with_progress("Restarting the engine", self._backend.restart())
                await self._backend.start()
        self._failures.answered()

    def reconfigure(self, config: Config) -> None:
        """Take new settings; a change of the engine's makes a new backend."""
        if self._take(config):
            self.start_soon()
        self._show()

    def renew_access(self) -> None:
        """Try a remote backend anew, because the editor has another token for it."""
        if isinstance(self._backend, LoadsModels) and isinstance(self._backend, EngineControl):
            self._failures.forget()
            self._keep(asyncio.create_task(self._start(self._backend.restart())))

    def prepare(self, config: Config) -> None:
        """Take the settings of the handshake, without a word and without starting anything."""
        self._take(config)

    def _take(self, config: Config) -> bool:
        """Return whether the backend is a new one now."""
        before, self._config = self._config, config
        if (config.engine, config.backend) == (before.engine, before.backend):
            return False
        if self._start_task is not None:
            self._start_task.cancel()
            self._start_task = None
        self._keep(asyncio.create_task(self._backend.aclose()))
        self._backend = self._make(config)
        self._failures.forget()
        return True

    def _make(self, config: Config) -> Backend:
        backend = self._make_backend(config)
        if isinstance(backend, LoadsModels):
            backend.watch_loading(self._show_loading_soon)
        if isinstance(backend, TellsProgress):
            backend.watch_progress(self._show_progress)
        return backend

    @contextlib.contextmanager
    def asking(self, explicit: bool = True, is_chat: bool = False) -> Generator[Backend]:
        """Give the backend for one request: show that, and note how it ended. Lets errors through.

        That a model cannot chat is told where it was asked to, and is no fault of the backend.

        Raises:
            BackendError: it failed to start, and automatic requests leave it alone for a while.
        """
        self._failures.check(explicit)
        backend, num_noted = self._backend, self._failures.num_noted
        self._num_thinking += 1
        self._show()
        try:
            yield backend
            if backend is self._backend:
                self._failures.answered(num_noted)
        except BackendError as error:
            is_known = is_chat and isinstance(error, CannotDo)
            # One that was replaced is closed, and fails for that.
            if backend is self._backend and not is_known:
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
            "cause": self.cause,
            "progress": self.progress,
            "backend": self._backend.name,
            "model": facts.get("model"),
            "engine": {name: facts.get(name) for name in ("url", "pid", "version", "note")},
            "capabilities": _camel_case(facts.get("capabilities")),
        }

    async def aclose(self) -> None:
        """Cancel what runs in the background and close the backend."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._backend.aclose()

    async def _start(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(BackendError), self._showing_start():
            if isinstance(self._backend, LoadsModels):  # a look at a server takes no time
                await work
            else:
                await self._notices.with_progress("Starting the engine", work)
                self._tell_note()
            self._failures.answered()

    def _tell_note(self) -> None:
        if isinstance(self._backend, EngineControl) and (
            note := self._backend.describe().get("note")
        ):
            logger.info("%s", note)
            self._notices.tell_once("engine note", str(note), types.MessageType.Info)

    def _show_progress(self, stage: str, percent: int) -> None:
        """Show what the engine said, if it is still its start that is shown."""
        if self._starting:
            self._loading.show(f"the model is {stage}", percent)

    def _show_loading_soon(
        self, title: str, task: asyncio.Task[Any], expected_s: float | None
    ) -> None:
        self._keep(asyncio.create_task(self._show_loading(title, task, expected_s)))

    async def _show_loading(
        self, title: str, task: asyncio.Task[Any], expected_s: float | None
    ) -> None:
        """Show that a model is loaded, however many of those who wait for it are cancelled."""
        self._loading.show(title)
        shown = asyncio.create_task(self._loading.estimate(title, expected_s))
        try:
            await self._notices.with_progress(title, asyncio.shield(task))
            self._failures.answered()
        except BackendError as error:
            self._failed(error)
        finally:
            shown.cancel()
            self._loading.show(None)

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
            self._loading.show(None)
            self._show()

    def _failed(self, error: BackendError) -> None:
        logger.warning("the backend failed: %s: %s", type(error).__name__, error)
        self._failures.note(error)

    def _show(self) -> None:
        self._notices.status(*self.state, self.cause, self.progress)

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _camel_case(facts: object) -> dict[str, object] | None:
    """Return facts by the names that JSON has here, None for none."""
    return {wire_name(name): value for name, value in members(facts).items()} or None
