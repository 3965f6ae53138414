"""`midfill serve ...`: hands over to `midfill-engine serve ...`, which is another program."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from midfill_lsp.cli.program import program
from midfill_lsp.engine_process.command import missing_modules
from midfill_lsp.errors import EngineStartError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the engine reads its own options."""


def run(options: argparse.Namespace) -> int:
    """Hand over without arguments."""
    return hand_over([])


def hand_over(arguments: Sequence[str]) -> int:
    """Become the engine (on Windows: run it), and return its exit status.

    Raises:
        EngineStartError: the engine is not installed.
    """
    if missing := missing_modules():
        raise EngineStartError(
            f"the engine is not installed (no {', '.join(missing)}): "
            'run pip install "midfill[engine]"'
        )
    argv = [*program("midfill-engine", "midfill_engine.cli"), "serve", *arguments]
    if sys.platform == "win32":
        return subprocess.call(argv)
    sys.stdout.flush()
    os.execv(argv[0], argv)
