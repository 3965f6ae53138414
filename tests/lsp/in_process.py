"""The server without a process: messages go through its protocol and handlers, replies come back.

For tests that send thousands; the wire itself is what `LspClient` tests.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

from pygls.lsp.server import LanguageServer

from midfill_lsp.backend.base import Backend
from midfill_lsp.backend.tokens import EditorTokens
from midfill_lsp.config import Config
from midfill_lsp.server import handlers
from midfill_lsp.server.rpc import Protocol
from midfill_lsp.server.stdio import FrameReader
from midfill_lsp.server.window import Window
from midfill_lsp.settings.sources import Sources


class InProcess:
    """One editor and its server on the running event loop.

    Attributes:
        window: the server's state.
        received: all messages from the server, in order.
    """

    def __init__(
        self, backend: Backend, make_backend: Callable[[Config], Backend] | None = None
    ) -> None:
        server = LanguageServer("midfill", "0", protocol_cls=Protocol)
        assert isinstance(server.protocol, Protocol)
        self._protocol = server.protocol
        self._protocol.set_writer(self)
        make_backend = make_backend or (lambda _config: backend)
        self.window = Window(server, make_backend, Sources(), EditorTokens())
        handlers.register(server, self._protocol, self.window)
        self._frames = FrameReader()
        self._ids = itertools.count(1)
        self._waiting: dict[object, asyncio.Future[Any]] = {}
        self.received: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        """Take what the server sends."""
        for body in self._frames.feed(data):
            message = json.loads(body)
            self.received.append(message)
            if "method" not in message and message["id"] in self._waiting:
                self._waiting.pop(message["id"]).set_result(message)

    def close(self) -> None:
        """Called by the server at its end."""

    def send_body(self, body: bytes) -> None:
        """Send bytes, JSON or not."""
        self._protocol.receive(body)

    def notify(self, method: str, params: object) -> None:
        """Send a notification; the server has handled it on return, if its handler is no task."""
        self.send_body(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode())

    def methods(self) -> set[str]:
        """Return the methods that the server answers or hears."""
        features: Any = self._protocol.fm
        return {*features.features, *features.builtin_features}

    async def request(self, method: str, params: object = None) -> Any:  # noqa: ANN401
        """Send a request and return its result; fails the test on an error reply."""
        answer = await self._reply(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, params: object = None) -> dict[str, Any]:
        """Send a request and return the error it must have."""
        error: dict[str, Any] = (await self._reply(method, params))["error"]
        return error

    def begin(self, method: str, params: object = None) -> tuple[int, asyncio.Future[Any]]:
        """Send a request and return its id, and its reply to come."""
        msg_id = next(self._ids)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[msg_id] = reply
        message = {"jsonrpc": "2.0", "id": msg_id, "method": method, "params": params}
        self.send_body(json.dumps(message).encode())
        return msg_id, reply

    def cancel(self, msg_id: int) -> None:
        """Cancel a request."""
        self.notify("$/cancelRequest", {"id": msg_id})

    async def _reply(self, method: str, params: object) -> dict[str, Any]:
        _, reply = self.begin(method, params)
        answer: dict[str, Any] = await asyncio.wait_for(reply, 30)
        return answer

    async def initialize(
        self,
        encoding: str = "utf-16",
        settings: dict[str, object] | None = None,
        **completion: object,
    ) -> None:
        """Shake hands."""
        encodings = [encoding] if encoding == "utf-16" else [encoding, "utf-16"]
        params = {
            "processId": None,
            "rootUri": None,
            "capabilities": {"general": {"positionEncodings": encodings}},
            "initializationOptions": {
                # What is read in threads would come at any time.
                "midfill": {
                    "completion": completion,
                    "context": {"send": "never"},
                    **(settings or {}),
                }
            },
        }
        result = await self.request("initialize", params)
        assert result["capabilities"]["positionEncoding"] == encoding
        self.notify("initialized", {})
        await asyncio.to_thread(self.window.surroundings.gate.prepare)

    def open(self, uri: str, text: str, language_id: str = "python") -> None:
        """Open a document as version 1."""
        document = {"uri": uri, "languageId": language_id, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, uri: str, version: int, *changes: dict[str, Any]) -> None:
        """Change a document."""
        document = {"uri": uri, "version": version}
        self.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)}
        )

    async def complete(self, uri: str, line: int, character: int) -> list[dict[str, Any]]:
        """Ask for a completion and return its items."""
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": 1},
        }
        result = await self.request("textDocument/inlineCompletion", params)
        items: list[dict[str, Any]] = result["items"]
        return items

    async def command(self, name: str) -> Any:  # noqa: ANN401
        """Run a command of the server."""
        return await self.request("workspace/executeCommand", {"command": name})

    async def shut_down(self) -> None:
        """End politely."""
        await self.request("shutdown")
