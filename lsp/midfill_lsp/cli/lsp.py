"""`midfill lsp`: the language server on stdin and stdout."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from midfill_lsp.cli import options as engine_options

if TYPE_CHECKING:
    from midfill_lsp.backend.base import Backend
    from midfill_lsp.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    engine_options.add_engine_options(parser)
    parser.add_argument("--stdio", action="store_true", help="the only way; editors may say it")
    parser.add_argument(
        "--no-early-start",
        action="store_true",
        help="start the engine only after the editor has sent its settings",
    )


def run(options: argparse.Namespace) -> int:
    """Serve one editor, and return the exit status."""
    sources = engine_options.read_sources(options)
    config = sources.own()
    if not options.no_early_start and config.backend.kind == "engine":
        from midfill_lsp.engine_process import start

        # Before the server's modules are imported: both take a second, and overlap.
        start.start_early(config.engine)
    # httpx brings its own command line along where rich and click are installed, which takes
    # 80 ms and 6 MB (docs/log.md, 2026-11-26); so it finds none.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from midfill_lsp import server
    from midfill_lsp.backend.tokens import EditorTokens

    tokens = EditorTokens()

    def make_backend(config: Config) -> Backend:
        return engine_options.make_backend(config, tokens, own=sources.own())

    return server.run(make_backend, sources, tokens)
