"""Where a model lies on this disk, if it does. Called by whoever reads a user's word for it."""

from __future__ import annotations

from pathlib import Path


def on_disk(place: str) -> Path | None:
    """The folder or file of that name, `~` being a home; None where there is none.

    Nor is there one of a name that no path can have: too long, or in the home of nobody.
    """
    try:
        path = Path(place).expanduser()
        path.stat()
    except (OSError, RuntimeError, ValueError):
        return None
    return path
