"""A language server over stdio with a scripted backend, run as a process by the server tests.

Called with a port on which a test listens. The test's first line is the script; then each line
steers: `open` opens the gate. What happens in the backend goes back as one line per event.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any

from midfill_lsp import server
from midfill_lsp.backend.base import Backend, InfillRequest, StreamEnd
from midfill_lsp.config import Config
from midfill_lsp.errors import BackendError, EngineStartError
from midfill_lsp.settings.sources import Sources
from tests.fakes import FakeEngine


class ScriptedBackend(FakeEngine):
    """A `FakeEngine` whose doings are reported to the test, and which the test steers."""

    def __init__(self, script: dict[str, Any], wire: socket.socket) -> None:
        """Take the script: `deltas`, `gated`, `start_gated`, `start_error`, `infill_error`."""
        deltas: list[str | BackendError] = list(script.get("deltas", []))
        if "infill_error" in script:
            deltas.append(EngineStartError(script["infill_error"]))
        error = script.get("start_error")
        super().__init__(
            deltas=deltas,
            gate=asyncio.Event() if script.get("gated") else None,
            start_error=EngineStartError(error) if error else None,
            start_gate=asyncio.Event() if script.get("start_gated") else None,
        )
        self._wire = wire

    def report(self, event: str, **facts: object) -> None:
        """Tell the test."""
        self._wire.sendall((json.dumps({"event": event, **facts}) + "\n").encode())

    def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        """Report the request, the first delta, and an abort."""
        return self._reported(request)

    async def aclose(self) -> None:
        """Report the end."""
        await super().aclose()
        self.report("closed")

    def open_gates(self) -> None:
        """Let everything through that waits."""
        for gate in (self.gate, self.start_gate):
            if gate:
                gate.set()

    async def _reported(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        self.report("infill", prefix=request.prefix, suffix=request.suffix, stop=request.stop)
        num_aborted = self.num_aborted
        stream = super().infill(request)
        first = True
        try:
            async for delta in stream:
                yield delta
                if first:
                    self.report("first")
                    first = False
        finally:
            await stream.aclose()
            if self.num_aborted > num_aborted:
                self.report("aborted")


def main() -> int:
    """Serve; returns the exit status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    wire = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    lines = wire.makefile("r", encoding="utf-8")
    script: dict[str, Any] = json.loads(lines.readline())
    made: list[ScriptedBackend] = []

    def steer(loop: asyncio.AbstractEventLoop) -> None:
        for _ in lines:
            for backend in made:
                loop.call_soon_threadsafe(backend.open_gates)

    def make_backend(config: Config) -> Backend:
        backend = ScriptedBackend(script, wire)
        backend.report("made", model=config.engine.model)
        print("a stray print must not reach the editor", flush=True)  # noqa: T201
        if not made:
            loop = asyncio.get_running_loop()
            threading.Thread(target=steer, args=(loop,), daemon=True).start()
        made.append(backend)
        return backend

    return server.run(make_backend, Sources())


if __name__ == "__main__":
    sys.exit(main())
