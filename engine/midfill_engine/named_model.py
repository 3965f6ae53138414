"""What stands behind `--model`: a place, or a name and a place. Called by `cli`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A folder, a Hub id or `starter`, and its name here; None takes the place's own."""

    source: str
    name: str | None = None

    @classmethod
    def read(cls, text: str) -> NamedModel:
        """Read `NAME=PLACE` or a place; a folder that is there is one, whatever its name.

        Raises:
            ValueError: it is neither.
        """
        name, equals, source = text.partition("=")
        if not equals or Path(text).expanduser().is_dir():
            return cls(text)
        if not _NAME.fullmatch(name) or not source:
            raise ValueError(
                f"{text!r} is neither a place nor NAME=PLACE: names are letters, digits, ._-/"
            )
        return cls(source, name)


_NAME = re.compile(r"\w[\w.-]*(?:/[\w.-]+)*", re.ASCII)
