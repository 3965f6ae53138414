"""JSON-RPC with a language server process over its stdin and stdout. Called by `editor`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from midfill_lsp.engine_process import state
from midfill_lsp.errors import MidfillError
from midfill_lsp.settings import files
from midfill_lsp.settings.parse import whole_path

_LEAVE_TIMEOUT_S = 5.0
_KEPT_LINES = 20


class ServerFailed(MidfillError):
    """The language server ended, or answered with an error; `code` is JSON-RPC's."""

    def __init__(self, message: str, code: int | None = None) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


async def read_message(stream: asyncio.StreamReader) -> dict[str, Any]:
    """Return the next message of a language server's stdout.

    Raises:
        asyncio.IncompleteReadError: there is none any more.
    """
    head = (await stream.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split()[0])
    message: dict[str, Any] = json.loads(await stream.readexactly(length))
    return message


class Connection:
    """A server process and the requests that wait for its replies."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        on_notification: Callable[[str, Any], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Read from `process` until it ends; `on_end` then gets the reason in one line."""
        self._process = process
        self._on_notification = on_notification
        self._on_end = on_end
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._num_requests = 0
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._log_task = asyncio.create_task(self._read_log())
        self._read_task = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        argv: Sequence[str],
        on_notification: Callable[[str, Any], None],
        on_end: Callable[[str], None],
    ) -> Connection:
        """Start the server in a folder that holds no project.

        Raises:
            ServerFailed: it cannot be started.
        """
        environment = _environment()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=tempfile.gettempdir(),
                env=environment,
            )
        except OSError as error:
            raise ServerFailed(f"the language server cannot be started: {error}") from error
        return cls(process, on_notification, on_end)

    async def begin(self, method: str, params: object = None) -> int:
        """Send a request and return its number."""
        self._num_requests += 1
        number = self._num_requests
        self._replies[number] = asyncio.get_running_loop().create_future()
        message: dict[str, object] = {"id": number, "method": method}
        if params is not None:
            message["params"] = params
        await self._send(message)
        if self._read_task.done():
            self._fail_all()
        return number

    async def reply(self, number: int) -> Any:  # noqa: ANN401  # whatever the method returns
        """Return the result of a request.

        Raises:
            ServerFailed: the reply is an error, or the server ended.
        """
        try:
            return await self._replies[number]
        finally:
            self._replies.pop(number, None)

    async def request(self, method: str, params: object = None) -> Any:  # noqa: ANN401  # as reply
        """Send a request and return its result."""
        return await self.reply(await self.begin(method, params))

    async def notify(self, method: str, params: object = None) -> None:
        """Send a notification."""
        await self._send({"method": method, "params": params})

    async def aclose(self, *, politely: bool) -> None:
        """Say good-bye, and make sure that the server is gone."""
        if politely:
            with contextlib.suppress(ServerFailed, asyncio.TimeoutError):
                await asyncio.wait_for(self.request("shutdown"), _LEAVE_TIMEOUT_S)
                await self.notify("exit")
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _LEAVE_TIMEOUT_S)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(self._read_task, self._log_task)
        for waiting in self._replies.values():
            if waiting.done() and not waiting.cancelled():
                waiting.exception()  # nobody asked for it any more

    async def _send(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        # A broken pipe is the server's end, which `_read` sees too and tells.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        stream = self._process.stdout
        try:
            while True:
                await self._receive(await read_message(stream))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            await self._log_task  # its last line says why
            self._fail_all()

    async def _receive(self, message: dict[str, Any]) -> None:
        method, number = message.get("method"), message.get("id")
        if method is None:
            waiting = self._replies.get(number) if isinstance(number, int) else None
            if waiting is not None and not waiting.done():
                _settle(waiting, message)
        elif number is not None:
            await self._send({"id": number, "result": None})
        else:
            self._on_notification(method, message.get("params"))

    def _fail_all(self) -> None:
        last = self._last_lines[-1] if self._last_lines else "it said nothing"
        reason = f"the language server ended: {last.removeprefix('midfill: error: ')}"
        self._on_end(reason)
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(ServerFailed(reason))

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if line.strip():
                self._last_lines.append(line.decode("utf-8", "replace").strip())


def _environment() -> dict[str, str]:
    """Return our variables; those that name Midfill's folders mean the same in every folder."""
    found = dict(os.environ)
    for name in (files.DIR_VARIABLE, state.DIR_VARIABLE):
        if found.get(name):
            found[name] = whole_path(found[name])
    return found


def _settle(waiting: asyncio.Future[Any], message: dict[str, Any]) -> None:
    error = message.get("error")
    if error is None:
        waiting.set_result(message.get("result"))
    else:
        waiting.set_exception(ServerFailed(str(error.get("message")), error.get("code")))
