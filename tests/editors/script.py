"""A language server whose suggestions the test chooses, run by an editor as a process.

The test listens (`Script`), the server connects: `python -m tests.editors.script PORT`. Each line
to it is a script as JSON, answered once it holds. One that dies and is started anew connects again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any

from midfill_lsp import server
from midfill_lsp.backend.base import InfillRequest, StreamEnd
from midfill_lsp.config import Config
from midfill_lsp.errors import BackendError
from midfill_lsp.settings.sources import Sources
from tests.fakes import FakeEngine

_TIMEOUT_S = 30.0


class Script:
    """The test's end of the wire.

    Attributes:
        port: what the server is to be given.
        pid: the server's process id.
    """

    def __init__(self) -> None:
        """Listen on a free port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TIMEOUT_S)
        self.port: int = self._listener.getsockname()[1]
        self.pid = 0

    def accept(self) -> None:
        """Wait for the server to connect."""
        wire, _ = self._listener.accept()
        with wire:  # the file holds it open
            wire.settimeout(_TIMEOUT_S)
            self._lines = wire.makefile("rw", encoding="utf-8")
        self.pid = int(self._lines.readline())

    def set(
        self,
        *deltas: str,
        gated: bool = False,
        samples: tuple[str, ...] = (),
        error: str | None = None,
    ) -> None:
        """Choose what is written from now on; `gated` holds what comes behind the first delta."""
        self._send({"deltas": deltas, "gated": gated, "samples": samples, "error": error})

    def chats(self) -> list[list[dict[str, str]]]:
        """Return the messages of all chats that were asked for."""
        return self._send({})

    def open(self) -> None:
        """Let everything come that is held."""
        self._send({})

    def kill(self) -> None:
        """End the server without a word."""
        os.kill(self.pid, signal.SIGKILL)
        self._lines.close()

    def close(self) -> None:
        """Hang up."""
        self._listener.close()
        self._lines.close()

    def _send(self, script: dict[str, Any]) -> list[list[dict[str, str]]]:
        self._lines.write(json.dumps(script) + "\n")
        self._lines.flush()
        chats: list[list[dict[str, str]]] = json.loads(self._lines.readline())
        return chats


class ScriptedEngine(FakeEngine):
    """A `FakeEngine` that also has samples to cycle through."""

    texts: tuple[str, ...] = ()

    async def samples(
        self, request: InfillRequest, num_samples: int, temperature: float
    ) -> AsyncGenerator[tuple[int, str | StreamEnd], None]:
        """Give each sample at once."""
        for idx in range(num_samples):
            yield idx, self.texts[idx % len(self.texts)]
            yield idx, self.end

    def take(self, script: dict[str, Any]) -> None:
        """Do as the test says."""
        if self.gate:
            self.gate.set()
        if "deltas" in script:
            self.deltas = list(script["deltas"])
            if script["error"] is not None:
                self.deltas = [BackendError(script["error"])]
            self.texts = tuple(script["samples"]) or ("".join(script["deltas"]),)
            self.gate = asyncio.Event() if script["gated"] else None


def main() -> int:
    """Serve; returns the exit status."""
    wire = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    lines = wire.makefile("rw", encoding="utf-8")
    lines.write(f"{os.getpid()}\n")
    lines.flush()
    engine = ScriptedEngine()

    def take(script: dict[str, Any]) -> None:
        engine.take(script)
        lines.write(json.dumps([list(map(asdict, chat)) for chat in engine.chats]) + "\n")
        lines.flush()

    def steer(loop: asyncio.AbstractEventLoop) -> None:
        for line in lines:
            loop.call_soon_threadsafe(take, json.loads(line))

    def make_backend(_config: Config) -> ScriptedEngine:
        if not threads:
            loop = asyncio.get_running_loop()
            threads.append(threading.Thread(target=steer, args=(loop,), daemon=True))
            threads[0].start()
        return engine

    threads: list[threading.Thread] = []
    return server.run(make_backend, Sources())


if __name__ == "__main__":
    sys.exit(main())
