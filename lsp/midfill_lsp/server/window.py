"""One editor window: its documents, its settings, and the use cases wired to them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from midfill_lsp.backend.base import Backend
from midfill_lsp.backend.tokens import EditorTokens
from midfill_lsp.complete import Completer
from midfill_lsp.config import Config
from midfill_lsp.document import Encoding
from midfill_lsp.engine_process.state import ensure_dir
from midfill_lsp.errors import BackendError, EngineStartError
from midfill_lsp.metrics import Explanation, Metrics
from midfill_lsp.recent import Recent, name_of
from midfill_lsp.server.completion import Asked, inserted_only, request_at, request_of
from midfill_lsp.server.documents import Documents, replaced_lines
from midfill_lsp.server.engine import EngineWatch
from midfill_lsp.server.items import Items
from midfill_lsp.server.live_settings import LiveSettings, folders_of
from midfill_lsp.server.notices import Notices
from midfill_lsp.server.raw import members
from midfill_lsp.server.secret_storage import ask_token
from midfill_lsp.server.surroundings import Surroundings
from midfill_lsp.server.talks import Talks
from midfill_lsp.settings.sources import Sources
from midfill_lsp.statistics.store import NAME as STATISTICS_FILE
from midfill_lsp.statistics.store import Store
from midfill_lsp.statistics.tracker import Tracker
from midfill_lsp.syntax import Grammars

logger = logging.getLogger(__name__)

_OUT_OF_STEP = "nothing is suggested in it until it is closed and opened again"


class Window:
    """The state behind the handlers. Everything runs on the event loop's thread."""

    def __init__(
        self,
        server: LanguageServer,
        make_backend: Callable[[Config], Backend],
        sources: Sources,
        tokens: EditorTokens,
    ) -> None:
        """Wire an empty window; nothing is started."""
        self._server = server
        self._tokens = tokens
        self._ids = map(str, itertools.count(1))
        self.wants_lf = False
        self.documents = Documents()
        self.metrics = Metrics()
        self.notices = Notices(server)
        self.settings = LiveSettings(sources, self.notices, self._reconfigure)
        self._applied = self.settings.config
        self.engine = EngineWatch(make_backend, self._applied, self.notices)
        grammars = Grammars()
        self.surroundings = Surroundings(
            lambda: self.config, lambda: self.engine.backend, self.documents, grammars
        )
        self.completer = Completer(
            asking=self.engine.asking,
            config=lambda: self.config.completion,
            is_current=lambda snapshot: self.documents.get(snapshot.uri) is snapshot,
            metrics=self.metrics,
            window=str(os.getpid()),
            grammars=grammars,
            clearance=self.surroundings.clearance,
            warming=lambda: self.engine.warming,
        )
        self.talks = Talks(
            self.engine, self.documents, self.surroundings.gate, self.surroundings.trust
        )
        self.statistics = Tracker(
            store=_statistics_store,
            is_enabled=lambda: self.config.statistics.enabled,
            lines_of=lambda uri: found.lines if (found := self.documents.get(uri)) else None,
            events=self.metrics.events,
        )
        self.recent = Recent(_state_folder)
        self.metrics.on_count = self.recent.note
        self._keeping: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        """Begin what runs beside the requests; the editor's settings are known."""
        self.settings.start_watching()
        kept = (self.statistics.keep(), self.recent.keep())
        self._keeping = tuple(map(asyncio.create_task, kept))
        self.engine.start_soon()
        self.surroundings.start()

    def handshake(self, options: object, encoding: str) -> None:
        """Take what `initialize` brought."""
        self.documents.encoding = cast("Encoding", encoding)
        section = members(members(options).get("midfill"))
        self.notices.status_wanted = section.get("statusNotifications") is True
        if section.get("tokenRequests") is True:
            self._tokens.ask = partial(ask_token, self._server)
        # Problems are told when the editor's section is known. A request may come before that.
        folders = folders_of(self._server)
        self.surroundings.take_folders(folders)
        self.settings.handshake(section, folders)
        self._applied = self.config
        self.completer.renew()
        self.engine.prepare(self.config)

    @property
    def config(self) -> Config:
        """The settings of the moment."""
        return self.settings.config

    def _reconfigure(self, config: Config) -> None:
        if config != self._applied:
            self.completer.renew()
        self._applied = config
        self.engine.reconfigure(config)
        self.surroundings.reconfigure()

    def take_new_token(self) -> None:
        """Ask the editor for its token anew, and try the backend with it."""
        self._tokens.forget()
        self.engine.renew_access()

    def open(self, document: types.TextDocumentItem) -> None:
        """Take a document that was opened."""
        self.completer.closed(document.uri)  # if it was open before, this is another
        self.documents.open(document)

    def change(self, params: types.DidChangeTextDocumentParams, at_s: float) -> None:
        """Apply the edits of one notification that came at a time of the monotonic clock."""
        uri, version = params.text_document.uri, params.text_document.version
        before = self.documents.get(uri)
        if not self.documents.change(uri, version, tuple(params.content_changes)):
            logger.warning("a change to a document that is not open")
        elif before is not None:
            self.completer.changed(before, self.documents[uri], at_s)
        for lines in map(replaced_lines, params.content_changes):
            if lines is not None:
                self.statistics.edited(uri, *lines)
        self.surroundings.edited(uri, params.content_changes)

    def move(self, place: types.TextDocumentPositionParams) -> None:
        """Take note of the cursor's new place."""
        snapshot = self.documents.get(place.text_document.uri)
        if snapshot is not None:
            self.completer.moved(request_at(place, snapshot))

    def close(self, uri: str) -> None:
        """Let go of a document that was closed."""
        self.statistics.closing(uri)
        self.documents.close(uri)
        self.completer.closed(uri)
        self.surroundings.finder.closed(uri)

    async def aclose(self) -> None:
        """Abort what runs, then close the backend."""
        await self.settings.aclose()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self.completer.aclose()
        await self.statistics.aclose()
        await self.surroundings.aclose()
        await self.engine.aclose()

    def lose(self, method: str | None, params: object) -> None:
        """Take note of a message that could not be read; None where not even its method could."""
        if method not in (None, types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE):
            return
        uri = members(members(params).get("textDocument")).get("uri")
        for lost in self.documents.lose(uri if isinstance(uri, str) else None):
            self.completer.closed(lost)
            name = name_of(lost) or "a document"
            text = f"a change of {name} could not be read; {_OUT_OF_STEP}"
            self.notices.tell_once(f"lost {lost}", text, types.MessageType.Warning)

    async def complete(
        self,
        asked: Asked,
        request_id: str,
        on_partial: Callable[[types.InlineCompletionItem], None] | None = None,
    ) -> types.InlineCompletionList:
        """Return the editor's form of suggestions; an empty list for none and for failures.

        The snapshot is taken before the first await. `on_partial` gets the first item each time it
        has grown.
        """
        snapshot = self.documents.get(asked.params.text_document.uri)
        request = request_of(asked, snapshot, request_id) if snapshot else None
        if request is None:
            self._note_unasked(asked.params, request_id)
            return types.InlineCompletionList([])
        items = Items(request, self._ids, self.wants_lf, self.statistics)
        grow = items.growing(on_partial) if on_partial is not None else None
        began = time.perf_counter()
        try:
            suggestions = await self.completer.complete(request, grow)
        except BackendError:
            return types.InlineCompletionList([])
        latency_ms = (time.perf_counter() - began) * 1000
        if asked.inserts_only:
            suggestions = inserted_only(request, suggestions)
        return types.InlineCompletionList(items.finish(suggestions, latency_ms))

    def _note_unasked(self, params: types.InlineCompletionParams, request_id: str) -> None:
        uri, position = params.text_document.uri, params.position
        if self.documents.is_lost(uri):
            skip, why = "outOfStep", f"a change could not be read; {_OUT_OF_STEP}"
        elif uri in self.documents:
            skip, why = "otherItem", "selectedCompletionInfo.range does not hold the cursor"
        else:
            skip, why = "notOpen", "it is not open"
        place = (position.line, position.character)
        self.completer.note(
            Explanation(request_id, uri, 0, *place, "skipped", detail=why, skip=skip)
        )


def _state_folder() -> Path | None:
    try:
        return ensure_dir()
    except EngineStartError:  # whoever starts the engine tells it
        return None


def _statistics_store() -> Store | None:
    folder = _state_folder()
    return Store(folder / STATISTICS_FILE) if folder is not None else None
