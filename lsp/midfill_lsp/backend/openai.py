"""OpenAI's dialect, as many servers speak it: completions, with `suffix` or without, and chat.

Called by `remote`. A server that knows no `suffix` either says so or ignores it; the tokens that
it counts in the prompt tell which.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from midfill_lsp.backend.answers import Whole
from midfill_lsp.backend.base import ChatMessage, InfillRequest
from midfill_lsp.backend.chat_route import ChatRoute, Tuning, parts, post
from midfill_lsp.backend.dialect import Found, Stream, let_through
from midfill_lsp.backend.fields import count, fields_of, list_of
from midfill_lsp.backend.wire import Wire
from midfill_lsp.errors import BackendError, BadReply, NotServed
from midfill_lsp.printable import one_line

_MAX_STOPS: Final = 4  # as OpenAI documents it
_PROMPT: Final = "def f("
_SUFFIX: Final = "):\n    return [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]\n"
_MIN_SUFFIX_TOKENS: Final = 15
# Mistral serves infill under a name of its own.
_FILL_PATHS: Final = ("/completions", "/fim/completions")
_CONTEXT_KEYS: Final = ("max_model_len", "context_length", "max_context_length", "context_window")


class OpenAi:
    """Implements `Dialect`."""

    def __init__(self, wire: Wire, model: str | None) -> None:
        """Keep the way; nothing is sent."""
        self._wire = wire
        self._configured = self._model = model
        self._chat = ChatRoute(wire, "/chat/completions")
        self._tuning = Tuning()
        self._fill_path = _FILL_PATHS[0]

    @property
    def base(self) -> str:
        """The base URL."""
        return self._wire.base

    async def probe(self, patient: bool) -> Found:
        """List the models, and generate one token, with a suffix and if need be without."""
        context_tokens = await self._find_model(patient)
        native, streaming, refusal = await self._try_suffix(patient)
        text = native
        if not native:
            text, streaming, refusal = await self._try_text(patient)
        return Found(
            model=self._model,
            native=native,
            text=text and self._fill_path == _FILL_PATHS[0],
            refusal=refusal,
            streaming=streaming,
            max_stops=_MAX_STOPS,
            context_tokens=context_tokens,
        )

    def fill(self, request: InfillRequest, stops: Sequence[str]) -> Stream:
        """Fill a hole by `suffix`."""
        body = self._body(request.prefix, request.max_tokens, stops)
        return self._stream(self._fill_path, {**body, "suffix": request.suffix}, False)

    def complete(self, prompt: str, max_tokens: int, stops: Sequence[str], fresh: bool) -> Stream:
        """Go on from a prompt."""
        return self._stream("/completions", self._body(prompt, max_tokens, stops), fresh)

    def converse(self, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool) -> Stream:
        """Answer a conversation."""
        return self._chat.converse(self._named(), messages, max_tokens, greedy)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    def _body(self, prompt: str, max_tokens: int, stops: Sequence[str]) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self._named(),
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
        }
        return {**body, "stop": list(stops)} if stops else body

    async def _stream(self, path: str, body: dict[str, object], fresh: bool) -> Stream:
        async with aclosing(parts(post(self._wire, path, body, self._tuning, fresh))) as stream:
            async for part in stream:
                yield part

    async def _find_model(self, patient: bool) -> int | None:
        """Take the model that is served if only one is; return its context where it is told.

        Raises:
            NotServed: several are served, and the settings name none.
        """
        try:
            listed = (await self._wire.get("/models")).get("data")
        except (NotServed, BadReply) as error:
            let_through(error, patient)
            return None
        entries = [fields_of(item) for item in list_of(listed)]
        names = [str(item["id"]) for item in entries if "id" in item]
        if self._configured is None and len(names) > 1:
            raise NotServed(
                f"{self.base} serves {len(names)} models ({one_line(', '.join(names[:5]))}"
                f"{', ...' if len(names) > 5 else ''}); set midfill.backend.model to one of them"
            )
        self._model = self._configured or next(iter(names), None)
        mine = next((item for item in entries if item.get("id") == self._model), dict[str, Any]())
        told = [mine.get(key) for key in _CONTEXT_KEYS]
        told.append(fields_of(mine.get("meta")).get("n_ctx"))
        return next((found for value in told if (found := count(value))), None)

    async def _try_suffix(self, patient: bool) -> tuple[bool, bool, BackendError | None]:
        """Return whether `suffix` is heeded, whether text is streamed, and why not."""
        refusal: BackendError | None = None
        for path in _FILL_PATHS:
            body = {**self._body(_PROMPT, 1, ()), "suffix": _SUFFIX}
            try:
                num_tokens, streaming = await self._try(path, body)
            except BadReply as error:  # the route is there, and refuses
                let_through(error, patient)
                return False, True, error
            except NotServed as error:
                refusal = refusal or error
                continue
            self._fill_path = path
            # Mistral's route is there for nothing else, whatever it counts.
            is_ignored = num_tokens is not None and num_tokens < _MIN_SUFFIX_TOKENS
            return not is_ignored or path != _FILL_PATHS[0], streaming, None
        return False, True, refusal

    async def _try_text(self, patient: bool) -> tuple[bool, bool, BackendError | None]:
        try:
            _, streaming = await self._try("/completions", self._body(_PROMPT, 1, ()))
        except (NotServed, BadReply) as error:
            let_through(error, patient)
            return False, True, error
        return True, streaming, None

    async def _try(self, path: str, body: dict[str, object]) -> tuple[int | None, bool]:
        """Return the tokens counted in the prompt, if they are, and whether text is streamed."""
        body = {**body, "stream_options": {"include_usage": True}}
        usage: dict[str, Any] = {}
        streaming = True
        async with aclosing(post(self._wire, path, body, self._tuning, True)) as values:
            async for value in values:
                usage = fields_of(value.get("usage")) or usage
                streaming = not isinstance(value, Whole)
        return count(usage.get("prompt_tokens")), streaming

    def _named(self) -> str:
        return self._model or "default"
