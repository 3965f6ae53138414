"""The TGI routes and those of the Hugging Face PRO API."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.serve.generation import Generation, unless_disconnected
from midfill_engine.serve.parse import Fields, Json, read_object
from midfill_engine.serve.recent import Recent, RecentResults, request_key
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, raw_json_reply, to_json
from midfill_engine.serve.samples import Samples
from midfill_engine.serve.served import Served
from midfill_engine.serve.tgi_reply import (
    best_sample,
    cached_headers,
    generate_reply,
    reply_headers,
    stream_events,
)
from midfill_engine.serve.tgi_request import TgiRequest, TgiRules, read_tgi_request
from midfill_engine.serve.tgi_tokens import TokenWriter

_GENERATE = TgiRules(stream=False)
_GENERATE_STREAM = TgiRules(stream=True)
_PRO = TgiRules(pro=True, full_text=True)


class TgiRoutes:
    """`/generate`, `/generate_stream`, `POST /` and `POST /models/{id}`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models
        limits = models.limits
        self._recent = RecentResults(limits.recent_results, limits.recent_bytes)

    def routes(self) -> list[Route]:
        """For the app."""
        return [
            Route("/generate", self._generate, methods=["POST"]),
            Route("/generate_stream", self._generate_stream, methods=["POST"]),
            Route("/", self._pro, methods=["POST"]),
            Route("/models/{model_id:path}", self._pro_model, methods=["POST"]),
        ]

    async def _generate(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        parsed = await read_tgi_request(body, served, _GENERATE, started_at)
        reply, headers = await answer(request, served, parsed)
        return raw_json_reply(to_json(reply), headers)

    async def _generate_stream(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        parsed = await read_tgi_request(body, served, _GENERATE_STREAM, started_at)
        return stream(served, parsed)

    async def _pro_model(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold(request, request.path_params["model_id"], body)
        return await self._pro_reply(request, served, body, started_at)

    async def _pro(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = await self._models.hold_for(request, body)
        return await self._pro_reply(request, served, body, started_at)

    async def _pro_reply(
        self, request: Request, served: Served, body: Json, started_at: float
    ) -> Response:
        parsed = await read_tgi_request(body, served, _PRO, started_at)
        may_use_cache = _may_use_cache(request, body)
        if parsed.stream:
            return stream(served, parsed)
        key = request_key(body, served.load_id)
        found = self._recent.get(key) if may_use_cache else None
        if found is not None:
            return raw_json_reply(found.body, cached_headers(found.headers, started_at))
        reply, headers = await answer(request, served, parsed)
        content = to_json([reply])
        self._recent.put(key, Recent(content, headers))
        return raw_json_reply(content, headers)


async def answer(
    request: Request, served: Served, parsed: TgiRequest
) -> tuple[Json, dict[str, str]]:
    """The reply of a request that does not stream, and its headers."""
    samples = Samples(
        served,
        parsed.generation,
        parsed.best_of,
        dialect="tgi",
        started_at=parsed.started_at,
        is_whole=True,
    )
    try:
        await unless_disconnected(request.receive, samples.results())
    finally:
        samples.close()
    reply = generate_reply(parsed, samples, TokenWriter(served.tokenizer))
    best = samples.generations[best_sample(samples)]
    return reply, {**served.headers, **reply_headers(parsed, best)}


def stream(served: Served, parsed: TgiRequest) -> Response:
    """The reply of a request that streams."""
    generation = Generation(served, parsed.generation, dialect="tgi", started_at=parsed.started_at)
    events = stream_events(parsed, generation, TokenWriter(served.tokenizer))
    characters = {"x-compute-characters": str(len(parsed.inputs))}
    headers = {**served.headers, **characters}
    keep_alive_s = served.limits.sse_keep_alive_s
    return EventStream(generation, events, headers, keep_alive_s=keep_alive_s)


def _may_use_cache(request: Request, body: Json) -> bool:
    """`x-use-cache: 0`, or `use_cache: false` as the older API had it, forces a new result."""
    wanted = Fields(body).nested("options").flag("use_cache", default=True)
    header = request.headers.get("x-use-cache", "").strip().lower()
    return wanted and header not in ("0", "false")
