"""The choice of pieces for each document, made in a thread.

While it is made, the choice of before goes along: what is sent first with a new line is at worst
what fitted the line above. Called by `finder`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from midfill_lsp.context.choose import Choice, best, hold
from midfill_lsp.context.edits import Region, pools_of
from midfill_lsp.context.gate import Gate
from midfill_lsp.context.score import Pool, query_of, rank
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.work import Work
from midfill_lsp.document import Snapshot

_MAX_DOCUMENTS: Final = 64


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a choice is made from.

    Attributes:
        pools: of documents and imports.
        regions: that were edited last.
        readable: the documents that regions may be read from.
    """

    pools: Sequence[Pool]
    regions: Sequence[Region]
    readable: Mapping[str, Snapshot]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the cursor is, and the text around it."""

    uri: str
    line_idx: int
    prefix: str
    suffix: str


class Ranking:
    """The choices of one window. Everything but the thread's work runs on the event loop."""

    def __init__(self, gate: Gate) -> None:
        """Begin with no choice.

        Args:
            gate: looks at what was chosen, in the thread, so that sending it takes little.
        """
        self._gate = gate
        self._work = Work("midfill-choice")
        self._choices: dict[str, Choice] = {}
        self._made_for: dict[str, object] = {}
        self._epoch = 0

    @property
    def failures(self) -> Counter[str]:
        """How often choosing failed, since the start."""
        return self._work.failures

    def of(self, uri: str) -> Choice | None:
        """Return a document's choice."""
        return self._choices.get(uri)

    def is_made_for(self, uri: str, state: object) -> bool:
        """Whether the document's choice was made, or is being made, for this state."""
        return self._made_for.get(uri) == state

    def choose(
        self, spot: Spot, state: object, candidates: Candidates, max_tokens: int, trust: Trust
    ) -> asyncio.Task[None]:
        """Have the thread choose; once at a time for each document.

        Args:
            spot: where.
            state: what the choice is made for, see `is_made_for`.
            candidates: what from.
            max_tokens: of all pieces together.
            trust: how far the backend is trusted that gets them.
        """
        uri, epoch, held = spot.uri, self._epoch, self._choices.get(spot.uri)
        running = self._work.running("choice", uri)
        if running is not None:
            return running
        self._made_for[uri] = state

        def work() -> Choice:
            query = query_of(uri, spot.line_idx, spot.prefix, spot.suffix)
            regions = pools_of(candidates.regions, candidates.readable, uri)
            ranked = rank([*candidates.pools, *regions], query)
            choice = hold(query, best(ranked, query, max_tokens), ranked, held)
            for snippet in choice.snippets:  # what is seen for the first time takes a while
                self._gate.admit(snippet.uri, snippet.text, trust)
            return choice

        def take(choice: Choice) -> None:
            if epoch == self._epoch and uri in self._made_for:
                self._choices.pop(uri, None)
                self._choices[uri] = choice  # the latest is the last
                if len(self._choices) > _MAX_DOCUMENTS:
                    self.forget(next(iter(self._choices)))

        return self._work.start("choice", uri, work, take)

    async def wait(self, most_s: float | None) -> float:
        """Wait for what is being chosen, as `Work.wait` does."""
        return await self._work.wait(most_s)

    def forget(self, uri: str) -> None:
        """Drop a document's choice."""
        self._choices.pop(uri, None)
        self._made_for.pop(uri, None)

    def forget_all(self) -> None:
        """Drop everything, and what is under way."""
        self._epoch += 1
        self._choices.clear()
        self._made_for.clear()

    async def aclose(self) -> None:
        """End the thread's work; what runs is not waited for."""
        await self._work.aclose()
