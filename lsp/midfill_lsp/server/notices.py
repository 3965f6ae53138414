"""What the server says to the editor unasked: messages, status, progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer

State = Literal["starting", "ready", "thinking", "error", "off"]
_Result = TypeVar("_Result")


class Notices:
    """Says each thing once. Nothing here waits for the editor."""

    def __init__(self, server: LanguageServer) -> None:
        """Say nothing yet; status notifications are off until the editor asks for them."""
        self._server = server
        self._told: set[str] = set()
        self._status: tuple[State, str | None, str | None, int | None] | None = None
        self._num_progress = 0
        self.status_wanted = False

    def tell_once(self, cause: str, text: str, severity: types.MessageType) -> None:
        """Show a message unless one for the same cause was shown."""
        if cause not in self._told:
            self._told.add(cause)
            self._server.window_show_message(types.ShowMessageParams(severity, f"Midfill: {text}"))

    def forget(self, cause: str) -> None:
        """Let the next message for a cause be shown, because the user acted on the last."""
        self._told.discard(cause)

    def status(
        self, state: State, reason: str | None, cause: str | None, progress: int | None
    ) -> None:
        """Send `midfill/status` if it was asked for and says something new."""
        if self.status_wanted and self._status != (state, reason, cause, progress):
            self._status = (state, reason, cause, progress)
            facts = {"state": state, "reason": reason, "cause": cause, "progress": progress}
            self._server.protocol.notify("midfill/status", facts)

    async def with_progress(self, title: str, work: Awaitable[_Result]) -> _Result:
        """Await `work` behind a progress bar, where the editor has them."""
        self._num_progress += 1
        token = f"midfill-{self._num_progress}"
        begun = asyncio.create_task(self._begin(token, title))
        try:
            return await work
        finally:
            if begun.done() and not begun.cancelled() and begun.result():
                self._progress(token, types.WorkDoneProgressEnd())
            else:
                begun.cancel()

    async def _begin(self, token: str, title: str) -> bool:
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            return False
        try:
            await self._server.window_work_done_progress_create_async(
                types.WorkDoneProgressCreateParams(token)
            )
        except Exception:  # the editor refused, in whatever way it does
            return False
        self._progress(token, types.WorkDoneProgressBegin(title))
        return True

    def _progress(
        self, token: str, value: types.WorkDoneProgressBegin | types.WorkDoneProgressEnd
    ) -> None:
        self._server.progress(types.ProgressParams(token, value))
