"""Where another program is: in the folders of PATH, and never in the current one.

An editor often starts the language server in the project that is open, and on Windows
`shutil.which` looks there first: a repository could bring a `git.exe` of its own.
"""

from __future__ import annotations

import os
import sys


def find_program(name: str) -> str | None:
    """Return a program's absolute path, None where PATH leads to none."""
    suffixes = [""]
    if sys.platform == "win32":
        suffixes = os.environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(os.pathsep)
    for folder in os.get_exec_path():
        if not os.path.isabs(folder):
            continue
        for suffix in suffixes:
            path = os.path.join(folder, name + suffix)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return None
