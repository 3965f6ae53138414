"""The demo's sample files, each with one caret; written for this project."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from midfill_lsp.cli.text import Caret, caret_at

# Not a character of any program. The files end in .txt, so that no tool takes them for code.
_CARET = "‸"
_NAMES = ("settings.py", "inventory.py", "reader.py", "checks.py")


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, the caret in it, and how many code points stand before that."""

    name: str
    text: str
    caret: Caret
    offset: int


def load() -> list[Sample]:
    """Return all samples, in the order in which they are shown."""
    folder = resources.files(__name__)
    return [_parse(name, (folder / f"{name}.txt").read_text(encoding="utf-8")) for name in _NAMES]


def _parse(name: str, marked: str) -> Sample:
    before, _, after = marked.partition(_CARET)
    text = before + after
    return Sample(name, text, caret_at(text, len(before)), len(before))
