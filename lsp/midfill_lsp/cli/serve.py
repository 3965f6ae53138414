"""`midfill serve ...` hands over to `midfill-engine serve ...`, which is another program.

`models` hands `pull` over in the same way.
"""

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
    return hand_over("serve", [])


def hand_over(name: str, arguments: Sequence[str]) -> int:
    """Become the engine's command (on Windows: run it), and return its exit status.

    Raises:
        EngineStartError: the engine is not installed.
    """
    argv = command(name, arguments)
    if sys.platform == "win32":
        return subprocess.call(argv)
    print(end="", flush=True)
    os.execv(argv[0], argv)


def command(name: str, arguments: Sequence[str], own: Sequence[str] | None = None) -> list[str]:
    """Return the command line of one of the engine's commands.

    Args:
        name: of the command.
        arguments: behind it.
        own: the program that `engine.command` names; None takes this installation's.

    Raises:
        EngineStartError: the engine is not installed.
    """
    if own:
        return [*own, name, *arguments]
    if missing := missing_modules():
        raise EngineStartError(
            f"the engine is not installed (no {', '.join(missing)}): "
            'run pip install "midfill[engine]"'
        )
    return [*program("midfill-engine", "midfill_engine.cli"), name, *arguments]
