"""The session around the messages: how it begins, what was agreed on, and how it ends.

pygls ends the process with status 0 whatever `exit` asked for, keeps documents of its own, and
takes the editor's first choice of columns. That is put right here; the messages are in `messages`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from typing import Any, cast

from lsprotocol import types
from pygls.protocol import lsp_method

from midfill_lsp.server.messages import Messages

logger = logging.getLogger(__name__)

_SHUTDOWN_TIMEOUT_S = 5.0


class Protocol(Messages):
    """One session with one editor.

    Attributes:
        on_shutdown: releases what the session holds; called once.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # pygls' own signature
        """Register the built-in methods, as pygls does."""
        self._closed = False
        self.on_shutdown: Callable[[], Awaitable[None]] | None = None
        super().__init__(*args, **kwargs)

    def encoding(self) -> str:
        """The columns' encoding that `initialize` settled."""
        return self.workspace.position_encoding or types.PositionEncodingKind.Utf16

    @property
    def exit_status(self) -> int:
        """0 once `shutdown` was asked for, 1 before."""
        return 0 if self._shutdown else 1

    def own_documents(self) -> None:
        """Take the documents away from pygls, which splits lines where LSP does not."""
        for method in (
            types.TEXT_DOCUMENT_DID_OPEN,
            types.TEXT_DOCUMENT_DID_CHANGE,
            types.TEXT_DOCUMENT_DID_CLOSE,
        ):
            cast("Any", self.fm).builtin_features.pop(method)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Choose UTF-8 columns wherever they are offered; pygls takes what is offered first."""
        general = params.capabilities.general
        if general is not None and types.PositionEncodingKind.Utf8 in (
            general.position_encodings or ()
        ):
            general.position_encodings = [types.PositionEncodingKind.Utf8]
        result = yield from super().lsp_initialize(params)
        return result

    @lsp_method(types.SHUTDOWN)
    async def lsp_shutdown(  # type: ignore[override]  # pygls takes coroutines as well
        self, *_args: object
    ) -> None:
        """Release everything, then reply."""
        self._shutdown = True
        await self.close()

    async def close(self) -> None:
        """Refuse new requests, cancel the running ones, release the backend. Once is enough."""
        if self._closed:
            return
        self._closed = True
        own_id = self.msg_id
        running = [item for key, item in self._request_futures.items() if key != own_id]
        for future in running:
            future.cancel()
        tasks = [cast("asyncio.Task[Any]", f) for f in running if isinstance(f, asyncio.Task)]
        if tasks:  # their streams are closed before the backend is
            await asyncio.wait(tasks, timeout=_SHUTDOWN_TIMEOUT_S)
        if self.on_shutdown is not None:
            try:
                await asyncio.wait_for(self.on_shutdown(), _SHUTDOWN_TIMEOUT_S)
            except asyncio.TimeoutError:
                logger.warning("the backend did not close within %g s", _SHUTDOWN_TIMEOUT_S)
