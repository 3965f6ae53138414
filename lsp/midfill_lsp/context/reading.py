"""What the sources have to offer: pieces of open documents, and signatures of their imports.

Read in a thread, and anew where a document or the index has changed; until then what was read
before stands. Called by `finder`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from midfill_lsp.context.buffers import pool_of
from midfill_lsp.context.gate import Gate
from midfill_lsp.context.judge import Refusal
from midfill_lsp.context.live_index import LiveIndex
from midfill_lsp.context.score import Pool
from midfill_lsp.context.signatures import Signatures, Surroundings
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.work import Work
from midfill_lsp.context.workspace import Workspace, path_of
from midfill_lsp.document import Snapshot
from midfill_lsp.syntax import Grammars

_NO_POOL = Pool.of(())
_State = tuple[int, int, int]


class Reading:
    """The pools of one window. Everything but the thread's work runs on the event loop."""

    def __init__(
        self,
        workspace: Workspace,
        gate: Gate,
        documents: Mapping[str, Snapshot],
        grammars: Grammars,
        index: LiveIndex,
    ) -> None:
        """Read nothing yet.

        Args:
            workspace: the folders of the moment.
            gate: whose refusal keeps a document out from the start.
            documents: the editor's open documents, by URI; read at each call.
            grammars: for signatures.
            index: the workspace's files.
        """
        self._workspace = workspace
        self._gate = gate
        self._documents = documents
        self._index = index
        self._signatures = Signatures(grammars)
        self._work = Work("midfill-context")
        self._epoch = 0  # counts what was forgotten: older work is not taken any more
        self._pools: dict[str, tuple[Snapshot, Pool]] = {}
        self._analyses: dict[str, tuple[_State, tuple[Pool, ...]]] = {}

    @property
    def failures(self) -> Counter[str]:
        """How often each kind of work failed, since the start."""
        return self._work.failures

    @property
    def num_news(self) -> int:
        """How often something was read."""
        return self._work.num_done

    def prepare(self, snapshot: Snapshot, line_idx: int, trust: Trust) -> None:
        """Have the thread read what is new for a document."""
        for uri, document in list(self._documents.items()):
            known = self._pools.get(uri)
            if uri != snapshot.uri and (known is None or known[0] is not document):
                self._read_document(uri, document, trust)
        path = path_of(snapshot.uri)
        state = (line_idx, len(snapshot.lines), self._index.number)
        analysis = self._analyses.get(snapshot.uri)
        if path is not None and (analysis is None or analysis[0] != state):
            self._read_imports(snapshot, path, state)

    def pools(self, uri: str) -> list[Pool]:
        """Return what there is for a document, its recent edits left out."""
        found = [pool for other, (_, pool) in self._pools.items() if other != uri]
        return [*found, *self._analyses.get(uri, ((0, 0, 0), ()))[1]]

    def readable(self) -> dict[str, Snapshot]:
        """Return the open documents that the gate's first look has let pass."""
        passed = [uri for uri, (_, pool) in self._pools.items() if pool is not _NO_POOL]
        return {uri: self._documents[uri] for uri in passed if uri in self._documents}

    def forget(self, uri: str) -> None:
        """Drop what was read of and for a document."""
        self._pools.pop(uri, None)
        self._analyses.pop(uri, None)

    def forget_imports(self) -> None:
        """Drop what was read from files, and what is under way."""
        self._epoch += 1
        self._analyses.clear()

    def forget_all(self) -> None:
        """Drop everything, and what is under way."""
        self._epoch += 1
        self._pools.clear()
        self._analyses.clear()

    async def wait(self, most_s: float | None) -> float:
        """Wait for what is being read, as `Work.wait` does."""
        return await self._work.wait(most_s)

    async def aclose(self) -> None:
        """End the thread's work; what runs is not waited for."""
        await self._work.aclose()

    def _read_document(self, uri: str, document: Snapshot, trust: Trust) -> None:
        epoch = self._epoch

        def work() -> Pool:
            # A first look, so that what is refused takes nobody's place; each piece is judged
            # again when it is sent.
            is_refused = isinstance(self._gate.admit(uri, "", trust), Refusal)
            return _NO_POOL if is_refused else pool_of(document)

        def take(pool: Pool) -> None:
            if uri in self._documents and epoch == self._epoch:
                self._pools[uri] = (document, pool)

        self._work.start("document", uri, work, take)

    def _read_imports(self, snapshot: Snapshot, path: Path, state: _State) -> None:
        documents, tree, folders = dict(self._documents), self._index.tree, self._workspace.folders
        epoch = self._epoch

        def work() -> tuple[Pool, ...]:
            place = self._workspace.place(path)
            roots = dict.fromkeys(str(each) for each in (*folders, place.top))
            texts = {
                str(self._workspace.place(other).path): document
                for uri, document in documents.items()
                if (other := path_of(uri)) is not None
            }
            return self._signatures.pools(
                snapshot, place.path, Surroundings(tuple(roots), tree), texts.get
            )

        def take(pools: tuple[Pool, ...]) -> None:
            if snapshot.uri in self._documents and epoch == self._epoch:
                self._analyses[snapshot.uri] = (state, pools)

        self._work.start("imports", snapshot.uri, work, take)
