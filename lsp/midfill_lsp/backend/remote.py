"""`RemoteBackend`: text from a server that somebody else runs. Called by the use cases.

`opening` knows what the server can do, `ways` how it is asked; here a request is made to fit, and
asked again where that helps: once the model is loaded, or shorter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, replace

from midfill_lsp import fim
from midfill_lsp.backend.base import Capabilities, ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.backend.dialect import Dialect, Stream
from midfill_lsp.backend.opening import OnLoading, Opening, Sleep
from midfill_lsp.backend.rejection import base_of
from midfill_lsp.backend.ways import Ways
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import (
    AccessDenied,
    BackendError,
    BadReply,
    ConnectionLost,
    ModelLoading,
    NotServed,
    PromptTooLong,
)

# Source code has three to four characters a token, fewer in some languages: so the lower.
_CHARS_PER_TOKEN = 3
# Sentinels; or the question around the code, and the answer's extras.
_EXTRA_TOKENS = {"native": 32, "text": 32, "prefix": 32, "chat": 400}
_MIN_PROMPT_CHARS = 200
_NUM_ROUNDS = 3


class RemoteBackend:
    """Implements `Backend` and the server's `EngineControl`. Owns its dialect's connections."""

    def __init__(
        self, dialect: Dialect, config: BackendConfig, sleep: Sleep = asyncio.sleep
    ) -> None:
        """Ask nothing yet.

        Args:
            dialect: the server's routes.
            config: the model, and how to write for it.
            sleep: waits for a model that is loaded, in seconds.
        """
        self._dialect = dialect
        self._config = config
        self._opening = Opening(dialect, config, sleep)
        self._max_chars: int | None = None
        self._newest: dict[str, InfillRequest] = {}  # by session, while they run

    @property
    def name(self) -> str:
        """Name for status lines: dialect, model if known, and host."""
        model = self.describe()["model"]
        what = f"{self._config.kind} ({model})" if model else self._config.kind
        return f"{what} at {base_of(self._dialect.base)}"

    def describe(self) -> Mapping[str, object]:
        """Return url, model and what the server can do, for status lines."""
        can = self._opening.known.can if self._opening.known else None
        return {
            "url": self._dialect.base,
            "pid": None,
            "model": can.model if can else self._config.model,
            "capabilities": asdict(can) if can else None,
        }

    def watch_loading(self, on_loading: OnLoading) -> None:
        """Have this called with a title and a task whenever a model has to be waited for."""
        self._opening.on_loading = on_loading

    async def start(self) -> None:
        """Return when it is known what the server can do."""
        await self._opening.ways()

    async def restart(self) -> None:
        """Forget what was found, and look anew."""
        self._opening.forget()
        self._max_chars = None
        await self._opening.ways()

    async def find_out(self) -> Capabilities:
        """Return what the server can do, chat included."""
        return (await self._opening.chat_ways()).can

    async def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield non-empty deltas, then one `StreamEnd`. Closing the generator aborts.

        Raises:
            RequestSkipped: the text holds what the server would take for a control token.
        """

        def ask(ways: Ways) -> Stream:
            return ways.infill(self._fitted(request, ways.can))

        self._newest[request.session] = request
        try:
            async with aclosing(self._rounds(self._opening.ways, ask, request)) as parts:
                async for part in parts:
                    yield part
        finally:
            if self._newest.get(request.session) is request:
                del self._newest[request.session]

    async def chat_context(self) -> int | None:
        """Return the tokens of question and answer together, None where that is not known.

        Raises:
            CannotDo: there is no way to chat.
        """
        ways = await self._opening.chat_ways()
        ways.check_chat()
        return ways.can.context_tokens

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer as deltas, then one `StreamEnd`. Closing the generator aborts."""

        def ask(ways: Ways) -> Stream:
            return ways.chat(messages, max_tokens)

        async with aclosing(self._rounds(self._opening.chat_ways, ask, None)) as parts:
            async for part in parts:
                yield part

    async def aclose(self) -> None:
        """Close the connections."""
        await self._opening.aclose()
        await self._dialect.aclose()

    async def _rounds(
        self,
        ways_of: Callable[[], Awaitable[Ways]],
        ask: Callable[[Ways], Stream],
        request: InfillRequest | None,
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer of the first round that gives one."""
        for num_left in range(_NUM_ROUNDS - 1, -1, -1):
            had_to_wait = self._opening.known is None
            ways = await ways_of()
            if had_to_wait and request and self._newest.get(request.session) is not request:
                yield StreamEnd("superseded")  # by one that came while the model was loaded
                return
            has_text = False
            try:
                async with aclosing(_ended(ask(ways), self._dialect.base)) as parts:
                    async for part in parts:
                        has_text = True
                        yield part
                return
            except BackendError as error:
                self._learn(error, request)
                passes = isinstance(error, ModelLoading) or (
                    isinstance(error, PromptTooLong) and request is not None
                )
                if has_text or not passes or not num_left:
                    raise

    def _learn(self, error: BackendError, request: InfillRequest | None) -> None:
        """Draw the conclusions of a failure."""
        if isinstance(error, PromptTooLong):
            if request is not None:
                sent = len(request.prefix) + len(request.suffix)
                self._max_chars = max(_MIN_PROMPT_CHARS, min(sent, self._max_chars or sent) // 2)
        elif isinstance(error, (AccessDenied, BadReply, ModelLoading, NotServed)):
            self._opening.forget()

    def _fitted(self, request: InfillRequest, can: Capabilities) -> InfillRequest:
        """Return the request, cut to the model's context where that is known or was met."""
        bounds = [self._max_chars] if self._max_chars else []
        if can.context_tokens:
            room = can.context_tokens - request.max_tokens - _EXTRA_TOKENS[can.infill]
            bounds.append(max(_MIN_PROMPT_CHARS, room * _CHARS_PER_TOKEN))
        if not bounds:
            return request
        others = request.others.within(min(bounds) // 4)
        num_left = min(bounds) - sum(len(file.name) + len(file.text) for file in others.files)
        prefix, suffix = fim.fit(request.prefix, request.suffix, num_left)
        return replace(request, prefix=prefix, suffix=suffix, others=others)


async def _ended(stream: Stream, base: str) -> Stream:
    """Yield a stream to its end, which has to come."""
    async with aclosing(stream) as parts:
        async for part in parts:
            yield part
            if isinstance(part, StreamEnd):
                return
    raise ConnectionLost(
        f"the answer of {base_of(base)} broke off before its end; the next request asks again"
    )
