"""Does an engine answer, or can one be started; on what does it run. For `doctor`."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import Any, cast

import httpx

from midfill_lsp.backend.base import Backend, InfillRequest
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.cli.finding import Finding
from midfill_lsp.cli.info import fetch_info
from midfill_lsp.cli.options import make_engine
from midfill_lsp.config import EngineConfig
from midfill_lsp.engine_process import start
from midfill_lsp.errors import BackendError, EngineStartError


async def find_engine(config: EngineConfig) -> list[Finding]:
    """Return findings about the engine, its model and device, after one completion by it.

    The engine is started if none runs; it ends by itself soon after.
    """
    state = "running"
    try:
        if config.url is None and start.find(config) is None:
            state = "can be started"
        async with aclosing(InfillBackend(make_engine(config))) as backend:
            await backend.start()
            facts = backend.describe()
            url, note = str(facts["url"]), facts["note"]
            info = await fetch_info(url)
            first_ms = await _try(backend)
    except BackendError as error:
        told_remedy = isinstance(error, EngineStartError)
        return [Finding("engine", "broken", str(error), None if told_remedy else _remedy(config))]
    except (httpx.HTTPError, ValueError) as error:
        found = f"{config.url or 'the engine'} does not answer on /info: {error}"
        return [Finding("engine", "broken", found, _remedy(config))]
    found = f"{state}; answered in {first_ms:.0f} ms ({url})"
    version = [Finding("engine version", "missing", str(note), "close the others")] if note else []
    return [Finding("engine", "ok", found), *version, *_describe(info)]


async def _try(backend: Backend) -> float:
    """Ask for one token, which needs the key and the model, and return the milliseconds."""
    started = time.perf_counter()
    async with aclosing(backend.infill(InfillRequest("def main(", "\n", "doctor", 1))) as stream:
        async for _ in stream:
            pass
    return (time.perf_counter() - started) * 1000


def _describe(info: dict[str, Any]) -> list[Finding]:
    facts = cast("dict[str, Any]", info.get("midfill") or {})
    infill = cast("dict[str, Any] | None", facts.get("infill"))
    model = f"{info.get('model_id')} ({facts.get('architecture')}, {facts.get('dtype')})"
    fill = (
        Finding("infill", "ok", f"family {infill.get('family')}")
        if infill
        else Finding(
            "infill",
            "broken",
            "the model has no infill tokens",
            "use a model that was trained to fill in the middle, such as starter",
        )
    )
    return [
        Finding("model", "ok", model),
        fill,
        Finding("device", "ok", str(facts.get("device"))),
        Finding("attention", "ok", str(facts.get("attention"))),
    ]


def _remedy(config: EngineConfig) -> str:
    if config.url is not None:
        return "start it with midfill serve, and check its URL and key"
    return "run midfill serve in a terminal to see all that the engine says"
