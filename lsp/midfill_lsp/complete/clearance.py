"""What of a completion's text may go to the backend of the moment, and what else goes along.

Everything passes the privacy gate here, on its way out. Called by `gather`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from midfill_lsp.context import Finder, Found, Gate, Refusal, Trust
from midfill_lsp.document import Snapshot
from midfill_lsp.errors import RequestSkipped, Withheld
from midfill_lsp.fim_files import OtherFiles
from midfill_lsp.metrics import ContextFacts


@dataclass(frozen=True, slots=True)
class Cleared:
    """Text that may be sent, in the place of what was given.

    Attributes:
        prefix: as long as before.
        suffix: the same.
        draft: what was suggested before, its secrets masked.
        session: names the document for the backend.
        others: pieces of other files.
        facts: how it came to that.
        check: raises `RequestSkipped` once the backend of the moment is trusted otherwise.
    """

    prefix: str
    suffix: str
    draft: str
    session: str
    others: OtherFiles
    facts: ContextFacts
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether other files go along, and why not."""

    is_wanted: bool
    why_not: str | None = None


class Clearance:
    """Clears the requests of one window."""

    def __init__(
        self,
        gate: Gate,
        finder: Finder,
        trust: Callable[[], Trust],
        wish: Callable[[], Wish],
    ) -> None:
        """Wire the parts.

        Args:
            gate: what everything passes.
            finder: looks for pieces of other files.
            trust: how far the backend of the moment is trusted.
            wish: whether that one, or the settings, want other files.
        """
        self._gate = gate
        self._finder = finder
        self._trust = trust
        self._wish = wish

    async def clear(
        self, snapshot: Snapshot, line_idx: int, prefix: str, suffix: str, draft: str
    ) -> Cleared:
        """Return what may be sent of the text around a cursor, and what goes along.

        Raises:
            Withheld: nothing of this document may be sent to this backend.
        """
        uri = snapshot.uri
        wish, trust = self._wish(), self._trust()
        began = time.perf_counter()
        if self._gate.is_quick(uri, prefix, suffix, trust):
            answer = self._gate.admit_around(uri, prefix, suffix, trust)
            admitted = self._gate.admit(uri, draft, trust, "document")
            gate_ms = (time.perf_counter() - began) * 1000
        else:
            # Lines that were never looked at: some 50 us each, and half a second the first time.
            answer = await asyncio.to_thread(self._gate.admit_around, uri, prefix, suffix, trust)
            admitted = await asyncio.to_thread(self._gate.admit, uri, draft, trust, "document")
            gate_ms = 0.0
        for refusal in (answer, admitted):
            if isinstance(refusal, Refusal):
                raise Withheld(refusal.reason)
        assert not isinstance(answer, Refusal)
        assert not isinstance(admitted, Refusal)
        found = Found()
        if wish.is_wanted:
            found = await self._finder.find(snapshot, line_idx, prefix, suffix, trust)
        repository = self._gate.named(self._finder.repository(uri)) if found.files else ""
        return Cleared(
            prefix=answer.prefix,
            suffix=answer.suffix,
            draft=admitted.text,
            session=uri if trust == "local" else _hidden(uri),
            others=OtherFiles(found.files, answer.name, repository),
            facts=ContextFacts(
                files=len(found.files),
                tokens=found.tokens,
                sources=found.sources,
                refused=found.refused,
                masked_lines=answer.num_secrets + found.num_secrets,
                took_ms=round(gate_ms + found.took_ms, 3),
                waited_ms=found.waited_ms,
                left_out=wish.why_not,
                failures=dict(self._finder.failures + self._gate.failures),
            ),
            check=lambda: self._check(trust),
        )

    def _check(self, trust: Trust) -> None:
        if self._trust() != trust:
            raise RequestSkipped("the backend was changed meanwhile, and may see something else")


def _hidden(uri: str) -> str:
    """Return a name that tells documents apart, and nothing of where they are."""
    return hashlib.blake2b(uri.encode("utf-8", "replace"), digest_size=12).hexdigest()
