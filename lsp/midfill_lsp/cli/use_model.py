"""`midfill models use ID`: another model, without dropping a request. Called by `models`.

The user's own engine: one with the new model is started beside the old one. Once it answers, the
choice is written to the user's file; the language servers that run see that and change to it, and
the old engine ends with the last of them. A model that cannot be loaded is never written.

An engine that somebody runs at a URL: the new model is loaded beside the old ones and made the
default; the old default then takes no new request and ends with the last that runs on it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx

from midfill_lsp.backend.engine_model import Address
from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.info import fetch_info
from midfill_lsp.config import EngineConfig
from midfill_lsp.errors import EngineGone, MidfillError
from midfill_lsp.settings import edit
from midfill_lsp.settings.files import user_file

_LOAD_TIMEOUT_S = 3600.0
"""A model of 13 GB is read in minutes; one that the engine must fetch first takes longer."""


class ModelRefused(MidfillError):
    """The engine would not change its models; the text is the engine's own."""


async def use(config: EngineConfig, source: str, tell: Callable[[str], None]) -> None:
    """Make `source` the model of the engine in use.

    Args:
        config: which engine.
        source: a folder, a Hub id or `starter`.
        tell: called with a line at every stage.

    Raises:
        ModelRefused: the engine at a URL refused, and said why.
        EngineStartError: an engine with this model cannot be started.
        EngineGone: it does not answer.
        ConfigError: the choice cannot be written.
    """
    if config.url is None:
        await _use_own(config, source, tell)
        return
    engine = engine_options.make_engine(config)
    async with aclosing(engine):
        endpoint = await engine.endpoint()
        try:
            await _change(endpoint, source, tell)
        except (httpx.HTTPError, ValueError) as error:
            told = str(error) or type(error).__name__
            raise EngineGone(f"{endpoint.url} does not answer: {told}") from error


async def _use_own(config: EngineConfig, source: str, tell: Callable[[str], None]) -> None:
    place = engine_options.whole_model(source)
    engine = engine_options.make_engine(replace(config, model=place))
    async with aclosing(engine):
        tell(f"loading {source}")
        await engine.endpoint()
        file = user_file()
        edit.set_value(file, edit.find_setting("engine.model"), place)
        tell(f"{source} is in use: engine.model in {file}; running editors follow in seconds")


async def _change(endpoint: Address, source: str, tell: Callable[[str], None]) -> None:
    before = str((await fetch_info(endpoint.url)).get("model_id"))
    if before in {source, Path(source).name}:
        tell(f"{before} is in use already")
        return
    tell(f"loading {source} beside {before}")
    place = engine_options.whole_model(source)
    loaded = await _post(endpoint, "load", {"model": place, "default": True})
    tell(f"{loaded['model']} is in use")
    gone = await _post(endpoint, "unload", {"model": before})
    running = int(gone.get("running", 0))
    tell(f"{before} ends" + (f" when its {running} running requests have ended" if running else ""))
    tell("until that engine ends: to keep the model, start it with --model")


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
