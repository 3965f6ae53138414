"""`midfill models use ID`: the running engine changes its model without dropping a request.

The new model is loaded beside the old ones and made the default; the old default then takes no new
request and ends with the last that runs on it. Called by `models`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import httpx

from midfill_lsp.backend.infill import Address
from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.info import fetch_info
from midfill_lsp.config import EngineConfig
from midfill_lsp.errors import EngineGone, MidfillError

_LOAD_TIMEOUT_S = 3600.0
"""A model of 13 GB is read in minutes; one that the engine must fetch first takes longer."""


class ModelRefused(MidfillError):
    """The engine would not change its models; the text is the engine's own."""


async def use(config: EngineConfig, source: str, tell: Callable[[str], None]) -> None:
    """Make `source` the model of the engine in use, which is started if it does not run.

    Args:
        config: which engine.
        source: a folder, a Hub id or `starter`.
        tell: called with a line at every stage.

    Raises:
        ModelRefused: the engine refused, and said why.
        EngineGone: it does not answer.
    """
    engine = engine_options.make_engine(config)
    async with aclosing(engine):
        endpoint = await engine.endpoint()
        try:
            await _change(endpoint, source, tell)
        except (httpx.HTTPError, ValueError) as error:
            told = str(error) or type(error).__name__
            raise EngineGone(f"{endpoint.url} does not answer: {told}") from error


async def _change(endpoint: Address, source: str, tell: Callable[[str], None]) -> None:
    before = str((await fetch_info(endpoint.url)).get("model_id"))
    if before in {source, Path(source).name}:
        tell(f"{before} is in use already")
        return
    tell(f"loading {source} beside {before}")
    loaded = await _post(endpoint, "load", {"model": _place(source), "default": True})
    tell(f"{loaded['model']} is in use")
    gone = await _post(endpoint, "unload", {"model": before})
    running = int(gone.get("running", 0))
    tell(f"{before} ends" + (f" when its {running} running requests have ended" if running else ""))


def _place(source: str) -> str:
    """The engine runs in another folder."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.is_dir() else source


async def _post(endpoint: Address, action: str, body: dict[str, object]) -> dict[str, Any]:
    from midfill_lsp.backend.http import make_client

    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    async with make_client(endpoint.url) as client:
        reply = await client.post(
            f"{endpoint.url}/models/{action}", json=body, headers=headers, timeout=_LOAD_TIMEOUT_S
        )
    answer: object = reply.json()
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if reply.status_code != 200:
        raise ModelRefused(_reason(fields) or f"the engine answered {reply.status_code}")
    return fields


def _reason(fields: dict[str, Any]) -> str:
    error: object = fields.get("error")
    if isinstance(error, dict):
        error = cast("dict[str, object]", error).get("message")
    return " ".join(error.split())[:300] if isinstance(error, str) else ""
