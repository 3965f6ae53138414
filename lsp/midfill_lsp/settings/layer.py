"""One source of settings. Made by `files`, `server` and `cli`, read by `settle`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from midfill_lsp.config import wire_name


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings that came together.

    Attributes:
        name: what people call the source.
        values: the tree as JSON or TOML gives it.
        path: the file it was read from, None for what is no file.
        lines: in which line of the file a key stands, by its parts with dots between, as written.
        is_workspace: it comes with the code that is open, so that anybody may have written it.
    """

    name: str
    values: Mapping[str, object]
    path: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    is_workspace: bool = False

    def spell(self, names: tuple[str, ...]) -> str:
        """Return a setting's name as it is written in this source."""
        if self.path is not None:
            return ".".join(names)
        return "midfill." + ".".join(wire_name(name) for name in names)

    def place(self, keys: tuple[str, ...]) -> str:
        """Return where a key stands, as far as it is known."""
        if self.path is None:
            return self.name
        line = self.lines.get(".".join(keys))
        return f"{self.path}:{line}" if line else f"{self.path}"
