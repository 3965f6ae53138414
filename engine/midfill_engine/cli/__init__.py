"""The `midfill-engine` command: serve | info | pull."""

from __future__ import annotations

from midfill_engine.cli.main import main

__all__ = ["main"]
