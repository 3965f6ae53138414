"""Hugging Face's dialect: text-generation-inference, Inference Endpoints, the PRO API, the router.

Only the base URL differs: text generation is posted to it, chat to `/v1/chat/completions` behind
it. The router has the chat route alone. Called by `remote`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from midfill_lsp.backend.answers import Whole
from midfill_lsp.backend.base import ChatMessage, EndReason, InfillRequest, StreamEnd
from midfill_lsp.backend.chat_route import ChatRoute
from midfill_lsp.backend.dialect import Found, Stream, let_through
from midfill_lsp.backend.fields import count, fields_of
from midfill_lsp.backend.wire import Wire
from midfill_lsp.errors import BackendError, BadReply, CannotDo, NotServed

_REASONS: dict[str, EndReason] = {"eos_token": "eos", "length": "limit", "stop_sequence": "stop"}
_DEFAULT_STOPS = 4  # of TGI, and so of the PRO API


class Tgi:
    """Implements `Dialect`."""

    def __init__(self, wire: Wire, model: str | None) -> None:
        """Keep the way; nothing is sent."""
        self._wire = wire
        self._configured = self._model = model
        self._chat = ChatRoute(wire, "/v1/chat/completions")

    @property
    def base(self) -> str:
        """The base URL."""
        return self._wire.base

    async def probe(self, patient: bool) -> Found:
        """Read `/info`, and generate one token."""
        info = await self._info()
        told = info.get("model_id")
        self._model = self._configured or (told if isinstance(told, str) else None)
        streaming, refusal = await self._try_text(patient)
        engine = fields_of(fields_of(info.get("midfill")).get("infill"))
        return Found(
            model=self._model,
            family=engine.get("family"),
            text=refusal is None,
            refusal=refusal,
            streaming=streaming,
            abort=True if info else None,  # text-generation-inference itself does
            max_stops=count(info.get("max_stop_sequences")) or _DEFAULT_STOPS,
            context_tokens=_context(info),
        )

    def fill(self, request: InfillRequest, stops: Sequence[str]) -> Stream:
        """Raise: this dialect has no such route."""
        raise CannotDo("text-generation-inference has no route for infill")

    async def complete(
        self, prompt: str, max_tokens: int, stops: Sequence[str], fresh: bool
    ) -> Stream:
        """Go on from a prompt, greedily."""
        body = _body(prompt, max_tokens, stops)
        end: StreamEnd | None = None
        async with aclosing(self._wire.post("", body, fresh=fresh)) as values:
            async for value in values:
                is_whole = isinstance(value, Whole) or "token" not in value
                if text := _whole(value, prompt) if is_whole else _token_text(value, stops):
                    yield text
                if is_whole or value.get("details") is not None:
                    end = _end(fields_of(value.get("details")))
        if end is not None:
            yield end

    def converse(self, messages: Sequence[ChatMessage], max_tokens: int, greedy: bool) -> Stream:
        """Answer a conversation; `tgi` stands for the model where only one is served."""
        return self._chat.converse(self._model or "tgi", messages, max_tokens, greedy)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def _info(self) -> dict[str, Any]:
        try:
            return await self._wire.get("/info")
        except (NotServed, BadReply):  # the PRO API and the router have none
            return {}

    async def _try_text(self, patient: bool) -> tuple[bool, BackendError | None]:
        """Return whether a short generation is streamed, and why there is none."""
        try:
            value = await self._wire.post_once("", _body("def", 1, ()))
        except (NotServed, BadReply) as error:
            let_through(error, patient)
            return True, error
        return not isinstance(value, Whole), None


def _context(info: Mapping[str, Any]) -> int | None:
    """Return the bound of prompt and answer, or that of the prompt alone where it is tighter."""
    bounds = (count(info.get("max_total_tokens")), count(info.get("max_input_tokens")))
    return min((bound for bound in bounds if bound), default=None)


def _body(prompt: str, max_tokens: int, stops: Sequence[str]) -> dict[str, object]:
    parameters: dict[str, object] = {
        "max_new_tokens": max_tokens,
        "return_full_text": False,
        "do_sample": False,
    }
    if stops:
        parameters["stop"] = list(stops)
    return {"inputs": prompt, "parameters": parameters, "stream": True}


def _token_text(event: Mapping[str, Any], stops: Sequence[str]) -> str:
    token = fields_of(event.get("token"))
    text = token.get("text")
    if not isinstance(text, str):
        raise BadReply("text generation sent an event without a token's text")
    # A control token that ends the text has to be seen; others only say what is said elsewhere.
    return "" if token.get("special") is True and text.strip() not in stops else text


def _whole(value: Mapping[str, Any], prompt: str) -> str:
    text = value.get("generated_text")
    if not isinstance(text, str):
        raise BadReply("text generation answered without a generated_text")
    return text.removeprefix(prompt)  # where return_full_text is not known


def _end(details: Mapping[str, Any]) -> StreamEnd:
    return StreamEnd(
        reason=_REASONS.get(str(details.get("finish_reason")), "eos"),
        prompt_tokens=count(details.get("input_length")),
        generated_tokens=count(details.get("generated_tokens")),
    )
