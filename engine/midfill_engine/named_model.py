"""What stands behind `--model`: a place, or a name and a place. Called by `cli`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from midfill_engine.place import on_disk


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
        folder = on_disk(text)
        if not equals or (folder is not None and folder.is_dir()):
            return cls(text)
        if not _NAME.fullmatch(name) or not source:
            raise ValueError(
                f"{text!r} is neither a place nor NAME=PLACE: names are letters, digits, ._-/"
            )
        return cls(source, name)


_NAME = re.compile(r"\w[\w.-]*(?:/[\w.-]+)*", re.ASCII)
