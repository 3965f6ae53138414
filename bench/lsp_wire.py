"""A language server's process and its messages, each with the moment it came.

Called by ``bench.replay``; knows no documents.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from midfill_lsp.cli.rpc import read_message

LEAVE_S = 10.0
Message = dict[str, Any]
OnMessage = Callable[[Message, float], None]


class ServerEndedError(Exception):
    """The language server ended, or answered with an error."""


class Wire:
    """Requests and notifications to a server process."""

    def __init__(self, process: asyncio.subprocess.Process, began_at: float) -> None:
        """Talks to ``process``, which was started just now, once ``read`` runs."""
        self.began_at = began_at
        self._process = process
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self.on_message: OnMessage = lambda _message, _at: None

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Sends a message; the pipe holds more than an editor ever has under way."""
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def notify(self, method: str, params: object) -> None:
        """Sends a notification."""
        self.send({"method": method, "params": params})

    def begin(self, method: str, params: object) -> int:
        """Sends a request and returns its id; the reply goes to ``on_message``."""
        msg_id = next(self._ids)
        self.send({"id": msg_id, "method": method, "params": params})
        return msg_id

    async def request(self, method: str, params: object = None) -> Any:  # noqa: ANN401  # any JSON
        """Sends a request and returns its result."""
        msg_id = self.begin(method, params)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[msg_id] = future
        reply = await future
        if "error" in reply:
            raise ServerEndedError(f"{method}: {reply['error']}")
        return reply.get("result")

    async def read(self) -> None:
        """Takes messages until the server's stdout ends."""
        assert self._process.stdout is not None
        stream = self._process.stdout
        try:
            while True:
                self._take(await read_message(stream), time.perf_counter())
        except asyncio.IncompleteReadError:
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(ServerEndedError("the language server ended"))

    def _take(self, message: Message, at: float) -> None:
        if "method" in message:
            if "id" in message:
                self.send({"id": message["id"], "result": None})
            else:
                self.on_message(message, at)
            return
        future = self._replies.pop(message["id"], None)
        if future is not None:
            future.set_result(message)
        else:
            self.on_message(message, at)

    async def leave(self) -> None:
        """Ends politely."""
        await self.request("shutdown")
        self.notify("exit", None)
        await self._process.wait()


@asynccontextmanager
async def started(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> AsyncGenerator[Wire]:
    """Gives the wire to a fresh server process, which is gone on the way out."""
    began_at = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env=environment, cwd=folder, limit=1 << 26,
    )  # fmt: skip
    wire = Wire(process, began_at)
    reader = asyncio.create_task(wire.read())
    try:
        yield wire
        await asyncio.wait_for(wire.leave(), LEAVE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reader


def memory_mb(pid: int) -> dict[str, float]:
    """Returns a process's resident memory, at most and now, in MB; nothing off Linux."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    names = {"peak": "VmHWM", "now": "VmRSS"}
    return {name: round(int(fields[key].split()[0]) / 1024, 1) for name, key in names.items()}


def cpu_s(pid: int) -> float | None:
    """Returns the processor time that a process has used, None off Linux."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
