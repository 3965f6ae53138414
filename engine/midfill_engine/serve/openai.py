"""OpenAI's `/v1/completions`, with `suffix` as infill."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.runtime.request import Finished
from midfill_engine.serve.batch import Batch
from midfill_engine.serve.generation import checked, unless_disconnected
from midfill_engine.serve.openai_reply import Choice, best, completion_head, usage
from midfill_engine.serve.openai_request import CompletionRequest, read_completions_request
from midfill_engine.serve.parse import Json, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, json_reply, sse_event
from midfill_engine.serve.served import Served


class OpenAIRoutes:
    """`POST /v1/completions`, and below a model's path, where Hugging Face's Node client asks."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/v1/completions", self._completions, methods=["POST"]),
            Route("/models/{model_id:path}/v1/completions", self._model, methods=["POST"]),
        ]

    async def _completions(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        return await _answer(request, served, body, started_at)

    async def _model(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold(request, request.path_params["model_id"], body)
        return await _answer(request, served, body, started_at)


async def _answer(request: Request, served: Served, body: Json, started_at: float) -> Response:
    parsed = await read_completions_request(body, served)
    requests = [prompt.generation for prompt in parsed.prompts]
    batch = Batch(
        served,
        requests,
        parsed.best_of,
        dialect="openai",
        started_at=started_at,
        is_whole=not parsed.stream,
    )
    if parsed.stream:
        keep_alive_s = served.limits.sse_keep_alive_s
        return EventStream(batch, _events(parsed, batch, served), keep_alive_s=keep_alive_s)
    try:
        await unless_disconnected(request.receive, batch.results())
    finally:
        batch.close()
    return json_reply(_reply(parsed, batch, served))


def _reply(parsed: CompletionRequest, batch: Batch, served: Served) -> Json:
    choices: list[Json] = []
    for prompt, samples in zip(parsed.prompts, batch.samples, strict=True):
        scored = samples.generations[0]
        for generation in best(samples, parsed.num_choices):
            choice = Choice(parsed, prompt, scored, len(choices), served.tokenizer)
            assert generation.finished is not None
            for token in generation.tokens:
                choice.feed(token)
            choice.feed(generation.finished)
            choices.append(choice.take())
    return {**completion_head(served), "choices": choices, "usage": usage(batch.samples)}


async def _events(parsed: CompletionRequest, batch: Batch, served: Served) -> AsyncIterator[bytes]:
    head = completion_head(served)
    counts: Json = {"usage": None} if parsed.include_usage else {}
    choices = [
        [
            Choice(parsed, prompt, samples.generations[0], index, served.tokenizer)
            for index in range(idx * parsed.best_of, (idx + 1) * parsed.best_of)
        ]
        for idx, (prompt, samples) in enumerate(zip(parsed.prompts, batch.samples, strict=True))
    ]
    async for idx, number, event in batch.events():
        choice = choices[idx][number]
        choice.feed(checked(event) if isinstance(event, Finished) else event)
        if event.delta or isinstance(event, Finished):
            yield sse_event({**head, "choices": [choice.take()], **counts})
    if parsed.include_usage:
        yield sse_event({**head, "choices": [], "usage": usage(batch.samples)})
    yield b"data: [DONE]\n\n"
