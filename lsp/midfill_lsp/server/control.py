"""What some backends offer beyond `Backend`; found by `isinstance`. Called by `engine`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class EngineControl(Protocol):
    """A backend that has something to start: an engine, or the look at a server."""

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
        """Return `model`, `url`, `pid`, `version`, `note` and `capabilities`, as far as known.

        `note` is told to the user once. Never a key.
        """
        ...


@runtime_checkable
class KnowsItsGain(Protocol):
    """A backend that knows whether its model completes better with pieces of other files."""

    def why_no_files(self) -> str | None:
        """Return why they had better not go along, None if they had, or if it gains by them."""
        ...


@runtime_checkable
class LoadsModels(Protocol):
    """A backend whose server may have to load the model first."""

    def watch_loading(
        self, on_loading: Callable[[str, asyncio.Task[Any], float | None], None]
    ) -> None:
        """Have this called with a title, the task that waits and the seconds that it may take."""
        ...


@runtime_checkable
class TellsProgress(Protocol):
    """A backend that knows how far its model is on its way."""

    def watch_progress(self, on_progress: Callable[[str, int], None]) -> None:
        """Have this called with downloading or loading, and the percent of it."""
        ...
