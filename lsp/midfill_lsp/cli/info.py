"""An engine's `GET /info`. Called by `models` and `doctor`."""

from __future__ import annotations

from typing import Any, cast

_TIMEOUT_S = 5.0


async def fetch_info(url: str) -> dict[str, Any]:
    """Return what the engine at `url` says of itself; no key is needed.

    Raises:
        httpx.HTTPError: nobody answers, or with an error.
        ValueError: the answer is no JSON object.
    """
    from midfill_lsp.backend.http import make_client

    async with make_client(url) as client:
        response = await client.get(f"{url}/info", timeout=_TIMEOUT_S)
        response.raise_for_status()
        facts = response.json()
    if not isinstance(facts, dict):
        raise ValueError("no JSON object")
    return cast("dict[str, Any]", facts)
