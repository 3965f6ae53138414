"""One editor window: its documents, its settings, and the use cases wired to them."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import cast
from urllib.parse import unquote, urlsplit

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from midfill_lsp import settings
from midfill_lsp.backend.base import Backend
from midfill_lsp.backend.tokens import EditorTokens
from midfill_lsp.complete import Completer
from midfill_lsp.config import Config
from midfill_lsp.document import Encoding
from midfill_lsp.errors import BackendError
from midfill_lsp.metrics import Explanation, Metrics
from midfill_lsp.server.completion import Asked, item_of, request_of
from midfill_lsp.server.documents import Documents
from midfill_lsp.server.engine import EngineWatch
from midfill_lsp.server.notices import Notices
from midfill_lsp.server.raw import members
from midfill_lsp.server.secret_storage import ask_token

logger = logging.getLogger(__name__)

_OUT_OF_STEP = "nothing is suggested in it until it is closed and opened again"


class Window:
    """The state behind the handlers. Everything runs on the event loop's thread."""

    def __init__(
        self,
        server: LanguageServer,
        make_backend: Callable[[Config], Backend],
        config: Config,
        tokens: EditorTokens,
    ) -> None:
        """Wire an empty window; nothing is started."""
        self._base = config
        self._server = server
        self._tokens = tokens
        self._from_handshake: dict[str, object] = {}
        self._ids = itertools.count(1)
        self._told_problems: set[str] = set()
        self.config = config
        self.documents = Documents()
        self.metrics = Metrics()
        self.notices = Notices(server)
        self.engine = EngineWatch(make_backend, config, self.notices)
        self.completer = Completer(
            asking=self.engine.asking,
            config=lambda: self.config.completion,
            is_current=lambda snapshot: self.documents.get(snapshot.uri) is snapshot,
            metrics=self.metrics,
            window=str(os.getpid()),
        )

    def handshake(self, options: object, encoding: str) -> None:
        """Take what `initialize` brought."""
        self.documents.encoding = cast("Encoding", encoding)
        self._from_handshake = members(members(options).get("midfill"))
        self.notices.status_wanted = self._from_handshake.get("statusNotifications") is True
        if self._from_handshake.get("tokenRequests") is True:
            self._tokens.ask = partial(ask_token, self._server)
        # Problems are told when the editor's section is known. A request may come before that.
        self.config, _ = settings.parse(self._from_handshake, self._base)
        self.completer.renew()
        self.engine.prepare(self.config)

    def configure(self, section: object) -> None:
        """Rebuild the settings from the handshake's and the editor's `midfill` section."""
        before = self.config
        merged = settings.merge(self._from_handshake, members(section))
        self.config, problems = settings.parse(merged, self._base)
        fresh = [problem for problem in problems if problem not in self._told_problems]
        self._told_problems.update(fresh)
        if fresh:
            text = "; ".join(fresh)
            self.notices.tell_once(text, text, types.MessageType.Warning)
        if self.config != before:
            self.completer.renew()
        self.engine.reconfigure(self.config)

    def take_new_token(self) -> None:
        """Ask the editor for its token anew, and try the backend with it."""
        self._tokens.forget()
        self.engine.renew_access()

    def open(self, document: types.TextDocumentItem) -> None:
        """Take a document that was opened."""
        self.completer.closed(document.uri)  # if it was open before, this is another
        self.documents.open(document)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Apply the edits of one notification."""
        uri, version = params.text_document.uri, params.text_document.version
        before = self.documents.get(uri)
        if not self.documents.change(uri, version, tuple(params.content_changes)):
            logger.warning("a change to a document that is not open")
        elif before is not None:
            self.completer.changed(before, self.documents[uri])

    def close(self, uri: str) -> None:
        """Let go of a document that was closed."""
        self.documents.close(uri)
        self.completer.closed(uri)

    async def aclose(self) -> None:
        """Abort what runs, then close the backend."""
        await self.completer.aclose()
        await self.engine.aclose()

    def lose(self, method: str | None, params: object) -> None:
        """Take note of a message that could not be read; None where not even its method could."""
        if method not in (None, types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE):
            return
        uri = members(members(params).get("textDocument")).get("uri")
        for lost in self.documents.lose(uri if isinstance(uri, str) else None):
            self.completer.closed(lost)
            name = PurePosixPath(unquote(urlsplit(lost).path)).name
            text = f"a change of {name} could not be read; {_OUT_OF_STEP}"
            self.notices.tell_once(f"lost {lost}", text, types.MessageType.Warning)

    async def complete(
        self,
        asked: Asked,
        request_id: str,
        on_partial: Callable[[str], None] | None = None,
    ) -> types.InlineCompletionList:
        """Return the editor's form of suggestions; an empty list for none and for failures.

        The snapshot is taken before the first await.
        """
        snapshot = self.documents.get(asked.params.text_document.uri)
        request = request_of(asked, snapshot, request_id) if snapshot else None
        if request is None:
            self._note_unasked(asked.params, request_id)
            return types.InlineCompletionList([])
        try:
            suggestions = await self.completer.complete(request, on_partial)
        except BackendError:
            return types.InlineCompletionList([])
        return types.InlineCompletionList(
            [item_of(request, item, f"{next(self._ids)}") for item in suggestions]
        )

    def _note_unasked(self, params: types.InlineCompletionParams, request_id: str) -> None:
        uri, position = params.text_document.uri, params.position
        if self.documents.is_lost(uri):
            why = f"a change could not be read; {_OUT_OF_STEP}"
        elif uri in self.documents:
            why = "selectedCompletionInfo.range does not hold the cursor"
        else:
            why = "it is not open"
        self.completer.note(
            Explanation(
                request_id, uri, 0, position.line, position.character, "skipped", detail=why
            )
        )
