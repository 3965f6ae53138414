"""The workspace around the documents: its folders and files, and what of them completions get.

Called by `window`, and by `handlers` for the messages about the workspace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lsprotocol import types

from midfill_lsp.backend.base import Backend
from midfill_lsp.complete import Clearance, Wish
from midfill_lsp.config import Config
from midfill_lsp.context import (
    LANGUAGES,
    RULE_FILES,
    Finder,
    Gate,
    Trust,
    Workspace,
    trust_of,
)
from midfill_lsp.server.control import EngineControl, KnowsItsGain
from midfill_lsp.server.documents import Documents
from midfill_lsp.syntax import Grammars

SOURCE_FILES = "**/{" + ",".join([*RULE_FILES, *(f"*{suffix}" for suffix in LANGUAGES)]) + "}"
"""A glob of what the index and the gate live on."""


class Surroundings:
    """Owns the gate and the sources of one window. Everything runs on the event loop's thread."""

    def __init__(
        self,
        config: Callable[[], Config],
        backend: Callable[[], Backend],
        documents: Documents,
        grammars: Grammars,
    ) -> None:
        """Wire the parts; nothing is read.

        Args:
            config: the settings of the moment.
            backend: the backend of the moment.
            documents: the open ones.
            grammars: for signatures.
        """
        self._config = config
        self._backend = backend
        self._workspace = Workspace()
        self._loading: asyncio.Future[None] | None = None
        self._is_started = False
        self._state: tuple[object, ...] = ()
        self.gate = Gate(lambda: self._config().context, self._workspace)
        self.finder = Finder(
            lambda: self._config().context, self._workspace, self.gate, documents, grammars
        )
        self.clearance = Clearance(self.gate, self.finder, self.trust, self.wish)

    def trust(self) -> Trust:
        """Return how far the backend of the moment is trusted."""
        return trust_of(self._config(), self._model())

    def wish(self) -> Wish:
        """Return whether other files go along with completions, and why not."""
        context = self._config().context
        if context.send == "never":
            return Wish(False, "context.send is never")
        if not context.max_tokens:
            return Wish(False, "context.maxTokens is 0")
        backend = self._backend()
        if context.send == "auto" and isinstance(backend, KnowsItsGain):
            why_not = backend.why_no_files()
            return Wish(why_not is None, why_not)
        return Wish(True)

    def take_folders(self, folders: Sequence[Path]) -> None:
        """Take the workspace's folders."""
        self._workspace.take(folders)
        if self._is_started:
            self.finder.reset()
            self.finder.start()

    def files_changed(self, uris: Iterable[str]) -> None:
        """Take note of files that came, went or were saved."""
        for uri in uris:
            self.finder.file_changed(uri)

    def start(self) -> None:
        """Load the rules for secrets and walk the workspace, in threads."""
        self._loading = asyncio.ensure_future(asyncio.to_thread(self.gate.prepare))
        self._state = self._rules()
        self._is_started = True
        self.finder.start()

    def reconfigure(self) -> None:
        """Forget what was judged, if settings or the backend are others now."""
        before, self._state = self._state, self._rules()
        if self._is_started and before != self._state:
            self.finder.reset()
            self.finder.start()

    def edited(self, uri: str, changes: Iterable[types.TextDocumentContentChangeEvent]) -> None:
        """Take note of a document's edits."""
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                first = change.range.start.line
                self.finder.edited(uri, first, first + change.text.count("\n"))

    async def aclose(self) -> None:
        """End the threads' work."""
        await self.finder.aclose()
        if self._loading is not None:
            await self._loading

    def _rules(self) -> tuple[object, ...]:
        return self._config().context, self.trust()

    def _model(self) -> str | None:
        backend = self._backend()
        model = backend.describe().get("model") if isinstance(backend, EngineControl) else None
        return model if isinstance(model, str) else None
