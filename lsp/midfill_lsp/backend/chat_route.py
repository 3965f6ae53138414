"""OpenAI's `POST /v1/chat/completions`, the Messages API. Called by `tgi`, `openai`, `llamacpp`.

Servers of this dialect differ in what they take: some refuse `max_tokens` for a newer name, some a
temperature. What one refuses by name is left out from then on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from midfill_lsp.backend.base import ChatMessage, EndReason, StreamEnd
from midfill_lsp.backend.fields import count, fields_of, list_of
from midfill_lsp.backend.wire import Wire
from midfill_lsp.errors import BadReply

_REASONS: dict[str, EndReason] = {"stop": "eos", "length": "limit"}
_RENAMED = {"max_tokens": "max_completion_tokens"}
_OPTIONAL = ("temperature", "stream_options", "stop")


class Tuning:
    """Which fields a server has refused so far."""

    def __init__(self) -> None:
        """Nothing is refused yet."""
        self._refused: set[str] = set()

    def apply(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the body as this server takes it."""
        return {
            _RENAMED.get(name, name) if name in self._refused else name: value
            for name, value in body.items()
            if name not in self._refused or name in _RENAMED
        }

    def learn(self, error: BadReply, body: Mapping[str, object]) -> bool:
        """Return whether the refusal names a field that can be changed or left out."""
        text = str(error)
        for name, other in _RENAMED.items():
            if name in body and name not in self._refused and other in text:
                self._refused.add(name)
                return True
        for name in _OPTIONAL:
            if name in body and name not in self._refused and name in text:
                self._refused.add(name)
                return True
        return False


class ChatRoute:
    """The chat route of one server."""

    def __init__(self, wire: Wire, path: str) -> None:
        """Keep the way; nothing is sent."""
        self._wire = wire
        self._path = path
        self._tuning = Tuning()

    async def converse(
        self, model: str, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer's deltas and its end; never one out of the server's cache."""
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": max_tokens,
            "stream": True,
        }
        if greedy:
            body["temperature"] = 0
        answer = parts(post(self._wire, self._path, body, self._tuning, True))
        async with aclosing(answer) as stream:
            async for part in stream:
                yield part


async def post(
    wire: Wire, path: str, body: Mapping[str, object], tuning: Tuning, fresh: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the answer's objects, after leaving out what the server refuses by name."""
    while True:
        try:
            async with aclosing(wire.post(path, tuning.apply(body), fresh=fresh)) as values:
                async for value in values:
                    yield value
                return
        except BadReply as error:
            if not tuning.learn(error, body):
                raise


async def parts(
    values: AsyncGenerator[dict[str, Any], None],
) -> AsyncGenerator[str | StreamEnd, None]:
    """Yield deltas and the end of an answer of either route, streamed or whole; closes `values`."""
    reason: EndReason | None = None
    usage: dict[str, Any] = {}
    async with aclosing(values):
        async for value in values:
            usage = fields_of(value.get("usage")) or usage
            choice = fields_of(next(iter(list_of(value.get("choices"))), None))
            if text := _text(choice):
                yield text
            if isinstance(choice.get("finish_reason"), str):
                reason = _REASONS.get(choice["finish_reason"], "eos")
    if reason is not None:
        prompt_tokens, tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        yield StreamEnd(reason, prompt_tokens=count(prompt_tokens), generated_tokens=count(tokens))


def _text(choice: Mapping[str, Any]) -> str:
    """Return the text of a choice: `text`, or the content of a delta or a message."""
    said = fields_of(choice.get("delta") or choice.get("message"))
    content = choice.get("text", said.get("content"))
    if listed := list_of(content):  # in pieces, some of which are thoughts
        pieces = [fields_of(piece) for piece in listed]
        content = "".join(str(p.get("text", "")) for p in pieces if p.get("type") == "text")
    return content if isinstance(content, str) else ""
