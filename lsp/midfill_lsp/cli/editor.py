"""A small editor without a screen: documents, carets and completions of a real `midfill lsp`.

Called by `demo` and `complete`, which so walk the whole way that an editor's request does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from midfill_lsp.cli.program import program
from midfill_lsp.cli.rpc import Connection, ServerFailed
from midfill_lsp.cli.text import Caret, num_units, offset_of, split_lines

CANCELLED = -32800
_INVOKED, _AUTOMATIC = 1, 2
# Nobody cycles through suggestions here, so more would be asked for in vain; nor does he accept
# or refuse them, so they are not counted.
_OPTIONS = {
    "statusNotifications": True,
    "completion": {"candidates": 1},
    "statistics": {"enabled": False},
}


class Editor:
    """One window: `async with Editor([...]) as editor`."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        """Start nothing yet; `arguments` are added to `midfill lsp`."""
        self._argv = [*program("midfill", "midfill_lsp.cli"), "lsp", *arguments]
        self._partial: dict[str, Callable[[str], None]] = {}
        self._texts: dict[str, str] = {}
        self._encoding = "utf-16"
        self._status: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Editor:
        """Start the server and shake hands."""
        self._server = await Connection.open(self._argv, self._notified, self._ended)
        try:
            await self._initialize()
        except BaseException:
            await self._server.aclose(politely=False)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the window."""
        await self._server.aclose(politely=kind is None)

    async def until_ready(self) -> None:
        """Return once requests are answered: the engine is there, or suggestions are off.

        Raises:
            ServerFailed: it cannot be started.
        """
        while True:
            status = await self._status.get()
            if status.get("state") in {"ready", "off"}:
                return
            if status.get("state") in {"error", "ended"}:
                raise ServerFailed(str(status.get("reason")))

    async def open(self, uri: str, language: str, text: str) -> None:
        """Show a document to the server."""
        self._texts[uri] = text
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        await self._server.notify("textDocument/didOpen", {"textDocument": document})

    async def type(self, uri: str, caret: Caret, text: str, version: int) -> Caret:
        """Insert text without line ends, as keys do, and return the caret behind it."""
        old = self._texts[uri]
        place = self._position(uri, caret)
        offset = offset_of(old, caret)
        self._texts[uri] = old[:offset] + text + old[offset:]
        change = {"range": {"start": place, "end": place}, "text": text}
        document = {"uri": uri, "version": version}
        await self._server.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [change]}
        )
        return Caret(caret.line_idx, caret.column + len(text))

    async def begin(
        self,
        uri: str,
        caret: Caret,
        *,
        is_automatic: bool = False,
        on_text: Callable[[str], None] | None = None,
    ) -> int:
        """Ask for a completion and return the request's number; `on_text` gets growing text."""
        params: dict[str, object] = {
            "textDocument": {"uri": uri},
            "position": self._position(uri, caret),
            "context": {"triggerKind": _AUTOMATIC if is_automatic else _INVOKED},
        }
        if on_text is not None:
            token = f"ghost-{len(self._partial)}"
            self._partial[token] = on_text
            params["partialResultToken"] = token
        return await self._server.begin("midfill/completion", params)

    async def items(self, number: int) -> list[dict[str, Any]]:
        """Return the completions of a request.

        Raises:
            ServerFailed: the reply is an error (`CANCELLED` after `cancel`), or none comes.
        """
        reply = await self._server.reply(number)
        return list(reply["items"])

    async def cancel(self, number: int) -> None:
        """Ask the server to give up a request."""
        await self._server.notify("$/cancelRequest", {"id": number})

    async def explain(self) -> dict[str, Any]:
        """Return the facts of the last completion."""
        command: dict[str, object] = {"command": "midfill.explain", "arguments": []}
        return dict(await self._server.request("workspace/executeCommand", command) or {})

    async def _initialize(self) -> None:
        result = await self._server.request(
            "initialize",
            {
                "processId": None,
                "rootUri": None,
                "capabilities": {"general": {"positionEncodings": ["utf-8", "utf-16"]}},
                "initializationOptions": {"midfill": _OPTIONS},
            },
        )
        self._encoding = result["capabilities"].get("positionEncoding", "utf-16")
        await self._server.notify("initialized", {})

    def _position(self, uri: str, caret: Caret) -> dict[str, int]:
        line = split_lines(self._texts[uri])[caret.line_idx]
        return {
            "line": caret.line_idx,
            "character": num_units(line[: caret.column], self._encoding),
        }

    def _notified(self, method: str, params: Any) -> None:  # noqa: ANN401  # any JSON
        if method == "midfill/status":
            self._status.put_nowait(params)
        elif method == "$/progress":
            on_text = self._partial.get(params["token"])
            if on_text is not None:
                on_text(params["value"]["insertText"])

    def _ended(self, reason: str) -> None:
        self._status.put_nowait({"state": "ended", "reason": reason})
