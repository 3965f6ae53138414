"""TGI's `/invocations` for SageMaker: one route for generate, chat and completion bodies.

A body with `inputs` is what TGI's `POST /` takes; one with `messages` or `prompt` goes to the
OpenAI routes. Errors are TGI's in any case.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive

from midfill_engine.serve.parse import Fields, invalid, read_object
from midfill_engine.serve.registry import Models
from midfill_engine.serve.replies import raw_json_reply, to_json
from midfill_engine.serve.tgi import answer, stream
from midfill_engine.serve.tgi_request import TgiRules, read_tgi_request

_RULES = TgiRules(full_text=True)
_OTHERS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}


class InvocationsRoute:
    """`POST /invocations`."""

    def __init__(self, models: Models) -> None:
        """Answer with these models."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [Route("/invocations", self._invoke, methods=["POST"])]

    async def _invoke(self, request: Request) -> Response:
        started_at = time.perf_counter()
        body = await read_object(request, self._models)
        fields = Fields(body)
        if fields.has("inputs"):
            served = await self._models.hold_for(request, body)
            parsed = await read_tgi_request(body, served, _RULES, started_at)
            if parsed.stream:
                return stream(served, parsed)
            reply, headers = await answer(request, served, parsed)
            return raw_json_reply(to_json([reply]), headers)
        for name, path in _OTHERS.items():
            endpoint = _endpoint(request, path) if fields.has(name) else None
            if endpoint is not None:
                receive = _again(to_json(body), request.receive)
                return await endpoint(Request(request.scope, receive))
        raise invalid("missing field `inputs`, `messages` or `prompt`")


def _endpoint(request: Request, path: str) -> Callable[[Request], Awaitable[Response]] | None:
    """What answers POST on another route, if the engine has it."""
    for route in request.app.routes:
        if isinstance(route, Route) and route.path == path and "POST" in (route.methods or ()):
            return route.endpoint
    return None


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read, then what comes."""
    left = [body]

    async def replay() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return replay
