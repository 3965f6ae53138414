"""What a remote server can do, and whether it lets us in. For `doctor` and `models`."""

from __future__ import annotations

import os
from contextlib import aclosing

from midfill_lsp.backend.base import Capabilities
from midfill_lsp.backend.choose import Misconfigured, make_remote
from midfill_lsp.backend.tokens import TokenSource
from midfill_lsp.cli.finding import Finding
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import BackendError, CannotDo
from midfill_lsp.hosts import named_hosts

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


async def find_remote(config: BackendConfig) -> list[Finding]:
    """Return findings about the server, what was found it can do, its token and the proxy.

    Costs the server one to three tokens.
    """
    named = named_hosts(os.environ, config.url)
    backend = make_remote(config, named=named)
    if isinstance(backend, Misconfigured):
        return [Finding("backend", "broken", backend.reason, "see docs/configuration.md")]
    async with aclosing(backend):
        url = str(backend.describe()["url"])
        try:
            token = await TokenSource(config, named=named).get(url)
            can = await backend.find_out()
        except BackendError as error:
            return [Finding("backend", "broken", str(error)), *_proxy()]
        name = backend.name
    sent = f"token of {token.origin}" if token else "no token sent"
    return [Finding("backend", "ok", f"{name}; {sent}"), *_describe(can), *_proxy()]


async def look(config: BackendConfig) -> Capabilities:
    """Return what the server can do.

    Raises:
        BackendError: it does not say.
    """
    backend = make_remote(config, named=named_hosts(os.environ, config.url))
    if isinstance(backend, Misconfigured):
        raise CannotDo(backend.reason)
    async with aclosing(backend):
        return await backend.find_out()


def _describe(can: Capabilities) -> list[Finding]:
    infill = Finding("infill", "ok", can.summary())
    if can.infill == "prefix":
        remedy = "choose a model that was trained to infill, or set midfill.backend.fimFamily"
        infill = Finding("infill", "missing", can.summary(), remedy)
    if can.chat is not None:
        return [infill, Finding("chat", "ok", f"by {can.chat}")]
    remedy = "choose a model that chats, or set midfill.backend.chatFormat"
    return [infill, Finding("chat", "missing", "this model or server cannot chat", remedy)]


def _proxy() -> list[Finding]:
    names = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    return [Finding("proxy", "ok", f"set by {', '.join(names)}")] if names else []
