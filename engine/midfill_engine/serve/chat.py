"""Chat: `/v1/chat/completions`, the same under `/models/{id}`, and TGI's `/chat_tokenize`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.serve.chat_reply import chat_events, chat_reply
from midfill_engine.serve.chat_request import chat_of, read_chat_request, read_prompt
from midfill_engine.serve.generation import unless_disconnected
from midfill_engine.serve.parse import Fields, Json, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, json_reply
from midfill_engine.serve.samples import Samples
from midfill_engine.serve.served import Served
from midfill_engine.serve.tools import read_tools


class ChatRoutes:
    """Conversations with models that have a chat format."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app; to stand before `/models/{id}`, whose ids may have slashes."""
        return [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/models/{model_id:path}/v1/chat/completions", self._model, methods=["POST"]),
            Route("/chat_tokenize", self._tokenize, methods=["POST"]),
        ]

    async def _chat(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        return await _answer(request, served, body, started_at)

    async def _model(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold(request, request.path_params["model_id"], body)
        return await _answer(request, served, body, started_at)

    async def _tokenize(self, request: Request) -> Response:
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        fields = Fields(body)
        prompt = await read_prompt(fields, served, chat_of(served), read_tools(fields))
        tokens = [
            {
                "id": span.token_id,
                "text": prompt.text[span.start : span.end],
                "start": span.start,
                "stop": span.end,
            }
            for span in prompt.tokens
        ]
        return json_reply({"tokenize_response": tokens, "templated_text": prompt.text})


async def _answer(request: Request, served: Served, body: Json, started_at: float) -> Response:
    parsed = await read_chat_request(body, served, started_at=started_at)
    samples = Samples(
        served,
        parsed.generation,
        parsed.num_choices,
        dialect="chat",
        started_at=started_at,
        is_whole=not parsed.stream,
    )
    named = (served.model_id, served.tokenizer)
    if parsed.stream:
        events = chat_events(parsed, samples, *named)
        keep_alive_s = served.limits.sse_keep_alive_s
        return EventStream(samples, events, served.headers, keep_alive_s=keep_alive_s)
    try:
        await unless_disconnected(request.receive, samples.results())
    finally:
        samples.close()
    return json_reply(chat_reply(parsed, samples, *named), headers=served.headers)
