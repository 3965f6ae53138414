"""What holds for every test: none reads the settings of whoever runs them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_NOWHERE = Path(tempfile.gettempdir()) / "midfill-tests-have-no-settings"


def pytest_configure() -> None:
    """Point at a folder that does not exist; a test that wants settings names its own."""
    os.environ["MIDFILL_CONFIG_DIR"] = str(_NOWHERE)
