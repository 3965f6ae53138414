"""Finds what of the workspace goes along with a completion, within its budgets.

What takes long runs in two threads (the walk over the files; pieces and signatures) and is used
once it is there; a document's first request waits for it as long as the budget says. On the event
loop stays the ranking, and only when the cursor's line or the pieces have changed: while one types
in a line the choice of before goes along. Called by `complete`, and told by `server` what changes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.buffers import pool_of
from midfill_lsp.context.choose import FrozenChoices, best
from midfill_lsp.context.edits import RecentEdits
from midfill_lsp.context.found import Found
from midfill_lsp.context.gate import Gate, Refusal
from midfill_lsp.context.ignore import NAMES
from midfill_lsp.context.index import Tree, walk
from midfill_lsp.context.outlines import LANGUAGES
from midfill_lsp.context.score import Pool, query_of, rank
from midfill_lsp.context.signatures import Signatures, Surroundings
from midfill_lsp.context.snippet import CHARS_PER_TOKEN, Snippet
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.work import Work
from midfill_lsp.context.workspace import Workspace, path_of
from midfill_lsp.document import Snapshot
from midfill_lsp.fim_files import OtherFile
from midfill_lsp.syntax import Grammars

_NO_POOL = Pool.of(())


class Finder:
    """The sources of one window. Everything but the threads' work runs on the event loop."""

    def __init__(
        self,
        config: Callable[[], ContextConfig],
        workspace: Workspace,
        gate: Gate,
        documents: Mapping[str, Snapshot],
        grammars: Grammars,
    ) -> None:
        """Wire the sources; nothing is started.

        Args:
            config: the settings of the moment.
            workspace: the folders of the moment.
            gate: what every piece passes.
            documents: the editor's open documents, by URI; read at each call.
            grammars: for signatures.
        """
        self._config = config
        self._workspace = workspace
        self._gate = gate
        self._documents = documents
        self._signatures = Signatures(grammars)
        self._edits = RecentEdits()
        self._choices = FrozenChoices()
        self._walking = Work("midfill-index")
        self._reading = Work("midfill-context")
        self._tree = Tree()
        self._tree_number = 0
        self._must_walk_again = False
        self._pools: dict[str, tuple[Snapshot, Pool]] = {}
        self._analyses: dict[str, tuple[tuple[int, int, int], tuple[Pool, ...]]] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    @property
    def failures(self) -> Counter[str]:
        """How often each kind of work in the threads failed, since the start."""
        return self._walking.failures + self._reading.failures

    @property
    def _num_news(self) -> int:
        """How often the threads brought something."""
        return self._walking.num_done + self._reading.num_done

    @property
    def num_files(self) -> int:
        """How many files the index holds."""
        return len(self._tree.files)

    def repository(self, uri: str) -> str:
        """Return the name of the repository, or folder, that a document is in; "" without."""
        path = path_of(uri)
        return self._workspace.place(path).top.name if path is not None else ""

    def start(self) -> asyncio.Task[None]:
        """Walk the workspace in the thread; once more if that is under way.

        Returns:
            A task that ends when the index is there.
        """
        running = self._walking.running("walk")
        if running is not None:
            self._must_walk_again = True
            return running
        workspace, max_files = Workspace(self._workspace.folders), self._config().max_files

        def work() -> Tree:
            return walk(workspace, max_files, lambda: not self._walking.is_closed)

        def take(tree: Tree) -> None:
            self._tree = tree
            self._tree_number += 1
            if self._must_walk_again:
                self._must_walk_again = False
                asyncio.get_running_loop().call_soon(self.start)

        return self._walking.start("walk", "", work, take)

    def reset(self) -> None:
        """Forget what was judged by rules or settings that have changed."""
        self._gate.forget()
        self._pools.clear()
        self._analyses.clear()
        self._choices = FrozenChoices()
        self._seen.clear()

    def edited(self, uri: str, first_line: int, last_line: int) -> None:
        """Take note of an edit."""
        self._edits.add(uri, first_line, last_line)

    def closed(self, uri: str) -> None:
        """Forget a document that is not open any more."""
        self._edits.forget(uri)
        self._choices.forget(uri)
        for memory in (self._pools, self._analyses, self._seen):
            memory.pop(uri, None)

    def file_changed(self, uri: str) -> None:
        """Take note of a file that came, went or was saved."""
        path = path_of(uri)
        if path is None:
            return
        if path.name in NAMES or path.name == "exclude":
            self.reset()
            self.start()
        elif path.suffix.lower() in LANGUAGES:
            if (str(self._workspace.place(path).path) in self._tree.files) != path.exists():
                self.start()
            self._analyses.clear()

    async def find(
        self, snapshot: Snapshot, line_idx: int, prefix: str, suffix: str, trust: Trust
    ) -> Found:
        """Return what goes along with the text around a cursor."""
        began = time.perf_counter()
        if trust == "remote" and not self._gate.lets_others_pass(trust):
            return Found()
        self._prepare(snapshot, line_idx, trust)
        waited_s = 0.0
        if self._choices.of(snapshot.uri) is None:
            waited_s = await self._reading.wait(self._config().budget_ms / 1000)
        found = self._choose(snapshot, line_idx, prefix, suffix, trust)
        took_s = time.perf_counter() - began - waited_s
        return replace(
            found,
            took_ms=round(took_s * 1000, 3),
            waited_ms=round(waited_s * 1000, 1),
        )

    async def aclose(self) -> None:
        """End the threads' work; what runs is not waited for."""
        await asyncio.gather(self._walking.aclose(), self._reading.aclose())

    def _prepare(self, snapshot: Snapshot, line_idx: int, trust: Trust) -> None:
        """Have the threads read what is new."""
        for uri, document in list(self._documents.items()):
            known = self._pools.get(uri)
            if uri != snapshot.uri and (known is None or known[0] is not document):
                self._read_document(uri, document, trust)
        path = path_of(snapshot.uri)
        state = (line_idx, len(snapshot.lines), self._tree_number)
        known_analysis = self._analyses.get(snapshot.uri)
        if path is not None and (known_analysis is None or known_analysis[0] != state):
            self._read_imports(snapshot, path, state)

    def _read_document(self, uri: str, document: Snapshot, trust: Trust) -> None:
        def work() -> Pool:
            # A first look, so that what is refused takes nobody's place; each piece is judged
            # again when it is sent.
            is_refused = isinstance(self._gate.admit(uri, "", trust), Refusal)
            return _NO_POOL if is_refused else pool_of(document)

        def take(pool: Pool) -> None:
            if uri in self._documents:
                self._pools[uri] = (document, pool)

        self._reading.start("document", uri, work, take)

    def _read_imports(self, snapshot: Snapshot, path: Path, state: tuple[int, int, int]) -> None:
        place = self._workspace.place(path)
        folders = (*self._workspace.folders, place.top)
        around = Surroundings(tuple(dict.fromkeys(str(each) for each in folders)), self._tree)
        documents = dict(self._documents)

        def work() -> tuple[Pool, ...]:
            texts = {
                str(self._workspace.place(other).path): document
                for uri, document in documents.items()
                if (other := path_of(uri)) is not None
            }
            return self._signatures.pools(
                snapshot,
                place.path,
                around,
                lambda file: texts[file].text if file in texts else None,
            )

        def take(pools: tuple[Pool, ...]) -> None:
            if snapshot.uri in self._documents:
                self._analyses[snapshot.uri] = (state, pools)

        self._reading.start("imports", snapshot.uri, work, take)

    def _choose(
        self, snapshot: Snapshot, line_idx: int, prefix: str, suffix: str, trust: Trust
    ) -> Found:
        uri = snapshot.uri
        held = self._choices.of(uri)
        if held is not None and self._seen.get(uri) == (line_idx, self._num_news):
            return self._admitted(held.snippets, trust)
        self._seen[uri] = (line_idx, self._num_news)
        query = query_of(uri, line_idx, prefix, suffix)
        pools = [pool for other, (_, pool) in self._pools.items() if other != uri]
        pools += self._analyses.get(uri, ((0, 0, 0), ()))[1]
        pools += self._edits.pools(self._readable, uri)
        ranked = rank(pools, query)
        fresh = best(ranked, query, self._config().max_tokens)
        return self._admitted(self._choices.hold(query, fresh, ranked), trust)

    def _readable(self, uri: str) -> Snapshot | None:
        """Return an open document if the first look has let it pass."""
        _, pool = self._pools.get(uri, (None, _NO_POOL))
        return None if pool is _NO_POOL else self._documents.get(uri)

    def _admitted(self, snippets: tuple[Snippet, ...], trust: Trust) -> Found:
        files: list[OtherFile] = []
        sources: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        num_secrets = 0
        for snippet in snippets:
            answer = self._gate.admit(snippet.uri, snippet.text, trust)
            if isinstance(answer, Refusal):
                refused[answer.kind] += 1
                continue
            files.append(OtherFile(answer.name, answer.text))
            sources[snippet.source] += 1
            num_secrets += answer.num_secrets
        chars = sum(len(file.name) + len(file.text) for file in files)
        tokens = round(chars / CHARS_PER_TOKEN)
        return Found(tuple(files), dict(sources), dict(refused), num_secrets, tokens)
