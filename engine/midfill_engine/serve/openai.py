"""OpenAI's `/v1/completions`, with `suffix` as infill."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.runtime.request import Finished, GenerationRequest
from midfill_engine.serve.generation import Generation, checked, unless_disconnected
from midfill_engine.serve.infill_prompt import InfillTexts, infill_prompt
from midfill_engine.serve.parse import Fields, Json, invalid, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, json_reply, sse_event
from midfill_engine.serve.sampling import openai_sampling
from midfill_engine.serve.served import Served
from midfill_engine.text.fim import MIN_BUDGET_TOKENS, InfillPrompt
from midfill_engine.text.heal import Healing

_UNSUPPORTED = ("echo", "logprobs", "logit_bias", "presence_penalty")


@dataclass(frozen=True, slots=True)
class _Parsed:
    generation: GenerationRequest
    stream: bool
    include_usage: bool
    started_at: float


class OpenAIRoutes:
    """`POST /v1/completions`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [Route("/v1/completions", self._completions, methods=["POST"])]

    async def _completions(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = self._models.hold_for(request, body)
        parsed = await _read(body, served, started_at)
        generation = Generation(served, parsed.generation, dialect="openai", started_at=started_at)
        chunk = _chunk(served)
        if parsed.stream:
            return EventStream(generation, _events(parsed, generation, chunk))
        try:
            finished = await unless_disconnected(request.receive, generation.result())
        finally:
            generation.close()
        choice = _choice(generation.text, finished)
        return json_reply({**chunk, "choices": [choice], "usage": _usage(finished)})


async def _read(body: Json, served: Served, started_at: float) -> _Parsed:
    fields = Fields(body)
    if isinstance(fields.raw("prompt"), list):
        raise invalid("`prompt` must be one string: lists are not supported by this engine")
    prompt = fields.needed_text("prompt")
    suffix = fields.text("suffix")
    fields.refuse(*_UNSUPPORTED)
    fields.refuse("n", "best_of", harmless=(1,))
    rule = f"must be > 0 and < {served.max_total_tokens}"
    max_tokens = fields.integer("max_tokens", low=1, high=served.max_total_tokens - 1, rule=rule)
    max_tokens = max_tokens or served.limits.completion_max_tokens
    stop = fields.texts("stop", most=served.limits.max_stops_tgi)
    sampling = openai_sampling(fields, vocab_size=served.pieces.vocab_size)
    stream = fields.flag("stream", default=False)
    options = fields.nested("stream_options")
    include_usage = options.flag("include_usage", default=False)
    heal = fields.optional_flag("heal")
    healing: Healing | None = None
    if suffix is not None:
        texts = InfillTexts(prompt, suffix, heal=heal)
        infill = await _infill_prompt(texts, max_tokens, served)
        ids, healing = infill.ids, infill.healing
    elif len(prompt) > served.limits.inline_chars:
        ids = await asyncio.to_thread(_prompt_ids, prompt, max_tokens, served)
    else:
        ids = _prompt_ids(prompt, max_tokens, served)
    generation = GenerationRequest(
        prompt_ids=ids,
        max_new_tokens=max_tokens,
        sampling=sampling,
        stop=stop,
        stop_token_ids=_stop_ids(suffix, served),
        healing=healing,
    )
    return _Parsed(generation, stream, include_usage, started_at)


async def _infill_prompt(texts: InfillTexts, max_tokens: int, served: Served) -> InfillPrompt:
    if served.family is None:
        raise invalid("`suffix` needs an infill model, and this one has no infill tokens")
    room = served.max_total_tokens - max_tokens
    if room < MIN_BUDGET_TOKENS:
        most = served.max_total_tokens - MIN_BUDGET_TOKENS
        raise invalid(f"`max_tokens` must be <= {most} with `suffix`. Given: {max_tokens}")
    return await infill_prompt(texts, served, served.family, room)


def _prompt_ids(prompt: str, max_tokens: int, served: Served) -> tuple[int, ...]:
    room = served.max_total_tokens - max_tokens
    ids = tuple(served.tokenizer.encode(prompt, bos=True))
    if not ids:
        raise invalid("`prompt` cannot be empty")
    if len(ids) > room:
        raise invalid(
            f"`prompt` tokens + `max_tokens` must be <= {served.max_total_tokens}. "
            f"Given: {len(ids)} `prompt` tokens and {max_tokens} `max_tokens`"
        )
    return ids


def _stop_ids(suffix: str | None, served: Served) -> frozenset[int]:
    family = served.family
    if suffix is None or family is None:
        return served.tokenizer.eos_ids
    return family.stop_ids


def _chunk(served: Served) -> Json:
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": served.model_id,
        "system_fingerprint": "midfill",
    }


async def _events(parsed: _Parsed, generation: Generation, chunk: Json) -> AsyncIterator[bytes]:
    usage: Json = {"usage": None} if parsed.include_usage else {}
    async for event in generation.events():
        if isinstance(event, Finished):
            finished = checked(event)
            yield sse_event({**chunk, "choices": [_choice(event.delta, finished)], **usage})
            if parsed.include_usage:
                yield sse_event({**chunk, "choices": [], "usage": _usage(finished)})
        elif event.delta:
            yield sse_event({**chunk, "choices": [_choice(event.delta, None)], **usage})
    yield b"data: [DONE]\n\n"


def _choice(text: str, finished: Finished | None) -> Json:
    reason = None
    if finished is not None:
        reason = "length" if finished.reason == "length" else "stop"
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}


def _usage(finished: Finished) -> Json:
    timings = finished.timings
    return {
        "prompt_tokens": timings.prompt_tokens,
        "completion_tokens": timings.generated_tokens,
        "total_tokens": timings.prompt_tokens + timings.generated_tokens,
    }
