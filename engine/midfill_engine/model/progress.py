"""How far a model is on its way. Told by `hub` and `checkpoint`, shown by `cli`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["downloading", "loading"]

OnProgress: TypeAlias = Callable[[Stage, float], None]
"""Takes what is done and how much of it is over, 0 to 1; called often, and on any thread."""


def untold(stage: Stage, share: float) -> None:
    """Tells nobody."""
