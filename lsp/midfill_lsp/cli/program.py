"""How to run another command of this installation. Called by `serve` and `editor`."""

from __future__ import annotations

import sys
from pathlib import Path


def program(script: str, module: str) -> list[str]:
    """Return the start of a command line: the installed script, or the module by its name.

    The script is preferred, because `python -m` looks for modules in the current folder first:
    a project's own `types.py` would stand in for the standard library's.
    """
    suffix = ".exe" if sys.platform == "win32" else ""
    path = Path(sys.executable).with_name(script + suffix)
    return [str(path)] if path.exists() else [sys.executable, "-m", module]
