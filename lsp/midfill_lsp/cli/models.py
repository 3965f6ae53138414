"""`midfill models`: the bundled model, and what the engine in use reports."""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, cast

import httpx

from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.find_remote import look
from midfill_lsp.cli.info import fetch_info
from midfill_lsp.config import BackendConfig, EngineConfig
from midfill_lsp.errors import EngineGone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print the models; the engine is started if it does not run."""
    config = engine_options.read_config(options)
    if config.backend.kind != "engine":
        return _run_remote(config.backend, options.json)
    info = asyncio.run(_ask(config.engine))
    if options.json:
        print(json.dumps({"bundled": "starter", "engine": info}, indent=2))
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
    print(f"{info.get('model_id')}    in use: {', '.join(str(fact) for fact in told if fact)}")
    return 0


def _run_remote(config: BackendConfig, as_json: bool) -> int:
    can = asyncio.run(look(config))
    if as_json:
        print(json.dumps({"bundled": "starter", "remote": asdict(can)}, indent=2))
        return 0
    print(f"{can.model or config.kind}    in use: {can.summary()}")
    return 0


async def _ask(config: EngineConfig) -> dict[str, Any]:
    engine = engine_options.make_engine(config)
    async with aclosing(engine):
        endpoint = await engine.endpoint()
        try:
            return await fetch_info(endpoint.url)
        except (httpx.HTTPError, ValueError) as error:
            raise EngineGone(f"{endpoint.url} does not answer on /info: {error}") from error
