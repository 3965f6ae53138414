"""The ASGI app: routes, access checks, and errors as JSON. Built by `server`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.errors import (
    EngineDied,
    IncompleteGeneration,
    MethodNotAllowed,
    NotFound,
    RequestError,
    Unavailable,
)
from midfill_engine.serve.access import HostCheck, KeyCheck
from midfill_engine.serve.admin import ModelAdmin
from midfill_engine.serve.chat import ChatRoutes
from midfill_engine.serve.count_requests import CountRequests, note_cause, note_departure
from midfill_engine.serve.generation import ClientGone
from midfill_engine.serve.info import InfoRoutes
from midfill_engine.serve.invocations import InvocationsRoute
from midfill_engine.serve.lease import Leases
from midfill_engine.serve.llama import LlamaRoutes
from midfill_engine.serve.llama_info import LlamaInfoRoutes
from midfill_engine.serve.llama_tokens import LlamaTokenRoutes
from midfill_engine.serve.metrics_route import MetricsRoute
from midfill_engine.serve.models import ModelRoutes
from midfill_engine.serve.openai import OpenAIRoutes
from midfill_engine.serve.openapi import OpenApiRoute
from midfill_engine.serve.proof import ProofRoute
from midfill_engine.serve.registry import HoldModels, Models
from midfill_engine.serve.replies import error_reply, internal_error
from midfill_engine.serve.tgi import TgiRoutes
from midfill_engine.serve.tgi_tokenize import TokenizeRoute

logger = logging.getLogger(__name__)


def build_app(
    models: Models,
    *,
    host: str,
    api_key: str | None,
    allow_origins: Sequence[str] = (),
    leases: Leases | None = None,
    admin: ModelAdmin | None = None,
) -> Starlette:
    """The app of one engine.

    Args:
        models: what it serves.
        host: what the socket was bound to.
        api_key: None serves everybody.
        allow_origins: origins of web pages that may call.
        leases: None counts leases and never ends.
        admin: loads and unloads models; None leaves them as they are.
    """
    kept = leases or Leases(models.live)
    middleware = [Middleware(HostCheck, host=host, allow_origins=tuple(allow_origins))]
    if allow_origins:
        middleware.append(_cors(allow_origins))
    middleware.append(Middleware(KeyCheck, api_key=api_key))
    middleware.append(Middleware(CountRequests, metrics=models.metrics))
    middleware.append(Middleware(HoldModels, models=models))
    app = Starlette(
        routes=[
            *InfoRoutes(models).routes(),
            *MetricsRoute(models).routes(),
            *([] if admin is None else admin.routes()),
            *ModelRoutes(models).routes(),
            *LlamaRoutes(models).routes(),
            *LlamaInfoRoutes(models).routes(),
            *LlamaTokenRoutes(models).routes(),
            *OpenAIRoutes(models).routes(),
            Route("/lease", kept.route, methods=["GET"]),
            ProofRoute(api_key),
            *ChatRoutes(models).routes(),
            OpenApiRoute(),
            *TgiRoutes(models).routes(),
            *TokenizeRoute(models).routes(),
            *InvocationsRoute(models).routes(),
        ],
        middleware=middleware,
        exception_handlers=dict.fromkeys(_REFUSALS, _on_refusal)
        | dict.fromkeys(_DEPARTURES, _on_client_gone)
        | {Exception: _on_bug},
        lifespan=lambda app: _lifespan(kept),
    )
    app.router.redirect_slashes = False
    return app


_REFUSALS: tuple[type[Exception], ...] = (RequestError, EngineDied, HTTPException)
_DEPARTURES: tuple[type[Exception], ...] = (ClientGone, ClientDisconnect)


@asynccontextmanager
async def _lifespan(leases: Leases) -> AsyncGenerator[None]:
    leases.start()
    try:
        yield
    finally:
        leases.stop()


def _cors(allow_origins: Sequence[str]) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=list(allow_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],  # client libraries send their own, such as x-stainless-*
    )


async def _on_refusal(request: Request, error: Exception) -> Response:
    refusal = _as_request_error(request, error)
    note_cause(request.scope, refusal.error_type)
    logger.info("refused %s %a: %d", request.method, request.url.path[:100], refusal.status)
    reply = error_reply(refusal, request.url.path)
    if isinstance(error, HTTPException) and error.headers:
        reply.headers.update(error.headers)
    return reply


def _as_request_error(request: Request, error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, EngineDied):
        return Unavailable(str(error))
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path[:100]
    if status == 404:
        return NotFound(f"no route {path}: see docs/protocol.md for those that exist")
    if status == 405:
        return MethodNotAllowed(f"{request.method} is not allowed on {path}")
    return IncompleteGeneration(f"the request could not be answered ({status})")


async def _on_client_gone(request: Request, error: Exception) -> Response:
    """Nobody reads this reply."""
    del error
    note_departure(request.scope)
    return Response(status_code=499)


async def _on_bug(request: Request, error: Exception) -> Response:
    """Starlette raises the error again afterwards, so the server's log has the traceback."""
    del error
    return error_reply(internal_error(), request.url.path)
