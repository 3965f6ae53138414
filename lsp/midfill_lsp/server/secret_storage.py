"""Tokens from the editor's secret storage: `midfill/token`, asked by the server.

The editor says in the handshake that it answers (`initializationOptions.midfill.tokenRequests`).
The token is neither logged nor kept anywhere but in this process.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pygls.lsp.server import LanguageServer

from midfill_lsp.server.raw import members

logger = logging.getLogger(__name__)

# The editor may have to ask its user, who looks for the token first.
_TIMEOUT_S = 300.0


async def ask_token(server: LanguageServer, url: str) -> str | None:
    """Return the token that the editor keeps for the server at `url`, None if it has none."""
    request: Any = server.protocol.send_request_async("midfill/token", {"url": url})
    try:
        reply = await asyncio.wait_for(request, _TIMEOUT_S)
    except Exception as error:  # it refused, in whatever way it does, or said nothing
        logger.warning("midfill/token failed: %s", type(error).__name__)
        return None
    token = members(reply).get("token")
    return token.strip() or None if isinstance(token, str) else None
