"""The `midfill` command: one file per subcommand."""

from __future__ import annotations

from midfill_lsp.cli.main import main

__all__ = ["main"]
