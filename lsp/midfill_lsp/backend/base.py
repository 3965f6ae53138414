"""What the completion and chat use cases need of a backend. Knows no HTTP and no editor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class InfillRequest:
    """Text around the cursor and how much to write between.

    Attributes:
        prefix: text before the cursor, already cut to its budget.
        suffix: text after the cursor, already cut to its budget.
        session: window, document and purpose; a new request supersedes a running one.
        max_tokens: upper bound on generated tokens.
        stop: texts that end the generation, not part of the result.
        draft: what was suggested near by before, a hint for speed that never changes the result.
    """

    prefix: str
    suffix: str
    session: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    draft: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Facts of a finished stream; numbers are None where the backend does not tell."""

    reason: Literal["eos", "limit", "stop", "superseded"]
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    timings_ms: dict[str, float] = field(default_factory=dict[str, float])


class Backend(Protocol):
    """A source of text. Raises `midfill_lsp.errors.BackendError` and nothing else."""

    @property
    def name(self) -> str:
        """Name for status lines, such as `engine (starter)`."""
        ...

    def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield non-empty text deltas, then one `StreamEnd`. Closing the generator aborts."""
        ...

    def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the assistant's answer as deltas, then one `StreamEnd`. Closing aborts."""
        ...

    async def aclose(self) -> None:
        """Release connections and leases."""
        ...
