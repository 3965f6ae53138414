"""llama.cpp's `/infill`, with Midfill's `session`, `draft`, `order` and `heal`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.runtime.request import Finished
from midfill_engine.serve.generation import Generation, checked, unless_disconnected
from midfill_engine.serve.infill_request import InfillRequest, read_infill_request
from midfill_engine.serve.parse import Json, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, json_reply, sse_event


class InfillRoutes:
    """`POST /infill`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [Route("/infill", self._infill, methods=["POST"])]

    async def _infill(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = self._models.hold_for(request, body)
        parsed = await read_infill_request(body, served)
        generation = Generation(served, parsed.generation, dialect="infill", started_at=started_at)
        if parsed.stream:
            return EventStream(generation, _events(parsed, generation, served.model_id))
        try:
            finished = await unless_disconnected(request.receive, generation.result())
        finally:
            generation.close()
        tokens = ShownTokens(generation).take()
        reply = {"content": generation.text, "tokens": tokens}
        return json_reply({**reply, **_rest(parsed, finished, served.model_id)})


async def _events(
    parsed: InfillRequest, generation: Generation, model_id: str
) -> AsyncIterator[bytes]:
    shown = ShownTokens(generation)
    async for event in generation.events():
        if isinstance(event, Finished):
            finished = checked(event)
            rest = _rest(parsed, finished, model_id)
            yield sse_event({"content": event.delta, "tokens": shown.take(), **rest})
        elif event.delta:
            body = {"content": event.delta, "tokens": shown.take(), "stop": False}
            yield sse_event(body)


def _rest(parsed: InfillRequest, finished: Finished, model_id: str) -> Json:
    timings = finished.timings
    reply: Json = {
        "stop": True,
        "stop_type": _STOP_TYPES.get(finished.reason, "none"),
        "stopping_word": finished.stop_sequence or "",
        "model": model_id,
        "tokens_cached": timings.cached_tokens,
        "tokens_evaluated": timings.prompt_tokens,
        "tokens_predicted": timings.generated_tokens,
        "truncated": parsed.truncated,
        "timings": {
            "cache_n": timings.cached_tokens,
            "prompt_n": timings.prompt_tokens - timings.cached_tokens,
            "prompt_ms": round(timings.prefill_ms, 3),
            "predicted_n": timings.generated_tokens,
            "predicted_ms": round(timings.decode_ms, 3),
            "draft_n": timings.drafted_tokens,
            "draft_n_accepted": timings.accepted_tokens,
            "queue_ms": round(timings.queue_ms, 3),
        },
    }
    if finished.reason == "superseded":
        reply["superseded"] = True
    return reply


class ShownTokens:
    """Ids of the tokens that the shown text is made of: no special ones, none of the stop text."""

    def __init__(self, generation: Generation) -> None:
        """Begin with the first token."""
        self._generation = generation
        self._num_taken = 0
        self._offset = 0

    def take(self) -> list[int]:
        """The ids that were not taken yet."""
        generation = self._generation
        finished = generation.finished
        takes_all = finished is not None and finished.reason != "stop_sequence"
        ids: list[int] = []
        for token in generation.tokens[self._num_taken :]:
            if not token.special:
                if not takes_all and self._offset >= len(generation.text):
                    break
                ids.append(token.token_id)
                self._offset += len(token.text)
            self._num_taken += 1
        return ids


_STOP_TYPES = {"eos_token": "eos", "length": "limit", "stop_sequence": "word"}
