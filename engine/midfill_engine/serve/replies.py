"""What the client sees: error bodies in its dialect, JSON replies, server-sent events.

Called by `app` and the dialects. A dialect is known by its path, so that a request which reaches
no route is answered in the right form too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol, TypeAlias

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from midfill_engine.errors import (
    IncompleteGeneration,
    ModelLoading,
    ModelNotFound,
    RequestError,
    TemplateError,
    ToolError,
)
from midfill_engine.serve.count_requests import note_cause, note_departure
from midfill_engine.serve.generation import ClientGone, unless_disconnected
from midfill_engine.text.tokenizer import without_surrogates

logger = logging.getLogger(__name__)

RouteGroup: TypeAlias = Literal["tgi", "openai", "llama"]


def route_group(path: str) -> RouteGroup:
    """The dialect that a path belongs to."""
    below_model = path.startswith("/models/") and "/v1/" in path
    if path == "/v1" or path.startswith("/v1/") or below_model:
        return "openai"
    return "llama" if path in _LLAMA_PATHS else "tgi"


def error_body(error: RequestError, group: RouteGroup) -> dict[str, object]:
    """An error as its dialect writes it (docs/protocol.md, Errors)."""
    message = without_surrogates(str(error))  # it may quote what the client sent
    if group == "tgi":
        body: dict[str, object] = {"error": message, "error_type": error.error_type}
        if isinstance(error, ModelLoading):
            body["estimated_time"] = error.estimated_s
        return body
    kind = _OPENAI_TYPES.get(error.status, "invalid_request_error")
    if group == "llama":
        return {"error": {"code": error.status, "message": message, "type": kind}}
    code, param = ("invalid_api_key" if error.status == 401 else None), None
    if isinstance(error, ModelNotFound):
        code, param = "model_not_found", "model"
    if isinstance(error, ModelLoading):
        code, param = "model_loading", "model"
    if isinstance(error, (TemplateError, ToolError)):
        code = error.error_type
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_reply(error: RequestError, path: str) -> Response:
    """A refusal with its status and headers."""
    headers = dict(_ERROR_HEADERS.get(error.status, {}))
    if isinstance(error, ModelLoading):
        headers["retry-after"] = str(math.ceil(error.estimated_s))
    return json_reply(error_body(error, route_group(path)), status=error.status, headers=headers)


def json_reply(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON reply."""
    return Response(to_json(body), status, headers, media_type="application/json")


def raw_json_reply(body: bytes, headers: Mapping[str, str]) -> Response:
    """A reply whose JSON is written already."""
    return Response(body, 200, headers, media_type="application/json")


def to_json(body: object) -> bytes:
    """Compact JSON in UTF-8."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def sse_event(body: object) -> bytes:
    """One server-sent event."""
    return b"data: " + to_json(body) + b"\n\n"


class OpenReply(Protocol):
    """What a stream draws from: a `Generation` or `Samples`."""

    @property
    def request_id(self) -> str:
        """For the log."""
        ...

    def close(self) -> None:
        """Abort what has not finished."""
        ...


class EventStream(Response):
    """Server-sent events of one generation; the client's going aborts it.

    An error after the start becomes the last event (docs/protocol.md, Errors).
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        generation: OpenReply,
        events: AsyncIterator[bytes],
        headers: Mapping[str, str] | None = None,
        *,
        keep_alive_s: float | None = None,
    ) -> None:
        """Stream `events`, which are drawn from `generation`.

        A stream that is silent for `keep_alive_s` sends a comment; None: it stays silent.
        """
        super().__init__(None, headers={**STREAM_HEADERS, **(headers or {})})
        del self.headers["content-length"]
        self._generation = generation
        self._events = events
        self._keep_alive_s = keep_alive_s
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the generation is closed however this ends."""
        try:
            await unless_disconnected(receive, self._answer(scope, send))
        except ClientGone:
            note_departure(scope)
            logger.debug("the client of request %s has gone", self._generation.request_id)
        finally:
            self._generation.close()

    async def _answer(self, scope: Scope, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        beat = asyncio.ensure_future(self._keep_alive(send))
        try:
            await self._send_events(scope, send)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})

    async def _send_events(self, scope: Scope, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async for event in self._events:
                self._sent_at = clock()
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except RequestError as error:
            await _send_error(as_stream_error(error), scope, send)
        except Exception:  # our own bug; the client still learns that this is not the whole reply
            logger.exception("request %s failed", self._generation.request_id)
            await _send_error(as_stream_error(internal_error()), scope, send)

    async def _keep_alive(self, send: Send) -> None:
        """One task for the whole stream, so that an event costs nothing more."""
        if self._keep_alive_s is None:
            return
        clock = asyncio.get_running_loop().time
        self._sent_at = clock()
        while True:
            left_s = self._sent_at + self._keep_alive_s - clock()
            if left_s > 0:
                await asyncio.sleep(left_s)
                continue
            self._sent_at = clock()
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})


async def _send_error(error: RequestError, scope: Scope, send: Send) -> None:
    note_cause(scope, error.error_type)
    event = sse_event(error_body(error, route_group(scope["path"])))
    await send({"type": "http.response.body", "body": event, "more_body": True})


def internal_error() -> RequestError:
    """What is told of a bug of ours."""
    return IncompleteGeneration("internal error, see the engine's log")


def as_stream_error(error: RequestError) -> RequestError:
    """The error as TGI names it inside a stream."""
    if isinstance(error, IncompleteGeneration):
        return _IncompleteStream(str(error))
    return error


class _IncompleteStream(IncompleteGeneration):
    error_type = "incomplete_generation_stream"


_LLAMA_PATHS = frozenset(
    {
        "/infill",
        "/completion",
        "/completions",
        "/detokenize",
        "/apply-template",
        "/props",
        "/slots",
        "/lease",
        "/models",
        "/models/load",
        "/models/unload",
    }
)
STREAM_HEADERS: Mapping[str, str] = {
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
_ERROR_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"www-authenticate": "Bearer"},
    429: {"retry-after": "1"},
}
_OPENAI_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    424: "server_error",
    429: "overloaded_error",
    500: "server_error",
    503: "unavailable_error",
}
