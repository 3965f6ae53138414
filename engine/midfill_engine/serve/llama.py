"""llama.cpp's `/infill` and `/completion`, with Midfill's fields (docs/protocol.md)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.errors import RequestError
from midfill_engine.serve.batch import Batch
from midfill_engine.serve.generation import unless_disconnected
from midfill_engine.serve.infill_request import read_infill_request
from midfill_engine.serve.llama_completion import Completion, final_fields, select
from midfill_engine.serve.llama_options import LlamaOptions
from midfill_engine.serve.llama_request import LlamaRequest, read_completion_request
from midfill_engine.serve.parse import Json, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, json_reply, sse_event
from midfill_engine.serve.served import Served
from midfill_engine.serve.token_logprobs import length_and_logprob, llama_probability


class LlamaRoutes:
    """`POST /infill`, `/completion` and its older name `/completions`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/infill", self._infill, methods=["POST"]),
            Route("/completion", self._completion, methods=["POST"]),
            Route("/completions", self._completion, methods=["POST"]),
        ]

    async def _infill(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        parsed = await read_infill_request(body, served)
        return await _answer(request, served, parsed, "infill", started_at)

    async def _completion(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        parsed = await read_completion_request(body, served)
        return await _answer(request, served, parsed, "llama", started_at)


async def _answer(
    request: Request, served: Served, parsed: LlamaRequest, dialect: str, started_at: float
) -> Response:
    options = parsed.options
    batch = Batch(
        served,
        parsed.prompts,
        options.num_completions,
        dialect=dialect,
        started_at=started_at,
        is_whole=not options.stream and not options.has_limits,
    )
    completions = [
        Completion(generation, options)
        for samples in batch.samples
        for generation in samples.generations
    ]
    if options.stream:
        return EventStream(batch, _events(batch, completions, parsed, served))
    try:
        await unless_disconnected(request.receive, _collect(batch, completions, options))
    finally:
        batch.close()
    replies: list[Json] = []
    for idx, completion in enumerate(completions):
        reply: Json = {"index": idx, "content": completion.text}
        reply |= _tokens(completion, options, served)
        reply |= _rest(completion, parsed, served)
        replies.append(select(reply, options.response_fields))
    return json_reply(replies if len(replies) > 1 else replies[0])


async def _collect(batch: Batch, completions: list[Completion], options: LlamaOptions) -> None:
    async for prompt_idx, number, event in batch.events():
        completions[prompt_idx * options.num_completions + number].feed(event)


async def _events(
    batch: Batch, completions: list[Completion], parsed: LlamaRequest, served: Served
) -> AsyncIterator[bytes]:
    told = b""
    async for prompt_idx, number, event in batch.events():
        idx = prompt_idx * parsed.options.num_completions + number
        completion = completions[idx]
        try:
            delta = completion.feed(event)
        except RequestError:
            if told:
                yield told
            raise
        body: Json = {"index": idx, "content": delta}
        body |= _tokens(completion, parsed.options, served)
        if completion.finished is not None:
            body |= _rest(completion, parsed, served)
            told += sse_event(select(body, parsed.options.response_fields))
        elif delta:
            told += sse_event({**body, "stop": False})
        if told and not batch.has_more:  # what one step made goes out in one piece
            yield told
            told = b""


def _tokens(completion: Completion, options: LlamaOptions, served: Served) -> Json:
    """The tokens not told yet, with their probabilities where asked for."""
    taken = completion.take_tokens()
    told: Json = {"tokens": [token.token_id for token in taken]}
    if options.logprobs:
        told["logprobs"] = [length_and_logprob(token) for token in taken]
    if options.num_probs:
        told["completion_probabilities"] = [
            llama_probability(token, served.tokenizer) for token in taken
        ]
    return told


def _rest(completion: Completion, parsed: LlamaRequest, served: Served) -> Json:
    fields = final_fields(completion, parsed.options, served)
    return {**fields, "truncated": parsed.truncated}
