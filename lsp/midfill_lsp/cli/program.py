"""How to run a command of this installation. Called by `serve`, `editor` and for `doctor`."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from midfill_lsp.programs import find_program


def program(script: str, module: str) -> list[str]:
    """Return the start of a command line: the installed script, or the module by its name.

    The script is preferred, because `python -m` looks for modules in the current folder first:
    a project's own `types.py` would stand in for the standard library's.
    """
    path = _installed(script + (".exe" if sys.platform == "win32" else ""))
    return [str(path)] if path else [sys.executable, "-m", module]


def language_server() -> list[str]:
    """Return the command line by which an editor starts the language server.

    `midfill` is named where PATH leads to it, else by its absolute path.
    """
    start = ["midfill"] if find_program("midfill") else program("midfill", "midfill_lsp.cli")
    return [*start, "lsp"]


def _installed(name: str) -> Path | None:
    """Return where a script is: beside the interpreter, or where else pip has put it."""
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return beside
    installations = metadata.distributions(name="midfill")
    files = (file for each in installations for file in each.files or () if file.name == name)
    paths = (Path(os.path.normpath(str(file.locate()))) for file in files)
    return next((path for path in paths if path.exists()), None)
