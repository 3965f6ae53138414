"""What the completion and chat use cases need of a backend. Knows no HTTP and no editor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from midfill_lsp.fim_files import OtherFiles


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
        language_id: as the editor names it, "" if not known; a hint for models that chat.
        others: pieces of other files, and the names of this one and of its repository.
        scored: `Scores` are wanted, where the backend has them for nothing.
    """

    prefix: str
    suffix: str
    session: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    draft: str = ""
    language_id: str = ""
    others: OtherFiles = field(default_factory=OtherFiles)
    scored: bool = False


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Scores:
    """How sure the model was of the delta behind it, token by token.

    Attributes:
        tokens: code points and natural log-probability of each; the lengths add up to the delta's.
    """

    tokens: tuple[tuple[int, float], ...]


EndReason = Literal["eos", "limit", "stop", "superseded"]


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Facts of a finished stream; numbers are None where the backend does not tell."""

    reason: EndReason
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    timings_ms: dict[str, float] = field(default_factory=dict[str, float])


InfillWay = Literal["native", "text", "chat", "prefix"]
ChatWay = Literal["messages", "text"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a remote server was found to do.

    Attributes:
        model: the model's id there.
        infill: how holes are filled: by a route of the server's own, by a prompt as text, by a
            question to a model that chats, or by going on from the prefix alone.
        family: the infill family whose text prompt is used, None for another way.
        chat: how chats are asked: by messages, or as text in a built-in format; None while it was
            not tried or where there is no way.
        streaming: text comes as it is written.
        abort: hanging up ends the work, so that nothing is paid for that nobody reads; None where
            that is not known.
        max_stops: how many stop texts a request may have, None for any number.
        context_tokens: prompt and answer together, None where it is not known.
    """

    model: str | None
    infill: InfillWay
    family: str | None = None
    chat: ChatWay | None = None
    streaming: bool = True
    abort: bool | None = None
    max_stops: int | None = None
    context_tokens: int | None = None

    def summary(self) -> str:
        """Return what was found, on one line, for the log and `midfill doctor`."""
        ways = {
            "native": "infill by the server",
            "text": f"infill by text prompt ({self.family})",
            "chat": "no infill, asked for the hole by chat",
            "prefix": "no infill, goes on from the text before the cursor alone",
        }
        facts = [
            ways[self.infill],
            f"chat by {self.chat}" if self.chat else "chat not tried",
            "streams" if self.streaming else "answers whole, without streaming",
            "stops when hung up on" if self.abort else "may go on when hung up on (not told)",
            f"up to {self.max_stops} stop texts" if self.max_stops else "any stop texts",
            f"context {self.context_tokens}" if self.context_tokens else "context not told",
        ]
        return "; ".join(facts)


class Backend(Protocol):
    """A source of text. Raises `BackendError` and, for one request, `RequestSkipped`; no other."""

    @property
    def name(self) -> str:
        """Name for status lines, such as `engine (starter)`."""
        ...

    def infill(self, request: InfillRequest) -> AsyncGenerator[str | Scores | StreamEnd, None]:
        """Yield non-empty text deltas, then one `StreamEnd`. Closing the generator aborts.

        Before a delta may come its `Scores`, if the request wants them.
        """
        ...

    def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the assistant's answer as deltas, then one `StreamEnd`. Closing aborts."""
        ...

    async def aclose(self) -> None:
        """Release connections and leases."""
        ...


@runtime_checkable
class SamplesInfill(Protocol):
    """A backend that writes several samples of one hole at the price of little more than one."""

    def samples(
        self, request: InfillRequest, num_samples: int, temperature: float
    ) -> AsyncGenerator[tuple[int, str | StreamEnd], None]:
        """Yield deltas and ends with the sample's index, as they come. Closing aborts all.

        They belong to no session: they end nothing that runs, and nothing ends them.
        """
        ...


@runtime_checkable
class WarmsUp(Protocol):
    """A backend that may read prompts ahead, at no price but the machine's time."""

    def may_warm_up(self) -> bool:
        """Whether one may be read now: the work is this machine's, and nothing has to start."""
        ...

    async def warm_up(self, request: InfillRequest) -> None:
        """Return when the request's prompt was read; nothing is written. Cancelling aborts.

        Raises:
            BackendError: it was not read.
        """
        ...


@runtime_checkable
class KnowsChat(Protocol):
    """A backend that can say beforehand whether its model chats, and how much it takes."""

    async def chat_context(self) -> int | None:
        """Return the tokens of question and answer together, None where that is not known.

        Raises:
            CannotDo: the model does not chat; the text names the remedy.
            BackendError: it cannot be found out.
        """
        ...
