"""Remote backends for tests: settings that lead to a fake, and a sleep that is only noted."""

from __future__ import annotations

import asyncio
from typing import Any

from midfill_lsp.backend.choose import make_remote
from midfill_lsp.backend.opening import Sleep
from midfill_lsp.backend.remote import RemoteBackend
from midfill_lsp.backend.tokens import EditorTokens
from midfill_lsp.config import BackendConfig, BackendKind
from midfill_lsp.hosts import named_hosts


def remote(
    kind: BackendKind,
    url: str,
    model: str | None = None,
    tokens: EditorTokens | None = None,
    sleep: Sleep = asyncio.sleep,
    **settings: Any,  # noqa: ANN401  # of BackendConfig
) -> RemoteBackend:
    """Return a backend that sends no token unless the settings name one, and only to `url`."""
    given: dict[str, Any] = {"token_source": "none", **settings}
    config = BackendConfig(kind=kind, url=url, model=model, **given)
    backend = make_remote(config, tokens, sleep, named_hosts({}, url))
    assert isinstance(backend, RemoteBackend)
    return backend
