"""`midfill models`: the bundled model, what is in use, and the catalogue. Called by `models`."""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, cast

import httpx

from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.catalogue import ANNOUNCED, INFILL, CatalogueModel
from midfill_lsp.cli.find_remote import look
from midfill_lsp.cli.info import fetch_info
from midfill_lsp.cli.terminal import say
from midfill_lsp.config import BackendConfig, EngineConfig
from midfill_lsp.errors import EngineGone


def run(options: argparse.Namespace) -> int:
    """Print the models; the engine is started if it does not run."""
    config = engine_options.read_config(options)
    if config.backend.kind != "engine":
        return _run_remote(config.backend, options.json)
    info = asyncio.run(_ask(config.engine))
    if options.json:
        _print_json({"engine": info})
        return 0
    print("starter    bundled with midfill: small, completes code, needs no download")
    facts = cast("dict[str, Any]", info.get("midfill") or {})
    infill = cast("dict[str, Any]", facts.get("infill") or {})
    told = [
        facts.get("architecture"),
        f"{facts['parameters'] / 1e6:.1f} M parameters" if facts.get("parameters") else None,
        facts.get("dtype"),
        facts.get("device"),
        f"infill: {infill.get('family', 'no')}",
        f"context {info['max_total_tokens']}" if info.get("max_total_tokens") else None,
    ]
    say(f"{info.get('model_id')}    in use: {', '.join(str(fact) for fact in told if fact)}")
    _print_catalogue()
    return 0


def _run_remote(config: BackendConfig, as_json: bool) -> int:
    can = asyncio.run(look(config))
    if as_json:
        _print_json({"remote": asdict(can)})
        return 0
    say(f"{can.model or config.kind}    in use: {can.summary()}")
    _print_catalogue()
    return 0


def _print_json(in_use: dict[str, object]) -> None:
    lists = {"announced": ANNOUNCED, "infill": INFILL}
    told = {name: [_facts(model) for model in models] for name, models in lists.items()}
    print(json.dumps({"bundled": "starter", **in_use, **told}, indent=2))


def _facts(model: CatalogueModel) -> dict[str, object]:
    facts = asdict(model)
    return {**facts, **facts.pop("size"), "gigabytes": model.gigabytes}


def _print_catalogue() -> None:
    width = max(len(model.model_id) for model in (*ANNOUNCED, *INFILL))
    print("\nmade for infill (midfill models recommend looks at this machine):")
    for model in INFILL:
        print(_line(model, width))
    print("\nthe text models of the PRO API's announcement:")
    for model in ANNOUNCED:
        print(_line(model, width))


def _line(model: CatalogueModel, width: int) -> str:
    """Id, use, context, size, licence."""
    terms = f"{model.licence}, its terms must be accepted" if model.gated else model.licence
    return (
        f"{model.model_id:{width}}  {model.use:9}  context {model.context:>6,}  "
        f"{model.size.parameters:>4} B  {model.gigabytes:>5.1f} GB  {terms}"
    )


async def _ask(config: EngineConfig) -> dict[str, Any]:
    engine = engine_options.make_engine(config)
    async with aclosing(engine):
        endpoint = await engine.endpoint()
        try:
            return await fetch_info(endpoint.url)
        except (httpx.HTTPError, ValueError) as error:
            raise EngineGone(f"{endpoint.url} does not answer on /info: {error}") from error
