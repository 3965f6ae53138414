"""What holds for every test: none reads the settings of whoever runs them, or writes beside his."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_FOLDERS: list[Path] = []


def pytest_configure() -> None:
    """Give the session a state folder of its own, and settings that do not exist."""
    folder = Path(tempfile.mkdtemp(prefix="midfill-tests-"))
    _FOLDERS.append(folder)
    os.environ["MIDFILL_CONFIG_DIR"] = str(folder / "no-settings")
    os.environ["MIDFILL_STATE_DIR"] = str(folder / "state")


def pytest_unconfigure() -> None:
    """Remove the session's folder."""
    while _FOLDERS:
        shutil.rmtree(_FOLDERS.pop(), ignore_errors=True)
