"""Finds what of the workspace goes along with a completion, within its budgets.

What takes long runs in threads: the walk over the files (`live_index`), the sources (`reading`) and
the choice (`ranking`). What they have brought so far is used, and only a document's first request
waits for them, as long as the budget says. Called by `complete`, and told by `server` what changes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.edits import RecentEdits
from midfill_lsp.context.found import Found
from midfill_lsp.context.gate import Gate
from midfill_lsp.context.ignore import NAMES
from midfill_lsp.context.judge import Refusal
from midfill_lsp.context.live_index import LiveIndex
from midfill_lsp.context.outlines import LANGUAGES
from midfill_lsp.context.ranking import Candidates, Ranking, Spot
from midfill_lsp.context.reading import Reading
from midfill_lsp.context.snippet import CHARS_PER_TOKEN, Snippet
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.workspace import Workspace, path_of
from midfill_lsp.document import Snapshot
from midfill_lsp.fim_files import OtherFile
from midfill_lsp.syntax import Grammars


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
        self._edits = RecentEdits()
        self._index = LiveIndex(workspace, lambda: self._config().max_files)
        self._reading = Reading(workspace, gate, documents, grammars, self._index)
        self._ranking = Ranking(gate)

    @property
    def failures(self) -> Counter[str]:
        """How often each kind of work in the threads failed, since the start."""
        return self._index.failures + self._reading.failures + self._ranking.failures

    @property
    def num_files(self) -> int:
        """How many files the index holds."""
        return len(self._index.tree.files)

    def repository(self, uri: str) -> str:
        """Return the name of the repository, or folder, that a document is in; "" without."""
        path = path_of(uri)
        return self._workspace.place(path).top.name if path is not None else ""

    def start(self) -> asyncio.Task[None]:
        """Walk the workspace in a thread; return a task that ends when the index is there."""
        return self._index.start()

    def reset(self) -> None:
        """Forget what was judged by rules or settings that have changed."""
        self._gate.forget()
        self._reading.forget_all()
        self._ranking.forget_all()

    def edited(self, uri: str, first_line: int, last_line: int) -> None:
        """Take note of an edit."""
        self._edits.add(uri, first_line, last_line)

    def closed(self, uri: str) -> None:
        """Forget a document that is not open any more."""
        self._edits.forget(uri)
        self._reading.forget(uri)
        self._ranking.forget(uri)

    def file_changed(self, uri: str) -> None:
        """Take note of a file that came, went or was saved."""
        path = path_of(uri)
        if path is None:
            return
        if path.name in NAMES or path.name == "exclude":
            self.reset()
            self.start()
        elif path.suffix.lower() in LANGUAGES:
            if (str(self._workspace.place(path).path) in self._index.tree.files) != path.exists():
                self.start()
            self._reading.forget_imports()

    async def find(
        self, snapshot: Snapshot, line_idx: int, prefix: str, suffix: str, trust: Trust
    ) -> Found:
        """Return what goes along with the text around a cursor."""
        began = time.perf_counter()
        if trust == "remote" and not self._gate.lets_others_pass(trust):
            return Found()
        spot = Spot(snapshot.uri, line_idx, prefix, suffix)
        is_first = self._ranking.of(spot.uri) is None
        budget_s, waited_s = self._config().budget_ms / 1000, 0.0
        self._reading.prepare(snapshot, line_idx, trust)
        if is_first:
            waited_s = await self._reading.wait(budget_s)
        self._choose(spot, trust)
        if is_first:
            waited_s += await self._ranking.wait(max(0.0, budget_s - waited_s))
        choice = self._ranking.of(spot.uri)
        pieces = self._admitted(choice.snippets if choice else (), trust)
        took_s = time.perf_counter() - began - waited_s
        return replace(pieces, took_ms=round(took_s * 1000, 3), waited_ms=round(waited_s * 1000, 1))

    async def idle(self) -> None:
        """Return when the threads have nothing to do; for tests and benchmarks."""
        works = (self._index, self._reading, self._ranking)
        while any([await work.wait(None) for work in works]):
            pass

    async def aclose(self) -> None:
        """End the threads' work; what runs is not waited for."""
        await asyncio.gather(self._index.aclose(), self._reading.aclose(), self._ranking.aclose())

    def _choose(self, spot: Spot, trust: Trust) -> None:
        """Have the choice looked at anew if the cursor's line or the pieces have changed."""
        state = (spot.line_idx, self._reading.num_news, trust)
        if not self._ranking.is_made_for(spot.uri, state):
            candidates = Candidates(
                self._reading.pools(spot.uri), self._edits.regions(), self._reading.readable()
            )
            self._ranking.choose(spot, state, candidates, self._config().max_tokens, trust)

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
