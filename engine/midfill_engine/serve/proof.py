"""`GET /proof`: the engine shows that it has the key, before a client sends it the key.

A client that knows an engine from a file cannot know who listens at its port by now: where an
engine died without a word, any user of the machine may. Source of the form: docs/protocol.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.errors import NotFound
from midfill_engine.serve.parse import invalid
from midfill_engine.serve.replies import json_reply

_NONCE = re.compile(r"[0-9a-f]{64}")
_PURPOSE = b"midfill proof "  # nothing else that the key may sign some day begins like this
# Everybody may ask, so a key that can be guessed could be guessed here at one's leisure. Those
# that are made by this engine or a language server have 43 characters.
_MIN_KEY_CHARS = 32


class ProofRoute(Route):
    """Signs nonces, and nothing else, with the engine's key; open to everybody."""

    def __init__(self, api_key: str | None) -> None:
        """Of an engine with this key."""
        super().__init__("/proof", self._answer, methods=["GET"])
        self._key = api_key.encode() if api_key and len(api_key) >= _MIN_KEY_CHARS else None

    async def _answer(self, request: Request) -> Response:
        if self._key is None:
            raise NotFound(f"this engine has no key of {_MIN_KEY_CHARS} characters to prove")
        nonce = request.query_params.get("nonce", "")
        if not _NONCE.fullmatch(nonce):
            raise invalid("`nonce` must be 64 hexadecimal digits, a to f in lower case")
        proof = hmac.new(self._key, _PURPOSE + nonce.encode(), hashlib.sha256).hexdigest()
        return json_reply({"proof": proof})
