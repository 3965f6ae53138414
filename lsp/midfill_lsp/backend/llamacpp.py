"""llama.cpp's server: `/infill`, `/completion`, and the chat route. Called by `remote`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import PurePath
from urllib.parse import urlencode

from midfill_lsp.backend import infill_route
from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.backend.chat_route import ChatRoute
from midfill_lsp.backend.dialect import Found, Stream, let_through
from midfill_lsp.backend.fields import count, fields_of
from midfill_lsp.backend.wire import Wire
from midfill_lsp.errors import BackendError, BadReply, NotServed

_PROBE = InfillRequest("def f(", "):\n", "", 1)


class LlamaCpp:
    """Implements `Dialect`."""

    def __init__(self, wire: Wire, model: str | None) -> None:
        """Keep the way; nothing is sent."""
        self._wire = wire
        self._configured = self._model = model
        # A router serves several models by name, a server of one reads over it.
        self._named: dict[str, object] = {"model": model} if model else {}
        self._chat = ChatRoute(wire, "/v1/chat/completions")

    @property
    def base(self) -> str:
        """The base URL."""
        return self._wire.base

    async def probe(self, patient: bool) -> Found:
        """Read `/props`, and fill one hole with one token; a model without sentinels refuses."""
        query = f"?{urlencode(self._named)}" if self._named else ""
        props = await self._wire.get(f"/props{query}")
        path = props.get("model_alias") or props.get("model_path")
        told = PurePath(path.replace("\\", "/")).name if isinstance(path, str) else None
        self._model = self._configured or told
        settings = fields_of(props.get("default_generation_settings"))
        refusal = await self._try_infill(patient)
        return Found(
            model=self._model,
            native=refusal is None,
            reads_sentinels=False,
            takes_files=True,
            text=True,
            abort=True,
            context_tokens=count(settings.get("n_ctx")),
        )

    def fill(self, request: InfillRequest, stops: Sequence[str]) -> Stream:
        """Fill a hole; sentinels are the server's business."""
        body = {**infill_route.body(request), **self._named, "stop": list(stops)}
        return self._stream("/infill", body)

    def complete(self, prompt: str, max_tokens: int, stops: Sequence[str], fresh: bool) -> Stream:
        """Go on from a prompt, greedily."""
        body: dict[str, object] = {
            **self._named,
            "prompt": prompt,
            "n_predict": max_tokens,
            "temperature": 0,
            "stop": list(stops),
            "stream": True,
            "cache_prompt": True,
        }
        return self._stream("/completion", body)

    def converse(self, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool) -> Stream:
        """Answer a conversation by the template that the server has."""
        return self._chat.converse(self._model or "default", messages, max_tokens, greedy)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def _try_infill(self, patient: bool) -> BackendError | None:
        try:
            await self._wire.post_once(
                "/infill", {**infill_route.body(_PROBE), **self._named, "stream": False}
            )
        except (BadReply, NotServed) as error:
            let_through(error, patient)
            return error
        return None

    async def _stream(self, path: str, body: dict[str, object]) -> Stream:
        end: StreamEnd | None = None
        async with aclosing(self._wire.post(path, body)) as values:
            async for value in values:
                if text := infill_route.text_of(value):
                    yield text
                if value.get("stop") is True:
                    end = infill_route.end_of(value)
        if end is not None:
            yield end
