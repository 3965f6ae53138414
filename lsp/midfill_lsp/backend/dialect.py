"""What `remote` needs of one server's language. One file per dialect implements it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.errors import BackendError, ServerFailed

Stream = AsyncGenerator[str | StreamEnd, None]


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found.

    Attributes:
        model: the model's id there.
        family: the infill family if the server names it.
        native: `fill` works.
        reads_sentinels: a sentinel in the text that `fill` sends acts as one.
        takes_files: `fill` sends other files as such.
        text: `complete` works.
        refusal: why neither does.
        streaming: answers come as they are written.
        abort: hanging up ends the work, None where that is not known.
        max_stops: how many stop texts are taken.
        context_tokens: prompt and answer together.
    """

    model: str | None
    family: str | None = None
    native: bool = False
    reads_sentinels: bool = True
    takes_files: bool = False
    text: bool = False
    refusal: BackendError | None = None
    streaming: bool = True
    abort: bool | None = None
    max_stops: int | None = None
    context_tokens: int | None = None


class Dialect(Protocol):
    """The routes of one server. Everything raises `BackendError`, and nothing else.

    Streams yield non-empty deltas and then one `StreamEnd`, or break off without one; an answer is
    read to its end before, so that the connection is kept. Closing aborts. Stop texts may still be
    in the text: `remote` cuts them off.
    """

    @property
    def base(self) -> str:
        """The base URL."""
        ...

    async def probe(self, patient: bool) -> Found:
        """Find out what the server can do, with as little work for it as possible.

        Args:
            patient: lets `ServerFailed` through, which else counts as a refusal.
        """
        ...

    def fill(self, request: InfillRequest, stops: Sequence[str]) -> Stream:
        """Fill a hole by the server's own route."""
        ...

    def complete(self, prompt: str, max_tokens: int, stops: Sequence[str], fresh: bool) -> Stream:
        """Go on from a prompt, greedily unless `fresh`, which wants no cached answer either."""
        ...

    def converse(self, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool) -> Stream:
        """Answer a conversation by the server's chat route."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def let_through(error: BackendError, patient: bool) -> None:
    """Raise what is no answer to a probe: a failure of the server's, as long as one is patient."""
    if patient and isinstance(error, ServerFailed):
        raise error
