"""The TGI routes and those of the Hugging Face PRO API."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.serve.generation import Generation, unless_disconnected
from midfill_engine.serve.parse import Fields, Json, read_object
from midfill_engine.serve.recent import RecentResults, request_key
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import EventStream, json_reply
from midfill_engine.serve.served import Served
from midfill_engine.serve.tgi_reply import generate_reply, reply_headers, stream_events
from midfill_engine.serve.tgi_request import TgiRequest, read_tgi_request


class TgiRoutes:
    """`/generate`, `/generate_stream`, `POST /` and `POST /models/{id}`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models
        self._recent = RecentResults(models.limits.recent_results)

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
        served = self._models.hold_for(request, body)
        parsed = await read_tgi_request(body, served, pro=False, started_at=started_at)
        reply, headers = await _answer(request, served, parsed)
        return json_reply(reply, headers={**served.headers, **headers})

    async def _generate_stream(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = self._models.hold_for(request, body)
        parsed = await read_tgi_request(body, served, pro=False, started_at=started_at)
        return _stream(served, parsed)

    async def _pro_model(self, request: Request) -> Response:
        started_at = time.perf_counter()
        served = self._models.hold(request, request.path_params["model_id"])
        body = await read_object(request, self._models)
        return await self._pro_reply(request, served, body, started_at)

    async def _pro(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        served = self._models.hold_for(request, body)
        return await self._pro_reply(request, served, body, started_at)

    async def _pro_reply(
        self, request: Request, served: Served, body: Json, started_at: float
    ) -> Response:
        parsed = await read_tgi_request(body, served, pro=True, started_at=started_at)
        if parsed.stream:
            return _stream(served, parsed)
        key = request_key(body, served.load_id)
        found = self._recent.get(key) if _may_use_cache(request, body) else None
        if found is not None:
            reply, headers = found
            return json_reply(reply, headers={**headers, "x-compute-type": "cache"})
        reply, headers = await _answer(request, served, parsed)
        self._recent.put(key, [reply], headers)
        return json_reply([reply], headers={**served.headers, **headers})


async def _answer(
    request: Request, served: Served, parsed: TgiRequest
) -> tuple[dict[str, object], dict[str, str]]:
    generation = _submit(served, parsed)
    try:
        await unless_disconnected(request.receive, generation.result())
    finally:
        generation.close()
    return generate_reply(parsed, generation), reply_headers(parsed, generation)


def _stream(served: Served, parsed: TgiRequest) -> Response:
    generation = _submit(served, parsed)
    characters = {"x-compute-characters": str(len(parsed.inputs))}
    headers = {**served.headers, **characters}
    return EventStream(generation, stream_events(parsed, generation), headers)


def _submit(served: Served, parsed: TgiRequest) -> Generation:
    return Generation(served, parsed.generation, dialect="tgi", started_at=parsed.started_at)


def _may_use_cache(request: Request, body: Json) -> bool:
    """`x-use-cache: 0`, or `use_cache: false` as the older API had it, forces a new result."""
    header = request.headers.get("x-use-cache", "").strip().lower()
    if header in ("0", "false"):
        return False
    return Fields(body).nested("options").flag("use_cache", default=True)
