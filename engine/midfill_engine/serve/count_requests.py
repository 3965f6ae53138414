"""Counts requests and how they ended, for `/metrics`. Plain ASGI, behind the access checks."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from midfill_engine.metrics import RequestMetrics

_CAUSE = "midfill.cause"
"""Key in a request's ASGI scope: why it failed."""
_UNCOUNTED = frozenset({"/models/load", "/models/unload"})
_TGI_NAMES = {
    "incomplete_generation": "incomplete",
    "incomplete_generation_stream": "incomplete",
    "template_error": "template",
}


def note_cause(scope: Scope, error_type: str) -> None:
    """A request could not be answered; the first cause counts."""
    scope.setdefault(_CAUSE, _TGI_NAMES.get(error_type, error_type))


def note_departure(scope: Scope) -> None:
    """A request's client has gone before its reply was complete."""
    scope.setdefault(_CAUSE, "dropped")


class CountRequests:
    """Every POST for text is counted once, as a success or by the cause of its failure."""

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics) -> None:
        """Wrap an app whose handlers use `note_cause`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        self._metrics.received += 1
        complete = False

        async def watch(message: Message) -> None:
            nonlocal complete
            await send(message)
            complete = complete or _is_last(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:  # a bug: answered with 500 further out
            note_cause(scope, "incomplete_generation")
            raise
        finally:
            cause = scope.get(_CAUSE) or (None if complete else "dropped")
            if cause is None:
                self._metrics.succeeded += 1
                self._metrics.total_s.note(time.perf_counter() - began)
            else:
                self._metrics.failed[cause] += 1


def _is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)
