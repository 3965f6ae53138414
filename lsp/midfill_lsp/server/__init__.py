"""The language server's face to the editor; the sole place that knows pygls.

    stdio       framing; stdin and stdout
    messages    exactly one reply to every request
    rpc         how the session begins and ends
    strict      params are what they say they are
    handlers    which message goes where
    completion  the editor's form of a completion, and ours
    window      the documents, the settings, the use cases wired to them
    live_settings  the settings of the moment, changed while we run
    engine      the backend of the moment and how it is; failures
    events      what editors tell of suggestions
    control     what some backends offer besides
    secret_storage  tokens that the editor keeps
    notices     what the server says unasked

`run` is called by the command line once the engine's start is under way, because importing this
package takes about a second and the two should overlap. Nothing here decides what to suggest:
that is `midfill_lsp.complete`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import BinaryIO

from pygls.io_ import StdoutWriter
from pygls.lsp.server import LanguageServer

from midfill_lsp.backend.base import Backend
from midfill_lsp.backend.tokens import EditorTokens
from midfill_lsp.config import Config
from midfill_lsp.server import handlers, stdio
from midfill_lsp.server.control import EngineControl
from midfill_lsp.server.rpc import Protocol
from midfill_lsp.server.window import Window
from midfill_lsp.settings.sources import Sources

__all__ = ["EngineControl", "run"]

logger = logging.getLogger(__name__)


def run(
    make_backend: Callable[[Config], Backend], sources: Sources, tokens: EditorTokens | None = None
) -> int:
    """Serve one editor over stdio until it leaves, and return the exit status.

    Args:
        make_backend: builds the backend; must not block (an engine is started by
            `EngineControl.start` or by the first `infill`). Called again when the settings of the
            engine change; the backend before is closed first.
        sources: the user's file and the command line; what the editor and the workspace's file
            say is laid over it.
        tokens: what `make_backend` asks for the tokens that the editor keeps.

    Returns:
        0 after `shutdown` (with `exit` or a closed stdin), 1 otherwise.
    """
    logging.getLogger("pygls").setLevel(logging.WARNING)  # below, it logs every message
    stdout = stdio.take_stdout()
    try:
        return asyncio.run(_serve(make_backend, sources, tokens or EditorTokens(), stdout))
    finally:
        with contextlib.suppress(BrokenPipeError):
            stdout.close()


async def _serve(
    make_backend: Callable[[Config], Backend],
    sources: Sources,
    tokens: EditorTokens,
    stdout: BinaryIO,
) -> int:
    server = LanguageServer("midfill", version("midfill"), protocol_cls=Protocol)
    protocol = server.protocol
    assert isinstance(protocol, Protocol)
    protocol.set_writer(StdoutWriter(stdout))
    window = Window(server, make_backend, sources, tokens)
    handlers.register(server, protocol, window)
    messages: asyncio.Queue[stdio.Received | None] = asyncio.Queue()
    stdio.start_reading(messages)
    try:
        while not protocol.exit_requested.is_set():
            message = await messages.get()
            if message is None:
                break
            protocol.receive(message.body, message.at_s)
            # Let a new request take its snapshot before the next message changes the document.
            await asyncio.sleep(0)
    except BrokenPipeError:
        logger.warning("the editor is gone")
    finally:
        await protocol.close()
    return protocol.exit_status
