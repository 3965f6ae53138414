"""An LSP client for tests: raw JSON-RPC over the stdio of a real process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

TIMEOUT_S = 60.0

Message = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error."""


class LspClient:
    """One conversation with a server process; every message that came is kept in order.

    Attributes:
        received: all messages from the server, in order.
        answers: replies of ours to the server's requests, by method; null for others. One that
            raises `Refusal` refuses.
        ignored: methods of the server's requests that get no reply.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Talk to `process`; `_read` has to run."""
        self._process = process
        self._num_requests = 0
        self._came = asyncio.Condition()
        self._ended = False
        self.received: list[Message] = []
        self.answers: dict[str, Callable[[Any], object]] = {}
        self.ignored: set[str] = set()

    async def send(self, message: Message) -> None:
        """Send a message as it stands."""
        await self.send_body(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def send_body(self, body: bytes) -> None:
        """Send bytes in a frame, JSON or not."""
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await self._process.stdin.drain()

    async def notify(self, method: str, params: object = None) -> None:
        """Send a notification."""
        await self.send({"method": method, "params": params})

    async def begin(self, method: str, params: object = None) -> int:
        """Send a request and return its id."""
        self._num_requests += 1
        message: Message = {"id": self._num_requests, "method": method}
        if params is not None:
            message["params"] = params
        await self.send(message)
        return self._num_requests

    async def reply(self, msg_id: int | str | None) -> Message:
        """Return the reply to a request."""
        return await self.wait_for(
            lambda message: "method" not in message and message.get("id") == msg_id
        )

    async def request(self, method: str, params: object = None) -> Any:  # noqa: ANN401
        """Send a request and return its result; fails the test on an error reply."""
        reply = await self.reply(await self.begin(method, params))
        assert "error" not in reply, reply
        return reply["result"]

    async def error(self, method: str, params: object = None) -> Message:
        """Send a request and return the error it must have."""
        reply = await self.reply(await self.begin(method, params))
        assert "error" in reply, reply
        error: Message = reply["error"]
        return error

    async def wait_for(self, wanted: Callable[[Message], bool]) -> Message:
        """Return the first message, past or to come, that is wanted."""

        def found() -> list[Message]:
            return [message for message in self.received if wanted(message)]

        async with self._came:
            await asyncio.wait_for(
                self._came.wait_for(lambda: bool(found()) or self._ended), TIMEOUT_S
            )
        assert found(), "the server ended first"
        return found()[0]

    def notifications(self, method: str) -> list[Any]:
        """Return the params of all notifications of a method so far."""
        return [item["params"] for item in self.received if item.get("method") == method]

    def replies(self, msg_id: int) -> list[Message]:
        """Return all replies to a request so far."""
        return [m for m in self.received if "method" not in m and m.get("id") == msg_id]

    async def initialize(
        self,
        options: object = None,
        encodings: Sequence[str] | None = None,
        capabilities: Message | None = None,
    ) -> Message:
        """Shake hands and return the server's answer."""
        given: Message = dict(capabilities or {})
        if encodings is not None:
            given["general"] = {"positionEncodings": list(encodings)}
        params = {
            "processId": None,
            "rootUri": None,
            "capabilities": given,
            "initializationOptions": options,
        }
        result: Message = await self.request("initialize", params)
        await self.notify("initialized", {})
        return result

    async def open(self, uri: str, text: str, language_id: str = "python") -> None:
        """Open a document as version 1."""
        document = {"uri": uri, "languageId": language_id, "version": 1, "text": text}
        await self.notify("textDocument/didOpen", {"textDocument": document})

    async def shut_down(self) -> int:
        """End politely and return the exit status."""
        await self.request("shutdown")
        await self.notify("exit")
        return await self.exit_status()

    async def exit_status(self) -> int:
        """Wait for the process to end."""
        return await asyncio.wait_for(self._process.wait(), TIMEOUT_S)

    def close_stdin(self) -> None:
        """Hang up."""
        assert self._process.stdin
        self._process.stdin.close()

    async def read(self) -> None:
        """Take messages until the server's stdout ends."""
        assert self._process.stdout
        try:
            while True:
                header = await self._process.stdout.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in header.strip().split(b"\r\n"))
                body = await self._process.stdout.readexactly(int(fields[b"Content-Length"]))
                await self._take(json.loads(body))
        except asyncio.IncompleteReadError:
            async with self._came:
                self._ended = True
                self._came.notify_all()

    async def _take(self, message: Message) -> None:
        async with self._came:
            self.received.append(message)
            self._came.notify_all()
        if "method" in message and "id" in message and message["method"] not in self.ignored:
            answer = self.answers.get(message["method"], lambda _params: None)
            try:
                reply: Message = {"result": answer(message.get("params"))}
            except Refusal as error:
                reply = {"error": {"code": -32803, "message": str(error)}}
            await self.send({"id": message["id"], **reply})


@asynccontextmanager
async def lsp_client(*command: str, env: dict[str, str] | None = None) -> AsyncGenerator[LspClient]:
    """Start a server process and talk to it; it is gone on the way out."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=env,
        limit=1 << 26,
    )
    client = LspClient(process)
    reader = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader
        if process.stdin:
            process.stdin.close()
