"""An editor without a protocol: documents, gate, sources, and a completer over a backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from lsprotocol import types

from midfill_lsp.backend.base import Backend
from midfill_lsp.complete import Completer, CompletionRequest
from midfill_lsp.config import Config
from midfill_lsp.metrics import Explanation, Metrics
from midfill_lsp.server.documents import Documents
from midfill_lsp.server.surroundings import Surroundings
from midfill_lsp.syntax import Grammars


class Editor:
    """One window.

    Attributes:
        config: the settings; may be changed, then call `surroundings.reconfigure`.
    """

    def __init__(self, folders: list[Path], backend: Backend, config: Config) -> None:
        self.config = config
        self._backend = backend
        self.documents = Documents()
        self.documents.encoding = "utf-32"
        self.surroundings = Surroundings(
            lambda: self.config, lambda: backend, self.documents, Grammars()
        )
        self.surroundings.take_folders(folders)
        self.completer = Completer(
            self._asking,
            lambda: self.config.completion,
            lambda snapshot: self.documents.get(snapshot.uri) is snapshot,
            Metrics(),
            "window",
            clearance=self.surroundings.clearance,
        )

    def open(self, path: Path | str, text: str, language_id: str = "python") -> str:
        """Open a document and return its URI."""
        uri = path.as_uri() if isinstance(path, Path) else path
        self.documents.open(types.TextDocumentItem(uri, language_id, 1, text))
        return uri

    def insert(self, uri: str, line: int, text: str) -> None:
        """Put lines into a document, as an edit."""
        place = types.Position(line, 0)
        change = types.TextDocumentContentChangePartial(types.Range(place, place), text)
        before = self.documents[uri]
        self.documents.change(uri, before.version + 1, (change,))
        self.completer.changed(before, self.documents[uri])
        self.surroundings.edited(uri, [change])

    async def complete(self, uri: str, marker: str = "█") -> Explanation:
        """Ask at the marker, which is taken out first, and return what became of it."""
        before, after = self.documents[uri].text.split(marker)
        document = self.documents[uri]
        self.documents.open(
            types.TextDocumentItem(uri, document.language_id, document.version + 1, before + after)
        )
        line_idx = before.count("\n")
        column = len(before) - (before.rfind("\n") + 1)
        request = CompletionRequest("1", self.documents[uri], line_idx, column, explicit=True)
        await self.completer.complete(request)
        assert self.completer.last is not None
        return self.completer.last

    @contextmanager
    def _asking(self, _explicit: bool) -> Generator[Backend]:
        yield self._backend


@asynccontextmanager
async def editing(
    folders: list[Path], backend: Backend, config: Config | None = None
) -> AsyncGenerator[Editor]:
    """Yield an editor whose index is there."""
    editor = Editor(folders, backend, config or Config())
    try:
        editor.surroundings.start()
        await editor.surroundings.finder.start()
        yield editor
    finally:
        await editor.completer.aclose()
        await editor.surroundings.aclose()
        await backend.aclose()


class Recorder:
    """A TCP relay to a server, which keeps every byte that is sent to it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = bytearray()
        self.url = ""

    async def __aenter__(self) -> Recorder:
        """Listen."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._copy(reader, back, self.sent), self._copy(there, writer, None))

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        kept: bytearray | None,
    ) -> None:
        try:
            while data := await reader.read(65536):
                if kept is not None:
                    kept += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
