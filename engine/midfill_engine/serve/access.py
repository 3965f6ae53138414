"""Who may talk to the engine: `Host`, `Origin` and the key, checked before any route.

Plain ASGI, so that streams pass unbuffered. A web page cannot get in: its requests carry an
`Origin`, and behind DNS rebinding they carry a `Host` that is not ours.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from midfill_engine.errors import Forbidden, RequestError, Unauthorized
from midfill_engine.serve.replies import error_reply

OPEN_PATHS = frozenset(
    {
        "/",
        "/health",
        "/v1/health",
        "/ping",
        "/info",
        "/metrics",
        "/models",
        "/v1/models",
        "/openapi.json",
        "/proof",
    }
)


class HostCheck:
    """Refuses requests whose `Host` or `Origin` names somebody else."""

    def __init__(self, app: ASGIApp, *, host: str, allow_origins: Sequence[str] = ()) -> None:
        """Guard an app that was bound to `host`."""
        self._app = app
        self._host = host.lower()
        self._allow_origins = frozenset(allow_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        error = self._refusal(headers.getlist("host"), headers.getlist("origin"))
        if error is None:
            await self._app(scope, receive, send)
        else:
            await error_reply(error, scope["path"])(scope, receive, send)

    def _refusal(self, hosts: Sequence[str], origins: Sequence[str]) -> RequestError | None:
        if len(hosts) != 1 or not self._is_ours(_name_of(hosts[0])):
            return Forbidden(
                "the Host header names another host: use the address that the engine printed"
            )
        for origin in origins:
            if origin == "null":
                return Forbidden(
                    "a page that was opened from a file, or in a sandboxed frame, has no origin "
                    "that could be let in: serve it over http://localhost, and --allow-origin that"
                )
            if origin not in self._allow_origins:
                return Forbidden(
                    f"web pages of {origin[:200]!r} may not use this engine: --allow-origin lets "
                    "those of an origin in"
                )
        return None

    def _is_ours(self, name: str) -> bool:
        if name in (self._host, "localhost") or is_loopback(name):
            return True
        if self._host not in ("0.0.0.0", "::"):
            return False
        # Bound to every address: a literal address cannot be rebound, a foreign name can.
        return _is_address(name) or name == socket.gethostname().lower()


class KeyCheck:
    """Refuses requests without the key, on every route but those that only tell of the engine."""

    def __init__(self, app: ASGIApp, *, api_key: str | None) -> None:
        """Guard an app; None lets everybody in."""
        self._app = app
        self._expected = None if api_key is None else api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        error = Unauthorized(
            "the API key is missing or wrong: send it as `Authorization: Bearer KEY`"
        )
        await error_reply(error, scope["path"])(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if self._expected is None:
            return True
        if scope["path"] in OPEN_PATHS and scope["method"] in ("GET", "HEAD"):
            return True
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        given = key.strip().encode("latin-1", "replace")
        return scheme.lower() == "bearer" and hmac.compare_digest(given, self._expected)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only, by name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def exposure(host: str) -> str | None:
    """What to warn of where an engine is bound to `host`; None on this machine only."""
    if is_loopback(host):
        return None
    return (
        f"on {host} the key and your code travel unencrypted, as plain HTTP: let other machines "
        "come through an SSH tunnel or a proxy with TLS"
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name_of(host: str) -> str:
    """The host of a `Host` header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
