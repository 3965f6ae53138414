"""Ollama: `/api/generate` with `suffix` or a raw prompt, and `/api/chat`. Called by `remote`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from midfill_lsp.backend.base import ChatMessage, EndReason, InfillRequest, StreamEnd
from midfill_lsp.backend.dialect import Found, Stream
from midfill_lsp.backend.fields import count, fields_of, list_of
from midfill_lsp.backend.wire import Wire
from midfill_lsp.errors import NotServed
from midfill_lsp.printable import one_line

_REASONS: Final[dict[str, EndReason]] = {"stop": "eos", "length": "limit"}
# Ollama cuts a prompt that is longer than `num_ctx` (by itself 2,048 in old versions, 4,096 and
# more in new ones) in silence, sentinels included, unless it knows `truncate`. Another
# number than before makes it load the model anew, so it is always the same.
_MAX_CONTEXT: Final = 8192
# For code; Ollama's own was 1.1 until August 2026, which punishes brackets and line ends.
_GREEDY: Final = {"temperature": 0, "repeat_penalty": 1.0}


class Ollama:
    """Implements `Dialect`."""

    def __init__(self, wire: Wire, model: str | None, context_tokens: int | None = None) -> None:
        """Keep the way; nothing is sent. The model is loaded with `context_tokens` if given."""
        self._wire = wire
        self._configured = self._model = model
        self._wanted = context_tokens
        self._num_ctx = context_tokens or _MAX_CONTEXT
        self._thinks = False

    @property
    def base(self) -> str:
        """The base URL."""
        return self._wire.base

    async def probe(self, patient: bool) -> Found:
        """Read what `/api/show` says of the model; nothing is generated or loaded."""
        self._model = self._configured
        model = await self._find_model()
        shown = await self._wire.post_once("/api/show", {"model": model})
        abilities = list_of(shown.get("capabilities"))
        lengths = [
            count(value)
            for name, value in fields_of(shown.get("model_info")).items()
            if name.endswith(".context_length")
        ]
        own = min(_MAX_CONTEXT, next((n for n in lengths if n), _MAX_CONTEXT))
        self._num_ctx = self._wanted or own
        self._thinks = "thinking" in abilities
        return Found(
            model=model,
            # Servers before 0.6.4 list no capabilities; a template that names the suffix fills.
            native="insert" in abilities or ".Suffix" in str(shown.get("template", "")),
            text=True,
            abort=True,
            context_tokens=self._num_ctx,
        )

    def fill(self, request: InfillRequest, stops: Sequence[str]) -> Stream:
        """Fill a hole by the model's own template."""
        body: dict[str, object] = {"prompt": request.prefix, "suffix": request.suffix}
        return self._stream("/api/generate", body, request.max_tokens, stops)

    def complete(self, prompt: str, max_tokens: int, stops: Sequence[str], fresh: bool) -> Stream:
        """Go on from a prompt as it stands, past the model's template."""
        return self._stream("/api/generate", {"prompt": prompt, "raw": True}, max_tokens, stops)

    def converse(self, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool) -> Stream:
        """Answer a conversation."""
        said = [{"role": m.role, "content": m.content} for m in messages]
        return self._stream("/api/chat", {"messages": said}, max_tokens, (), greedy)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def _find_model(self) -> str:
        """Return the model of the settings, or the only one that is there.

        Raises:
            NotServed: there is none, or there are several.
        """
        if self._model is None:
            listed = list_of((await self._wire.get("/api/tags")).get("models"))
            names = [str(fields_of(item).get("name")) for item in listed]
            if len(names) != 1:
                there = f"has {one_line(', '.join(names[:5]))}" if names else "has no model yet"
                raise NotServed(
                    f"Ollama at {self.base} {there}; set midfill.backend.model to one, "
                    "or get one with ollama pull"
                )
            self._model = names[0]
        return self._model

    async def _stream(
        self,
        path: str,
        body: Mapping[str, object],
        max_tokens: int,
        stops: Sequence[str],
        greedy: bool = True,
    ) -> Stream:
        options: dict[str, object] = {"num_predict": max_tokens, "num_ctx": self._num_ctx}
        if stops:
            options["stop"] = list(stops)
        whole = {"model": await self._find_model(), **body, "stream": True, "options": options}
        if greedy:
            options |= _GREEDY
            whole["truncate"] = False  # an error, which a shorter request follows
            if self._thinks:
                whole["think"] = False  # thoughts would use up the tokens
        end: StreamEnd | None = None
        async with aclosing(self._wire.post(path, whole)) as values:
            async for value in values:
                text = value.get("response") or fields_of(value.get("message")).get("content")
                if isinstance(text, str) and text:
                    yield text
                if value.get("done") is True:
                    end = _end(value)
        if end is not None:
            yield end


def _end(value: Mapping[str, Any]) -> StreamEnd:
    nanoseconds = {"prompt": "prompt_eval_duration", "predicted": "eval_duration"}
    return StreamEnd(
        reason=_REASONS.get(str(value.get("done_reason")), "eos"),
        prompt_tokens=count(value.get("prompt_eval_count")),
        generated_tokens=count(value.get("eval_count")),
        timings_ms={
            f"{name}_ms": ns / 1e6
            for name, key in nanoseconds.items()
            if (ns := count(value.get(key))) is not None
        },
    )
