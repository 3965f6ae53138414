"""Where the editors under test are; a test without its editor fails and says what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

FOLDER = Path(__file__).parents[2] / ".venv" / "editors"
Editor = Literal["nvim-new", "nvim-old", "emacs"]
_VARIABLES = {
    "nvim-new": "MIDFILL_NVIM",
    "nvim-old": "MIDFILL_NVIM_OLD",
    "emacs": "MIDFILL_EMACS",
}
_WANTED = {"nvim-new": "Neovim 0.12", "nvim-old": "Neovim 0.10", "emacs": "Emacs 29"}


def find(editor: Editor) -> str:
    """Return the program: the one that a variable names, else the one that make fetched."""
    variable = _VARIABLES[editor]
    found = os.environ.get(variable) or str(FOLDER / editor)
    if not os.access(found, os.X_OK):
        pytest.fail(
            f"no {_WANTED[editor]} at {found}: `make .venv/.editors` fetches it on a Debian "
            f"machine with a network; elsewhere name one or later with {variable}"
        )
    return found


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which an editor and Midfill keep what they write in `folder`.

    The engine's compiled kernels stay where they are: compiling them again takes half a minute.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDFILL_")}
    places = {f"XDG_{name}_HOME": str(folder) for name in ("CONFIG", "DATA", "STATE")}
    return {**kept, **places, "MIDFILL_STATE_DIR": str(folder / "midfill")}
