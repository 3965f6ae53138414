"""`midfill doctor`: what was found on this machine, and what to do about what was not."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.find_editors import find_editors
from midfill_lsp.cli.find_engine import find_engine
from midfill_lsp.cli.find_installed import find_installed
from midfill_lsp.cli.find_remote import find_remote
from midfill_lsp.cli.find_settings import find_latest, find_settings
from midfill_lsp.cli.finding import Finding
from midfill_lsp.cli.terminal import say

_MARKS = {"ok": "ok", "missing": "--", "broken": "!!"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = "The status is 1 if something is broken: the backend, or a setting."
    parser.add_argument("--json", action="store_true", help="print JSON")
    engine_options.add_workspace_option(parser)
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them is broken."""
    sources = engine_options.read_sources(options)
    try:
        folder = engine_options.workspace_of(options)
    except FileNotFoundError:
        folder = None
    settings = find_settings(sources, folder)
    config = sources.settled().config
    engine, is_remote = config.engine, config.backend.kind != "engine"
    findings = find_installed(
        is_engine_needed=not is_remote and engine.url is None and engine.command is None
    )
    can_look = not any(finding.state == "broken" for finding in findings)
    findings += settings
    if can_look:
        look = find_remote(config.backend) if is_remote else find_engine(engine)
        findings += asyncio.run(look)
    findings += find_latest()
    findings += find_editors()
    is_broken = any(finding.state == "broken" for finding in findings)
    if options.json:
        print(
            json.dumps({"ok": not is_broken, "findings": [asdict(f) for f in findings]}, indent=2)
        )
    else:
        _print(findings)
    return 1 if is_broken else 0


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        say(f"{_MARKS[finding.state]}  {finding.name:{width}}  {finding.found}")
        if finding.remedy is not None:
            say(f"{'':{width + 4}}  > {finding.remedy}")
    print(f"\n{_verdict(findings)}")


def _verdict(findings: Sequence[Finding]) -> str:
    broken = list(dict.fromkeys(f.name for f in findings if f.state == "broken"))
    if broken:
        return f"Broken: {', '.join(broken)}."
    if any(f.name == "midfill" and f.state == "missing" for f in findings):
        return "Completions work, once an editor finds midfill: see its line."
    return "Completions work."
